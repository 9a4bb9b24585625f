//! Where the streams are that somebody on this node asks about, and those that somebody asked about.
//!
//! ```text
//!   (unheard of) ── locate ──▶ watched ◀── locate ──┐
//!                                 │                 │
//!                                 └── last drop ──▶ remembered ── too many ──▶ (forgotten)
//! ```
//!
//! The dialogue follows by itself: what begins or ceases to be watched is *unsettled* until it has
//! been told to the controller. A location is replaced by a newer one only: never by silence, never
//! by one of an older epoch.

use crate::limits::{ANSWER_PATIENCE, REMEMBERED_LOCATIONS_MAX};
use control::{Epoch, Location};
use media::StreamPath;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use tokio::sync::{Notify, watch};

/// A subscription to where one stream is. Dropping it ends it.
pub struct Locating {
    path: StreamPath,
    seen: watch::Receiver<Seen>,
    last: Option<Location>,
    connected: watch::Receiver<bool>,
    locations: Arc<Locations>,
}

/// What is known of a stream, and whether it was said on the dialogue that runs now.
#[derive(Debug, Clone, Default)]
struct Seen {
    location: Location,
    fresh: bool,
}

impl Locating {
    /// The stream.
    pub fn path(&self) -> &StreamPath {
        &self.path
    }

    /// What is known now, maybe from before; nothing is awaited.
    pub fn current(&self) -> Location {
        self.seen.borrow().location.clone()
    }

    /// The controller's answer. What is known is returned instead if no controller is reached or
    /// none answers within [`ANSWER_PATIENCE`]. Cancel-safe.
    ///
    /// Later changes are measured against what this returns.
    pub async fn answer(&mut self) -> Location {
        let (seen, connected) = (&mut self.seen, &mut self.connected);
        let answered = async {
            tokio::select! {
                _ = seen.wait_for(|seen| seen.fresh) => {}
                _ = connected.wait_for(|connected| !connected) => {}
            }
        };
        // Too late is as good as not connected: what is known has to do.
        let _ = tokio::time::timeout(ANSWER_PATIENCE, answered).await;
        let location = self.seen.borrow_and_update().location.clone();
        self.last = Some(location.clone());
        location
    }

    /// Waits until the location differs from the last one that this or [`answer`](Self::answer)
    /// returned (the first call: from what was known when the subscription began); returns the new
    /// one. Cancel-safe. Changes in quick succession are seen as one.
    pub async fn changed(&mut self) -> Location {
        loop {
            if self.seen.changed().await.is_err() {
                // The sender lives in `self.locations` for as long as this subscription.
                std::future::pending::<()>().await;
            }
            let location = self.seen.borrow_and_update().location.clone();
            if self.last.as_ref() != Some(&location) {
                self.last = Some(location.clone());
                return location;
            }
        }
    }
}

impl Drop for Locating {
    fn drop(&mut self) {
        self.locations.let_go(&self.path);
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Locations {
    inner: Mutex<Inner>,
    unsettled: Notify,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<StreamPath, Entry>,
    /// Begun or ceased to be watched, and the controller was not told yet.
    unsettled: HashSet<StreamPath>,
    /// Not watched any more, by when they were let go.
    remembered: BTreeMap<u64, StreamPath>,
    /// Counts what was let go; gives `remembered` its order.
    releases: u64,
}

struct Entry {
    seen: watch::Sender<Seen>,
    watchers: usize,
    let_go: u64,
}

/// What the controller is to be told of one stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) path: StreamPath,
    pub(crate) wanted: bool,
    pub(crate) epoch: Epoch,
}

impl Locations {
    /// Begins to watch a stream.
    pub(crate) fn watch(
        self: &Arc<Self>,
        path: &StreamPath,
        connected: watch::Receiver<bool>,
    ) -> Locating {
        let mut inner = self.inner.lock();
        let entry = inner.entries.entry(path.clone()).or_insert_with(Entry::new);
        entry.watchers += 1;
        let seen = entry.seen.subscribe();
        let (first, let_go) = (entry.watchers == 1, entry.let_go);
        if first {
            inner.remembered.remove(&let_go);
            inner.unsettled.insert(path.clone());
        }
        drop(inner);
        if first {
            self.unsettled.notify_one();
        }
        let last = Some(seen.borrow().location.clone());
        Locating {
            path: path.clone(),
            seen,
            last,
            connected,
            locations: Arc::clone(self),
        }
    }

