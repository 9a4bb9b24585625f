//! A live stream inside one node: one publisher writes, tapes carry it to the shards that read.
//!
//! The lock of a stream is taken by its publisher once a frame, and by a shard that begins to read;
//! never by a player. Whoever attaches under it gets a snapshot and everything after the snapshot:
//! no frame twice, none missing.

use super::{
    backlog::Backlog,
    fence::{self, Epoch, Outdated},
    headers::Headers,
    publisher::{PublisherInfo, Readers, Superseded},
    splice::{Record, Splice, Verdict},
    stats::Totals,
    tapes::{Attached, Local, Tapes},
    timeline::{Placed, Timeline},
};
use crate::{limits, tape::Format, trail::Trail};
use media::{Frame, Kind, MediaTime, Role, StreamPath};
use parking_lot::Mutex;
use service::Throttle;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One line a second about clocks that jump: a broken encoder's does with every frame.
static JUMPS: Throttle = Throttle::new(Duration::from_secs(1));

/// A live stream inside one node, shared by its publisher and all who read it.
pub struct Stream {
    path: StreamPath,
    state: Mutex<State>,
    online: watch::Sender<bool>,
    readers: watch::Sender<Readers>,
    totals: Totals,
}

#[derive(Default)]
struct State {
    next_seq: u64,
    publisher: Option<Current>,
    publishers_so_far: u64,
    timeline: Timeline,
    /// Pictures of a new publisher are dropped until its first key frame.
    awaits_key: bool,
    /// What was sent of a publisher with whose frames another may go on.
    record: Option<Record>,
    /// Such another, while it is not known whether it does.
    splice: Option<Box<Splice>>,
    carries: Carries,
    headers: Headers,
    backlog: Backlog,
    /// Until when a node may come for what it missed, though none reads: the publisher has begun, or a
    /// node has left, not long ago.
    nodes_until: Option<Instant>,
    tapes: Tapes,
}

/// What the publisher has sent so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Carries {
    pub(crate) audio: bool,
    pub(crate) video: bool,
}

struct Current {
    number: u64,
    info: PublisherInfo,
    superseded: CancellationToken,
}

impl Stream {
    pub(super) fn new(path: StreamPath) -> Self {
        Self {
            path,
            state: Mutex::default(),
            online: watch::Sender::new(false),
            readers: watch::Sender::default(),
            totals: Totals::default(),
        }
    }

    /// Its name.
    pub fn path(&self) -> &StreamPath {
        &self.path
    }

    /// Its counters.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Whether somebody publishes it, and each change of that.
    pub fn online(&self) -> watch::Receiver<bool> {
        self.online.subscribe()
    }

    /// Whether somebody publishes it now.
    pub fn is_online(&self) -> bool {
        *self.online.borrow()
    }

    /// How many read it, and each change of that.
    pub fn readers(&self) -> watch::Receiver<Readers> {
        self.readers.subscribe()
    }

    /// Who publishes it now.
    pub fn publisher(&self) -> Option<PublisherInfo> {
        self.state
            .lock()
            .publisher
            .as_ref()
            .map(|current| current.info.clone())
    }

    /// The metadata and the sequence headers that hold now.
    pub fn headers(&self) -> Vec<Frame> {
        self.state.lock().headers.iter().cloned().collect()
    }

    /// What the publisher has sent so far.
    pub(crate) fn carries(&self) -> Carries {
        self.state.lock().carries
    }

    /// How long ago the last frame came; `None` if none has.
    pub fn quiet_for(&self, now: Instant) -> Option<Duration> {
        self.state.lock().timeline.quiet_for(now)
    }

    /// What a node missed that has had nothing for `back`, up to the frame numbered `until`: headers first.
    pub(crate) fn missed(&self, until: u64, back: Duration) -> Vec<Frame> {
        let state = self.state.lock();
        let Some((headers, frames)) = state.backlog.before(until, back) else {
            return Vec::new();
        };
        headers.iter().chain(frames).cloned().collect()
    }

    /// Notes what the next frame needs of it.
    pub(crate) fn note(&self, trail: &mut Trail) {
        trail.note(self);
        let state = self.state.lock();
        state.backlog.note(trail);
        state.tapes.note(trail);
    }

    /// The number of the piece that comes next.
    pub(crate) fn next_seq(&self) -> u64 {
        self.state.lock().next_seq
    }

