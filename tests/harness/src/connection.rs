//! A socket under an RTMP client session, for our own publisher and player.

use anyhow::{Context, Result};
use bytes::BytesMut;
use rtmp::{
    Url,
    client::{Config, Event, Purpose, Session},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What is read at once; small, so that hundreds of players cost little.
const READ_BYTES: usize = 16 * 1024;

/// A dialogue with a server, followed nowhere: a redirect is an event like any other.
pub(crate) struct Connection {
    socket: TcpStream,
    /// The session itself.
    pub(crate) session: Session,
    input: BytesMut,
}

impl Connection {
    pub(crate) async fn dial(url: &str, purpose: Purpose) -> Result<Self> {
        let url: Url = url.parse()?;
        let socket = TcpStream::connect(url.authority()).await;
        let socket = socket.with_context(|| format!("connecting to {}", url.authority()))?;
        socket.set_nodelay(true)?;
        // Every connection shakes hands with other bytes, and a run can be repeated.
        let seed = socket.local_addr()?.port().to_be_bytes();
        let random = std::array::from_fn(|place| seed[place % 2] ^ place as u8);
        let session = Session::new(&url, purpose, Config::default(), random);
        Ok(Self {
            socket,
            session,
            input: BytesMut::with_capacity(READ_BYTES),
        })
    }

    /// The next event; `None` when the server has closed the connection. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.session.poll() {
                return Ok(Some(event));
            }
            self.flush().await?;
            if self.socket.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
            let read = self.session.input(&self.input);
            self.input.clear();
            read?;
        }
    }

    /// Sends all that is to be sent. Cancel-safe.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        while !self.session.output().is_empty() {
            self.socket.write_buf(self.session.output()).await?;
        }
        Ok(())
    }
}
