//! The store in the controller's own process: one redb file, every commit synced before it is
//! acknowledged.
//!
//! One writer at a time (the lock on `Inner::writer`), so the order of revisions is the order of
//! commits and of what watches are told. Disk work runs on blocking threads.
//!
//! The file holds three tables: entries by key, leases by number, and counters. A value's first 16
//! bytes are its revision and its lease.

use super::{
    Answer, Change, Entry, Expect, Lease, Listing, Outcome, Revision, Store, StoreError,
    Transaction, Watch, Write,
};
use crate::limits::{STORE_CACHE_BYTES, WATCH_CHANGES_MAX};
use bytes::Bytes;
use parking_lot::Mutex;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, broadcast};

const ENTRIES: TableDefinition<&str, &[u8]> = TableDefinition::new("entries");
/// Time to live in milliseconds by lease.
const LEASES: TableDefinition<u64, u64> = TableDefinition::new("leases");
const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters");
const REVISION: &str = "revision";
const LEASE: &str = "lease";

/// The embedded store; cheap to clone. The file is closed with the last clone.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    writer: Mutex<Leases>,
    changes: broadcast::Sender<Arc<[Change]>>,
    /// A lease was made, renewed or ended: the next deadline may be another.
    leases_changed: Notify,
}

/// When each lease ends. Kept in memory: a restart gives every lease its whole time again.
#[derive(Default)]
struct Leases {
    terms: HashMap<Lease, Term>,
    deadlines: BTreeSet<(Instant, Lease)>,
}

struct Term {
    ttl: Duration,
    deadline: Instant,
}

impl Embedded {
    /// Opens the store in `file`, or makes it. Starts the task that ends leases, on the current
    /// runtime; it ends with the store.
    ///
    /// # Errors
    /// If the file cannot be opened, is another process's now, or is no store.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let refused = |source: redb::Error| StoreError::Open {
            file: file.display().to_string(),
            source,
        };
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir).map_err(|error| refused(redb::Error::Io(error)))?;
        }
        let mut builder = Database::builder();
        builder.set_cache_size(STORE_CACHE_BYTES);
        let database = builder
            .create(file)
            .map_err(|error| refused(error.into()))?;
        let leases = prepare(&database).map_err(refused)?;
        let inner = Arc::new(Inner {
            database,
            writer: Mutex::new(leases),
            changes: broadcast::Sender::new(WATCH_CHANGES_MAX),
            leases_changed: Notify::new(),
        });
        tokio::spawn(end_leases(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// Runs disk work where it may block.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || work(&inner)).await {
                Ok(answer) => answer,
                Err(stopped) if stopped.is_panic() => {
                    std::panic::resume_unwind(stopped.into_panic())
                }
                Err(_) => Err(StoreError::Closed),
            }
        })
    }
}

/// Makes the tables, and gives all leases their whole time.
fn prepare(database: &Database) -> Result<Leases, redb::Error> {
    let writing = database.begin_write()?;
    let mut leases = Leases::default();
    {
        writing.open_table(ENTRIES)?;
        writing.open_table(COUNTERS)?;
        for row in writing.open_table(LEASES)?.iter()? {
            let (lease, ttl) = row?;
            leases.begin(Lease(lease.value()), Duration::from_millis(ttl.value()));
        }
    }
    writing.commit()?;
    Ok(leases)
}

impl Leases {
    fn begin(&mut self, lease: Lease, ttl: Duration) {
        let deadline = Instant::now() + ttl;
        self.terms.insert(lease, Term { ttl, deadline });
        self.deadlines.insert((deadline, lease));
    }

    fn renew(&mut self, lease: Lease) -> Result<(), StoreError> {
        let term = self
            .terms
            .get_mut(&lease)
            .ok_or(StoreError::NoLease(lease))?;
        self.deadlines.remove(&(term.deadline, lease));
        term.deadline = Instant::now() + term.ttl;
        self.deadlines.insert((term.deadline, lease));
        Ok(())
    }

    fn end(&mut self, lease: Lease) -> Result<(), StoreError> {
        let term = self
            .terms
            .remove(&lease)
            .ok_or(StoreError::NoLease(lease))?;
        self.deadlines.remove(&(term.deadline, lease));
        Ok(())
    }
}