    /// Begins to read in `format` on `shard`: everything since the last key frame, and all that follows.
    pub(crate) fn attach(&self, format: &'static Format, shard: usize) -> Attached {
        let state = &mut *self.state.lock();
        state
            .tapes
            .attach(format, shard, &state.backlog, state.next_seq)
    }

    pub(super) fn count_readers(&self, change: impl FnOnce(&mut Readers)) {
        self.readers.send_modify(change);
    }

    /// A node no longer reads; it may come back for what it misses.
    pub(super) fn node_left(&self, now: Instant) {
        self.state.lock().nodes_until = Some(now + limits::REJOIN_MAX);
    }

    pub(super) fn is_unused(&self) -> bool {
        self.readers.borrow().all == 0 && !self.is_online()
    }

    /// Makes `info` the publisher, if nobody is, or `takes_over` whoever is.
    pub(super) fn claim(
        &self,
        info: PublisherInfo,
        takes_over: impl FnOnce(&PublisherInfo) -> bool,
    ) -> Result<(u64, CancellationToken), PublisherInfo> {
        let mut state = self.state.lock();
        if let Some(current) = &state.publisher {
            if !takes_over(&current.info) {
                return Err(current.info.clone());
            }
            current.superseded.cancel();
        }
        state.publishers_so_far += 1;
        let number = state.publishers_so_far;
        let superseded = CancellationToken::new();
        let goes_on = info.origin.goes_on();
        state.publisher = Some(Current {
            number,
            info,
            superseded: superseded.clone(),
        });
        state.succeed(goes_on);
        // Under the lock, so that a publisher that ends meanwhile cannot have the last word.
        self.online.send_replace(true);
        drop(state);
        Ok((number, superseded))
    }

    /// What is older than `epoch` is refused from now on.
    pub fn believe(&self, epoch: Epoch) {
        if let Some(current) = &mut self.state.lock().publisher {
            current.info.epoch = current.info.epoch.max(epoch);
        }
    }

    /// Whether a node that knows `epoch` may read what is published here.
    pub(super) fn fence(&self, epoch: Epoch) -> Result<(), Outdated> {
        match &self.state.lock().publisher {
            Some(current) => fence::admits(current.info.epoch, epoch),
            None => Ok(()),
        }
    }

    /// Tells the publisher to stop, as if another had taken over.
    pub(super) fn evict(&self) {
        if let Some(current) = &self.state.lock().publisher {
            current.superseded.cancel();
        }
    }

    /// Ends publisher `number`, unless another has taken over. Returns whether it did.
    pub(super) fn release(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        if state
            .publisher
            .as_ref()
            .is_none_or(|current| current.number != number)
        {
            return false;
        }
        state.publisher = None;
        if state.splice.is_none() && state.record.is_none() {
            state.backlog.clear();
            state.trim_tapes();
        }
        self.online.send_replace(false);
        true
    }

    /// Takes `frame` in from publisher `number` and hands it to every reading shard, to that of `local`
    /// through it.
    pub(super) fn publish(
        &self,
        number: u64,
        frame: Frame,
        now: Instant,
        local: &mut Option<&mut Local>,
    ) -> Result<(), Superseded> {
        let state = &mut *self.state.lock();
        if state
            .publisher
            .as_ref()
            .is_none_or(|current| current.number != number)
        {
            return Err(Superseded);
        }
        if state.splice.is_some() {
            self.splice(state, frame, now, local);
        } else {
            self.take(state, frame, now, local);
        }
        Ok(())
    }

    /// Compares `frame` of a new publisher with what was sent, and takes in what turns out to be new.
    fn splice(
        &self,
        state: &mut State,
        frame: Frame,
        now: Instant,
        local: &mut Option<&mut Local>,
    ) {
        let Some(splice) = &mut state.splice else {
            return;
        };
        let (frames, offset_millis) = match splice.offer(frame, now) {
            Verdict::Undecided => return,
            Verdict::Same {
                record,
                headers,
                skipped,
                offset_millis,
            } => {
                tracing::info!(stream = %self.path, skipped, offset_millis, "spliced: the same frames go on");
                metrics::counter!("weir_splices_total", "how" => "same").increment(1);
                state.record = Some(record);
                state.timeline.go_on(offset_millis);
                (headers.iter().cloned().collect(), None)
            }
            Verdict::New {
                held,
                offset_millis,
            } => {
                tracing::info!(stream = %self.path, ?offset_millis, "spliced: other frames, from a key frame on");
                metrics::counter!("weir_splices_total", "how" => "key_frame").increment(1);
                state.begin_anew();
                (held, offset_millis)
            }
        };
        state.splice = None;
        if let Some(offset_millis) = offset_millis {
            state.timeline.go_on(offset_millis);
        }
        for frame in frames {
            self.take(state, frame, now, local);
        }
    }

