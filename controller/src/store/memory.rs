//! A store in memory, with etcd's semantics and nothing kept: for simulations and tests.
//!
//! What may happen to etcd can be done to it: its history can be [compacted](Memory::compact), and it
//! can come back [empty](Memory::lose) or from an [old copy](Memory::restore). Time is the runtime's,
//! so under a paused clock leases end when the simulation says so.
//!
//! A lease ends when somebody looks, or at its deadline while somebody watches; either way before
//! anything else is done that comes later.

use super::{
    Answer, Change, Entry, Expect, Lease, Listing, Outcome, Revision, Store, StoreError,
    Transaction, Watch, Write,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// The store; cheap to clone, all clones are the same.
#[derive(Clone)]
pub struct Memory {
    inner: Arc<Inner>,
}

/// Everything that a store holds, as it was at one moment.
#[derive(Clone)]
pub struct Copy {
    revision: Revision,
    entries: BTreeMap<String, Entry>,
    leases: BTreeMap<Lease, Duration>,
}

struct Inner {
    state: Mutex<State>,
    /// Told with each change, of leases too.
    changed: Notify,
}

#[derive(Default)]
struct State {
    revision: Revision,
    entries: BTreeMap<String, Entry>,
    leases: BTreeMap<Lease, Term>,
    granted: u64,
    /// Changes later than `compacted`, in order.
    log: VecDeque<Change>,
    compacted: Revision,
    /// How often the store has lost its history: its revisions mean something else each time.
    history: u64,
}

struct Term {
    ttl: Duration,
    deadline: Instant,
}

impl Default for Memory {
    fn default() -> Self {
        let inner = Inner {
            state: Mutex::default(),
            changed: Notify::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl Memory {
    /// Forgets how it came to be what it is: a watch that is behind has to be told everything again.
    pub fn compact(&self) {
        let mut state = self.inner.state.lock();
        state.compacted = state.revision;
        state.log.clear();
        drop(state);
        self.inner.changed.notify_waiters();
    }

    /// What it holds now.
    pub fn copy(&self) -> Copy {
        let state = self.inner.state.lock();
        let term = |(lease, term): (&Lease, &Term)| (*lease, term.ttl);
        Copy {
            revision: state.revision,
            entries: state.entries.clone(),
            leases: state.leases.iter().map(term).collect(),
        }
    }

    /// Comes back from an old copy; what was done since is lost. Its leases have their whole time.
    pub fn restore(&self, copy: Copy) {
        let mut state = self.inner.state.lock();
        let now = Instant::now();
        let term = |(lease, ttl): (Lease, Duration)| {
            let deadline = now + ttl;
            (lease, Term { ttl, deadline })
        };
        *state = State {
            revision: copy.revision,
            entries: copy.entries,
            leases: copy.leases.into_iter().map(term).collect(),
            // An old copy's leases may be held by nobody; new ones must be others in any case.
            granted: state.granted,
            log: VecDeque::new(),
            compacted: copy.revision,
            history: state.history + 1,
        };
        drop(state);
        self.inner.changed.notify_waiters();
    }

    /// Comes back empty.
    pub fn lose(&self) {
        self.restore(Copy {
            revision: Revision(0),
            entries: BTreeMap::new(),
            leases: BTreeMap::new(),
        });
    }

    /// Ends all leases now, as if nobody had renewed them.
    pub fn end_leases(&self) {
        self.at(|state| {
            let leases: Vec<Lease> = state.leases.keys().copied().collect();
            leases.into_iter().for_each(|lease| state.end(lease));
        });
    }

    /// Does something once all leases that are over have ended.
    fn at<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.inner.state.lock();
        let before = state.revision;
        state.end_leases(Instant::now());
        let done = work(&mut state);
        let changed = state.revision != before;
        drop(state);
        if changed {
            self.inner.changed.notify_waiters();
        }
        done
    }
}

impl State {
    fn end_leases(&mut self, now: Instant) {
        let over = |(lease, term): (&Lease, &Term)| {
            (term.deadline <= now).then_some((term.deadline, *lease))
        };
        let mut ended: Vec<(Instant, Lease)> = self.leases.iter().filter_map(over).collect();
        ended.sort();
        for (_, lease) in ended {
            self.end(lease);
        }
    }

    /// Ends a lease, and deletes its entries in one change.
    fn end(&mut self, lease: Lease) {
        self.leases.remove(&lease);
        let hangs = |entry: &&Entry| entry.lease == Some(lease);
        let delete = |entry: &Entry| Write::Delete(entry.key.clone());
        let writes: Vec<Write> = self.entries.values().filter(hangs).map(delete).collect();
        if !writes.is_empty() {
            self.write(writes);
        }
    }

    fn holds(&self, expected: &Expect) -> bool {
        match expected {
            Expect::Absent(key) => !self.entries.contains_key(key),
            Expect::Unchanged(key, revision) => self
                .entries
                .get(key)
                .is_some_and(|entry| entry.revision == *revision),
            Expect::Is(key, revision, value) => self
                .entries
                .get(key)
                .is_some_and(|entry| entry.revision == *revision && entry.value == *value),
        }
    }

    fn commit(&mut self, transaction: Transaction) -> Result<Outcome, StoreError> {
        for write in &transaction.writes {
            if let Write::Put {
                lease: Some(lease), ..
            } = write
                && !self.leases.contains_key(lease)
            {
                return Err(StoreError::NoLease(*lease));
            }
        }
        if !transaction.expect.iter().all(|it| self.holds(it)) {
            return Ok(Outcome::Conflict);
        }
        Ok(Outcome::Committed(self.write(transaction.writes)))
    }

    fn write(&mut self, writes: Vec<Write>) -> Revision {
        let revision = Revision(self.revision.0 + 1);
        self.revision = revision;
        for write in writes {
            match write {
                Write::Put { key, value, lease } => {
                    let entry = Entry {
                        key: key.clone(),
                        value,
                        revision,
                        lease,
                    };
                    self.entries.insert(key, entry.clone());
                    self.log.push_back(Change::Apply(entry));
                }
                Write::Delete(key) => {
                    if self.entries.remove(&key).is_some() {
                        self.log.push_back(Change::Delete { key, revision });
                    }
                }
            }
        }
        revision
    }

    fn list(&self, prefix: &str) -> Listing {
        let below = self.entries.range(prefix.to_owned()..);
        let below = below.take_while(|(key, _)| key.starts_with(prefix));
        Listing {
            revision: self.revision,
            entries: below.map(|(_, entry)| entry.clone()).collect(),
        }
    }
}

impl Store for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn list(&self, prefix: &str) -> Answer<'_, Listing> {
        let listing = self.at(|state| state.list(prefix));
        Box::pin(async move { Ok(listing) })
    }

    fn commit(&self, transaction: Transaction) -> Answer<'_, Outcome> {
        let outcome = self.at(|state| state.commit(transaction));
        Box::pin(async move { outcome })
    }

    fn grant(&self, ttl: Duration) -> Answer<'_, Lease> {
        let lease = self.at(|state| {
            state.granted += 1;
            let deadline = Instant::now() + ttl;
            state
                .leases
                .insert(Lease(state.granted), Term { ttl, deadline });
            Lease(state.granted)
        });
        // Who waits for the next deadline is to look again.
        self.inner.changed.notify_waiters();
        Box::pin(async move { Ok(lease) })
    }

    fn renew(&self, lease: Lease) -> Answer<'_, ()> {
        let renewed = self.at(|state| match state.leases.get_mut(&lease) {
            Some(term) => {
                term.deadline = Instant::now() + term.ttl;
                Ok(())
            }
            None => Err(StoreError::NoLease(lease)),
        });
        Box::pin(async move { renewed })
    }

    fn revoke(&self, lease: Lease) -> Answer<'_, ()> {
        let revoked = self.at(|state| match state.leases.contains_key(&lease) {
            true => {
                state.end(lease);
                Ok(())
            }
            false => Err(StoreError::NoLease(lease)),
        });
        Box::pin(async move { revoked })
    }

    fn watch(&self, prefix: &str) -> Answer<'_, Box<dyn Watch>> {
        let watching = Watching {
            store: self.clone(),
            prefix: prefix.to_owned(),
            told: None,
            pending: VecDeque::new(),
        };
        Box::pin(async move { Ok(Box::new(watching) as Box<dyn Watch>) })
    }
}

