//! A connection to the nodes' port before anybody knows whose it is: bounded in number and patience.
//!
//! tonic waits for ever for a client's first words, and its probes begin only behind them. So the
//! socket itself fails where the opening is late; from then on the probes find who does not answer.

use crate::limits::{GUESTS_MAX, OPENING_PATIENCE};
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
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Sleep, sleep},
};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// What every client says first: HTTP/2's preface, and the head of its settings (RFC 9113, 3.4).
const OPENING_BYTES: usize = 24 + 9;

/// How long the listener rests when the operating system gives no more sockets.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// One line a second about connections that could not be taken, however many are.
static REFUSALS: service::Throttle = service::Throttle::new(Duration::from_secs(1));

/// Hands guests to `guests` until nobody takes them; runs until it is dropped.
pub(super) async fn admit(listener: TcpListener, guests: mpsc::Sender<io::Result<Guest>>) {
    let room = Arc::new(Semaphore::new(GUESTS_MAX));
    loop {
        let accepted = listener.accept().await;
        let (socket, place) = match accepted {
            Ok((socket, peer)) => match Arc::clone(&room).try_acquire_owned() {
                Ok(place) => (socket, place),
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
        if guests
            .send(Ok(Guest::new(socket, place, OPENING_PATIENCE)))
            .await
            .is_err()
        {
            return;
        }
    }
}

fn say_refused(why: &dyn std::fmt::Display, peer: Option<SocketAddr>) {
    if let Some(unsaid) = REFUSALS.permit(Instant::now()) {
        let peer = peer.map(tracing::field::display);
        tracing::warn!(peer, reason = %why, unsaid, "a connection to the nodes' port was refused");
    }
}

/// A socket that must begin to speak in time.
pub(super) struct Guest {
    socket: TcpStream,
    opening: Option<Opening>,
    _place: OwnedSemaphorePermit,
}

struct Opening {
    missing: usize,
    patience: Pin<Box<Sleep>>,
}

impl Guest {
    fn new(socket: TcpStream, place: OwnedSemaphorePermit, patience: Duration) -> Self {
        let patience = Box::pin(sleep(patience));
        let opening = Some(Opening {
            missing: OPENING_BYTES,
            patience,
        });
        Self {
            socket,
            opening,
            _place: place,
        }
    }
}

impl Connected for Guest {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.socket.connect_info()
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENCE: Duration = Duration::from_millis(200);

    async fn guest() -> (Guest, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let place = Arc::new(Semaphore::new(1))
            .try_acquire_owned()
            .expect("room");
        let (socket, _) = accepted.expect("it knocks");
        (
            Guest::new(socket, place, PATIENCE),
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
