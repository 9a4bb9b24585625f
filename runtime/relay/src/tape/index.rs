//! A shard's own index of one tape: the pieces that its players may still need.
//!
//! The pieces are shared by all shards; the index, its cursors and its sinks belong to one thread, so
//! players read without a lock. What comes is appended, for as long as the shard's pace says, and then
//! every sink is woken once, however many pieces came. It comes by the inbox, to a task of the shard; or
//! straight from a publisher on the same shard, which then flushes too, if that is quickly done.
//!
//! Bounded by stream, not by player: it keeps everything from the newest key frame on, and what lies
//! before that only while some cursor still needs it and it is not older than `queue_length`.

use super::{Format, Piece, delivery::Delivery, held::Held};
use crate::{
    hub::Stream,
    limits,
    pace::Pace,
    trail::{self, Trail},
};
use std::{
    cell::{Cell, Ref, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Notify, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Within this all frames that a publisher's shard has read at once have come to another.
const GULP: Duration = Duration::from_millis(2);

/// So many sinks before it is woken a sink's memory is asked for.
const SINKS_AHEAD: usize = 2;

/// What an index wakes when it has more to read.
pub(crate) trait Sink {
    /// There is more to read, or the stream has ended. Called often; must not block.
    fn wake(&self);
    /// The number of the first piece that it still needs; `None` while it waits for a key frame.
    fn position(&self) -> Option<u64>;
    /// Is woken soon: asks for what it will need beside itself.
    fn fetch(&self) {}
    /// Notes what it will need beside itself when it is woken.
    fn note(&self, _trail: &mut Trail) {}
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
    /// Pieces that came before those which they follow.
    ahead: RefCell<VecDeque<Piece>>,
    sinks: RefCell<Sinks>,
    /// A key frame has come since the last flush: what lies before it can be forgotten.
    may_trim: Cell<bool>,
    /// The delivery task is at it, sink by sink.
    flushing: Cell<bool>,
    /// The delivery task's timer runs.
    flush_expected: Cell<bool>,
    pace: Rc<Pace>,
    /// Tells the delivery task that something was appended.
    nudge: Rc<Notify>,
    ended: Cell<bool>,
    stop: CancellationToken,
}

impl Index {
    /// Begins to read `stream` in `format`. Must be called on a shard.
    pub(crate) fn begin(
        stream: &Arc<Stream>,
        format: &'static Format,
        retention: Retention,
        shard: usize,
        pace: &Rc<Pace>,
        tasks: &TaskTracker,
    ) -> Rc<Self> {
        let attached = stream.attach(format, shard);
        let index = Rc::new(Self {
            stream: stream.clone(),
            retention,
            held: RefCell::default(),
            ahead: RefCell::default(),
            sinks: RefCell::default(),
            may_trim: Cell::new(false),
            flushing: Cell::new(false),
            flush_expected: Cell::new(false),
            pace: pace.clone(),
            nudge: Rc::default(),
            ended: Cell::new(false),
            stop: CancellationToken::new(),
        });
        let inbox = index.held.borrow_mut().restart(attached);
        let delivery = Delivery::new(&index, format, shard, index.nudge.clone());
        let stop = index.stop.clone();
        tasks.spawn_local(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = delivery.run(inbox, retention.linger) => {}
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
        let mut held = self.held.borrow_mut();
        let mut ahead = self.ahead.borrow_mut();
        let inbox = held.restart(attached);
        while let Some(next) = ahead.pop_front_if(|next| next.seq <= held.next_seq()) {
            self.append_next(&mut held, next);
        }
        inbox
    }

    /// The publisher has gone: nobody starts at what it left.
    pub(super) fn forget_start(&self) {
        self.held.borrow_mut().forget_start();
    }

    /// Takes in what came; nobody is woken yet.
    ///
    /// A publisher here may be ahead of the inbox, which still has what another shard's publisher sent
    /// before: then its pieces wait, for no longer than the delivery task needs to get there.
    pub(crate) fn append(&self, pieces: impl Iterator<Item = Piece>) {
        let mut held = self.held.borrow_mut();
        let mut ahead = self.ahead.borrow_mut();
        for piece in pieces {
            if piece.seq > held.next_seq() {
                ahead.push_back(piece);
                continue;
            }
            self.append_next(&mut held, piece);
            while let Some(next) = ahead.pop_front_if(|next| next.seq <= held.next_seq()) {
                self.append_next(&mut held, next);
            }
        }
    }

    fn append_next(&self, held: &mut Held, piece: Piece) {
        // What was attached may have come by the inbox, too.
        if piece.seq < held.next_seq() {
            return;
        }
        if piece.is_key() || !held.starts_at_key() {
            self.may_trim.set(true);
        }
        held.append(piece);
    }

    /// Sends what was appended: at once if that is quickly done, else by the delivery task.
    pub(crate) fn settle(&self) {
        let few = self.sinks.borrow().count() <= limits::SINKS_PER_TURN;
        let at_once = self.pace.window().is_zero() || self.held.borrow().is_gathered();
        if few && at_once && !self.flushing.get() {
            let to = self.begin_flush();
            self.wake_some(0);
            self.end_flush(to);
            return;
        }
        let is_enough = self.window().is_some_and(|window| window.is_zero());
        if is_enough || !self.flush_expected.get() {
            self.nudge.notify_one();
        }
    }

    /// Whether the delivery task will flush by itself, after a while.
    pub(super) fn expects_flush(&self, expected: bool) {
        self.flush_expected.set(expected);
    }

    /// Notes what the next frame needs of it, and of whom it wakes first: the rest are asked for in turn.
    pub(crate) fn note(&self, trail: &mut Trail) {
        trail.note(self);
        self.held.borrow().note(trail);
        let sinks = self.sinks.borrow();
        let first = sinks.slots.len().min(SINKS_AHEAD);
        trail.note(&sinks.slots[..first]);
        for sink in sinks.slots[..first].iter().flatten() {
            trail.note(&**sink);
            sink.note(trail);
        }
    }

    /// How long what waits is to be gathered; `None` if nothing waits.
    pub(super) fn window(&self) -> Option<Duration> {
        let held = self.held.borrow();
        let waiting = held.unflushed_bytes()?;
        Some(match held.is_gathered() {
            _ if waiting >= limits::RUN_BYTES_MAX => Duration::ZERO,
            // The rest of a gulp is on its way.
            true => self.pace.window().min(GULP),
            false => self.pace.window(),
        })
    }

    /// Has every sink send what it has not sent yet, then forgets what no sink needs.
    pub(super) async fn flush(&self) {
        self.flushing.set(true);
        let to = self.begin_flush();
        self.wake_all().await;
        self.end_flush(to);
        self.flushing.set(false);
    }

    fn begin_flush(&self) -> u64 {
        let mut held = self.held.borrow_mut();
        if self.sinks.borrow().count() >= limits::RUN_SINKS_MIN {
            held.gather();
        }
        held.next_seq()
    }

    fn end_flush(&self, to: u64) {
        let mut held = self.held.borrow_mut();
        held.flushed(to);
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
        while let Some(next) = self.wake_some(place) {
            place = next;
            tokio::task::yield_now().await;
        }
    }

    /// Wakes a turn's worth of sinks from `place` on; answers where to go on, if there are more.
    fn wake_some(&self, place: usize) -> Option<usize> {
        let end = place + limits::SINKS_PER_TURN;
        for place in place..end {
            let sink = {
                let sinks = self.sinks.borrow();
                sinks.fetch_behind(place);
                sinks.slots.get(place)?.clone()
            };
            if let Some(sink) = sink {
                sink.wake();
            }
        }
        Some(end)
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

    /// Asks for those who are woken after the one at `place`: what lies beside a sink is known when it is
    /// there itself.
    fn fetch_behind(&self, place: usize) {
        if let Some(Some(next)) = self.slots.get(place + 1) {
            next.fetch();
        }
        if let Some(Some(ahead)) = self.slots.get(place + SINKS_AHEAD) {
            trail::fetch(&**ahead);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frames::tape,
        hub::{Duplicate, Hub, Reader},
        pace::{MergeWrite, NoDelay},
        tape::{FRAMES, held::tests::pieces},
    };
    use tokio::task::LocalSet;

    #[tokio::test]
    async fn pieces_are_put_in_order_whichever_way_they_came() {
        let hub = Hub::new(Duplicate::Refuse);
        let path = media::StreamPath::new("v", "live", "a").expect("a path");
        let reading = hub.read(&path, Reader::Internal);
        let retention = Retention {
            queue_length: Duration::ZERO,
            linger: Duration::ZERO,
        };
        let pace = Rc::new(Pace::new(
            MergeWrite {
                min: Duration::ZERO,
                max: Duration::ZERO,
            },
            NoDelay::Always,
        ));
        let tasks = TaskTracker::new();
        let held = |index: &Index| tape(index.held().from(0));
        let begun = async {
            let index = Index::begin(reading.stream(), &FRAMES, retention, 0, &pace, &tasks);
            // A publisher here is ahead of what another shard's has sent before.
            index.append(pieces(2, "p2 p3").into_iter());
            assert_eq!(held(&index), "");
            index.append(pieces(0, "[v]k0").into_iter());
            assert_eq!(held(&index), "[v]k0");
            index.append(pieces(1, "p1").into_iter());
            assert_eq!(held(&index), "[v]k0 p1 p2 p3");
            index.append(pieces(3, "p3 p4").into_iter());
            assert_eq!(held(&index), "[v]k0 p1 p2 p3 p4", "and none twice");
        };
        LocalSet::new().run_until(begun).await;
    }
}
