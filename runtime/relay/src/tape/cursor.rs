//! A subscriber's place in a tape, and the two ways to read from there: straight into a socket
//! ([`Outlet`]), or piece by piece ([`Subscriber`]).

use super::{
    Piece,
    held::Held,
    index::{Index, Sink},
};
use crate::{hub::Reading, limits, net};
use bytes::{Buf, Bytes};
use smallvec::SmallVec;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    rc::Rc,
    task::{Context, Poll, Waker},
};
use tokio::net::TcpStream;

/// What one call sends: on the stack, and not filled before it is known how much there is.
type Slices<'a> = SmallVec<[IoSlice<'a>; limits::WRITE_PIECES_MAX]>;

/// A place in a tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// Waits for a key frame whose number is at least this.
    Key(u64),
    /// The next piece to read.
    Piece(u64),
}

/// What became of a cursor that was brought up to date.
enum Moved<'a> {
    /// It stands at a piece, or at the end.
    No,
    /// It goes on at a start: these headers come first.
    Started(&'a [Piece]),
    /// It fell out of the tape and goes on at a newer start: these headers come first.
    Skipped(&'a [Piece]),
    /// It waits for a key frame.
    Waits,
}

impl Cursor {
    /// Where a player starts that joins now.
    pub(crate) fn join(held: &Held, gop_cache: bool) -> Self {
        Self::Key(if gop_cache { 0 } else { held.next_seq() })
    }

    fn position(self) -> Option<u64> {
        match self {
            Self::Key(_) => None,
            Self::Piece(seq) => Some(seq),
        }
    }

    fn settle(self, held: &Held) -> (Self, Moved<'_>) {
        let (from, lost) = match self {
            Self::Piece(seq) if !held.has_lost(seq) => return (self, Moved::No),
            Self::Piece(seq) => (seq, true),
            Self::Key(from) => (from, false),
        };
        match held.start(from) {
            Some((seq, headers)) if lost => (Self::Piece(seq), Moved::Skipped(headers)),
            Some((seq, headers)) => (Self::Piece(seq), Moved::Started(headers)),
            None => (Self::Key(from), Moved::Waits),
        }
    }
}

/// How a flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything is written.
    All,
    /// The socket takes no more now.
    Blocked,
    /// There is more, and the socket might take it, but others wait for their turn.
    TurnOver,
}

/// Writes to one socket: first what is queued for it alone, then the tape from its cursor on.
///
/// Holds no media of its own but the rest of a piece that was written in part.
#[derive(Debug)]
pub(crate) struct Outlet {
    own: VecDeque<Bytes>,
    /// Replies since `own` was last empty, and their bytes.
    replies: usize,
    reply_bytes: usize,
    cursor: Cursor,
    written: u64,
    skips: u32,
}

impl Outlet {
    pub(crate) fn new(cursor: Cursor) -> Self {
        Self {
            own: VecDeque::new(),
            replies: 0,
            reply_bytes: 0,
            cursor,
            written: 0,
            skips: 0,
        }
    }