    /// Takes in a frame that players do not have.
    fn take(
        &self,
        state: &mut State,
        mut frame: Frame,
        now: Instant,
        local: &mut Option<&mut Local>,
    ) {
        if frame.kind == Kind::Video && state.awaits_key {
            match frame.role {
                Role::Inter => return,
                Role::Key => state.awaits_key = false,
                _ => {}
            }
        }
        self.totals.received(&frame);
        match frame.kind {
            Kind::Audio => state.carries.audio = true,
            Kind::Video => state.carries.video = true,
            Kind::Data => {}
        }
        let wire = frame.dts.wire();
        frame.dts = match (frame.kind, frame.role) {
            (_, Role::Metadata | Role::Config) => state.timeline.newest(wire),
            (Kind::Data, _) | (_, Role::Other) => state.timeline.beside(wire, now),
            (Kind::Audio | Kind::Video, _) => {
                let Placed { dts, jumped } = state.timeline.place(wire, now);
                if jumped {
                    self.jumped(dts, now);
                }
                dts
            }
        };
        if let Some(record) = &mut state.record {
            record.sent(&frame, now);
        }
        let headers_changed = if frame.is_header() {
            if !state.headers.keep(&frame) {
                return;
            }
            true
        } else {
            state.headers.settle()
        };
        if headers_changed {
            state.tapes.headers_changed();
        }
        if frame.is_key() {
            let until = *state
                .nodes_until
                .get_or_insert_with(|| now + limits::REJOIN_MAX);
            let nodes_expected = now < until || self.readers.borrow().nodes > 0;
            state.backlog.keep_past(nodes_expected);
        }
        let seq = state.next_seq;
        state.next_seq += 1;
        if state.backlog.push(seq, &frame, &state.headers) {
            tracing::warn!(
                stream = %self.path,
                frames = limits::GOP_FRAMES_MAX, bytes = limits::GOP_BYTES_MAX,
                "the GOP is too long to keep; late joiners wait for the next key frame",
            );
        }
        let kept_from = state.backlog.first_seq();
        let may_start = state.backlog.may_start(&frame);
        let start = may_start.then_some(&state.headers);
        let on_tape = state.tapes.write(seq, &frame, start, kept_from, local);
        if let Some(body) = on_tape {
            frame.body = body;
        } else {
            frame.detach();
        }
        state.backlog.fill(seq, frame.body);
    }

    fn jumped(&self, dts: MediaTime, now: Instant) {
        self.totals.jumped();
        if let Some(unsaid) = JUMPS.permit(now) {
            tracing::warn!(stream = %self.path, %dts, unsaid, "the publisher's timestamps jumped; taken out");
        }
    }
}

impl State {
    /// Another publisher has the stream; `goes_on` if it may have the frames of the one before.
    fn succeed(&mut self, goes_on: bool) {
        self.headers.succeed();
        let record = match self.splice.take() {
            Some(undecided) => Some(undecided.into_record()),
            None => self.record.take(),
        };
        match record {
            Some(record) if goes_on && !record.is_empty() => {
                self.splice = Some(Box::new(Splice::new(record, self.timeline.offset_millis())));
            }
            _ => self.begin_anew(),
        }
        if goes_on && self.splice.is_none() {
            self.record = Some(Record::default());
        }
    }

    /// What the publisher sends has nothing to do with what was sent.
    fn begin_anew(&mut self) {
        self.record = self.splice.is_some().then(Record::default);
        self.timeline.splice();
        self.awaits_key = true;
        self.carries = Carries::default();
        self.backlog.clear();
        self.nodes_until = None;
        self.trim_tapes();
    }

