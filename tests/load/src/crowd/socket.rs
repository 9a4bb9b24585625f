//! Non-blocking sockets: connected from as many loopback addresses as it takes, read in three ways.

use crate::limits;
use bytes::{Buf, BytesMut};
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
    time::Timespec,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// Connections of this process so far: each [`limits::CONNECTIONS_PER_SOURCE`] have an address.
static CONNECTIONS: AtomicU32 = AtomicU32::new(0);

/// Addresses that are taken in turn.
const SOURCES: u32 = 200;

/// Begins to connect; writable when it is done, whether well or not.
pub(super) fn connect(to: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(
        Domain::for_address(to),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    socket.set_tcp_nodelay(true)?;
    if let IpAddr::V4(address) = to.ip()
        && address.is_loopback()
    {
        let number = CONNECTIONS.fetch_add(1, Relaxed) / limits::CONNECTIONS_PER_SOURCE;
        // Two generators at once begin at different addresses.
        let source = number.wrapping_add(std::process::id().wrapping_mul(7)) % SOURCES;
        let source = Ipv4Addr::new(127, 0, 77, 1 + source as u8);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

/// How an attempt to connect ended.
pub(super) fn connected(socket: &OwnedFd) -> io::Result<()> {
    Ok(rustix::net::sockopt::socket_error(socket)??)
}

/// What one receive brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing is there now.
    Nothing,
    /// The peer has closed.
    End,
}

fn received(outcome: Result<usize, Errno>) -> io::Result<Received> {
    match outcome {
        Ok(0) => Ok(Received::End),
        Ok(bytes) => Ok(Received::Bytes(bytes)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Received::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// Sends what it can of `out`; whether all of it is gone.
pub(super) fn flush(socket: &OwnedFd, out: &mut BytesMut) -> io::Result<bool> {
    while !out.is_empty() {
        match send(socket, out, SendFlags::NOSIGNAL) {
            Ok(sent) => out.advance(sent),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// A thread's epoll and its buffers, which all its connections share.
pub(super) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    read: Vec<u8>,
    /// Never touched by anybody: the kernel is told of it and writes nothing.
    discard: Vec<u8>,
}

/// What an event says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ready {
    pub(super) token: u64,
    pub(super) readable: bool,
    pub(super) writable: bool,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(limits::EVENTS_PER_WAIT),
            read: vec![0; limits::READ_BYTES],
            discard: vec![0; limits::DISCARD_BYTES],
        })
    }

    /// Watches a new connection.
    pub(super) fn add(&self, socket: &OwnedFd, token: u64, writable: bool) -> io::Result<()> {
        let flags = interest(writable);
        Ok(epoll::add(
            &self.epoll,
            socket,
            EventData::new_u64(token),
            flags,
        )?)
    }

    /// Whether to watch for room, besides for bytes.
    pub(super) fn modify(&self, socket: &OwnedFd, token: u64, writable: bool) -> io::Result<()> {
        let flags = interest(writable);
        Ok(epoll::modify(
            &self.epoll,
            socket,
            EventData::new_u64(token),
            flags,
        )?)
    }

    /// Watches no more.
    pub(super) fn remove(&self, socket: &OwnedFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    /// Waits for something to happen, at most for `timeout`.
    pub(super) fn wait(&mut self, timeout: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        self.events.clear();
        let timeout = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            Some(&timeout),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(self.events.iter().map(|event| {
            let flags = event.flags;
            let failed = flags.intersects(EventFlags::ERR | EventFlags::HUP);
            Ready {
                token: event.data.u64(),
                readable: failed || flags.intersects(EventFlags::IN | EventFlags::RDHUP),
                writable: failed || flags.contains(EventFlags::OUT),
            }
        }));
        Ok(())
    }

    /// Receives into the thread's buffer.
    pub(super) fn read(&mut self, socket: &OwnedFd) -> io::Result<(Received, &[u8])> {
        let outcome = recv(socket, &mut self.read[..], RecvFlags::DONTWAIT);
        let received = received(outcome.map(|(bytes, _)| bytes))?;
        let bytes = match received {
            Received::Bytes(bytes) => self.read.get(..bytes).unwrap_or_default(),
            _ => &[],
        };
        Ok((received, bytes))
    }

    /// Receives up to `most` bytes and forgets them: the kernel frees them without copying
    /// (`MSG_TRUNC`, tcp(7)).
    pub(super) fn discard(&mut self, socket: &OwnedFd, most: usize) -> io::Result<Received> {
        let most = most.min(self.discard.len());
        let Some(buffer) = self.discard.get_mut(..most) else {
            return Ok(Received::Nothing);
        };
        let outcome = recv(socket, buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC);
        received(outcome.map(|(_, length)| length))
    }
}

fn interest(writable: bool) -> EventFlags {
    let read = EventFlags::IN | EventFlags::RDHUP;
    if writable {
        read | EventFlags::OUT
    } else {
        read
    }
}
