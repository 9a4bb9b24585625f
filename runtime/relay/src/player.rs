//! A player's socket fed from a tape: what RTMP, HTTP-FLV and WebSocket-FLV players have in common.
//!
//! The shard's index wakes a player when there is more to send; it writes at once, from the tape into
//! the socket, without a task switch. Only when the socket is full does the player's own task wait for
//! it. A player that is slow harms only itself: it falls out of the tape, skips to a key frame, and
//! when that happens again and again, or its socket takes nothing for long, it is closed.

use crate::{
    hub::Reading,
    net,
    pace::Pace,
    settings::Play,
    shard::Shard,
    tape::{
        Format,
        cursor::{Cursor, Flushed, Outlet},
        index::{Index, Sink},
    },
    trail::{self, Trail},
};
use bytes::{Bytes, BytesMut};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// Skips in a row after which a player is closed: it cannot watch this stream over this line.
const SKIPS_IN_A_ROW_MAX: u32 = 3;

/// A skip that comes later than this after the one before begins a new row. Not when the player has
/// caught up: a skip leads to the newest key frame, where everybody has nearly caught up.
const SKIP_FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// Why a player's stay is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("the stream has ended")]
    StreamEnded,
    #[error("the player left")]
    Left,
    #[error("the player reads no replies")]
    Deaf,
    #[error("the player took nothing for {0:?}")]
    Stalled(Duration),
    #[error(
        "the player fell behind {SKIPS_IN_A_ROW_MAX} times in a row: its line is too slow for this stream"
    )]
    TooSlow,
    #[error("the player's connection failed: {0}")]
    Failed(io::Error),
}

/// What a player's task has to deal with.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The peer has said something, or has hung up: read it.
    Said,
    /// Its stay is over.
    Ended(End),
}

/// A socket, and a cursor into a tape.
pub(crate) struct Player {
    socket: Rc<TcpStream>,
    reading: Reading,
    index: Rc<Index>,
    place: Cell<usize>,
    outlet: RefCell<Outlet>,
    pace: Rc<Pace>,
    /// As the socket has it.
    nodelay: Cell<bool>,
    stall_timeout: Duration,
    blocked_since: Cell<Option<Instant>>,
    paused: Cell<bool>,
    skips_in_a_row: Cell<u32>,
    last_skip: Cell<Option<Instant>>,
    end: RefCell<Option<End>>,
    /// The player's own task, while it waits.
    task: RefCell<Option<Waker>>,
}

/// Where a reader begins, and what it is sent ahead of that: one that comes back gets what it missed.
fn join(
    reading: &Reading,
    index: &Index,
    format: &'static Format,
    gop_cache: bool,
) -> (Cursor, Bytes) {
    let held = index.held();
    let start = held.start(0).filter(|_| !reading.back().is_zero());
    let Some((seq, _)) = start else {
        return (Cursor::join(&held, gop_cache), Bytes::new());
    };
    let missed = reading.stream().missed(seq, reading.back());
    if missed.is_empty() {
        return (Cursor::join(&held, true), Bytes::new());
    }
    let mut writer = (format.writer)();
    let mut bytes = BytesMut::new();
    for frame in &missed {
        bytes.extend_from_slice(&writer.write(frame).bytes);
    }
    (Cursor::Piece(seq), bytes.freeze())
}

impl Player {
    /// Begins to play on `socket`: `greeting` first, then the headers, then from a key frame on.
    pub(crate) fn start(
        shard: &Shard,
        socket: Rc<TcpStream>,
        reading: Reading,
        format: &'static Format,
        greeting: Bytes,
        settings: &Play,
    ) -> Rc<Self> {
        net::tune_for_play(&socket);
        let index = shard.index(reading.stream(), format);
        let (cursor, missed) = join(&reading, &index, format, shard.gop_cache());
        let mut outlet = Outlet::new(cursor);
        outlet.push(greeting);
        outlet.push(missed);
        let player = Rc::new(Self {
            socket,
            reading,
            index,
            place: Cell::new(usize::MAX),
            outlet: RefCell::new(outlet),
            pace: shard.pace().clone(),
            nodelay: Cell::new(true),
            stall_timeout: settings.stall_timeout.get(),
            blocked_since: Cell::new(None),
            paused: Cell::new(false),
            skips_in_a_row: Cell::new(0),
            last_skip: Cell::new(None),
            end: RefCell::new(None),
            task: RefCell::default(),
        });
        player.place.set(player.index.add(player.clone()));
        player.wake();
        player
    }

    /// Puts `bytes` before the next piece of the tape, to go with the next [`wake`](Sink::wake); `false` if
    /// the peer has so many replies to read already that it will read none.
    pub(crate) fn reply(&self, bytes: Bytes) -> bool {
        bytes.is_empty() || self.outlet.borrow_mut().reply(bytes)
    }