    /// Sends `bytes` before the next piece; never inside one.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.own.push_back(bytes);
        }
    }

    /// The same for a reply; `false` when too many wait for a peer that reads none.
    pub(crate) fn reply(&mut self, bytes: Bytes) -> bool {
        if self.own.is_empty() {
            (self.replies, self.reply_bytes) = (0, 0);
        }
        self.replies += 1;
        self.reply_bytes += bytes.len();
        self.push(bytes);
        self.replies <= limits::REPLIES_MAX && self.reply_bytes <= limits::REPLY_BYTES_MAX
    }

    /// What is queued for this socket alone; nothing of it is sent any more.
    pub(crate) fn take_own(&mut self) -> VecDeque<Bytes> {
        std::mem::take(&mut self.own)
    }

    /// Bytes handed to the kernel so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Times that it fell out of the tape.
    pub(crate) fn skips(&self) -> u32 {
        self.skips
    }

    pub(crate) fn position(&self) -> Option<u64> {
        self.cursor.position()
    }

    /// Goes on at the newest start, as one who joins now.
    pub(crate) fn rejoin(&mut self) {
        self.cursor = Cursor::Key(0);
    }

    /// Writes as much as the socket takes, though no more than a turn's worth; `held` is what the tape
    /// holds, if the tape may be read.
    ///
    /// # Errors
    /// Whatever the socket says, but not that it would block.
    pub(crate) fn flush(&mut self, held: Option<&Held>, socket: &TcpStream) -> io::Result<Flushed> {
        let turn_ends = self.written + limits::TURN_BYTES_MAX;
        loop {
            if let Some(held) = held {
                self.settle(held);
            }
            let (sent, is_all) = match held.and_then(|held| self.stretch(held)) {
                Some(bytes) => {
                    let sent = net::send_some(socket, &[IoSlice::new(bytes)]);
                    let is_all = sent.as_ref().is_ok_and(|sent| *sent == bytes.len());
                    (sent, is_all)
                }
                None => {
                    let (slices, bytes) = self.list(held);
                    if slices.is_empty() {
                        return Ok(Flushed::All);
                    }
                    let sent = net::send_some(socket, &slices);
                    let is_all = sent.as_ref().is_ok_and(|sent| *sent == bytes);
                    (sent, is_all && slices.len() < limits::WRITE_PIECES_MAX)
                }
            };
            match sent {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.advance(written, held);
                    if is_all {
                        return Ok(Flushed::All);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flushed::Blocked);
                }
                Err(error) => return Err(error),
            }
            if self.written >= turn_ends {
                return Ok(Flushed::TurnOver);
            }
        }
    }

    /// All that comes next, if it lies in one stretch.
    fn stretch<'a>(&self, held: &'a Held) -> Option<&'a [u8]> {
        if !self.own.is_empty() {
            return None;
        }
        held.stretch(self.cursor.position()?)
    }

    /// What comes next, [`limits::WRITE_PIECES_MAX`] slices at most, and how many bytes that is.
    fn list<'a>(&'a self, held: Option<&'a Held>) -> (Slices<'a>, usize) {
        let own = self.own.iter().map(|bytes| &bytes[..]);
        let tape = held
            .zip(self.cursor.position())
            .map(|(held, seq)| held.slices(seq));
        let (mut slices, mut bytes) = (Slices::new(), 0);
        for next in own
            .chain(tape.into_iter().flatten())
            .take(limits::WRITE_PIECES_MAX)
        {
            slices.push(IoSlice::new(next));
            bytes += next.len();
        }
        (slices, bytes)
    }

    fn settle(&mut self, held: &Held) {
        let (cursor, moved) = self.cursor.settle(held);
        self.cursor = cursor;
        match moved {
            Moved::No | Moved::Waits => {}
            Moved::Started(headers) => {
                self.own
                    .extend(headers.iter().map(|header| header.bytes.clone()));
            }
            Moved::Skipped(headers) => {
                self.skips += 1;
                self.own
                    .extend(headers.iter().map(|header| header.bytes.clone()));
            }
        }
    }

    fn advance(&mut self, mut written: usize, held: Option<&Held>) {
        self.written += written as u64;
        while let Some(first) = self.own.front_mut() {
            if first.len() > written {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.own.pop_front();
        }
        let (Some(held), Cursor::Piece(mut seq)) = (held, self.cursor) else {
            return;
        };
        if held.stretch(seq).is_some_and(|all| all.len() == written) {
            self.cursor = Cursor::Piece(held.next_seq());
            return;
        }
        for piece in held.from(seq) {
            if written == 0 {
                break;
            }
            if piece.bytes.len() > written {
                self.own.push_back(piece.bytes.slice(written..));
            }
            written = written.saturating_sub(piece.bytes.len());
            seq += 1;
        }
        self.cursor = Cursor::Piece(seq);
    }
}

/// Reads a tape piece by piece: what a forward, a recorder or an HTTP body does.
pub struct Subscriber {
    reading: Reading,
    index: Rc<Index>,
    signal: Rc<Signal>,
    place: usize,
    /// Headers that come before the next piece.
    headers: VecDeque<Piece>,
}

struct Signal {
    waiting: RefCell<Option<Waker>>,
    cursor: Cell<Cursor>,
}

impl Sink for Signal {
    fn wake(&self) {
        if let Some(waker) = self.waiting.borrow_mut().take() {
            waker.wake();
        }
    }

    fn position(&self) -> Option<u64> {
        self.cursor.get().position()
    }
}

impl Subscriber {
    pub(crate) fn new(reading: Reading, index: Rc<Index>, gop_cache: bool) -> Self {
        let cursor = Cell::new(Cursor::join(&index.held(), gop_cache));
        let signal = Rc::new(Signal {
            waiting: RefCell::default(),
            cursor,
        });
        let place = index.add(signal.clone());
        Self {
            reading,
            index,
            signal,
            place,
            headers: VecDeque::new(),
        }
    }

    /// The stream that it reads.
    pub fn stream(&self) -> &std::sync::Arc<crate::hub::Stream> {
        self.reading.stream()
    }

    /// The next piece: first the headers, then everything from a key frame on. A subscriber that falls
    /// out of the tape goes on at the newest key frame, after the headers. `None` when the publisher
    /// has gone for good. Cancel safe.
    pub async fn next(&mut self) -> Option<Piece> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, for those who are polled themselves.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        if let Some(piece) = self.try_next() {
            return Poll::Ready(Some(piece));
        }
        if self.index.has_ended() {
            return Poll::Ready(None);
        }
        *self.signal.waiting.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether everything before piece `seq` was read; or nothing is, until a key frame comes.
    pub(crate) fn has_reached(&self, seq: u64) -> bool {
        let position = self.signal.cursor.get().position();
        self.headers.is_empty() && position.is_none_or(|position| position >= seq)
    }

