//! A shard's own index of one tape: the pieces that its players may still need.
//!
//! The pieces are shared by all shards; the index, its cursors and its sinks belong to one thread, so
//! players read without a lock. A task of the shard appends what comes by the inbox and then wakes
//! every sink once, however many pieces came.
//!
//! Bounded by stream, not by player: it keeps everything from the newest key frame on, and what lies
//! before that only while some cursor still needs it and it is not older than `queue_length`.

use super::{Format, Piece};
use crate::{
    hub::{Attached, Stream},
    limits,
};
use std::{
    cell::{Cell, Ref, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What an index wakes when it has more to read.
pub(crate) trait Sink {
    /// There is more to read, or the stream has ended. Called often; must not block.
    fn wake(&self);
    /// The number of the first piece that it still needs; `None` while it waits for a key frame.
    fn position(&self) -> Option<u64>;
}

/// How long an index keeps what, and how long it outlives its publisher.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// How much media before the newest key frame is kept for slow players.
    pub(crate) queue_length: Duration,
    /// How long players stay when the publisher has gone.
    pub(crate) linger: Duration,
}

/// A shard's index of one tape.
pub(crate) struct Index {
    stream: Arc<Stream>,
    retention: Retention,
    held: RefCell<Held>,
    sinks: RefCell<Vec<Option<Rc<dyn Sink>>>>,
    ended: Cell<bool>,
    stop: CancellationToken,
}

/// The pieces that an index holds. Invariants: their numbers count on by one; there are at most
/// [`limits::INDEX_PIECES_MAX`], of at most [`limits::INDEX_BYTES_MAX`] together.
#[derive(Default)]
pub(crate) struct Held {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// The number of the piece that comes next.
    next_seq: u64,
    start: Option<Start>,
}

/// Where a player may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    /// The newest key frame; or the oldest sound of interest, in a stream without pictures.
    seq: u64,
    is_key: bool,
}