    fn let_go(&self, path: &StreamPath) {
        let mut inner = self.inner.lock();
        let Some(entry) = inner.entries.get_mut(path) else {
            return;
        };
        entry.watchers = entry.watchers.saturating_sub(1);
        if entry.watchers > 0 {
            return;
        }
        entry.seen.send_modify(|seen| seen.fresh = false);
        let known = entry.seen.borrow().location.known;
        inner.unsettled.insert(path.clone());
        if known {
            inner.remember(path);
        } else {
            inner.entries.remove(path);
        }
        drop(inner);
        self.unsettled.notify_one();
    }

    /// Waits until something is unsettled. Cancel-safe.
    pub(crate) async fn unsettled(&self) {
        self.unsettled.notified().await;
    }

    /// Takes what is unsettled; each stream once, as it stands now.
    pub(crate) fn settle(&self) -> Vec<Turn> {
        let mut inner = self.inner.lock();
        let paths = std::mem::take(&mut inner.unsettled);
        let turn = |path: StreamPath| match inner.entries.get(&path) {
            Some(entry) => {
                let epoch = entry.seen.borrow().location.epoch;
                Turn {
                    path,
                    wanted: entry.watchers > 0,
                    epoch,
                }
            }
            None => Turn {
                path,
                wanted: false,
                epoch: Epoch::NONE,
            },
        };
        paths.into_iter().map(turn).collect()
    }

    /// A dialogue begins or has ended: nothing is fresh, and all that is watched is unsettled.
    pub(crate) fn unsettle(&self) {
        let mut inner = self.inner.lock();
        let watched = |(path, entry): (&StreamPath, &Entry)| {
            entry.seen.send_if_modified(|seen| {
                seen.fresh = false;
                false
            });
            (entry.watchers > 0).then(|| path.clone())
        };
        inner.unsettled = inner.entries.iter().filter_map(watched).collect();
        drop(inner);
        self.unsettled.notify_one();
    }

    /// The controller answered. `false` if that was for nobody or of an older epoch.
    pub(crate) fn learn(&self, path: &StreamPath, location: Location) -> bool {
        let inner = self.inner.lock();
        let Some(entry) = inner.entries.get(path) else {
            return false;
        };
        if location.epoch < entry.seen.borrow().location.epoch {
            return false;
        }
        let fresh = entry.watchers > 0;
        entry.seen.send_replace(Seen { location, fresh });
        true
    }

    /// What a memory on disk held; to be called before anything is watched.
    pub(crate) fn recall(&self, known: Vec<(StreamPath, Location)>) {
        let mut inner = self.inner.lock();
        for (path, location) in known {
            let entry = inner.entries.entry(path.clone()).or_insert_with(Entry::new);
            entry.seen.send_replace(Seen {
                location,
                fresh: false,
            });
            inner.remember(&path);
        }
    }

    /// All that is known, for a memory on disk.
    pub(crate) fn known(&self) -> Vec<(StreamPath, Location)> {
        let inner = self.inner.lock();
        let known = |(path, entry): (&StreamPath, &Entry)| {
            let location = entry.seen.borrow().location.clone();
            location.known.then(|| (path.clone(), location))
        };
        inner.entries.iter().filter_map(known).collect()
    }

