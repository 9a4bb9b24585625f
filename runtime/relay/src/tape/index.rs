//! A shard's own index of one tape: the pieces that its players may still need.
//!
//! The pieces are shared by all shards; the index, its cursors and its sinks belong to one thread, so
//! players read without a lock. A task of the shard appends what comes by the inbox, for as long as the
//! shard's pace says, and then wakes every sink once, however many pieces came.
//!
//! Bounded by stream, not by player: it keeps everything from the newest key frame on, and what lies
//! before that only while some cursor still needs it and it is not older than `queue_length`.

use super::{Format, Piece, delivery::Delivery, held::Held};
use crate::{hub::Stream, limits, pace::Pace};
use std::{
    cell::{Cell, Ref, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;
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
    sinks: RefCell<Sinks>,
    /// A key frame has come since the last flush: what lies before it can be forgotten.
    may_trim: Cell<bool>,
    ended: Cell<bool>,
    stop: CancellationToken,
}

impl Index {
    /// Begins to read `stream` in `format`. Must be called on a shard.
    pub(crate) fn begin(
        stream: &Arc<Stream>,
        format: &'static Format,
        retention: Retention,
        pace: &Rc<Pace>,
        tasks: &TaskTracker,
    ) -> Rc<Self> {
        let attached = stream.attach(format);
        let index = Rc::new(Self {
            stream: stream.clone(),
            retention,
            held: RefCell::default(),
            sinks: RefCell::default(),
            may_trim: Cell::new(false),
            ended: Cell::new(false),
            stop: CancellationToken::new(),
        });
        let inbox = index.held.borrow_mut().restart(attached);
        let delivery = Delivery::new(&index, format, retention.linger, pace.clone());
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
        self.sinks.borrow_mut().add(sink)
    }

    /// Stops waking the sink at `place`.
    pub(crate) fn remove(&self, place: usize) {
        self.sinks.borrow_mut().remove(place);
    }

    pub(super) fn restart(&self, attached: crate::hub::Attached) -> mpsc::Receiver<Piece> {
        self.held.borrow_mut().restart(attached)
    }

    /// The publisher has gone: nobody starts at what it left.
    pub(super) fn forget_start(&self) {
        self.held.borrow_mut().forget_start();
    }

    /// Takes in what came; nobody is woken yet. Returns how many bytes wait to be flushed.
    pub(super) fn append(&self, pieces: impl Iterator<Item = Piece>) -> usize {
        let mut held = self.held.borrow_mut();
        for piece in pieces {
            if piece.is_key() || !held.starts_at_key() {
                self.may_trim.set(true);
            }
            held.append(piece);
        }
        held.unflushed_bytes()
    }

    /// Has every sink send what it has not sent yet, then forgets what no sink needs.
    pub(super) async fn flush(&self) {
        if self.sinks.borrow().count() >= limits::RUN_SINKS_MIN {
            self.held.borrow_mut().gather();
        }
        self.wake_all().await;
        let mut held = self.held.borrow_mut();
        held.flushed();
        if self.may_trim.replace(false) {
            let sinks = self.sinks.borrow();
            let positions = sinks.iter().filter_map(|sink| sink.position());
            held.trim(positions.min(), self.retention.queue_length);
        }
    }

    /// Tells every sink that nothing more will come.
    pub(super) async fn end(&self) {
        self.ended.set(true);
        self.wake_all().await;
    }

    async fn wake_all(&self) {
        let mut place = 0;
        loop {
            for _ in 0..limits::SINKS_PER_TURN {
                let sink = match self.sinks.borrow().slots.get(place) {
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
}

/// Who is woken, in the order of their places; a place that is free is taken again.
#[derive(Default)]
struct Sinks {
    slots: Vec<Option<Rc<dyn Sink>>>,
    free: Vec<usize>,
}

impl Sinks {
    fn add(&mut self, sink: Rc<dyn Sink>) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.slots[place] = Some(sink);
                place
            }
            None => {
                self.slots.push(Some(sink));
                self.slots.len() - 1
            }
        }
    }

    fn remove(&mut self, place: usize) {
        if self.slots.get_mut(place).and_then(Option::take).is_some() {
            self.free.push(place);
        }
    }

    fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn iter(&self) -> impl Iterator<Item = &Rc<dyn Sink>> {
        self.slots.iter().flatten()
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