struct Watching {
    store: Memory,
    prefix: String,
    /// Everything up to here was told, of this history; `None` before the first `Init`.
    told: Option<(Revision, u64)>,
    /// Changes that are not told yet.
    pending: VecDeque<Change>,
}

impl Watching {
    /// The next change, or when the next lease ends.
    fn look(&mut self) -> Result<Change, Option<Instant>> {
        let store = self.store.clone();
        store.at(|state| {
            let known = self.told.filter(|(revision, history)| {
                *history == state.history && *revision >= state.compacted
            });
            let Some((told, history)) = known else {
                self.pending.clear();
                self.told = Some((state.revision, state.history));
                return Ok(Change::Init(state.list(&self.prefix)));
            };
            let first = state.log.partition_point(|it| revision(it) <= told);
            let concerns = |it: &&Change| key(it).starts_with(&self.prefix);
            let news = state.log.range(first..).filter(concerns).cloned();
            self.pending.extend(news);
            self.told = Some((state.revision, history));
            let next = || state.leases.values().map(|term| term.deadline).min();
            self.pending.pop_front().ok_or_else(next)
        })
    }
}

fn key(change: &Change) -> &str {
    match change {
        // None is in the log.
        Change::Init(_) => "",
        Change::Apply(entry) => &entry.key,
        Change::Delete { key, .. } => key,
    }
}

