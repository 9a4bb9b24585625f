//! The floor: a bare loop that sends bytes to many sockets in pieces, and does nothing else.
//!
//! What a server costs above it is the server's own; below it nobody gets who calls `send` once a
//! piece and player on this machine. It reads nothing, keeps nothing and knows no protocol.

use crate::{clock::Moment, footage::Footage};
use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use std::{
    io,
    net::{TcpListener, TcpStream},
    time::Duration,
};

/// Behind by more than this, the loop gives up what it owes and goes on from now.
const DEBT_MAX: Duration = Duration::from_secs(1);

/// Different pieces of a stream that are sent in turn.
const PIECES: usize = 16;

/// What the loop sends to each socket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pieces {
    /// Length of each.
    pub bytes: u32,
    /// Bits to each socket in a second.
    pub bits_per_second: u32,
    /// Streams of different bytes; sockets get them in turn.
    pub streams: u32,
    /// Leaves out `TCP_NODELAY`: the kernel then holds a piece back while an earlier one is not yet
    /// acknowledged, and sends both at once. Cheaper, and later; some servers do so.
    pub nagle: bool,
}

impl Pieces {
    /// A frame each, of as many streams.
    pub fn of(footage: &Footage, streams: u32) -> Self {
        Self {
            bytes: footage.mean_bytes() as u32,
            bits_per_second: footage.bits_per_second_in_all() as u32,
            streams,
            nagle: false,
        }
    }

    /// From one piece to the next.
    pub fn interval(&self) -> Duration {
        let bits = f64::from(self.bytes.max(1)) * 8.0;
        Duration::from_secs_f64(bits / f64::from(self.bits_per_second.max(1)))
    }
}

/// Sends `pieces` to everybody who connects, until `goes_on` says no.
///
/// A socket that is full misses the rest of a piece; one that is broken is forgotten.
///
/// # Errors
/// If the listener fails.
pub fn serve(listener: &TcpListener, pieces: Pieces, goes_on: impl Fn() -> bool) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut streams: Vec<Stream> = (0..pieces.streams.max(1))
        .map(|number| Stream::of(number, pieces.bytes))
        .collect();
    let interval = pieces.interval();
    let mut due = Moment::now();
    let mut joined = 0;
    for turn in (0..PIECES).cycle() {
        if !goes_on() {
            break;
        }
        while let Some(socket) = accept(listener, !pieces.nagle)? {
            let stream = joined % streams.len();
            streams[stream].sockets.push(socket);
            joined += 1;
        }
        for stream in &mut streams {
            stream.send(turn);
        }
        due = due + interval;
        let now = Moment::now();
        if now.since(due) > DEBT_MAX {
            due = now;
        }
        std::thread::sleep(due.since(now));
    }
    Ok(())
}

/// Those who get the same bytes.
struct Stream {
    contents: Vec<Vec<u8>>,
    sockets: Vec<TcpStream>,
}

impl Stream {
    fn of(number: u32, bytes: u32) -> Self {
        let piece = |turn| vec![(number as usize * PIECES + turn) as u8; bytes.max(1) as usize];
        Self {
            contents: (0..PIECES).map(piece).collect(),
            sockets: Vec::new(),
        }
    }

    fn send(&mut self, turn: usize) {
        let content = &self.contents[turn];
        self.sockets.retain(|socket| {
            match send(socket, content, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(_) | Err(Errno::AGAIN) => true,
                Err(_) => false,
            }
        });
    }
}

/// The next who waits to be taken, if anybody does.
fn accept(listener: &TcpListener, nodelay: bool) -> io::Result<Option<TcpStream>> {
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nodelay(nodelay)?;
                return Ok(Some(socket));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            // Whoever hung up before we looked.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn everybody_gets_the_rate_that_was_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let pieces = Pieces {
            bytes: 1_000,
            bits_per_second: 800_000,
            streams: 2,
            nagle: false,
        };
        assert_eq!(pieces.interval(), Duration::from_millis(10));
        let began = Moment::now();
        let long = Duration::from_millis(600);
        let server = std::thread::spawn(move || {
            serve(&listener, pieces, || Moment::now().since(began) < long)
        });
        let mut players = [(); 2].map(|()| TcpStream::connect(address).expect("it listens"));
        let mut received = Vec::new();
        for player in &mut players {
            let mut bytes = Vec::new();
            player.read_to_end(&mut bytes).expect("bytes until the end");
            received.push(bytes);
        }
        server.join().expect("it ends").expect("it listens");
        assert_ne!(received[0][0], received[1][0], "another stream");
        for bytes in received {
            // 60 pieces, or fewer on a machine that is busy.
            assert!((10_000..=62_000).contains(&bytes.len()), "{}", bytes.len());
        }
    }
}