    /// How many streams are watched.
    pub(crate) fn watched(&self) -> usize {
        let inner = self.inner.lock();
        inner.entries.len() - inner.remembered.len()
    }
}

impl Inner {
    /// Keeps an entry that nobody watches; forgets the oldest of those if there are too many.
    fn remember(&mut self, path: &StreamPath) {
        self.releases += 1;
        if let Some(entry) = self.entries.get_mut(path) {
            entry.let_go = self.releases;
            self.remembered.insert(self.releases, path.clone());
        }
        while self.remembered.len() > REMEMBERED_LOCATIONS_MAX {
            if let Some((_, oldest)) = self.remembered.pop_first() {
                self.entries.remove(&oldest);
            }
        }
    }
}

impl Entry {
    fn new() -> Self {
        Self {
            seen: watch::Sender::new(Seen::default()),
            watchers: 0,
            let_go: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    fn path(name: &str) -> StreamPath {
        StreamPath::new("h", "live", name).expect("a good path")
    }

    fn at(epoch: u64) -> Location {
        Location {
            sources: vec![],
            standbys: vec![],
            epoch: Epoch(epoch),
            known: true,
        }
    }

    static CONNECTED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(true));

    fn watch_one(locations: &Arc<Locations>, name: &str) -> Locating {
        locations.watch(&path(name), CONNECTED.subscribe())
    }

    #[test]
    fn the_controller_is_told_of_the_first_watcher_and_of_the_last() {
        let locations = Arc::new(Locations::default());
        let first = watch_one(&locations, "a");
        let second = watch_one(&locations, "a");
        let wanted = |wanted| {
            vec![Turn {
                path: path("a"),
                wanted,
                epoch: Epoch::NONE,
            }]
        };
        assert_eq!(locations.settle(), wanted(true));
        drop(first);
        assert_eq!(locations.settle(), []);
        drop(second);
        assert_eq!(locations.settle(), wanted(false));
        assert_eq!(locations.watched(), 0);
    }

    #[test]
    fn an_older_epoch_never_replaces_a_newer_one() {
        let locations = Arc::new(Locations::default());
        let locating = watch_one(&locations, "a");
        assert!(locations.learn(&path("a"), at(2)));
        assert!(!locations.learn(&path("a"), at(1)));
        assert_eq!(locating.current(), at(2));
        assert!(!locations.learn(&path("nobody-asked"), at(9)));
    }

    #[test]
    fn what_was_learnt_is_remembered_and_what_was_not_is_forgotten() {
        let locations = Arc::new(Locations::default());
        let (known, unknown) = (
            watch_one(&locations, "known"),
            watch_one(&locations, "unknown"),
        );
        locations.learn(&path("known"), at(3));
        drop((known, unknown));
        assert_eq!(locations.known(), [(path("known"), at(3))]);
        assert_eq!(watch_one(&locations, "known").current(), at(3));
        assert_eq!(
            watch_one(&locations, "unknown").current(),
            Location::unknown()
        );
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let locations = Arc::new(Locations::default());
        for number in 0..=REMEMBERED_LOCATIONS_MAX {
            let locating = watch_one(&locations, &number.to_string());
            locations.learn(locating.path(), at(1));
        }
        assert_eq!(locations.known().len(), REMEMBERED_LOCATIONS_MAX);
        assert!(!watch_one(&locations, "0").current().known);
        assert!(watch_one(&locations, "1").current().known);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_awaited_but_not_for_ever() {
        let locations = Arc::new(Locations::default());
        let mut locating = watch_one(&locations, "a");
        let began = tokio::time::Instant::now();
        assert_eq!(locating.answer().await, Location::unknown());
        assert!(began.elapsed() >= ANSWER_PATIENCE);
        let began = tokio::time::Instant::now();
        locations.learn(&path("a"), at(1));
        assert_eq!(locating.answer().await, at(1));
        assert_eq!(
            began.elapsed(),
            std::time::Duration::ZERO,
            "an answer that is there is not awaited"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_awaited_without_a_controller() {
        let locations = Arc::new(Locations::default());
        let (_sender, connected) = watch::channel(false);
        let mut locating = locations.watch(&path("a"), connected);
        let began = tokio::time::Instant::now();
        assert_eq!(locating.answer().await, Location::unknown());
        assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    }

    #[tokio::test]
    async fn the_same_answer_again_is_no_change() {
        let locations = Arc::new(Locations::default());
        let mut locating = watch_one(&locations, "a");
        locations.learn(&path("a"), at(1));
        assert_eq!(locating.changed().await, at(1));
        locations.learn(&path("a"), at(1));
        locations.learn(&path("a"), at(2));
        assert_eq!(locating.changed().await, at(2));
    }
}