impl Inner {
    fn list(&self, prefix: &str) -> Result<Listing, redb::Error> {
        let reading = self.database.begin_read()?;
        let revision = reading
            .open_table(COUNTERS)?
            .get(REVISION)?
            .map_or(0, |row| row.value());
        let table = reading.open_table(ENTRIES)?;
        let mut entries = Vec::new();
        for row in table.range(prefix..)? {
            let (key, value) = row?;
            if !key.value().starts_with(prefix) {
                break;
            }
            entries.extend(decode(key.value(), value.value()));
        }
        Ok(Listing {
            revision: Revision(revision),
            entries,
        })
    }

    fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let leases = self.writer.lock();
        for write in &transaction.writes {
            if let Write::Put {
                lease: Some(lease), ..
            } = write
                && !leases.terms.contains_key(lease)
            {
                return Err(StoreError::NoLease(*lease));
            }
        }
        let failed = |error: redb::Error| StoreError::Failed(error);
        let writing = self
            .database
            .begin_write()
            .map_err(|error| failed(error.into()))?;
        if !holds(&writing, &transaction.expect).map_err(failed)? {
            writing.abort().map_err(|error| failed(error.into()))?;
            return Ok(Outcome::Conflict);
        }
        let (revision, changes) = change(&writing, &transaction.writes).map_err(failed)?;
        writing.commit().map_err(|error| failed(error.into()))?;
        // Nobody may be watching. The lock is still held, so watches hear of commits in order.
        let _ = self.changes.send(changes);
        drop(leases);
        Ok(Outcome::Committed(revision))
    }

    fn grant(&self, ttl: Duration) -> Result<Lease, redb::Error> {
        let mut leases = self.writer.lock();
        let writing = self.database.begin_write()?;
        let lease = Lease(count(&writing, LEASE)?);
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        writing.open_table(LEASES)?.insert(lease.0, millis)?;
        writing.commit()?;
        leases.begin(lease, ttl);
        drop(leases);
        self.leases_changed.notify_one();
        Ok(lease)
    }

    fn revoke(&self, lease: Lease) -> Result<(), StoreError> {
        let mut leases = self.writer.lock();
        leases.end(lease)?;
        let changes = self.delete_of(lease).map_err(StoreError::Failed)?;
        let _ = self.changes.send(changes);
        drop(leases);
        self.leases_changed.notify_one();
        Ok(())
    }

    /// Deletes a lease and its entries in one change.
    fn delete_of(&self, lease: Lease) -> Result<Arc<[Change]>, redb::Error> {
        let writing = self.database.begin_write()?;
        writing.open_table(LEASES)?.remove(lease.0)?;
        let mut writes = Vec::new();
        for row in writing.open_table(ENTRIES)?.iter()? {
            let (key, value) = row?;
            if decode(key.value(), value.value()).is_some_and(|entry| entry.lease == Some(lease)) {
                writes.push(Write::Delete(key.value().to_owned()));
            }
        }
        let changes = match writes.is_empty() {
            true => Arc::default(),
            false => change(&writing, &writes)?.1,
        };
        writing.commit()?;
        Ok(changes)
    }
}

