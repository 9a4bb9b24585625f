//! Makes what is into what should be: decides for each stream whose facts changed, commits the
//! decision, tells the model. Doing it again does nothing.
//!
//! One task decides, so that no two decisions of this process cross; and of the controllers that
//! share a store, the one that was elected. Each transaction expects the placement that was decided
//! on, and that its writer is still elected. A store that fails is tried again for as
//! long as it takes: the streams stay unsettled, nodes go on with what they know.

pub mod history;

use crate::{
    limits::{AWAY_SAID_EVERY, STORE_RETRY, SWEEP_INTERVAL, WRITES_PER_TRANSACTION_MAX},
    metrics::{CHANGES, COMMIT_SECONDS, COMMITS},
    model::{
        Model,
        board::{Kept, Posted},
        events::New,
        explanations::Ownership,
        inventory::{Inventory, Now},
    },
    plan::{self, Decision, Placement},
    program::now,
    replica::{Standing, standing},
    store::{
        Change, Entry, Expect, Outcome, Revision, Store, StoreError, Transaction, Write,
        keys::{self, Freeze, Record, Subject},
    },
};
use ::metrics::{counter, histogram};
use api::EventKind;
use control::{Identity, NodeId};
use media::StreamPath;
use service::Throttle;
use std::{sync::Arc, time::Instant};
use tokio_util::sync::CancellationToken;

/// Says that the store takes no decision; an outage lasts hours.
static UNSTORED: Throttle = Throttle::new(AWAY_SAID_EVERY);

/// A decision on its way to the store.
struct Step {
    path: StreamPath,
    before: Option<Placement>,
    revision: Revision,
    after: Placement,
    reason: String,
}

/// Decides, if this controller is to, and commits, until `cancel` says stop.
pub async fn run(model: Arc<Model>, store: Arc<dyn Store>, cancel: CancellationToken) {
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    let mut stood = standing(&model);
    loop {
        let sweeps = tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _ = sweep.tick() => true,
            () = model.unsettled() => false,
        };
        let stands = standing(&model);
        if std::mem::replace(&mut stood, stands.clone()) != stands && stands.decides() {
            // Who decided before may have left anything undone.
            model.unsettle_all();
        }
        if !stands.decides() {
            model.settle_all();
            continue;
        }
        if sweeps {
            sweep_expired(&model, &*store, &stands).await;
        }
        while !cancel.is_cancelled() && standing(&model) == stands {
            let steps = decide(&model);
            if steps.is_empty() {
                break;
            }
            match apply(&model, &*store, &stands, &steps).await {
                Ok(()) => {}
                Err(Undone::Deposed) => {
                    tracing::warn!("another controller decides now");
                    model.unsettle(steps.into_iter().map(|step| step.path));
                    // The watch will say so, too.
                    let _ = tokio::time::timeout(STORE_RETRY, cancel.cancelled()).await;
                }
                Err(Undone::Failed(error)) => {
                    let streams = steps.len();
                    if let Some(held_back) = UNSTORED.permit(Instant::now()) {
                        tracing::error!(%error, streams, held_back, "ownership cannot be stored, trying again");
                    }
                    model.unsettle(steps.into_iter().map(|step| step.path));
                    let _ = tokio::time::timeout(STORE_RETRY, cancel.cancelled()).await;
                }
            }
        }
    }
}

