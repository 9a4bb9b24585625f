//! Makes what is into what should be: decides for each stream whose facts changed, commits the
//! decision, tells the model. Doing it again does nothing.
//!
//! One task decides, so that no two decisions of this process cross; against other processes each
//! transaction expects the placement that was decided on. A store that fails is tried again for as
//! long as it takes: the streams stay unsettled, nodes go on with what they know.

use crate::{
    limits::{STORE_RETRY, SWEEP_INTERVAL, WRITES_PER_TRANSACTION_MAX},
    metrics::{CHANGES, COMMIT_SECONDS, COMMITS},
    model::{Model, events::New, inventory::Now},
    plan::{self, Decision, Placement},
    program::now,
    store::{
        Change, Expect, Outcome, Revision, Store, StoreError, Transaction, Write,
        keys::{self, Record, Subject},
    },
};
use ::metrics::{counter, histogram};
use api::EventKind;
use control::{Identity, NodeId};
use media::StreamPath;
use std::{collections::HashSet, sync::Arc, time::Instant};
use tokio_util::sync::CancellationToken;

/// A decision on its way to the store.
struct Step {
    path: StreamPath,
    before: Option<Placement>,
    revision: Revision,
    after: Placement,
    reason: String,
}

/// Decides and commits until `cancel` says stop.
pub async fn run(model: Arc<Model>, store: Arc<dyn Store>, cancel: CancellationToken) {
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = model.unsettled() => {}
            _ = sweep.tick() => sweep_expired(&model, &*store).await,
        }
        while !cancel.is_cancelled() {
            let steps = decide(&model);
            if steps.is_empty() {
                break;
            }
            if let Err(error) = apply(&model, &*store, &steps).await {
                let streams = steps.len();
                tracing::error!(%error, streams, "ownership cannot be stored, trying again");
                model.unsettle(steps.into_iter().map(|step| step.path));
                let _ = tokio::time::timeout(STORE_RETRY, cancel.cancelled()).await;
            }
        }
    }
}

/// Decides for the unsettled streams until there is a transaction's worth to do, or none is left.
fn decide(model: &Model) -> Vec<Step> {
    let mut steps = Vec::new();
    loop {
        let room = WRITES_PER_TRANSACTION_MAX - steps.len();
        let unsettled = model.take_unsettled(room);
        if unsettled.is_empty() {
            return steps;
        }
        for (path, facts, revision) in unsettled {
            match plan::decide(&facts, model.policy.duplicates) {
                Decision::Keep => {}
                Decision::Change {
                    owner,
                    epoch,
                    reason,
                } => {
                    let after = Placement {
                        owner,
                        epoch,
                        since_unix_ms: now().unix_ms,
                    };
                    steps.push(Step {
                        path,
                        before: facts.placement,
                        revision,
                        after,
                        reason,
                    });
                }
            }
        }
        if steps.len() >= WRITES_PER_TRANSACTION_MAX {
            return steps;
        }
    }
}

/// Commits all steps at once, or, if one of them is refused, each alone.
async fn apply(model: &Model, store: &dyn Store, steps: &[Step]) -> Result<(), StoreError> {
    let expect = steps.iter().map(Step::expect).collect();
    let writes = steps.iter().map(Step::write).collect();
    match commit(store, expect, writes).await? {
        Outcome::Committed(revision) => {
            for step in steps {
                step.done(model, revision);
            }
        }
        Outcome::Conflict if steps.len() == 1 => refused(model, store, &steps[0].path).await?,
        Outcome::Conflict => {
            for step in steps {
                match commit(store, vec![step.expect()], vec![step.write()]).await? {
                    Outcome::Committed(revision) => step.done(model, revision),
                    Outcome::Conflict => refused(model, store, &step.path).await?,
                }
            }
        }
    }
    Ok(())
}

/// Somebody else changed the placement: learn what it is now, and decide again.
async fn refused(model: &Model, store: &dyn Store, path: &StreamPath) -> Result<(), StoreError> {
    let key = keys::stream(path);
    let listing = store.list(&key).await?;
    let found = listing.entries.iter().find(|entry| entry.key == key);
    match found.map(|entry| (keys::read(entry), entry.revision)) {
        Some((Ok(Record::Stream(_, placement)), revision)) => {
            model.stored_stream(path, Some(placement), revision, now());
        }
        Some((Ok(Record::Node(_)) | Err(_), revision)) => {
            // Unreadable: delete it, and let the nodes' reports make a new one.
            let expect = vec![Expect::Unchanged(key.clone(), revision)];
            commit(store, expect, vec![Write::Delete(key)]).await?;
        }
        None => model.stored_stream(path, None, listing.revision, now()),
    }
    model.unsettle([path.clone()]);
    Ok(())
}