fn holds(writing: &WriteTransaction, expect: &[Expect]) -> Result<bool, redb::Error> {
    let table = writing.open_table(ENTRIES)?;
    for expected in expect {
        let found = |key: &str| -> Result<Option<Entry>, redb::Error> {
            let value = table.get(key)?;
            Ok(value.and_then(|value| decode(key, value.value())))
        };
        let holds = match expected {
            Expect::Unchanged(key, revision) => {
                found(key)?.is_some_and(|entry| entry.revision == *revision)
            }
            Expect::Is(key, revision, value) => found(key)?
                .is_some_and(|entry| entry.revision == *revision && entry.value == *value),
            Expect::Absent(key) => found(key)?.is_none(),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Does the writes at the next revision, and says what that changed.
fn change(
    writing: &WriteTransaction,
    writes: &[Write],
) -> Result<(Revision, Arc<[Change]>), redb::Error> {
    let revision = Revision(count(writing, REVISION)?);
    let mut table = writing.open_table(ENTRIES)?;
    let mut changes = Vec::with_capacity(writes.len());
    for write in writes {
        match write {
            Write::Put { key, value, lease } => {
                let entry = Entry {
                    key: key.clone(),
                    value: value.clone(),
                    revision,
                    lease: *lease,
                };
                table.insert(key.as_str(), encode(&entry).as_slice())?;
                changes.push(Change::Apply(entry));
            }
            Write::Delete(key) => {
                if table.remove(key.as_str())?.is_some() {
                    changes.push(Change::Delete {
                        key: key.clone(),
                        revision,
                    });
                }
            }
        }
    }
    Ok((revision, changes.into()))
}

/// The counter's next number.
fn count(writing: &WriteTransaction, counter: &str) -> Result<u64, redb::Error> {
    let mut table = writing.open_table(COUNTERS)?;
    let next = table
        .get(counter)?
        .map_or(0, |row| row.value())
        .saturating_add(1);
    table.insert(counter, next)?;
    Ok(next)
}

fn encode(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + entry.value.len());
    bytes.extend(entry.revision.0.to_be_bytes());
    bytes.extend(entry.lease.map_or(0, |lease| lease.0).to_be_bytes());
    bytes.extend(&entry.value);
    bytes
}

fn decode(key: &str, bytes: &[u8]) -> Option<Entry> {
    let (revision, rest) = bytes.split_first_chunk::<8>()?;
    let (lease, value) = rest.split_first_chunk::<8>()?;
    let lease = u64::from_be_bytes(*lease);
    Some(Entry {
        key: key.to_owned(),
        value: Bytes::copy_from_slice(value),
        revision: Revision(u64::from_be_bytes(*revision)),
        lease: (lease != 0).then_some(Lease(lease)),
    })
}

/// Ends each lease at its deadline, for as long as the store is open.
async fn end_leases(store: Weak<Inner>) {
    loop {
        let Some(inner) = store.upgrade() else { return };
        let next = inner.writer.lock().deadlines.first().copied();
        match next {
            Some((deadline, lease)) if deadline <= Instant::now() => {
                let ended = tokio::task::spawn_blocking(move || inner.revoke(lease)).await;
                if let Ok(Err(error)) = ended {
                    tracing::error!(lease = lease.0, %error, "a lease could not be ended");
                }
            }
            Some((deadline, _)) => {
                let changed = inner.leases_changed.notified();
                let wait = deadline.saturating_duration_since(Instant::now());
                // At most a second, so that a closed store is noticed.
                let _ = tokio::time::timeout(wait.min(Duration::from_secs(1)), changed).await;
            }
            None => {
                let changed = inner.leases_changed.notified();
                let _ = tokio::time::timeout(Duration::from_secs(1), changed).await;
            }
        }
    }
}

impl Store for Embedded {
    fn kind(&self) -> &'static str {
        "embedded"
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn list(&self, prefix: &str) -> Answer<'_, Listing> {
        let prefix = prefix.to_owned();
        self.blocking(move |inner| inner.list(&prefix).map_err(StoreError::Failed))
    }

    fn commit(&self, transaction: Transaction) -> Answer<'_, Outcome> {
        self.blocking(move |inner| inner.commit(&transaction))
    }

    fn grant(&self, ttl: Duration) -> Answer<'_, Lease> {
        self.blocking(move |inner| inner.grant(ttl).map_err(StoreError::Failed))
    }

    fn renew(&self, lease: Lease) -> Answer<'_, ()> {
        let renewed = self.inner.writer.lock().renew(lease);
        self.inner.leases_changed.notify_one();
        Box::pin(async move { renewed })
    }

    fn revoke(&self, lease: Lease) -> Answer<'_, ()> {
        self.blocking(move |inner| inner.revoke(lease))
    }

    fn watch(&self, prefix: &str) -> Answer<'_, Box<dyn Watch>> {
        let watching = Watching {
            store: Arc::downgrade(&self.inner),
            prefix: prefix.to_owned(),
            changes: self.inner.changes.subscribe(),
            told: Revision(0),
            pending: Vec::new(),
            lost: true,
        };
        Box::pin(async move { Ok(Box::new(watching) as Box<dyn Watch>) })
    }
}

