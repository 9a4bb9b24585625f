//! A controller's way to the store: the real rules of the store behind a network that is slow, cut or
//! forgetful. Here the store's own mutants live, and each write is shown to the checks.

use crate::{
    invariants,
    mutant::Mutant,
    world::{Machine, World},
};
use controller::store::{
    Answer, Change, Entry, Expect, Lease, Listing, Outcome, Store, StoreError, Transaction, Watch,
    Write,
    keys::{self, Record},
};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A lease that does not end.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// The store, as one start of a controller sees it.
pub struct Link {
    /// The cluster.
    pub world: Arc<World>,
    /// Which controller.
    pub controller: usize,
    /// Which start of it.
    pub run: u64,
}

impl Link {
    fn machine(&self) -> Machine {
        Machine::Controller(self.controller)
    }

    async fn cross(
        &self,
        from: Machine,
        to: Machine,
        doing: &'static str,
    ) -> Result<(), StoreError> {
        let crosses = async {
            tokio::time::sleep(self.world.latency(from, to)).await;
            self.world.open(from, to).await;
        };
        let crossed = tokio::time::timeout(PATIENCE, crosses).await;
        crossed.map_err(|_| away(doing))
    }

    /// Asks the store something; the answer may be lost behind it.
    async fn ask<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce() -> Answer<'static, T>,
    ) -> Result<T, StoreError> {
        self.cross(self.machine(), Machine::Store, doing).await?;
        let done = work().await;
        self.cross(Machine::Store, self.machine(), doing).await?;
        let unreliable = self.world.state().unreliable;
        if unreliable && self.world.happens(10) {
            self.world.log(format_args!(
                "c{} does not hear whether the store did {doing}",
                self.controller
            ));
            return Err(away(doing));
        }
        done
    }

    /// The transaction as a faulty store does it.
    fn mutated(&self, mut transaction: Transaction) -> Transaction {
        match self.world.mutant {
            Some(Mutant::StaleLeaderWrites) => transaction
                .expect
                .retain(|it| !matches!(it, Expect::Is(key, ..) if key == keys::LEADER)),
            Some(Mutant::NothingExpected) => transaction.expect.clear(),
            Some(Mutant::EpochReused) => {
                for write in &mut transaction.writes {
                    reuse_epoch(&self.world, write);
                }
            }
            _ => {}
        }
        transaction
    }
}

fn away(doing: &'static str) -> StoreError {
    StoreError::Etcd {
        endpoint: "store".into(),
        doing,
        reason: "no answer".into(),
        again: true,
    }
}

/// An owner's epoch becomes that of the one before.
fn reuse_epoch(world: &World, write: &mut Write) {
    let Write::Put { key, value, lease } = write else {
        return;
    };
    let entry = Entry {
        key: key.clone(),
        value: value.clone(),
        revision: Default::default(),
        lease: *lease,
    };
    if let Ok(Record::Stream(path, mut placement, reason)) = keys::read(&entry)
        && placement.owner.is_some()
        && let Some(before) = world.state().history.epoch(&path)
    {
        placement.epoch = before;
        *value = keys::stream_value(&placement, &reason);
    }
}