    fn trim_tapes(&mut self) {
        self.tapes.trim(self.backlog.first_seq());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frames::{frames, tape},
        http::format::FLV,
        hub::PublisherKind,
        tape::{FRAMES, Piece},
    };
    use bytes::Bytes;
    use std::{sync::Arc, time::SystemTime};
    use tokio::sync::mpsc;

    fn stream() -> Stream {
        Stream::new(StreamPath::new("v", "live", "a").expect("a path"))
    }

    fn claim(stream: &Stream) -> u64 {
        let info = PublisherInfo {
            peer: None,
            origin: PublisherKind::Publish,
            upstream: None,
            since: SystemTime::UNIX_EPOCH,
            passed_on: None,
            epoch: Epoch::NONE,
            backup: false,
        };
        stream.claim(info, |_| true).expect("nobody resists").0
    }

    fn publish(stream: &Stream, number: u64, script: &str) {
        for frame in frames(script) {
            let published = stream.publish(number, frame, Instant::now(), &mut None);
            published.expect("the publisher is in office");
        }
    }

    /// What an inbox holds.
    fn received(attached: &mut Attached) -> String {
        let pieces: Vec<_> = std::iter::from_fn(|| attached.inbox.try_recv().ok()).collect();
        tape(&pieces)
    }

    #[test]
    fn who_attaches_gets_a_snapshot_and_everything_after_it() {
        let stream = stream();
        let number = claim(&stream);
        publish(&stream, number, "m v a k1 s1 p1");
        let mut first = stream.attach(&FRAMES, 0);
        assert_eq!(tape(&first.pieces), "[m v a]k1 s1 p1");
        publish(&stream, number, "v2 k2 p2");
        let mut second = stream.attach(&FRAMES, 0);
        assert_eq!(tape(&second.pieces), "[m v2 a]k2 p2");
        publish(&stream, number, "s2");
        assert_eq!(received(&mut first), "v2 [m v2 a]k2 p2 s2");
        assert_eq!(received(&mut second), "s2");
        let numbers: Vec<_> = second.pieces.iter().map(|piece| piece.seq).collect();
        assert_eq!((numbers, second.next_seq), (vec![7, 8], 9));
    }