/// A watch on the embedded store. It holds no file open: it ends with the store.
struct Watching {
    store: Weak<Inner>,
    prefix: String,
    changes: broadcast::Receiver<Arc<[Change]>>,
    /// Everything up to here was told.
    told: Revision,
    /// Changes of one commit not told yet, the last one first.
    pending: Vec<Change>,
    /// Not each change can be told: all that is there must be.
    lost: bool,
}

impl Watching {
    /// All that is there. Changes that it contains and that are still to come are passed over.
    async fn init(&mut self) -> Result<Change, StoreError> {
        let inner = self.store.upgrade().ok_or(StoreError::Closed)?;
        let listing = Embedded { inner }.list(&self.prefix).await?;
        self.told = listing.revision;
        self.pending.clear();
        self.lost = false;
        Ok(Change::Init(listing))
    }

    fn take(&mut self, changes: &[Change]) {
        let told = self.told;
        let concerns = |change: &&Change| match change {
            Change::Init(_) => false,
            Change::Apply(entry) => entry.revision > told && entry.key.starts_with(&self.prefix),
            Change::Delete { key, revision } => *revision > told && key.starts_with(&self.prefix),
        };
        self.pending = changes.iter().filter(concerns).rev().cloned().collect();
    }
}

impl Watch for Watching {
    fn next(&mut self) -> Answer<'_, Change> {
        Box::pin(async move {
            loop {
                if self.lost {
                    return self.init().await;
                }
                if let Some(change) = self.pending.pop() {
                    return Ok(change);
                }
                match self.changes.recv().await {
                    Ok(changes) => self.take(&changes),
                    Err(broadcast::error::RecvError::Lagged(_)) => self.lost = true,
                    Err(broadcast::error::RecvError::Closed) => return Err(StoreError::Closed),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::{self, Opened};

    async fn open() -> Opened<Embedded, tempfile::TempDir> {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("controller.redb");
        Opened {
            store: Embedded::open(&file).expect("opened"),
            keep: dir,
        }
    }

    suite::run!(open);

    #[tokio::test]
    async fn what_was_committed_is_there_after_the_store_is_opened_again() {
        let Opened { store, keep: dir } = open().await;
        let outcome = store.commit(suite::put("a", "1")).await.expect("committed");
        assert_eq!(outcome, Outcome::Committed(Revision(1)));
        let lease = store.grant(Duration::from_secs(60)).await.expect("granted");
        drop(store);

        let file = dir.path().join("controller.redb");
        // The lease task lets go of the file within a second.
        let again = suite::eventually(async || Embedded::open(&file).ok()).await;
        let listing = again.list("").await.expect("listed");
        assert_eq!((listing.revision, listing.entries.len()), (Revision(1), 1));
        again
            .renew(lease)
            .await
            .expect("a lease outlives the store's process");
        let outcome = again.commit(suite::put("b", "2")).await.expect("committed");
        assert_eq!(outcome, Outcome::Committed(Revision(2)));
    }

    #[tokio::test]
    async fn one_file_is_one_store_s() {
        let Opened { store, keep: dir } = open().await;
        assert!(Embedded::open(&dir.path().join("controller.redb")).is_err());
        drop(store);
    }

    #[tokio::test]
    async fn a_watch_that_fell_behind_is_told_all_that_is_there() {
        let Opened { store, keep: _dir } = open().await;
        let mut watch = store.watch("").await.expect("a watch");
        assert!(matches!(watch.next().await, Ok(Change::Init(_))));
        for number in 0..=WATCH_CHANGES_MAX {
            let changes: Arc<[Change]> = Arc::from([Change::Delete {
                key: "x".into(),
                revision: Revision(number as u64 + 1),
            }]);
            store.inner.changes.send(changes).expect("somebody watches");
        }
        store.commit(suite::put("a", "1")).await.expect("committed");
        let Ok(Change::Init(listing)) = watch.next().await else {
            panic!("no init")
        };
        assert_eq!(listing.entries.len(), 1);
    }
}