fn revision(change: &Change) -> Revision {
    match change {
        Change::Init(listing) => listing.revision,
        Change::Apply(entry) => entry.revision,
        Change::Delete { revision, .. } => *revision,
    }
}

impl Watch for Watching {
    fn next(&mut self) -> Answer<'_, Change> {
        Box::pin(async move {
            let inner = Arc::clone(&self.store.inner);
            loop {
                let changed = inner.changed.notified();
                let deadline = match self.look() {
                    Ok(change) => return Ok(change),
                    Err(deadline) => deadline,
                };
                match deadline {
                    Some(deadline) => drop(tokio::time::timeout_at(deadline, changed).await),
                    None => changed.await,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::{self, Opened};

    async fn open() -> Opened<Memory, ()> {
        Opened {
            store: Memory::default(),
            keep: (),
        }
    }

    suite::run!(open);

    async fn init(watch: &mut Box<dyn Watch>) -> Listing {
        match watch.next().await.expect("a change") {
            Change::Init(listing) => listing,
            other => panic!("{other:?} is no init"),
        }
    }

    #[tokio::test]
    async fn a_watch_that_is_behind_a_compaction_is_told_everything_again() {
        let Opened { store, keep: () } = open().await;
        let mut watch = store.watch("").await.expect("a watch");
        init(&mut watch).await;
        store.compact();
        store.commit(suite::put("a", "1")).await.expect("committed");
        let change = watch.next().await.expect("a change");
        assert!(
            matches!(change, Change::Apply(_)),
            "it was not behind: {change:?}"
        );
        store.commit(suite::put("b", "1")).await.expect("committed");
        store.compact();
        assert_eq!(init(&mut watch).await.entries.len(), 2);
    }

    #[tokio::test]
    async fn a_watch_on_a_store_that_lost_its_history_is_told_what_is_left() {
        let Opened { store, keep: () } = open().await;
        let mut watch = store.watch("").await.expect("a watch");
        init(&mut watch).await;
        store.commit(suite::put("a", "1")).await.expect("committed");
        let old = store.copy();
        store.commit(suite::put("b", "1")).await.expect("committed");
        store.restore(old);
        let left = init(&mut watch).await;
        assert_eq!((left.revision, left.entries.len()), (Revision(1), 1));
        store.lose();
        let left = init(&mut watch).await;
        assert_eq!((left.revision, left.entries.len()), (Revision(0), 0));
    }
}