async fn commit(
    store: &dyn Store,
    expect: Vec<Expect>,
    writes: Vec<Write>,
) -> Result<Outcome, StoreError> {
    let began = Instant::now();
    let outcome = store.commit(Transaction { expect, writes }).await;
    histogram!(COMMIT_SECONDS).record(began.elapsed());
    let label = match &outcome {
        Ok(Outcome::Committed(_)) => "committed",
        Ok(Outcome::Conflict) => "conflict",
        Err(_) => "failed",
    };
    counter!(COMMITS, "outcome" => label).increment(1);
    outcome
}

impl Step {
    fn expect(&self) -> Expect {
        let key = keys::stream(&self.path);
        match &self.before {
            Some(_) => Expect::Unchanged(key, self.revision),
            None => Expect::Absent(key),
        }
    }

    fn write(&self) -> Write {
        let value = keys::stream_value(&self.after);
        Write::Put {
            key: keys::stream(&self.path),
            value,
            lease: None,
        }
    }

    /// It is committed: tell the model, and the world.
    fn done(&self, model: &Model, revision: Revision) {
        counter!(CHANGES).increment(1);
        let now = now();
        model.stored_stream(&self.path, Some(self.after.clone()), revision, now);
        let before = self
            .before
            .as_ref()
            .and_then(|placement| placement.owner.as_ref());
        let (kind, node) = match (before, &self.after.owner) {
            (None, Some(owner)) => (EventKind::StreamPublished, &owner.node),
            (Some(before), None) => (EventKind::StreamUnpublished, &before.node),
            (Some(_), Some(owner)) => (EventKind::StreamMoved, &owner.node),
            (None, None) => return,
        };
        let reason = format!("{}; epoch {}", self.reason, self.after.epoch);
        model.happened(New::stream(kind, &self.path, Some(node), reason), now);
    }
}

async fn sweep_expired(model: &Model, store: &dyn Store) {
    let expired = model.read(|inventory| inventory.expired(now()));
    for (path, revision) in expired {
        let key = keys::stream(&path);
        let expect = vec![Expect::Unchanged(key.clone(), revision)];
        // The watch tells the model; what fails is tried again at the next sweep.
        if let Err(error) = commit(store, expect, vec![Write::Delete(key)]).await {
            tracing::warn!(stream = %path, %error, "an old placement cannot be deleted");
        }
    }
}

/// Writes down who a node is. Failing is no reason to refuse the node.
pub async fn store_node(store: &dyn Store, identity: &Identity) {
    let write = Write::Put {
        key: keys::node(&identity.node),
        value: keys::node_value(identity),
        lease: None,
    };
    if let Err(error) = commit(store, vec![], vec![write]).await {
        tracing::warn!(node = %identity.node, %error, "a node cannot be stored");
    }
}

/// Deletes a node.
pub async fn forget_node(store: &dyn Store, node: &NodeId) {
    if let Err(error) = commit(store, vec![], vec![Write::Delete(keys::node(node))]).await {
        tracing::warn!(%node, %error, "a node cannot be deleted");
    }
}

/// Brings a change of the store into the model.
pub fn learn(model: &Model, change: &Change, now: Now) {
    let apply = |entry: &crate::store::Entry| match keys::read(entry) {
        Ok(Record::Node(identity)) => model.stored_node(identity, now),
        Ok(Record::Stream(path, placement)) => {
            model.stored_stream(&path, Some(placement), entry.revision, now);
        }
        Err(error) => {
            tracing::warn!(key = entry.key, %error, "an entry of the store is passed over")
        }
    };
    match change {
        Change::Init(listing) => {
            listing.entries.iter().for_each(apply);
            let paths =
                listing
                    .entries
                    .iter()
                    .filter_map(|entry| match keys::subject(&entry.key) {
                        Ok(Subject::Stream(path)) => Some(path),
                        Ok(Subject::Node(_)) | Err(_) => None,
                    });
            let paths: HashSet<StreamPath> = paths.collect();
            model.stored_streams_are(&paths, listing.revision, now);
        }
        Change::Apply(entry) => apply(entry),
        Change::Delete { key, revision } => match keys::subject(key) {
            Ok(Subject::Stream(path)) => model.stored_stream(&path, None, *revision, now),
            // Whoever deleted a node has forgotten it.
            Ok(Subject::Node(_)) | Err(_) => {}
        },
    }
}