    /// The next piece, if it is there.
    pub fn try_next(&mut self) -> Option<Piece> {
        if let Some(header) = self.headers.pop_front() {
            return Some(header);
        }
        let held = self.index.held();
        let (cursor, moved) = self.signal.cursor.get().settle(&held);
        self.signal.cursor.set(cursor);
        match moved {
            Moved::No | Moved::Waits => {}
            Moved::Started(headers) => self.headers.extend(headers.iter().cloned()),
            Moved::Skipped(headers) => {
                self.index.stream().totals().skipped();
                self.headers.extend(headers.iter().cloned());
            }
        }
        if let Some(header) = self.headers.pop_front() {
            return Some(header);
        }
        let seq = cursor.position()?;
        let piece = held.from(seq).next()?.clone();
        self.signal.cursor.set(Cursor::Piece(seq + 1));
        Some(piece)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.index.remove(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::held::tests::held, *};
    use crate::frames::words;

    #[test]
    fn a_cursor_goes_on_where_it_can() {
        use Cursor::{Key, Piece};
        let cases = [
            ("waits", Key(0), "p1 p2", Key(0), "waits"),
            ("starts", Key(0), "p1 [v]k1 p2", Piece(11), "started v"),
            ("starts later", Key(12), "p1 [v]k1 p2", Key(12), "waits"),
            ("stands", Piece(11), "[v]k1 p1 p2", Piece(11), "no"),
            ("stands at the end", Piece(12), "[v]k1 p1", Piece(12), "no"),
            (
                "has lost its piece",
                Piece(9),
                "p1 [v]k1 p2",
                Piece(11),
                "skipped v",
            ),
            (
                "has lost it, and none to go to",
                Piece(9),
                "p1 p2",
                Key(9),
                "waits",
            ),
        ];
        for (name, cursor, script, expected, moved) in cases {
            let held = held(10, script);
            let (settled, how) = cursor.settle(&held);
            let ahead = |headers: &[super::Piece]| words(headers.iter().map(|h| &h.bytes));
            let how = match how {
                Moved::No => "no".to_owned(),
                Moved::Waits => "waits".to_owned(),
                Moved::Started(headers) => format!("started {}", ahead(headers)),
                Moved::Skipped(headers) => format!("skipped {}", ahead(headers)),
            };
            assert_eq!((settled, how.as_str()), (expected, moved), "{name}");
        }
    }

    #[test]
    fn without_the_gop_cache_one_starts_at_what_comes_next() {
        let held = held(10, "[v]k1 p1");
        assert_eq!(Cursor::join(&held, true), Cursor::Key(0));
        assert_eq!(Cursor::join(&held, false), Cursor::Key(12));
    }

    #[test]
    fn a_piece_that_is_sent_in_part_is_finished_before_anything_else() {
        let held = held(0, "[m-head]k-first p-second");
        for written in 0..="greet".len() + "m-head".len() + "k-first".len() + "p-second".len() {
            let mut outlet = Outlet::new(Cursor::join(&held, true));
            outlet.push(Bytes::from_static(b"greet"));
            outlet.settle(&held);
            outlet.advance(written, Some(&held));
            let tape = held.from(outlet.position().expect("it has started"));
            let rest: Vec<u8> = outlet
                .own
                .iter()
                .chain(tape.map(|piece| &piece.bytes))
                .flatten()
                .copied()
                .collect();
            assert_eq!(
                rest,
                &b"greetm-headk-firstp-second"[written..],
                "{written} bytes"
            );
        }
    }

    #[test]
    fn replies_that_nobody_reads_are_bounded_and_a_long_picture_is_no_reply() {
        let picture = Bytes::from(vec![0; 4 * limits::REPLY_BYTES_MAX]);
        let reply = Bytes::from_static(b"pong");
        let mut outlet = Outlet::new(Cursor::Key(0));
        outlet.push(picture);
        for _ in 0..limits::REPLIES_MAX {
            assert!(outlet.reply(reply.clone()));
        }
        assert!(!outlet.reply(reply.clone()));
        outlet.take_own();
        assert!(outlet.reply(reply), "it has read them all");
        let long = Bytes::from(vec![0; limits::REPLY_BYTES_MAX]);
        assert!(!outlet.reply(long));
    }

    #[test]
    fn one_that_falls_out_gets_the_rest_of_its_piece_then_the_headers() {
        let mut outlet = Outlet::new(Cursor::Piece(0));
        let before = held(0, "k-first p-second");
        outlet.advance(2, Some(&before));
        let after = held(7, "p-lost [v-new]k-new");
        outlet.settle(&after);
        assert_eq!(words(&outlet.own), "first v-new");
        assert_eq!((outlet.position(), outlet.skips()), (Some(8), 1));
    }
}