    #[test]
    fn what_is_kept_does_not_keep_what_it_was_read_with() {
        let readers: [&[&'static Format]; 4] = [&[], &[&FRAMES], &[&FLV], &[&FRAMES, &FLV]];
        for formats in readers {
            let stream = stream();
            let number = claim(&stream);
            let attached: Vec<Attached> = formats
                .iter()
                .map(|format| stream.attach(format, 0))
                .collect();
            let script: Vec<Frame> = frames("m v a k1 s1 p1 k2 p2").collect();
            let bodies: Vec<&[u8]> = script.iter().map(|frame| &frame.body[..]).collect();
            let read = Bytes::from(bodies.concat());
            let mut at = 0;
            for mut frame in script {
                let end = at + frame.body.len();
                frame.body = read.slice(at..end);
                at = end;
                let published = stream.publish(number, frame, Instant::now(), &mut None);
                published.expect("the publisher is in office");
            }
            assert!(read.is_unique(), "with {formats:?}");
            drop(attached);
        }
    }

    #[test]
    fn the_publishers_own_shard_gets_its_share_from_the_publisher() {
        let stream = stream();
        let number = claim(&stream);
        let mut near = stream.attach(&FRAMES, 0);
        let mut far = stream.attach(&FRAMES, 1);
        let mut local = Local::new(0);
        for frame in frames("v k1 p1") {
            let published = stream.publish(number, frame, Instant::now(), &mut Some(&mut local));
            published.expect("the publisher is in office");
        }
        let pieces: Vec<_> = local.pieces.drain(..).map(|(_, piece)| piece).collect();
        assert_eq!(tape(&pieces), "v [v]k1 p1");
        assert_eq!(received(&mut far), "v [v]k1 p1");
        assert_eq!(received(&mut near), "", "not twice");
    }

    #[test]
    fn pictures_of_a_new_publisher_begin_with_a_key_frame() {
        let stream = stream();
        let first = claim(&stream);
        publish(&stream, first, "v a k1 s1");
        let mut attached = stream.attach(&FRAMES, 0);
        let second = claim(&stream);
        publish(&stream, second, "v a p8 s2 p9 k2 p3");
        assert_eq!(
            received(&mut attached),
            "[v a]s2 [v a]k2 p3",
            "nor are headers said again that players have"
        );
    }

    #[test]
    fn who_is_superseded_is_told_and_cannot_publish() {
        let stream = stream();
        let first = claim(&stream);
        let second = claim(&stream);
        let frame = frames("k").next().expect("one");
        let published = stream.publish(first, frame, Instant::now(), &mut None);
        assert_eq!(published, Err(Superseded));
        assert!(!stream.release(first), "the end of the first ends nothing");
        assert!(stream.is_online());
        assert!(stream.release(second));
        assert!(!stream.is_online());
    }

    #[test]
    fn a_shard_that_falls_behind_is_let_go_and_may_attach_again() {
        let stream = stream();
        let number = claim(&stream);
        publish(&stream, number, "v k1");
        let mut slow = stream.attach(&FRAMES, 0);
        let mut quick = stream.attach(&FRAMES, 0);
        for _ in 0..limits::INBOX_PIECES_MAX {
            publish(&stream, number, "p");
            assert_eq!(received(&mut quick), "p");
        }
        assert!(!slow.inbox.is_closed());
        publish(&stream, number, "p");
        assert_eq!(received(&mut quick), "p", "the other one goes on");
        let pieces = std::iter::from_fn(|| slow.inbox.try_recv().ok()).count();
        assert_eq!(pieces, limits::INBOX_PIECES_MAX, "what fitted is not lost");
        assert_eq!(
            slow.inbox.try_recv().err(),
            Some(mpsc::error::TryRecvError::Disconnected)
        );
        let again = stream.attach(&FRAMES, 0);
        assert_eq!(again.pieces.len(), limits::INBOX_PIECES_MAX + 2);
        assert!(again.pieces.first().is_some_and(Piece::is_key));
    }

    #[test]
    fn gops_that_are_over_are_kept_while_a_node_may_come_back_for_them() {
        let began = Instant::now();
        let stream = stream();
        let number = claim(&stream);
        let mut seconds = 0;
        let mut kept = |frames_before: &str| {
            for frame in frames(frames_before) {
                let now = began + Duration::from_secs(seconds);
                let published = stream.publish(number, frame, now, &mut None);
                published.expect("the publisher is in office");
                seconds += 1;
            }
            stream.missed(u64::MAX, Duration::from_secs(60)).len()
        };
        assert_eq!(kept("v k1@0 p1 k2@2000"), 4, "who begins may be waited for");
        assert_eq!(kept("p k3@4000"), 2, "nobody has come");
        stream.count_readers(|readers| readers.nodes = 1);
        assert_eq!(kept("p k4@6000"), 4, "a node reads");
        stream.count_readers(|readers| readers.nodes = 0);
        stream.node_left(began + Duration::from_secs(7));
        assert_eq!(kept("p k5@8000"), 6, "it may come back");
        assert_eq!(kept("p k6@10000 p"), 3, "it will not any more");
    }

    #[test]
    fn shards_that_have_left_leave_nothing_behind() {
        let stream = stream();
        let number = claim(&stream);
        publish(&stream, number, "v k1");
        for _ in 0..10 {
            drop(stream.attach(&FRAMES, 0));
        }
        assert_eq!(stream.state.lock().tapes.inboxes(), 1);
        publish(&stream, number, "p1");
        assert!(stream.state.lock().tapes.inboxes() == 0, "nobody reads");
    }

    #[test]
    fn a_publisher_that_ends_while_another_claims_does_not_have_the_last_word() {
        let stream = Arc::new(stream());
        for _ in 0..200 {
            let first = claim(&stream);
            let ending = {
                let stream = stream.clone();
                std::thread::spawn(move || stream.release(first))
            };
            let second = claim(&stream);
            ending.join().expect("no panic");
            assert!(stream.is_online());
            assert!(stream.release(second));
        }
    }

    #[test]
    fn what_a_stream_carries_is_what_its_publisher_has_sent() {
        let stream = stream();
        let number = claim(&stream);
        for (script, audio, video) in [("m", false, false), ("v", false, true), ("s", true, true)] {
            publish(&stream, number, script);
            assert_eq!(stream.carries(), Carries { audio, video }, "{script}");
        }
        claim(&stream);
        assert_eq!(stream.carries(), Carries::default());
    }
}
