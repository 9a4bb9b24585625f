//! A connection to the nodes' port before anybody knows whose it is: bounded in number and patience.
//!
//! tonic waits for ever for a client's first words, and its probes begin only behind them. So the
//! socket itself fails where the opening is late; from then on the probes find who does not answer.
//! TLS, where there is some, has been agreed on before, in as much time.

use super::tls::Certificates;
use crate::limits::{GUESTS_MAX, OPENING_PATIENCE};
use rustls::pki_types::CertificateDer;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::{Sleep, sleep, timeout},
};
use tonic::transport::server::Connected;

/// What every client says first: HTTP/2's preface, and the head of its settings (RFC 9113, 3.4).
const OPENING_BYTES: usize = 24 + 9;

/// How long the listener rests when the operating system gives no more sockets.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// One line a second about connections that could not be taken, however many are.
static REFUSALS: service::Throttle = service::Throttle::new(Duration::from_secs(1));

/// Hands guests to `guests` until nobody takes them; runs until it is dropped. With `certificates`
/// they come by TLS, and each is agreed with on the side, so that a slow one keeps nobody waiting.
pub(super) async fn admit(
    listener: TcpListener,
    certificates: Option<Certificates>,
    guests: mpsc::Sender<io::Result<Guest>>,
) {
    let room = Arc::new(Semaphore::new(GUESTS_MAX));
    let mut handshakes = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = handshakes.join_next() => continue,
            () = guests.closed() => return,
        };
        let (socket, peer, place) = match accepted {
            Ok((socket, peer)) => match Arc::clone(&room).try_acquire_owned() {
                Ok(place) => (socket, peer, place),
                Err(_) => {
                    say_refused(&format!("{GUESTS_MAX} are open already"), Some(peer));
                    continue;
                }
            },
            Err(error) => {
                say_refused(&error, None);
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        // A socket that is gone already says so when it is read.
        let _gone = socket.set_nodelay(true);
        let caller = Caller {
            peer,
            certificate: None,
        };
        let Some(certificates) = &certificates else {
            let guest = Guest::new(Box::new(socket), caller, place, OPENING_PATIENCE);
            // Nobody takes guests any more: seen above.
            let _closed = guests.send(Ok(guest)).await;
            continue;
        };
        let (acceptor, guests) = (certificates.acceptor(), guests.clone());
        handshakes.spawn(async move {
            match timeout(OPENING_PATIENCE, acceptor.accept(socket)).await {
                Ok(Ok(socket)) => {
                    let shown = socket.get_ref().1.peer_certificates();
                    let certificate = shown.and_then(<[_]>::first).cloned();
                    let certificate = certificate.map(CertificateDer::into_owned);
                    let caller = Caller {
                        certificate,
                        ..caller
                    };
                    let guest = Guest::new(Box::new(socket), caller, place, OPENING_PATIENCE);
                    let _closed = guests.send(Ok(guest)).await;
                }
                Ok(Err(error)) => say_refused(&format!("no TLS: {error}"), Some(peer)),
                Err(_) => say_refused(&"no TLS in time", Some(peer)),
            }
        });
    }
}

fn say_refused(why: &dyn std::fmt::Display, peer: Option<SocketAddr>) {
    if let Some(unsaid) = REFUSALS.permit(Instant::now()) {
        let peer = peer.map(tracing::field::display);
        tracing::warn!(peer, reason = %why, unsaid, "a connection to the nodes' port was refused");
    }
}

/// Whose connection it is, as far as its socket tells.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// Its address.
    pub(super) peer: SocketAddr,
    /// What it showed, signed by an authority of ours.
    pub(super) certificate: Option<CertificateDer<'static>>,
}

/// Bytes both ways, plain or by TLS.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

/// A socket that must begin to speak in time.
pub(super) struct Guest {
    socket: Box<dyn Socket>,
    caller: Caller,
    opening: Option<Opening>,
    _place: OwnedSemaphorePermit,
}

struct Opening {
    missing: usize,
    patience: Pin<Box<Sleep>>,
}

impl Guest {
    fn new(
        socket: Box<dyn Socket>,
        caller: Caller,
        place: OwnedSemaphorePermit,
        patience: Duration,
    ) -> Self {
        let patience = Box::pin(sleep(patience));
        let opening = Some(Opening {
            missing: OPENING_BYTES,
            patience,
        });
        Self {
            socket,
            caller,
            opening,
            _place: place,
        }
    }
}

impl Connected for Guest {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        let Some(opening) = &mut self.opening else {
            return read;
        };
        if read.is_pending() {
            return opening
                .patience
                .as_mut()
                .poll(context)
                .map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        opening.missing = opening
            .missing
            .saturating_sub(buffer.filled().len() - before);
        if opening.missing == 0 {
            self.opening = None;
        }
        read
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    const PATIENCE: Duration = Duration::from_millis(200);

    async fn guest() -> (Guest, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let place = Arc::new(Semaphore::new(1))
            .try_acquire_owned()
            .expect("room");
        let (socket, peer) = accepted.expect("it knocks");
        let caller = Caller {
            peer,
            certificate: None,
        };
        (
            Guest::new(Box::new(socket), caller, place, PATIENCE),
            client.expect("it listens"),
        )
    }

    #[tokio::test]
    async fn a_guest_who_opens_late_is_given_up() {
        let (mut guest, mut client) = guest().await;
        client
            .write_all(&[1; OPENING_BYTES - 1])
            .await
            .expect("it is open");
        let mut heard = [0; OPENING_BYTES];
        let error = guest
            .read_exact(&mut heard)
            .await
            .expect_err("a byte is missing");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_guest_who_has_opened_may_be_silent() {
        let (mut guest, mut client) = guest().await;
        client
            .write_all(&[1; OPENING_BYTES])
            .await
            .expect("it is open");
        let mut heard = [0; OPENING_BYTES];
        guest.read_exact(&mut heard).await.expect("it has opened");
        let silent = tokio::time::timeout(2 * PATIENCE, guest.read_u8()).await;
        assert!(silent.is_err(), "it was given up");
    }
}