/// Why decisions were not done.
enum Undone {
    /// Somebody else decides.
    Deposed,
    /// The store failed; whether they were done is not known.
    Failed(StoreError),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// Decides for the unsettled streams until there is a transaction's worth to do, or none is left.
fn decide(model: &Model) -> Vec<Step> {
    let mut steps = Vec::new();
    loop {
        let room = WRITES_PER_TRANSACTION_MAX - steps.len();
        let unsettled = model.take_unsettled(room, now());
        if unsettled.is_empty() {
            return steps;
        }
        for (path, facts, revision) in unsettled {
            let decision = plan::decide(&facts, &model.policy);
            let at = now();
            let is_news = match &decision {
                Decision::Keep => false,
                Decision::Held {
                    until_unix_ms,
                    reason,
                } => model.hold(&path, *until_unix_ms, reason, at),
                Decision::Change { .. } => true,
            };
            if is_news {
                model.explanations.owned(Ownership {
                    path: path.clone(),
                    at_unix_ms: at.unix_ms,
                    revision,
                    facts: facts.clone(),
                    decision: decision.clone(),
                });
            }
            match decision {
                Decision::Keep | Decision::Held { .. } => {}
                Decision::Change {
                    owner,
                    epoch,
                    reason,
                } => {
                    let before = facts.placement.as_ref();
                    let after = Placement::after(before, owner, epoch, at.unix_ms);
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
async fn apply(
    model: &Model,
    store: &dyn Store,
    stands: &Standing,
    steps: &[Step],
) -> Result<(), Undone> {
    let expect = steps.iter().map(Step::expect).chain(stands.fence());
    let writes = steps.iter().map(Step::write).collect();
    match commit(store, expect.collect(), writes).await? {
        Outcome::Committed(revision) => {
            for step in steps {
                step.done(model, revision);
            }
        }
        Outcome::Conflict if !still(store, stands).await? => return Err(Undone::Deposed),
        Outcome::Conflict if steps.len() == 1 => refused(model, store, &steps[0].path).await?,
        Outcome::Conflict => {
            for step in steps {
                let expect = [step.expect()].into_iter().chain(stands.fence());
                match commit(store, expect.collect(), vec![step.write()]).await? {
                    Outcome::Committed(revision) => step.done(model, revision),
                    Outcome::Conflict => refused(model, store, &step.path).await?,
                }
            }
        }
    }
    Ok(())
}

/// Whether this controller is still the one that was elected.
async fn still(store: &dyn Store, stands: &Standing) -> Result<bool, StoreError> {
    let Some(Expect::Is(key, revision, value)) = stands.fence() else {
        return Ok(true);
    };
    let listing = store.list(&key).await?;
    let found = listing.entries.iter().find(|entry| entry.key == key);
    Ok(found.is_some_and(|entry| entry.revision == revision && entry.value == value))
}

/// Somebody else changed the placement: learn what it is now, and decide again.
async fn refused(model: &Model, store: &dyn Store, path: &StreamPath) -> Result<(), StoreError> {
    let key = keys::stream(path);
    let listing = store.list(&key).await?;
    let found = listing.entries.iter().find(|entry| entry.key == key);
    match found.map(|entry| (keys::read(entry), entry.revision)) {
        Some((Ok(Record::Stream(_, placement, _)), revision)) => {
            model.stored_stream(path, Some(placement), revision, now());
        }
        Some((_, revision)) => {
            // Unreadable: delete it, and let the nodes' reports make a new one.
            let expect = vec![Expect::Unchanged(key.clone(), revision)];
            commit(store, expect, vec![Write::Delete(key)]).await?;
        }
        None => {
            model.stored_stream(path, None, listing.revision, now());
        }
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
        let value = keys::stream_value(&self.after, &self.reason);
        Write::Put {
            key: keys::stream(&self.path),
            value,
            lease: None,
        }
    }

    /// It is committed: tell the model, and the world.
    fn done(&self, model: &Model, revision: Revision) {
        counter!(CHANGES).increment(1);
        placed(model, &self.path, &self.after, &self.reason, revision);
    }
}

/// The store has a placement: tell the model and, if it is news, the world. Of several controllers
/// each tells its own operators.
fn placed(
    model: &Model,
    path: &StreamPath,
    placement: &Placement,
    reason: &str,
    revision: Revision,
) {
    let now = now();
    let known = model.stored_stream(path, Some(placement.clone()), revision, now);
    let Some(before) = known else { return };
    let before = before.and_then(|before| before.owner);
    let (kind, node) = match (before, &placement.owner) {
        (None, Some(owner)) => (EventKind::StreamPublished, owner.node.clone()),
        (Some(before), None) => (EventKind::StreamUnpublished, before.node),
        (Some(before), Some(owner)) if before == *owner => {
            let epoch = placement.epoch;
            return tracing::info!(stream = %path, %epoch, reason, "the owner's epoch is raised");
        }
        (Some(_), Some(owner)) => (EventKind::StreamMoved, owner.node.clone()),
        (None, None) => return,
    };
    let reason = format!("{reason}; epoch {}", placement.epoch);
    model.happened(New::stream(kind, path, Some(&node), reason), now);
}

async fn sweep_expired(model: &Model, store: &dyn Store, stands: &Standing) {
    let expired = model.read(|inventory| inventory.expired(now()));
    for (path, revision) in expired {
        let key = keys::stream(&path);
        let expect = [Expect::Unchanged(key.clone(), revision)];
        let expect = expect.into_iter().chain(stands.fence()).collect();
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

/// Writes down an operator's word on restarts, for all controllers and for after a restart of this
/// one.
///
/// # Errors
/// If the store fails; then only this controller may know it.
pub async fn store_freeze(store: &dyn Store, freeze: &Freeze) -> Result<(), StoreError> {
    let write = Write::Put {
        key: keys::FREEZE.to_owned(),
        value: keys::freeze_value(freeze),
        lease: None,
    };
    commit(store, vec![], vec![write]).await.map(drop)
}

/// Deletes a node. That it is attended goes in the same transaction, after it: so nobody thinks that
/// it fell silent.
pub async fn forget_node(store: &dyn Store, node: &NodeId) {
    let deletes = [keys::node(node), keys::attended(node)].map(Write::Delete);
    if let Err(error) = commit(store, vec![], deletes.into()).await {
        tracing::warn!(%node, %error, "a node cannot be deleted");
    }
}

/// Brings a change of the store into the model.
pub fn learn(model: &Model, change: &Change, now: Now) {
    match change {
        Change::Init(listing) => {
            let was_later = model.was_later(listing.revision);
            if was_later || model.read(|inventory| history::contradicts(inventory, listing)) {
                tracing::error!(revision = %listing.revision, "the store has lost its history: it is \
                    empty, or an old copy; what nodes report is stored again");
                model.board(now, Inventory::history_lost);
            }
            let mut kept = Kept::default();
            for entry in &listing.entries {
                keep(&mut kept, &entry.key);
                learn_entry(entry, model, now, true);
            }
            model.stored_are(&kept, listing.revision, now);
        }
        Change::Apply(entry) => {
            model.is_at(entry.revision);
            learn_entry(entry, model, now, false);
        }
        Change::Delete { key, revision } => {
            model.is_at(*revision);
            delete(key, *revision, model, now);
        }
    }
}

fn keep(kept: &mut Kept, key: &str) {
    match keys::subject(key) {
        Ok(Subject::Node(node)) => drop(kept.identities.insert(node)),
        Ok(Subject::Stream(path)) => drop(kept.streams.insert(path)),
        Ok(Subject::Attended(node)) => drop(kept.nodes.insert(node)),
        Ok(Subject::Site(node, path)) => drop(kept.sites.insert((node, path))),
        Ok(Subject::Seen(path)) => drop(kept.seen.insert(path)),
        Ok(Subject::Leader) => kept.leader = true,
        Ok(Subject::Freeze) | Err(_) => {}
    }
}

fn learn_entry(entry: &Entry, model: &Model, now: Now, first: bool) {
    let record = match keys::read(entry) {
        Ok(record) => record,
        Err(error) => {
            return tracing::warn!(key = entry.key, %error, "an entry of the store is passed over");
        }
    };
    let (revision, lease) = (entry.revision, entry.lease);
    match record {
        Record::Node(identity) => model.stored_node(identity, now),
        Record::Stream(path, placement, _) if first => {
            model.stored_stream(&path, Some(placement), revision, now);
        }
        Record::Stream(path, placement, reason) => {
            placed(model, &path, &placement, &reason, revision);
        }
        Record::Attended(node, value) => model.board(now, |inventory| {
            let posted = Posted {
                value,
                revision,
                lease,
            };
            inventory.posted_node(&node, posted, now);
        }),
        Record::Site(node, value) => model.board(now, |inventory| {
            let posted = Posted {
                value,
                revision,
                lease,
            };
            inventory.posted_site(&node, posted, now);
        }),
        Record::Seen(path, value) => model.board(now, |inventory| {
            let posted = Posted {
                value,
                revision,
                lease,
            };
            inventory.posted_seen(&path, posted);
        }),
        Record::Freeze(freeze) => model.stored_freeze(freeze),
        Record::Leader(value) => model.board(now, |inventory| {
            let posted = Posted {
                value,
                revision,
                lease,
            };
            inventory.posted_leader(Some(posted));
        }),
    }
}

fn delete(key: &str, revision: Revision, model: &Model, now: Now) {
    match keys::subject(key) {
        Ok(Subject::Node(node)) => model.unstored_node(&node, now),
        Ok(Subject::Stream(path)) => {
            model.stored_stream(&path, None, revision, now);
        }
        Ok(Subject::Attended(node)) => {
            model.board(now, |inventory| {
                inventory.unposted_node(&node, revision, now)
            });
        }
        Ok(Subject::Site(node, path)) => model.board(now, |inventory| {
            inventory.unposted_site(&node, &path, revision, now);
        }),
        Ok(Subject::Seen(path)) => {
            model.board(now, |inventory| inventory.unposted_seen(&path, revision));
        }
        Ok(Subject::Leader) => model.board(now, |inventory| inventory.posted_leader(None)),
        // Nobody deletes it; an operator's word stands until the next one.
        Ok(Subject::Freeze) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Listing;
    use crate::{
        model::{board::Leader, inventory::Timing},
        plan::{Owner, Policy},
        store::{Revision, embedded::Embedded},
    };
    use control::{Epoch, Incarnation};
    use std::time::Duration;

    fn leader(run: u64) -> Leader {
        Leader {
            run,
            controller: format!("c{run}"),
        }
    }

    async fn elects(store: &dyn Store, run: u64) -> Revision {
        let write = Write::Put {
            key: keys::LEADER.to_owned(),
            value: keys::leader_value(&leader(run)),
            lease: None,
        };
        match commit(store, vec![], vec![write]).await.expect("committed") {
            Outcome::Committed(revision) => revision,
            Outcome::Conflict => panic!("nothing was expected"),
        }
    }

    #[test]
    fn a_store_that_lost_its_history_is_recognised_after_others_have_written_to_it() {
        let timing = Timing {
            suspect_after: Duration::from_secs(3),
        };
        let model = Model::new(Policy::default(), timing, now());
        let path: StreamPath = "h/live/a".parse().expect("a good path");
        let owned_by = |node: &str, revision| Entry {
            key: keys::stream(&path),
            value: keys::stream_value(
                &Placement {
                    owner: Some(Owner {
                        node: NodeId::new(node).expect("a good id"),
                        incarnation: Incarnation(1),
                    }),
                    epoch: Epoch(1),
                    since_unix_ms: 0,
                    moves: crate::plan::Moves::default(),
                },
                "a test",
            ),
            revision: Revision(revision),
            lease: None,
        };
        let init = |revision, entry| {
            let listing = Listing {
                revision: Revision(revision),
                entries: vec![entry],
            };
            learn(&model, &Change::Init(listing), now());
            let owner = model.read(|inventory| inventory.owner(&path));
            owner.map(|node| node.to_string())
        };
        assert_eq!(init(60, owned_by("one", 50)).as_deref(), Some("one"));
        // It came back at revision 20, and is at 70 by now: no smaller than before.
        assert_eq!(init(70, owned_by("two", 30)).as_deref(), Some("two"));
        // It came back once more, and what was written then has the number of what we know.
        assert_eq!(init(80, owned_by("one", 30)).as_deref(), Some("one"));
    }

    #[tokio::test]
    async fn who_decides_no_longer_changes_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Embedded::open(&dir.path().join("store.redb")).expect("opened");
        let timing = Timing {
            suspect_after: Duration::from_secs(3),
        };
        let model = Model::new(Policy::default(), timing, now());
        let elected = elects(&store, 1).await;
        model.board(now(), |inventory| {
            inventory.share(1, "c1");
            inventory.posted_leader(Some(Posted {
                value: leader(1),
                revision: elected,
                lease: None,
            }));
        });
        let path: StreamPath = "h/live/a".parse().expect("a good path");
        let step = |epoch| Step {
            path: path.clone(),
            before: None,
            revision: Revision(0),
            after: Placement {
                owner: Some(Owner {
                    node: NodeId::new("one").expect("a good id"),
                    incarnation: Incarnation(1),
                }),
                epoch: Epoch(epoch),
                since_unix_ms: 0,
                moves: crate::plan::Moves::default(),
            },
            reason: "a test".into(),
        };
        let leads = |revision| Standing::Leads(revision, keys::leader_value(&leader(1)));
        let stands = standing(&model);
        assert_eq!(stands, leads(elected));

        // The store has come back with nothing in it, and another one is elected at the same revision.
        let reborn = Embedded::open(&dir.path().join("reborn.redb")).expect("opened");
        assert_eq!(elects(&reborn, 2).await, elected);
        let deposed = apply(&model, &reborn, &stands, &[step(1)]).await;
        assert!(matches!(deposed, Err(Undone::Deposed)));

        // Another one is elected, and the watch has not said so yet.
        elects(&store, 2).await;
        let deposed = apply(&model, &store, &stands, &[step(1)]).await;
        assert!(matches!(deposed, Err(Undone::Deposed)));
        let streams = store.list(&keys::stream(&path)).await.expect("listed");
        assert_eq!(streams.entries.len(), 0);

        // Elected again it decides again, but not by the first election.
        let again = elects(&store, 1).await;
        let first = apply(&model, &store, &stands, &[step(1)]).await;
        assert!(matches!(first, Err(Undone::Deposed)));
        let done = apply(&model, &store, &leads(again), &[step(1)]).await;
        assert!(done.is_ok());
        let owner = model.read(|inventory| inventory.owner(&path));
        assert_eq!(owner.expect("one").as_str(), "one");
    }
}