impl Index {
    /// Begins to read `stream` in `format`. Must be called on a shard.
    pub(crate) fn begin(
        stream: &Arc<Stream>,
        format: &'static Format,
        retention: Retention,
        tasks: &TaskTracker,
    ) -> Rc<Self> {
        let attached = stream.attach(format);
        let index = Rc::new(Self {
            stream: stream.clone(),
            retention,
            held: RefCell::default(),
            sinks: RefCell::default(),
            ended: Cell::new(false),
            stop: CancellationToken::new(),
        });
        let inbox = index.held.borrow_mut().restart(attached);
        let delivery = Delivery {
            index: Rc::downgrade(&index),
            stream: stream.clone(),
            format,
            linger: retention.linger,
        };
        let stop = index.stop.clone();
        tasks.spawn_local(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = delivery.run(inbox) => {}
            }
        });
        index
    }

    /// The stream that it indexes.
    pub(crate) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// The pieces that are held now. Must not be kept across an `await`.
    pub(crate) fn held(&self) -> Ref<'_, Held> {
        self.held.borrow()
    }

    /// The publisher has gone and has not come back in time.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Wakes `sink` from now on; answers with its place, for [`Index::remove`].
    pub(crate) fn add(&self, sink: Rc<dyn Sink>) -> usize {
        let mut sinks = self.sinks.borrow_mut();
        match sinks.iter().position(Option::is_none) {
            Some(free) => {
                sinks[free] = Some(sink);
                free
            }
            None => {
                sinks.push(Some(sink));
                sinks.len() - 1
            }
        }
    }

    /// Stops waking the sink at `place`.
    pub(crate) fn remove(&self, place: usize) {
        if let Some(sink) = self.sinks.borrow_mut().get_mut(place) {
            *sink = None;
        }
    }

    async fn wake_all(&self) {
        let mut place = 0;
        loop {
            for _ in 0..limits::SINKS_PER_TURN {
                let sink = match self.sinks.borrow().get(place) {
                    Some(sink) => sink.clone(),
                    None => return,
                };
                if let Some(sink) = sink {
                    sink.wake();
                }
                place += 1;
            }
            tokio::task::yield_now().await;
        }
    }

    fn append(&self, pieces: impl Iterator<Item = Piece>) {
        let mut held = self.held.borrow_mut();
        let mut key_came = false;
        for piece in pieces {
            key_came |= piece.is_key();
            held.append(piece);
        }
        if key_came || !held.starts_at_key() {
            let sinks = self.sinks.borrow();
            let positions = sinks.iter().flatten().filter_map(|sink| sink.position());
            held.trim(positions.min(), self.retention.queue_length);
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The task that keeps an index up to date and wakes its sinks.
struct Delivery {
    index: Weak<Index>,
    stream: Arc<Stream>,
    format: &'static Format,
    linger: Duration,
}

impl Delivery {
    async fn run(self, mut inbox: tokio::sync::mpsc::Receiver<Piece>) {
        let mut online = self.stream.online();
        let mut batch = Vec::with_capacity(limits::WRITE_PIECES_MAX);
        loop {
            let offline = !*online.borrow_and_update();
            if offline {
                let Some(index) = self.index.upgrade() else {
                    return;
                };
                index.held.borrow_mut().forget_start();
            }
            tokio::select! {
                biased;
                received = inbox.recv_many(&mut batch, limits::WRITE_PIECES_MAX) => {
                    let Some(index) = self.index.upgrade() else { return };
                    if received == 0 {
                        tracing::warn!(stream = %self.stream.path(), format = self.format.name,
                            "this shard fell behind its publisher and starts again at the newest key frame");
                        metrics::counter!("weir_shard_overruns_total").increment(1);
                        inbox = index.held.borrow_mut().restart(self.stream.attach(self.format));
                    }
                    index.append(batch.drain(..));
                    index.wake_all().await;
                }
                _ = online.changed() => {}
                () = tokio::time::sleep(self.linger), if offline => {
                    if self.stream.is_online() {
                        continue;
                    }
                    let Some(index) = self.index.upgrade() else { return };
                    index.ended.set(true);
                    index.wake_all().await;
                    return;
                }
            }
        }
    }
}

impl Held {
    /// Where a player that joins now may start, if that is at `from` or later; and what goes ahead.
    pub(crate) fn start(&self, from: u64) -> Option<(u64, &[Piece])> {
        let start = self.start?;
        if start.is_key && start.seq < from {
            return None;
        }
        let mut pieces = self.from(start.seq.max(from));
        pieces.find_map(|piece| Some((piece.seq, piece.start.as_deref()?)))
    }

    /// The number of the piece that comes next.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether piece `seq` was held once and no longer is.
    pub(crate) fn has_lost(&self, seq: u64) -> bool {
        seq < self.first_seq()
    }

    /// The pieces from `seq` on.
    pub(crate) fn from(&self, seq: u64) -> impl Iterator<Item = &Piece> {
        let skip = usize::try_from(seq.saturating_sub(self.first_seq())).unwrap_or(usize::MAX);
        self.pieces.range(skip.min(self.pieces.len())..)
    }

    fn first_seq(&self) -> u64 {
        self.next_seq.saturating_sub(self.pieces.len() as u64)
    }

    fn starts_at_key(&self) -> bool {
        self.start.is_some_and(|start| start.is_key)
    }

    /// The publisher has gone: nobody starts at what it left.
    fn forget_start(&mut self) {
        self.start = None;
    }

    fn restart(&mut self, attached: Attached) -> tokio::sync::mpsc::Receiver<Piece> {
        *self = Self {
            next_seq: attached.next_seq,
            ..Self::default()
        };
        for piece in attached.pieces {
            self.append(piece);
        }
        attached.inbox
    }

    fn append(&mut self, piece: Piece) {
        let is_key = piece.is_key();
        let starts_at_sound = self.start.is_some_and(|start| !start.is_key);
        if piece.start.is_some() && (is_key || !starts_at_sound) {
            let seq = piece.seq;
            self.start = Some(Start { seq, is_key });
        } else if starts_at_sound && piece.kind == media::Kind::Video {
            // Pictures have begun: players start at the first key frame.
            self.start = None;
        }
        self.next_seq = piece.seq + 1;
        self.bytes += piece.bytes.len();
        self.pieces.push_back(piece);
        while self.pieces.len() > limits::INDEX_PIECES_MAX || self.bytes > limits::INDEX_BYTES_MAX {
            self.forget_oldest();
        }
    }

    /// Forgets what nobody needs: `slowest` is the first piece that some cursor still does.
    fn trim(&mut self, slowest: Option<u64>, queue_length: Duration) {
        let Some(newest) = self.pieces.back().map(|piece| piece.dts) else {
            return;
        };
        self.move_start_of_sound(newest);
        let start = self.start.map_or(self.next_seq, |start| start.seq);
        while let Some(oldest) = self.pieces.front() {
            let needed = slowest.is_some_and(|slowest| slowest <= oldest.seq)
                && newest.since(oldest.dts) <= queue_length;
            if oldest.seq >= start || needed {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.pieces.pop_front() else {
            return;
        };
        self.bytes -= oldest.bytes.len();
        self.start = match self.start {
            Some(start) if start.seq > oldest.seq => Some(start),
            Some(start) if !start.is_key => Some(Start {
                seq: oldest.seq + 1,
                ..start
            }),
            _ => None,
        };
    }

    fn move_start_of_sound(&mut self, newest: media::MediaTime) {
        let Some(start) = self.start.filter(|start| !start.is_key) else {
            return;
        };
        let recent = self
            .from(start.seq)
            .find(|piece| newest.since(piece.dts) <= limits::AUDIO_BACKLOG);
        if let Some(seq) = recent.map(|piece| piece.seq) {
            self.start = Some(Start { seq, ..start });
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        frames::{frame, tape},
        tape::FRAMES,
    };

    /// Pieces as a publisher's frames make them: `[m v]k p`, in which brackets hold what goes ahead.
    pub(crate) fn pieces(from: u64, script: &str) -> Vec<Piece> {
        let mut writer = (FRAMES.writer)();
        let mut pieces = Vec::new();
        let mut rest = script.trim();
        while !rest.is_empty() {
            let mut start = None;
            if let Some((ahead, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
                let headers = crate::frames::frames(ahead);
                start = Some(
                    headers
                        .map(|header| Piece::new(0, &header, writer.as_mut()))
                        .collect(),
                );
                rest = after;
            }
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            let seq = from + pieces.len() as u64;
            pieces.push(Piece {
                start,
                ..Piece::new(seq, &frame(word), writer.as_mut())
            });
            rest = after.trim_start();
        }
        pieces
    }

    pub(crate) fn held(from: u64, script: &str) -> Held {
        let mut held = Held {
            next_seq: from,
            ..Held::default()
        };
        pieces(from, script)
            .into_iter()
            .for_each(|piece| held.append(piece));
        held
    }

    /// Where one starts that joins at `from` or later: `headers | first piece`.
    fn start(held: &Held, from: u64) -> Option<String> {
        let (seq, headers) = held.start(from)?;
        let first = held.from(seq).next()?;
        let ahead = crate::frames::words(headers.iter().map(|header| &header.bytes));
        Some(format!(
            "{ahead} | {}",
            String::from_utf8_lossy(&first.bytes)
        ))
    }

    #[test]
    fn one_starts_at_the_newest_key_frame_or_at_a_sound() {
        for (name, script, from, expected) in [
            ("nothing", "", 0, None),
            ("no key frame", "v a p s", 0, None),
            ("a key frame", "m v [m v]k1 p1", 0, Some("m v | k1")),
            ("the newest", "[v]k1 p1 v2 [v2]k2 p2", 0, Some("v2 | k2")),
            ("not before `from`", "[v]k1 p1 p2", 1, None),
            ("just at `from`", "[v]k1 p1 [v]k2", 2, Some("v | k2")),
            ("the first sound", "a [a]s1 [a]s2", 0, Some("a | s1")),
            (
                "a sound at `from`",
                "a [a]s1 [a]s2 [a]s3",
                2,
                Some("a | s2"),
            ),
            ("no sound at `from` yet", "a [a]s1", 2, None),
            ("pictures begin", "a [a]s1 v s2", 0, None),
            (
                "pictures have begun",
                "a [a]s1 v s2 [v a]k1",
                0,
                Some("v a | k1"),
            ),
            (
                "sound after pictures",
                "[v a]k1 p1 [a]s1 [a]s2",
                0,
                Some("a | s1"),
            ),
        ] {
            let held = held(0, script);
            assert_eq!(start(&held, from).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn what_is_kept_before_the_start_is_what_a_slow_player_needs() {
        let script = "[v]k1@0 p1@500 [v]k2@1000 p2@1500 [v]k3@2000 p3@2500";
        for (name, slowest, queue_millis, expected) in [
            ("nobody is slow", Some(6), 10_000, "[v]k3 p3"),
            ("nobody reads", None, 10_000, "[v]k3 p3"),
            ("one is slow", Some(3), 10_000, "p2 [v]k3 p3"),
            (
                "one is slower than the queue",
                Some(0),
                1_500,
                "[v]k2 p2 [v]k3 p3",
            ),
            ("no queue", Some(0), 0, "[v]k3 p3"),
        ] {
            let mut held = held(0, script);
            held.trim(slowest, Duration::from_millis(queue_millis));
            assert_eq!(tape(held.from(0)), expected, "{name}");
            assert_eq!(start(&held, 0).as_deref(), Some("v | k3"), "{name}");
        }
    }

    #[test]
    fn sound_starts_a_second_back() {
        let mut held = held(0, "a [a]s1@0 [a]s2@600 a2@700 [a2]s3@1200 [a2]s4@1650");
        held.trim(None, Duration::ZERO);
        assert_eq!(start(&held, 0).as_deref(), Some("a2 | s3"));
        assert_eq!(tape(held.from(0)), "a2 [a2]s3 [a2]s4");
    }

    #[test]
    fn an_index_is_bounded_when_no_key_frame_ever_comes_again() {
        let mut held = held(0, "[v]k");
        for seq in 1..2 * limits::INDEX_PIECES_MAX as u64 {
            held.append(pieces(seq, "p").remove(0));
            assert!(held.pieces.len() <= limits::INDEX_PIECES_MAX);
        }
        assert_eq!(start(&held, 0), None, "its key frame has gone");
        held.trim(None, Duration::MAX);
        assert_eq!(held.pieces.len(), 0, "nobody can start here");
    }

    #[test]
    fn an_index_is_bounded_in_bytes() {
        let mut held = held(0, "[v]k");
        let body = bytes::Bytes::from(vec![0; 8 << 20]);
        for seq in 1..20 {
            let bytes = body.clone();
            held.append(Piece {
                bytes,
                ..pieces(seq, "p").remove(0)
            });
            assert!(held.bytes <= limits::INDEX_BYTES_MAX);
        }
        assert_eq!(
            held.bytes,
            held.from(0).map(|piece| piece.bytes.len()).sum::<usize>()
        );
        assert!(held.has_lost(0) && !held.has_lost(19));
    }

    #[test]
    fn a_cursor_survives_a_restart_if_its_piece_is_still_there() {
        let attached = |from, script: &str| {
            let pieces = pieces(from, script);
            Attached {
                next_seq: from + pieces.len() as u64,
                pieces,
                inbox: tokio::sync::mpsc::channel(1).1,
            }
        };
        let mut held = held(0, "[v]k1 p1 p2");
        held.restart(attached(2, "p2 p3"));
        assert_eq!((held.has_lost(1), held.has_lost(2)), (true, false));
        assert_eq!(tape(held.from(3)), "p3");
        held.restart(attached(9, ""));
        assert_eq!((held.has_lost(8), held.has_lost(9)), (true, false));
        assert_eq!((held.start(0).is_none(), held.next_seq()), (true, 9));
    }
}