impl Store for Link {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn list(&self, prefix: &str) -> Answer<'_, Listing> {
        let (memory, prefix) = (self.world.memory.clone(), prefix.to_owned());
        let work = move || -> Answer<'static, Listing> {
            Box::pin(async move { memory.list(&prefix).await })
        };
        Box::pin(self.ask("list", work))
    }

    fn commit(&self, transaction: Transaction) -> Answer<'_, Outcome> {
        let transaction = self.mutated(transaction);
        let (world, controller, run) = (Arc::clone(&self.world), self.controller, self.run);
        let work = move || -> Answer<'static, Outcome> {
            Box::pin(async move {
                let writes = transaction.writes.clone();
                let leader = world.memory.list(keys::LEADER).await?;
                let before = world
                    .has(Mutant::AcknowledgedWriteLost)
                    .then(|| world.memory.copy());
                let outcome = world.memory.commit(transaction).await?;
                if let Outcome::Committed(revision) = outcome {
                    let by = (controller, run);
                    invariants::committed(&world, by, leader.entries.first(), revision, &writes);
                    if let Some(before) = before
                        && world.happens(20)
                    {
                        world.log("the store forgets what it has just acknowledged");
                        world.memory.restore(before);
                    }
                }
                invariants::check(&world);
                Ok(outcome)
            })
        };
        Box::pin(self.ask("commit", work))
    }

    fn grant(&self, ttl: Duration) -> Answer<'_, Lease> {
        let ttl = match self.world.has(Mutant::LeaseIgnored) {
            true => FOR_EVER,
            false => ttl,
        };
        let memory = self.world.memory.clone();
        let work =
            move || -> Answer<'static, Lease> { Box::pin(async move { memory.grant(ttl).await }) };
        Box::pin(self.ask("grant", work))
    }

    fn renew(&self, lease: Lease) -> Answer<'_, ()> {
        let memory = self.world.memory.clone();
        let work =
            move || -> Answer<'static, ()> { Box::pin(async move { memory.renew(lease).await }) };
        Box::pin(self.ask("renew", work))
    }

    fn revoke(&self, lease: Lease) -> Answer<'_, ()> {
        let memory = self.world.memory.clone();
        let work =
            move || -> Answer<'static, ()> { Box::pin(async move { memory.revoke(lease).await }) };
        Box::pin(self.ask("revoke", work))
    }

    fn watch(&self, prefix: &str) -> Answer<'_, Box<dyn Watch>> {
        let (world, prefix, to) = (Arc::clone(&self.world), prefix.to_owned(), self.machine());
        Box::pin(async move {
            let inner = world.memory.watch(&prefix).await?;
            let watching = Watching {
                world,
                to,
                prefix,
                inner,
                held: None,
                again: VecDeque::new(),
                began: false,
            };
            Ok(Box::new(watching) as Box<dyn Watch>)
        })
    }
}

struct Watching {
    world: Arc<World>,
    to: Machine,
    prefix: String,
    inner: Box<dyn Watch>,
    /// On its way.
    held: Option<Change>,
    /// To be told next, whatever comes.
    again: VecDeque<Change>,
    /// Something was told.
    began: bool,
}

impl Watching {
    async fn one(&mut self) -> Result<Change, StoreError> {
        if let Some(again) = self.again.pop_front() {
            return Ok(again);
        }
        loop {
            if self.held.is_none() {
                self.held = Some(self.inner.next().await?);
            }
            tokio::time::sleep(self.world.latency(Machine::Store, self.to)).await;
            let is_open = || {
                self.world.is_open(Machine::Store, self.to)
                    && self.world.is_open(self.to, Machine::Store)
            };
            if !is_open() {
                tokio::time::sleep(PATIENCE).await;
                if !is_open() && self.world.happens(300) {
                    // Another member is asked, from the beginning.
                    self.inner = self.world.memory.watch(&self.prefix).await?;
                    self.held = None;
                }
                return Err(away("watch"));
            }
            let Some(change) = self.held.take() else {
                continue;
            };
            if let Some(change) = self.mutated(change) {
                return Ok(change);
            }
        }
    }

    /// The change as a faulty watch tells it.
    fn mutated(&mut self, change: Change) -> Option<Change> {
        let began = std::mem::replace(&mut self.began, true);
        if began && self.world.has(Mutant::LostWatchEvent) && self.world.happens(50) {
            self.world
                .log(format_args!("{} is not told a change", self.to));
            return None;
        }
        if began
            && self.world.has(Mutant::InitWithoutDeletes)
            && let Change::Init(listing) = &change
        {
            self.world
                .log(format_args!("{} is not told what is gone", self.to));
            // All that is there, and nothing of what is not: each entry as if it were new.
            let entries = listing.entries.iter().cloned().map(Change::Apply);
            self.again.extend(entries);
            return self.again.pop_front();
        }
        let unreliable = self.world.state().unreliable;
        let repeats = unreliable && self.world.happens(20);
        if repeats && !matches!(change, Change::Init(_)) {
            self.again.push_back(change.clone());
        }
        Some(change)
    }
}

impl Watch for Watching {
    fn next(&mut self) -> Answer<'_, Change> {
        Box::pin(self.one())
    }
}
