//! Listening and connecting: sockets with the options that live media wants.

use crate::limits;
use rustix::{
    io::Errno,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags},
};
use service::{Throttle, config::Listen};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::{
    io::{self, IoSlice, Read as _},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd as _},
    time::Duration,
};
use tokio::{io::Interest, net::TcpStream};

/// Connections that wait to be accepted: the kernel's own usual bound (`somaxconn`).
const BACKLOG: i32 = 4_096;

/// A peer that has vanished without a word is noticed after about a minute of silence.
const KEEPALIVE: Duration = Duration::from_secs(45);

/// One line a second about connections that are refused, however many are.
static REFUSALS: Throttle = Throttle::new(Duration::from_secs(1));

/// The address cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}: {source}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    source: io::Error,
}

/// One address with a listener for each shard, among which the kernel shares out the connections
/// (`SO_REUSEPORT`). Connections wait in the kernel until it is served.
pub struct Listening {
    address: SocketAddr,
    listeners: Vec<std::net::TcpListener>,
}

impl Listening {
    /// The address that was bound; its port is a real one where port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn into_listeners(self) -> impl Iterator<Item = std::net::TcpListener> {
        self.listeners.into_iter()
    }
}

/// Binds the first of `at`'s addresses that can be had.
pub(crate) fn listen(at: Listen, count: usize) -> Result<Listening, ListenError> {
    let mut failure = None;
    for address in at.addresses() {
        match listen_at(address, count) {
            Ok(listening) => return Ok(listening),
            Err(source) => failure = Some(ListenError { address, source }),
        }
    }
    Err(failure.expect("there is always an address to try"))
}

fn listen_at(address: SocketAddr, count: usize) -> io::Result<Listening> {
    if address.port() != 0 {
        // SO_REUSEPORT would let two nodes of one user share a port unknowingly; so probe without.
        drop(open(address, false)?);
    }
    let mut bound = address;
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let listener = open(bound, true)?;
        bound = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(Listening {
        address: bound,
        listeners,
    })
}

fn open(address: SocketAddr, share: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Sets what every media connection wants: no Nagle delay, and a silent peer noticed.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE / 9);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Bounds what waits in the kernel for a player. A kernel that cannot do it serves all the same.
pub(crate) fn tune_for_play(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(limits::UNSENT_BYTES_MAX);
}

/// Reads what has come, if anything: `Ok(None)` if nothing has, an error at the end of the stream.
///
/// Where the buffer is not filled nothing more has come, and the socket is known to be empty without
/// asking it again: that saves every second `recv`.
pub(crate) fn read_some<'a>(
    stream: &TcpStream,
    buffer: &'a mut [u8],
) -> io::Result<Option<&'a [u8]>> {
    debug_assert!(buffer.len() <= limits::READ_BYTES);
    let mut read = None;
    let tried = stream.try_io(Interest::READABLE, || {
        let bytes = (&*SockRef::from(stream)).read(buffer)?;
        read = Some(bytes);
        match bytes == 0 || bytes == buffer.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    });
    match (read, tried) {
        (Some(0), _) => Err(io::ErrorKind::UnexpectedEof.into()),
        (Some(bytes), _) => Ok(Some(&buffer[..bytes])),
        (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        (None, _) => Ok(None),
    }
}

/// The same of a socket that the runtime does not watch.
pub(crate) fn read_unwatched(stream: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<&[u8]>> {
    match rustix::net::recv(stream, &mut *buffer, RecvFlags::empty()) {
        Ok((0, _)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok((bytes, _)) => Ok(Some(&buffer[..bytes])),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Has the kernel say that something has come only when `bytes` have, or the peer has hung up
/// (`SO_RCVLOWAT`, socket(7)). What has come can be read before.
#[allow(unsafe_code)] // No safe crate has this option.
pub(crate) fn wake_at(stream: impl AsFd, bytes: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `stream` lives, and the kernel reads as many bytes
    // as it is told from a local that it is lent.
    let outcome = unsafe {
        libc::setsockopt(
            stream.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            std::ptr::from_ref(&bytes).cast(),
            size_of_val(&bytes) as libc::socklen_t,
        )
    };
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends as much of `slices` as the socket takes.
///
/// One slice goes by `send`, which costs the kernel a tenth less than `writev` does, without the C library,
/// which makes of each call one that a thread can be cancelled in. The socket itself is
/// asked, not what the runtime knows of it: that lies elsewhere in memory, and a player whose turn it is was
/// not touched for so long that each look is a look into main memory.
///
/// # Errors
/// Whatever the socket says; [`io::ErrorKind::WouldBlock`] if it is full, and then one may wait for it.
pub(crate) fn send_some(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let sent = match slices {
        [only] => rustix::net::send(stream, only, SendFlags::NOSIGNAL),
        several => {
            let mut nothing_beside = SendAncillaryBuffer::default();
            rustix::net::sendmsg(stream, several, &mut nothing_beside, SendFlags::NOSIGNAL)
        }
    };
    match sent {
        Ok(bytes) => Ok(bytes),
        // Tells the runtime so.
        Err(full @ Errno::AGAIN) => stream.try_io(Interest::WRITABLE, || Err(full.into())),
        Err(error) => Err(error.into()),
    }
}

/// Says that a connection was closed at once, at most a few times a second: floods come here.
pub(crate) fn say_refused(
    protocol: &'static str,
    peer: SocketAddr,
    reason: &dyn std::fmt::Display,
) {
    metrics::counter!("weir_connections_refused_total", "protocol" => protocol).increment(1);
    if let Some(unsaid) = REFUSALS.permit(std::time::Instant::now()) {
        tracing::warn!(%peer, protocol, %reason, unsaid, "connection refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{io::AsyncWriteExt, net::TcpListener, time};

    #[tokio::test]
    async fn a_low_water_mark_keeps_the_kernel_quiet_and_hides_nothing() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut peer = TcpStream::connect(listener.local_addr()?).await?;
        let (socket, _) = listener.accept().await?;
        let mut buffer = [0; 64];
        assert_eq!(read_some(&socket, &mut buffer)?, None);
        wake_at(&socket, 8)?;
        peer.write_all(b"few").await?;
        let heard = time::timeout(Duration::from_millis(100), socket.readable()).await;
        assert!(heard.is_err(), "three bytes are less than eight");
        assert_eq!(read_unwatched(&socket, &mut buffer)?, Some(&b"few"[..]));
        assert_eq!(read_unwatched(&socket, &mut buffer)?, None);
        peer.write_all(b"enough now").await?;
        socket.readable().await?;
        assert_eq!(read_some(&socket, &mut buffer)?, Some(&b"enough now"[..]));
        drop(peer);
        socket.readable().await?;
        let gone = read_some(&socket, &mut buffer).expect_err("the peer has hung up");
        assert_eq!(gone.kind(), io::ErrorKind::UnexpectedEof);
        Ok(())
    }
}
