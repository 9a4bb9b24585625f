//! A socket under [`rtmp::client::Session`]: dials, follows redirects, carries bytes both ways.

use anyhow::{Context, bail};
use bytes::BytesMut;
use rtmp::{
    Url,
    client::{Config, Event, Purpose, Session},
};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time,
};
use tokio_rustls::{TlsConnector, rustls};

/// How long a server may take to let us in: a dead address answers nothing for minutes. Longer than an
/// edge waits for a stream that is not there yet.
const OPEN_MAX: Duration = Duration::from_secs(20);

/// How long goodbye may take; the server knows that we are gone by the socket's end as well.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Servers that send us in a circle are left after so many steps.
const REDIRECTS_MAX: usize = 5;

/// What is read from the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// A byte stream to a server, plain or TLS.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// A dialogue with a server that has let us publish or play.
pub(crate) struct Connection {
    socket: Box<dyn Socket>,
    session: Session,
    input: BytesMut,
}

impl Connection {
    /// Dials `url` and asks to publish or play, wherever redirects lead.
    ///
    /// # Errors
    /// If no server can be reached, or none lets us.
    pub(crate) async fn open(url: &Url, purpose: Purpose) -> anyhow::Result<Self> {
        let opening = time::timeout(OPEN_MAX, Self::open_patiently(url, purpose)).await;
        opening
            .unwrap_or_else(|_| bail!("no answer in {} s", OPEN_MAX.as_secs()))
            .with_context(|| match purpose {
                Purpose::Publish => format!("cannot publish to {url}"),
                Purpose::Play => format!("cannot play {url}"),
            })
    }

    async fn open_patiently(url: &Url, purpose: Purpose) -> anyhow::Result<Self> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let mut connection = Self::dial(&url, purpose).await?;
            match connection.until_let_in().await? {
                None => return Ok(connection),
                Some(elsewhere) => url = elsewhere,
            }
        }
        bail!("sent elsewhere more than {REDIRECTS_MAX} times, the last time to {url}")
    }

    async fn dial(url: &Url, purpose: Purpose) -> anyhow::Result<Self> {
        let address = url.authority();
        let tcp = TcpStream::connect(&address).await;
        let tcp = tcp.with_context(|| format!("cannot connect to {address}"))?;
        tcp.set_nodelay(true)?;
        let socket: Box<dyn Socket> = match url.tls {
            true => Box::new(secure(tcp, &url.host).await?),
            false => Box::new(tcp),
        };
        let random = std::array::from_fn(|_| fastrand::u8(..));
        let session = Session::new(url, purpose, Config::default(), random);
        Ok(Self {
            socket,
            session,
            input: BytesMut::with_capacity(READ_BYTES),
        })
    }

    /// `None` once we are in; else where to go instead.
    async fn until_let_in(&mut self) -> anyhow::Result<Option<Url>> {
        loop {
            match self.next().await? {
                Some(Event::Publishing | Event::Playing) => return Ok(None),
                Some(Event::Redirect(url)) => return Ok(Some(url)),
                Some(Event::Ended(status)) => bail!("{status}"),
                Some(_) => {}
                None => bail!("the server closed the connection"),
            }
        }
    }

    /// What the server does next; `None` when it has closed the connection. Sends what is to be sent
    /// before it waits. Cancel-safe.
    ///
    /// # Errors
    /// If the connection breaks, or the server breaks the protocol.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(event) = self.session.poll() {
                return Ok(Some(event));
            }
            if self.session.is_ended() {
                return Ok(None);
            }
            self.flush().await?;
            if self.socket.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
            let read = self.session.input(&self.input);
            self.input.clear();
            if let Err(error) = read {
                // Best effort: the server may want to know why, but we are done with it.
                let _ = self.flush().await;
                return Err(error.into());
            }
        }
    }

    /// Hands media to the session; [`flush`](Self::flush) sends them.
    pub(crate) fn send(&mut self, kind: media::Kind, timestamp: u32, body: &[u8]) -> bool {
        self.session.send(kind, timestamp, body)
    }

    /// Sends all that is to be sent. Cancel-safe.
    ///
    /// # Errors
    /// If the connection breaks.
    pub(crate) async fn flush(&mut self) -> anyhow::Result<()> {
        while !self.session.output().is_empty() {
            self.socket.write_buf(self.session.output()).await?;
        }
        Ok(self.socket.flush().await?)
    }

    /// Says goodbye, for a little while.
    pub(crate) async fn close(mut self) {
        self.session.close();
        let goodbye = async {
            self.flush().await?;
            self.socket.shutdown().await?;
            anyhow::Ok(())
        };
        let _ = time::timeout(CLOSE_MAX, goodbye).await;
    }
}

async fn secure(tcp: TcpStream, host: &str) -> anyhow::Result<impl Socket + use<>> {
    let native = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        bail!("this machine has no CA certificates (SSL_CERT_FILE names others)");
    }
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from(host.to_owned())?;
    let connector = TlsConnector::from(Arc::new(config));
    boxed(connector.connect(name, tcp))
        .await
        .with_context(|| format!("no TLS with {host}"))
}

/// A TLS handshake is a large future; it need not make every caller's as large.
fn boxed<F: Future>(future: F) -> std::pin::Pin<Box<F>> {
    Box::pin(future)
}

#[cfg(test)]
pub(crate) mod tests;