    /// Bytes handed to the kernel so far.
    pub(crate) fn written(&self) -> u64 {
        self.outlet.borrow().written()
    }

    /// Times that it fell behind and skipped.
    pub(crate) fn skips(&self) -> u32 {
        self.outlet.borrow().skips()
    }

    /// Stops and resumes the media; it resumes at a key frame, live.
    pub(crate) fn pause(&self, paused: bool) {
        if paused != self.paused.replace(paused) {
            // A place that nobody reads from must not hold the tape.
            self.outlet.borrow_mut().rejoin();
        }
        self.wake();
    }

    /// Resolves when the peer has said something or its stay is over; feeds a full socket meanwhile.
    /// Cancel safe.
    ///
    /// Polled by hand: a future for each thing that it waits for would cost each player more memory than
    /// all the rest of it.
    pub(crate) async fn heard(&self) -> Heard {
        poll_fn(|context| self.poll_heard(context)).await
    }

    fn poll_heard(&self, context: &mut Context<'_>) -> Poll<Heard> {
        if let Some(end) = self.end.borrow_mut().take() {
            return Poll::Ready(Heard::Ended(end));
        }
        if self.blocked_since.get().is_some() {
            match self.socket.poll_write_ready(context) {
                Poll::Ready(Ok(())) => {
                    self.flush();
                    // Again: a late joiner's GOP takes several turns; or to wait for the socket.
                    context.waker().wake_by_ref();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Heard::Ended(End::Failed(error))),
                Poll::Pending => {}
            }
        }
        match self.socket.poll_read_ready(context) {
            Poll::Ready(Ok(())) => return Poll::Ready(Heard::Said),
            Poll::Ready(Err(error)) => return Poll::Ready(Heard::Ended(End::Failed(error))),
            Poll::Pending => {}
        }
        *self.task.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }

    fn wake_task(&self) {
        if let Some(task) = self.task.borrow_mut().take() {
            task.wake();
        }
    }

    /// Takes the player off its tape. What is left must be sent before anything else may be: the rest
    /// of a piece, and replies.
    pub(crate) fn leave(&self) -> VecDeque<Bytes> {
        self.index.remove(self.place.get());
        self.outlet.borrow_mut().take_own()
    }

    fn flush(&self) {
        let nodelay = self.pace.nodelay();
        if self.nodelay.replace(nodelay) != nodelay {
            // If it fails the next write does, too.
            let _ = self.socket.set_nodelay(nodelay);
        }
        let mut outlet = self.outlet.borrow_mut();
        let (written_before, skips_before) = (outlet.written(), outlet.skips());
        let flushed = {
            let held = self.index.held();
            outlet.flush((!self.paused.get()).then_some(&*held), &self.socket)
        };
        let totals = self.reading.stream().totals();
        let written = outlet.written() - written_before;
        totals.sent(written);
        self.pace.wrote(written);
        if outlet.skips() != skips_before {
            totals.skipped();
            self.count_skip(Instant::now());
        }
        match flushed {
            Ok(Flushed::All) => {
                self.blocked_since.set(None);
            }
            Ok(Flushed::Blocked | Flushed::TurnOver) => {
                if written > 0 || self.blocked_since.get().is_none() {
                    self.blocked_since.set(Some(Instant::now()));
                    self.wake_task();
                }
            }
            Err(error) => self.end_with(End::Failed(error)),
        }
    }

    fn count_skip(&self, now: Instant) {
        let last = self.last_skip.replace(Some(now));
        let goes_on = last.is_some_and(|last| now - last < SKIP_FORGIVEN_AFTER);
        let in_a_row = if goes_on {
            self.skips_in_a_row.get() + 1
        } else {
            1
        };
        self.skips_in_a_row.set(in_a_row);
        if in_a_row >= SKIPS_IN_A_ROW_MAX {
            self.end_with(End::TooSlow);
        }
    }

    fn end_with(&self, end: End) {
        self.end.borrow_mut().get_or_insert(end);
        self.wake_task();
    }
}

impl Sink for Player {
    fn wake(&self) {
        if self.index.has_ended() {
            self.end_with(End::StreamEnded);
        }
        match self.blocked_since.get() {
            None => self.flush(),
            Some(since) if since.elapsed() > self.stall_timeout => {
                self.end_with(End::Stalled(self.stall_timeout));
            }
            Some(_) => {}
        }
    }

    fn position(&self) -> Option<u64> {
        self.outlet.borrow().position()
    }

    fn fetch(&self) {
        trail::fetch(&*self.socket);
    }

    fn note(&self, trail: &mut Trail) {
        trail.note(&*self.socket);
    }
}
