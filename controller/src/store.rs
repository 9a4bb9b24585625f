//! Where the controller keeps what must outlive it: a map with etcd's semantics.
//!
//! * Each change of the store gets the next [`Revision`]; an entry carries that of its last change.
//! * A [`Transaction`] changes several entries at once, if all that it expects still holds.
//! * An entry may hang on a [`Lease`] and goes with it.
//! * A [`Watch`] tells first all that is there (`Init`), then each change in order (`Apply`,
//!   `Delete`); if it can no longer tell each one, it tells all that is there again.
//!
//! Two rules make an implementation: what `commit` acknowledged is there after a crash, and a watch
//! never leaves out a change without an `Init` that contains it. `suite` checks them for each.
//!
//! An `Init` whose revision is smaller than an earlier one means that the store has lost its history:
//! it came back empty, or from an old copy.
//!
//! What the keys mean is known to [`keys`] alone.

pub mod config;
pub mod embedded;
pub mod etcd;
pub mod keys;
pub mod memory;
#[cfg(test)]
mod suite;

use bytes::Bytes;
use service::config::PemError;
use std::{fmt, future::Future, pin::Pin, time::Duration};

/// The number of a change: rises by one with each that the store has taken, over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A promise to delete its entries unless it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease(pub u64);

/// One key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Bytes,
    /// Of its last change.
    pub revision: Revision,
    /// The lease that it hangs on.
    pub lease: Option<Lease>,
}

/// All entries below a prefix at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The store's revision at that moment.
    pub revision: Revision,
    /// In the order of their keys.
    pub entries: Vec<Entry>,
}

/// What must hold for a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The entry was last changed at this revision.
    Unchanged(String, Revision),
    /// The entry was last changed at this revision, and to this value. Where a store can lose its
    /// history, another entry may come to have the same revision.
    Is(String, Revision, Bytes),
    /// There is no such entry.
    Absent(String),
}

/// What a transaction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Makes or replaces an entry.
    Put {
        /// Its key.
        key: String,
        /// Its new value.
        value: Bytes,
        /// The lease that it shall hang on, from now on.
        lease: Option<Lease>,
    },
    /// Deletes an entry; no entry is fine.
    Delete(String),
}

/// All or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// All must hold.
    pub expect: Vec<Expect>,
    /// Done in this order, at one revision.
    pub writes: Vec<Write>,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, and was the change with this revision.
    Committed(Revision),
    /// Something that it expects does not hold; nothing was done.
    Conflict,
}

/// What a watch tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// All that is there; what was told before and is not in it is gone.
    Init(Listing),
    /// An entry is new or has a new value.
    Apply(Entry),
    /// An entry is gone.
    Delete {
        /// Which.
        key: String,
        /// Of the change that deleted it.
        revision: Revision,
    },
}

/// Why the store did not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or made.
    #[error("cannot open the store {file}: {source}")]
    Open {
        /// Which file.
        file: String,
        /// Why.
        source: redb::Error,
    },
    /// The disk or the file failed. Whether a commit under way was done is not known.
    #[error("the store failed: {0}")]
    Failed(#[source] redb::Error),
    /// A certificate or key for TLS cannot be read.
    #[error(transparent)]
    Certificate(#[from] PemError),
    /// A member of etcd did not do it. Whether a commit under way was done is not known.
    #[error("etcd at {endpoint} did not {doing}: {reason}")]
    Etcd {
        /// Which member.
        endpoint: String,
        /// What it was asked for.
        doing: &'static str,
        /// What it said.
        reason: String,
        /// Another member, or the same one later, may do it.
        again: bool,
    },
    /// There is no such lease (any more).
    #[error("there is no lease {}", .0.0)]
    NoLease(Lease),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// What a store's functions return.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A map with revisions, transactions, leases and watches.
pub trait Store: Send + Sync {
    /// What kind it is, for people: `embedded`, `etcd`.
    fn kind(&self) -> &'static str;

    /// Whether other controllers may use it too.
    fn is_shared(&self) -> bool;

    /// All entries whose key begins with `prefix`.
    fn list(&self, prefix: &str) -> Answer<'_, Listing>;

    /// Does a transaction, or nothing of it. What is acknowledged outlives a crash.
    fn commit(&self, transaction: Transaction) -> Answer<'_, Outcome>;

    /// Makes a lease that lives for `ttl`, and as long again after each renewal. After a restart of
    /// the store it lives for `ttl` again.
    fn grant(&self, ttl: Duration) -> Answer<'_, Lease>;

    /// Renews a lease.
    fn renew(&self, lease: Lease) -> Answer<'_, ()>;

    /// Ends a lease, and deletes its entries in one change.
    fn revoke(&self, lease: Lease) -> Answer<'_, ()>;

    /// Watches all entries whose key begins with `prefix`. The first change is an `Init`.
    fn watch(&self, prefix: &str) -> Answer<'_, Box<dyn Watch>>;
}

/// A watch; dropping it ends it.
pub trait Watch: Send {
    /// The next change. Cancel-safe. After an error it may be asked again: it goes on where it was,
    /// or with an `Init`.
    fn next(&mut self) -> Answer<'_, Change>;
}
