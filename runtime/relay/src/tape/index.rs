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
    hub::{Attached, Stream, headers::Headers},
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

/// The pieces that an index holds. Invariant: their numbers count on by one.
#[derive(Default)]
pub(crate) struct Held {
    pieces: VecDeque<Piece>,
    /// The number of the piece that comes next.
    next_seq: u64,
    headers: Headers<Piece>,
    start: Option<Start>,
    has_video: bool,
}

/// Where a player may start.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// The first piece: a key frame, or any sound of a stream without pictures.
    pub(crate) seq: u64,
    /// What must go ahead of it.
    pub(crate) headers: Vec<Piece>,
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
        if key_came || !held.has_video {
            let slowest = self
                .sinks
                .borrow()
                .iter()
                .flatten()
                .filter_map(|sink| sink.position())
                .min();
            held.trim(slowest, self.retention.queue_length);
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
                index.held.borrow_mut().start = None;
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
    /// Where a player that joins now may start, if it is at `from` or later.
    pub(crate) fn start(&self, from: u64) -> Option<&Start> {
        self.start.as_ref().filter(|start| start.seq >= from)
    }

    /// The number of the piece that comes next.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether piece `seq` was held once and no longer is.
    pub(crate) fn has_lost(&self, seq: u64) -> bool {
        seq < self.next_seq.saturating_sub(self.pieces.len() as u64)
    }

    /// The pieces from `seq` on.
    pub(crate) fn from(&self, seq: u64) -> impl Iterator<Item = &Piece> {
        let first = self.next_seq.saturating_sub(self.pieces.len() as u64);
        let skip = usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX);
        self.pieces.range(skip.min(self.pieces.len())..)
    }

    fn restart(&mut self, attached: Attached) -> tokio::sync::mpsc::Receiver<Piece> {
        *self = Self::default();
        for header in attached.headers {
            self.has_video |= header.kind == media::Kind::Video;
            self.headers.keep(header);
        }
        self.next_seq = attached
            .pieces
            .first()
            .map_or(attached.next_seq, |piece| piece.seq);
        for piece in attached.pieces {
            self.append(piece);
        }
        attached.inbox
    }

    fn append(&mut self, piece: Piece) {
        if piece.kind == media::Kind::Video && !self.has_video {
            self.has_video = true;
            self.start = None;
        }
        if piece.is_header() {
            self.headers.keep(piece.clone());
        } else if piece.is_key() || (!self.has_video && self.start.is_none()) {
            let headers = self.headers.iter().cloned().collect();
            self.start = Some(Start {
                seq: piece.seq,
                headers,
            });
        }
        self.next_seq = piece.seq + 1;
        self.pieces.push_back(piece);
    }

    /// Forgets what nobody needs: `slowest` is the first piece that some cursor still does.
    fn trim(&mut self, slowest: Option<u64>, queue_length: Duration) {
        let Some(newest) = self.pieces.back().map(|piece| piece.dts) else {
            return;
        };
        if !self.has_video {
            self.move_start_of_sound(newest);
        }
        let start = self.start.as_ref().map_or(self.next_seq, |start| start.seq);
        while let Some(oldest) = self.pieces.front() {
            let needed = slowest.is_some_and(|slowest| slowest <= oldest.seq)
                && newest.since(oldest.dts) <= queue_length;
            let keeps = oldest.seq >= start || needed;
            if keeps && self.pieces.len() <= limits::INDEX_PIECES_MAX {
                break;
            }
            if oldest.seq >= start {
                self.start = None;
            }
            self.pieces.pop_front();
        }
    }

    fn move_start_of_sound(&mut self, newest: media::MediaTime) {
        let first = self.next_seq.saturating_sub(self.pieces.len() as u64);
        let from = self.start.as_ref().map_or(first, |start| start.seq);
        let recent = self
            .from(from)
            .find(|piece| newest.since(piece.dts) <= limits::AUDIO_BACKLOG);
        let seq = recent.map(|piece| piece.seq);
        if let (Some(start), Some(seq)) = (&mut self.start, seq)
            && start.seq != seq
        {
            *start = Start {
                seq,
                headers: self.headers.iter().cloned().collect(),
            };
        }
    }
}
