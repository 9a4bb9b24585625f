//! A foe: sockets to one listener, seeded mischief, and a count of what was done with them.
//!
//! A foe is bounded, so that the run's load is known: what it sends, how long it waits. That a server
//! hangs up on it is a success of the server's, never an error of the run's.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::Interest,
    net::{TcpSocket, TcpStream},
    time::{self, Instant},
};

/// How long a deaf foe holds what it has got the server to hold.
const GRUDGE: Duration = Duration::from_secs(5);

/// What a foe reads at a time.
const READ_BYTES: usize = 16 * 1024;

/// The receive buffer of a foe that never reads: small, so that the server's side fills.
const DEAF_BYTES: u32 = 4 * 1024;

/// What foes have done to one listener.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) connections: AtomicU64,
    pub(super) sent_bytes: AtomicU64,
    /// Connections that the server ended.
    pub(super) hung_up: AtomicU64,
    /// The longest that a silent or dripping connection was left open, in milliseconds.
    pub(super) idle_held_ms: AtomicU64,
    /// A connection that was not accepted: the listener is gone.
    unreachable: Mutex<Option<String>>,
}

impl Tally {
    pub(super) fn unreachable(&self) -> Option<String> {
        self.unreachable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One attack's means.
pub(super) struct Foe {
    pub(super) random: fastrand::Rng,
    target: SocketAddr,
    tally: Arc<Tally>,
}

impl Foe {
    pub(super) fn new(target: SocketAddr, tally: Arc<Tally>, seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            target,
            tally,
        }
    }

    /// Connects, and will hear what the server says.
    pub(super) async fn connect(&self) -> io::Result<Line> {
        self.connect_by(TcpSocket::new_v4()?).await
    }

    /// Connects, and will never read.
    pub(super) async fn connect_deaf(&self) -> io::Result<Line> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(DEAF_BYTES)?;
        let line = self.connect_by(socket).await?;
        Ok(Line { deaf: true, ..line })
    }

    async fn connect_by(&self, socket: TcpSocket) -> io::Result<Line> {
        let socket = socket.connect(self.target).await.inspect_err(|error| {
            let mut unreachable = self
                .tally
                .unreachable
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            unreachable.get_or_insert_with(|| format!("{}: {error}", self.target));
        })?;
        socket.set_nodelay(true)?;
        self.tally.connections.fetch_add(1, Relaxed);
        Ok(Line {
            socket,
            tally: Arc::clone(&self.tally),
            deaf: false,
        })
    }

    /// Connects and sends `bytes` in random pieces; then waits a little for what comes of it.
    pub(super) async fn says(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut line = self.connect().await?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.random.usize(1..=rest.len().min(8 * 1024)));
            line.say(now).await?;
            rest = later;
        }
        line.linger(Duration::from_millis(self.random.u64(0..500)))
            .await;
        Ok(())
    }

    /// Connects, sends `bytes` and reads nothing; holds on until the server hangs up, or for long.
    pub(super) async fn says_deaf(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut line = self.connect_deaf().await?;
        line.say(bytes).await?;
        line.linger(GRUDGE).await;
        Ok(())
    }

    /// Connects and leaves at once, `count` times together: every other time without a goodbye.
    pub(super) async fn come_and_go(&mut self, count: usize) -> io::Result<()> {
        let mut lines = Vec::with_capacity(count);
        for _ in 0..count {
            lines.push(self.connect().await?);
        }
        for line in lines {
            if self.random.bool() {
                // Closes by a reset.
                line.socket.set_zero_linger()?;
            }
        }
        Ok(())
    }

    /// Connects and sends `bytes` one by one, one each `pause`; nothing at all if there are none.
    /// Ends when the server hangs up, and remembers how long that took; if it never does, whoever
    /// drops this future has it remembered, too.
    pub(super) async fn drip(&mut self, bytes: &[u8], pause: Duration) -> io::Result<()> {
        let mut line = self.connect().await?;
        let held = Held {
            since: Instant::now(),
            tally: Arc::clone(&self.tally),
        };
        let mut bytes = bytes.iter();
        loop {
            if line.linger(pause).await {
                break;
            }
            if let Some(byte) = bytes.next() {
                line.say(&[*byte]).await?;
            }
        }
        drop(held);
        Ok(())
    }

    /// Random bytes, up to `max` of them.
    pub(super) fn noise(&mut self, max: usize) -> Vec<u8> {
        let count = self.random.usize(1..=max);
        let mut bytes = vec![0; count];
        self.random.fill(&mut bytes);
        bytes
    }

    /// `bytes` with some of them changed, lost, doubled or moved.
    pub(super) fn mutated(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..self.random.usize(1..=16) {
            if bytes.is_empty() {
                break;
            }
            // Half of the faults lie where the dialogue is young and nothing is trusted yet.
            let reach = if self.random.bool() {
                bytes.len()
            } else {
                bytes.len().min(4_000)
            };
            let at = self.random.usize(0..reach);
            match self.random.u8(0..5) {
                0 => bytes[at] = self.random.u8(..),
                1 => bytes[at] ^= 1 << self.random.u8(0..8),
                2 => {
                    bytes.remove(at);
                }
                3 => {
                    let end = (at + self.random.usize(1..64)).min(bytes.len());
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    }
}

/// Remembers how long an idle connection was left open.
struct Held {
    since: Instant,
    tally: Arc<Tally>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let held = self.since.elapsed().as_millis() as u64;
        self.tally.idle_held_ms.fetch_max(held, Relaxed);
    }
}

/// A connection of a foe's.
pub(super) struct Line {
    socket: TcpStream,
    tally: Arc<Tally>,
    deaf: bool,
}

impl Line {
    /// Sends all of `bytes`, and meanwhile hears what comes, if it hears at all.
    ///
    /// # Errors
    /// If the server hangs up.
    pub(super) async fn say(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let interest = match self.deaf {
            true => Interest::WRITABLE,
            false => Interest::WRITABLE | Interest::READABLE,
        };
        while !bytes.is_empty() {
            let ready = self.socket.ready(interest).await?;
            if ready.is_readable() && self.hear()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match self.socket.try_write(bytes) {
                Ok(written) => {
                    self.tally.sent_bytes.fetch_add(written as u64, Relaxed);
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.tally.hung_up.fetch_add(1, Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Stays for a while; says whether the server hung up meanwhile.
    pub(super) async fn linger(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        if self.deaf {
            time::sleep_until(until).await;
            return false;
        }
        loop {
            match time::timeout_at(until, self.socket.readable()).await {
                Err(_) => return false,
                Ok(Err(_)) => return true,
                Ok(Ok(())) => match self.hear() {
                    Ok(false) => {}
                    Ok(true) | Err(_) => return true,
                },
            }
        }
    }

    /// Reads what is there and forgets it; says whether the server has hung up.
    fn hear(&self) -> io::Result<bool> {
        let mut bytes = [0; READ_BYTES];
        match self.socket.try_read(&mut bytes) {
            Ok(0) => {
                self.tally.hung_up.fetch_add(1, Relaxed);
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => {
                self.tally.hung_up.fetch_add(1, Relaxed);
                Err(error)
            }
        }
    }
}
