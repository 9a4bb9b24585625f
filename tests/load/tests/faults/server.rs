//! A small live server that can do its work badly: RTMP in, RTMP and HTTP-FLV out, a thread each.

use bytes::{Bytes, BytesMut};
use media::{Kind, MediaTime, Role};
use rtmp::{
    Media,
    server::{Config, Event, Session},
};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// What the server does wrong to its players.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Nothing.
    None,
    /// It leaves a frame out.
    Drop,
    /// It sends a frame twice.
    Repeat,
    /// It sends a frame after the one that follows it.
    Reorder,
    /// It sends a frame with an earlier time.
    TimeBack,
    /// It changes a byte of a frame.
    Corrupt,
    /// It leaves out sequence headers.
    NoHeaders,
    /// It starts players in mid-GOP.
    MidGop,
    /// It leaves bytes out in the middle of a frame.
    CutFrame,
    /// It sends everything so much later.
    Delay(Duration),
    /// It makes players wait so long for the first byte of media.
    LateStart(Duration),
    /// It sends the first player half of the frames' bytes.
    Starve,
    /// It closes players after some frames.
    Close,
    /// It knows no stream.
    Refuse,
}

/// Which frame of a player's suffers: after some good ones.
const VICTIM: usize = 8;

struct Held {
    harm: Harm,
    tags: Mutex<Vec<Tag>>,
    more: Condvar,
    players: AtomicU32,
}

#[derive(Clone)]
struct Tag {
    kind: Kind,
    timestamp: u32,
    body: Bytes,
    role: Role,
}

/// Starts a server; it lasts as long as the test's process.
pub(crate) fn start(harm: Harm) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let held = Arc::new(Held {
        harm,
        tags: Mutex::default(),
        more: Condvar::new(),
        players: AtomicU32::new(0),
    });
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let held = held.clone();
            // A player that goes is no fault of the server's.
            thread::spawn(move || drop(serve(&socket, &held)));
        }
    });
    address
}

fn serve(socket: &TcpStream, held: &Held) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut first = [0];
    socket.peek(&mut first)?;
    if first == *b"G" {
        serve_http(socket, held)
    } else {
        serve_rtmp(socket, held)
    }
}

fn serve_http(mut socket: &TcpStream, held: &Held) -> io::Result<()> {
    let mut request = [0; 2048];
    let _ = socket.read(&mut request)?;
    if held.harm == Harm::Refuse {
        return socket.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n");
    }
    socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    socket.write_all(&flv::file_header(true, true))?;
    play(held, |tag, cut| {
        let mut out = BytesMut::new();
        flv::tag::write_tag(tag.kind, tag.timestamp, &tag.body, &mut out).expect("short bodies");
        send(socket, out, cut)
    })?;
    socket.shutdown(Shutdown::Write)
}

fn serve_rtmp(mut socket: &TcpStream, held: &Held) -> io::Result<()> {
    let broken = |error: rtmp::Error| io::Error::other(error);
    let mut session = Session::new(Config::default(), [7; 32]);
    let mut buffer = [0; 16 << 10];
    loop {
        let read = socket.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        session.input(&buffer[..read]).map_err(broken)?;
        while let Some(event) = session.poll() {
            match event {
                Event::Connect(_) => session.accept_connect().map_err(broken)?,
                Event::Publish(_) => session.accept_publish().map_err(broken)?,
                Event::Play(_) => {
                    session.accept_play().map_err(broken)?;
                    socket.write_all(&session.output().split())?;
                    play(held, |tag, cut| {
                        session.send_media(&Media {
                            kind: tag.kind,
                            timestamp: tag.timestamp,
                            message_stream_id: 1,
                            body: tag.body,
                        });
                        send(socket, session.output().split(), cut)
                    })?;
                    return socket.shutdown(Shutdown::Write);
                }
                Event::Media(media) => hold(held, media),
                _ => {}
            }
        }
        socket.write_all(&session.output().split())?;
    }
}

fn send(mut socket: &TcpStream, bytes: BytesMut, cut: bool) -> io::Result<()> {
    let kept = if cut { bytes.len() / 2 } else { bytes.len() };
    socket.write_all(&bytes[..kept])
}

fn hold(held: &Held, media: Media) {
    let frame = flv::frame(media.kind, MediaTime::ZERO, media.body).expect("our own frames");
    held.tags.lock().expect("nobody panics").push(Tag {
        kind: media.kind,
        timestamp: media.timestamp,
        role: frame.role,
        body: frame.body,
    });
    held.more.notify_all();
}

impl Held {
    /// The tag at `index`, once it is there.
    fn tag(&self, index: usize) -> Tag {
        let mut tags = self.tags.lock().expect("nobody panics");
        loop {
            if let Some(tag) = tags.get(index) {
                return tag.clone();
            }
            tags = self.more.wait(tags).expect("nobody panics");
        }
    }

    fn last_key(&self) -> usize {
        let tags = self.tags.lock().expect("nobody panics");
        tags.iter()
            .rposition(|tag| tag.role == Role::Key)
            .expect("a key frame")
    }
}

/// Sends a player headers, then the stream from a key frame on, harmed; `send` takes a tag and
/// whether to leave its end out. Returns when the player is to be closed.
fn play(held: &Held, mut send: impl FnMut(Tag, bool) -> io::Result<()>) -> io::Result<()> {
    let harm = held.harm;
    let number = held.players.fetch_add(1, Relaxed);
    if let Harm::LateStart(time) = harm {
        thread::sleep(time);
    }
    if harm != Harm::NoHeaders {
        for tag in (0..2).map(|index| held.tag(index)) {
            send(tag, false)?;
        }
    }
    let start = held.last_key() + usize::from(harm == Harm::MidGop);
    for place in 0.. {
        let mut tag = held.tag(start + place);
        if let Harm::Delay(time) = harm {
            thread::sleep(time.saturating_sub(held.age(start + place)));
        }
        let is_victim = place == VICTIM;
        match harm {
            Harm::Drop if is_victim => continue,
            Harm::Repeat if is_victim => send(tag.clone(), false)?,
            Harm::Reorder if is_victim => tag = held.tag(start + place + 1),
            Harm::Reorder if place == VICTIM + 1 => tag = held.tag(start + VICTIM),
            Harm::TimeBack if is_victim => tag.timestamp = tag.timestamp.saturating_sub(500),
            Harm::Corrupt if is_victim => {
                let mut body = tag.body.to_vec();
                let middle = body.len() / 2;
                body[middle] ^= 1;
                tag.body = body.into();
            }
            Harm::Close if is_victim => return Ok(()),
            Harm::Starve if number == 0 && place % 2 == 1 => continue,
            _ => {}
        }
        send(tag, is_victim && harm == Harm::CutFrame)?;
    }
    Ok(())
}

impl Held {
    /// How long ago, in the stream's own time, a tag came: roughly, to the newest one's time.
    fn age(&self, index: usize) -> Duration {
        let tags = self.tags.lock().expect("nobody panics");
        let times = (tags.last(), tags.get(index));
        let (Some(newest), Some(tag)) = times else {
            return Duration::ZERO;
        };
        Duration::from_millis(newest.timestamp.saturating_sub(tag.timestamp).into())
    }
}
