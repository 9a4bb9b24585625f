//! Nodes, streams and placements as they are observed, and the questions that are asked about them.
//!
//! ```text
//!             register, report                     found dead
//!   (unknown) ───────▶ Alive ◀────── report ────── Suspect ───────▶ Dead ─── register ──▶ Alive
//!        from the store │  silent for suspect_after, ▲                │
//!             └─────────┼──── or its stream broke ───┘                └─ long after: forgotten
//!                       └─ goodbye ──▶ (unknown)
//! ```
//!
//! That is a node which this controller attends; for those that others attend see [`shared`].
//!
//! No clock, no lock, no task: `now` comes in, and what follows from a change is collected in
//! [`Effects`] for [`Model`](super::Model) to pass on.
//!
//! Always true: `sites` names exactly the nodes whose last report has the stream; `owned` exactly
//! the placements that have an owner.

mod accused;
mod answers;
mod ascending;
mod node;
mod shared;
mod trees;

pub use answers::StreamView;
pub use node::{Health, Node};

use super::{board::Board, events::New};
use crate::{
    limits::{DEAD_NODE_KEPT, NODES_MAX, PLACEMENT_KEPT},
    plan::{
        Facts, Owner, Placement,
        ownership::{Claim, OwnerIs},
    },
    store::Revision,
};
use accused::Accused;
use api::EventKind;
use ascending::Ascending;
use control::{Arrival, Epoch, Identity, NodeId, Report, Role, StreamReport};
use media::StreamPath;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};
use trees::Trees;

/// A moment, on the clock that never jumps and on the one that people read.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For measuring.
    pub instant: Instant,
    /// For showing.
    pub unix_ms: u64,
}

/// When silence means what.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// A node that was silent for so long is suspect.
    pub suspect_after: Duration,
}

/// One dialogue of one node; a later one of any node is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DialogueId(u64);

impl DialogueId {
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Why a node cannot be registered now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// A later process has the same name.
    #[error(
        "a later process is registered as {node} (incarnation {registered}, this is {offered})"
    )]
    Outlived {
        /// The name.
        node: NodeId,
        /// The incarnation that has it.
        registered: control::Incarnation,
        /// The one that wants it.
        offered: control::Incarnation,
    },
    /// There are too many.
    #[error("{NODES_MAX} nodes are registered, which is the most")]
    Full,
}

/// What follows from a change.
#[derive(Debug, Default)]
pub struct Effects {
    /// Streams whose location may be another.
    pub moved: BTreeSet<StreamPath>,
    /// Nodes whose desired state may be another.
    pub nodes: BTreeSet<NodeId>,
    /// All nodes' desired state may be another.
    pub all_nodes: bool,
    /// Edges that may or may no longer be a parent in a region.
    pub trees: Vec<(String, NodeId)>,
    /// The reconciler is to look.
    pub unsettled: bool,
    /// What happened.
    pub events: Vec<New>,
    /// Nodes that have begun a later dialogue with another controller.
    pub taken: BTreeSet<NodeId>,
    /// The other controllers are to be told something.
    pub unposted: bool,
    /// Who decides may be another.
    pub leader: bool,
    /// Somebody is accused, and is to be asked whether it lives.
    pub accused: bool,
}

/// A placement as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    placement: Placement,
    revision: Revision,
}

/// All that is observed.
#[derive(Debug)]
pub struct Inventory {
    timing: Timing,
    nodes: BTreeMap<NodeId, Node>,
    placements: BTreeMap<StreamPath, Stored>,
    sites: BTreeMap<StreamPath, BTreeSet<NodeId>>,
    owned: HashMap<NodeId, BTreeSet<StreamPath>>,
    /// Epochs greater than the placement's that nodes were seen with.
    seen: HashMap<StreamPath, Epoch>,
    unsettled: BTreeSet<StreamPath>,
    /// Streams that have moved too often, and when they may again, in milliseconds since the Unix epoch.
    held: BTreeMap<StreamPath, u64>,
    trees: Trees,
    accused: Accused,
    board: Board,
    /// The store has been listed once.
    listed: bool,
    effects: Effects,
    started: Now,
}

impl Inventory {
    /// Nothing is known yet.
    pub fn new(timing: Timing, started: Now) -> Self {
        Self {
            timing,
            nodes: BTreeMap::new(),
            placements: BTreeMap::new(),
            sites: BTreeMap::new(),
            owned: HashMap::new(),
            seen: HashMap::new(),
            unsettled: BTreeSet::new(),
            held: BTreeMap::new(),
            trees: Trees::default(),
            accused: Accused::default(),
            board: Board::default(),
            listed: false,
            effects: Effects::default(),
            started,
        }
    }

    pub(super) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// A node registers. `Ok(true)` if the store does not have this identity yet.
    ///
    /// # Errors
    /// If a later process has its name and talks, or there are too many nodes.
    pub fn register(
        &mut self,
        identity: Identity,
        dialogue: DialogueId,
        now: Now,
    ) -> Result<bool, RegisterError> {
        let (id, role) = (identity.node.clone(), identity.role);
        let old = self.nodes.get(&id);
        if old.is_none() && self.nodes.len() >= NODES_MAX {
            return Err(RegisterError::Full);
        }
        if let Some(old) = old
            && old.talks()
            && old.identity.incarnation > identity.incarnation
        {
            return Err(RegisterError::Outlived {
                node: id,
                registered: old.identity.incarnation,
                offered: identity.incarnation,
            });
        }
        let is_new = old.is_none_or(|old| old.identity != identity);
        let restarted = old.is_some_and(|old| old.identity.incarnation != identity.incarnation);
        self.effects.events.extend(registered_event(old, &identity));
        if restarted {
            self.drop_streams(&id);
        }
        let node = self
            .nodes
            .entry(id.clone())
            .or_insert_with(|| Node::new(identity.clone(), now));
        let before = self.board.nodes.get(&id).map(|posted| posted.value.by);
        node.registered(identity, dialogue, before, restarted, now);
        self.post_identity(&id);
        self.post_node(&id);
        self.owner_changed(&id);
        self.node_changed(&id, role);
        self.effects.nodes.insert(id);
        Ok(is_new)
    }

    /// A node reports: its streams are these and no others. Passed over if the dialogue is not the
    /// node's latest.
    pub fn report(&mut self, id: &NodeId, dialogue: DialogueId, report: Report, now: Now) {
        let Some(node) = self.nodes.get_mut(id).filter(|node| node.is_in(dialogue)) else {
            return;
        };
        let was_away = node.heard(now);
        let news = was_away || !node.reported;
        if was_away {
            self.effects
                .events
                .push(New::node(EventKind::NodeBack, id, "it reports again"));
        }
        let first = node.reports_first();
        let role = node.identity.role;
        self.take_in(id, report, news, now);
        self.post_sites(id, false);
        if was_away {
            self.node_changed(id, role);
        }
        if first || was_away {
            self.post_node(id);
        }
    }

    /// A node has these streams and no others.
    fn take_in(&mut self, id: &NodeId, report: Report, news: bool, now: Now) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        let role = node.identity.role;
        let told = |stream: &StreamReport| {
            let told = stream.epoch > Epoch::NONE;
            told.then(|| (stream.path.clone(), stream.epoch))
        };
        let epochs: Vec<(StreamPath, Epoch)> = report.streams.iter().filter_map(told).collect();
        let difference = node.reports(report);
        for path in &difference.gone {
            self.site_gone(path, id);
        }
        for path in &difference.new {
            self.sites
                .entry(path.clone())
                .or_default()
                .insert(id.clone());
        }
        for (path, epoch) in epochs {
            self.seen(&path, epoch);
        }
        if role == Role::Origin {
            for path in &difference.new {
                self.note_duplicate(path, id, now);
            }
            for path in difference.new.into_iter().chain(difference.gone) {
                // Who stands by may be another.
                self.effects.moved.insert(path.clone());
                self.unsettle(path);
                self.effects.nodes.insert(id.clone());
            }
            if news {
                self.owner_changed(id);
            }
        }
    }

    /// A node's dialogue broke, or the node `left`. Passed over if it is not the node's latest.
    pub fn ended(&mut self, id: &NodeId, dialogue: DialogueId, left: bool, reason: &str, now: Now) {
        let Some(node) = self.nodes.get_mut(id).filter(|node| node.is_in(dialogue)) else {
            return;
        };
        let role = node.identity.role;
        if left {
            self.effects
                .events
                .push(New::node(EventKind::NodeLeft, id, reason));
            self.forget(id);
            self.node_changed(id, role);
            return;
        }
        node.fell_silent(reason.to_owned(), now);
        self.node_changed(id, role);
        self.post_node(id);
        self.effects
            .events
            .push(New::node(EventKind::NodeSuspect, id, reason));
        self.owner_changed(id);
    }

    /// Time has passed. Returns the nodes that are forgotten now.
    pub fn tick(&mut self, now: Now) -> Vec<NodeId> {
        let Timing { suspect_after } = self.timing;
        let (mut changed, mut forgotten) = (Vec::new(), Vec::new());
        for (id, node) in &mut self.nodes {
            let silent = node.silent_for(now);
            match node.health {
                Health::Alive | Health::Suspect if !node.is_ours_to_judge() => {}
                Health::Alive if silent >= suspect_after => {
                    let reason = format!("silent for {:.1} s", silent.as_secs_f64());
                    self.effects
                        .events
                        .push(New::node(EventKind::NodeSuspect, id, &*reason));
                    node.became(Health::Suspect, Some(reason), now);
                    changed.push(id.clone());
                }
                Health::Suspect if !node.missing && silent >= suspect_after => {
                    node.missing = true;
                    changed.push(id.clone());
                }
                Health::Dead if silent >= DEAD_NODE_KEPT => forgotten.push(id.clone()),
                Health::Alive | Health::Suspect | Health::Dead => {}
            }
        }
        for id in &changed {
            self.post_node(id);
            self.owner_changed(id);
            if let Some(role) = self.role(id) {
                self.node_changed(id, role);
            }
        }
        for id in &forgotten {
            self.forget(id);
        }
        self.release(now);
        forgotten
    }

    /// A suspect node was found dead: its streams are nobody's. Passed over if it is not suspect any
    /// more.
    pub fn died(&mut self, id: &NodeId, reason: String, now: Now) {
        let Some(node) = self
            .nodes
            .get_mut(id)
            .filter(|node| node.health == Health::Suspect)
        else {
            return;
        };
        let role = node.identity.role;
        let event = New::node(EventKind::NodeDead, id, &*reason);
        node.became(Health::Dead, Some(reason), now);
        self.effects.events.push(event);
        self.node_changed(id, role);
        self.drop_streams(id);
        self.post_node(id);
        self.owner_changed(id);
    }

    /// The store has a node. One that is known already is known better.
    pub fn stored_node(&mut self, identity: Identity, now: Now) {
        let id = identity.node.clone();
        self.board.unposted.orphans.remove(&id);
        if let Some(known) = self.nodes.get(&id) {
            if known.here_or_was().is_some() && known.identity.incarnation > identity.incarnation {
                // The store came back from an old copy: whoever reads it now must not believe in that one.
                self.post_identity(&id);
            }
            return self.replaced_elsewhere(identity, now);
        }
        if self.listed {
            self.effects
                .events
                .extend(registered_event(None, &identity));
        }
        let mut node = Node::new(identity, now);
        let reason = "not heard since the controller started".to_owned();
        node.became(Health::Suspect, Some(reason), now);
        let role = node.identity.role;
        self.nodes.insert(id.clone(), node);
        self.node_changed(&id, role);
        self.owner_changed(&id);
        let posted = self.board.nodes.get(&id).map(|posted| posted.value.clone());
        self.follow(&id, posted, now);
    }

    /// The store has a stream's placement, or no longer has it. Older news is passed over; if it is
    /// news, returns what was known before.
    pub fn stored_stream(
        &mut self,
        path: &StreamPath,
        placement: Option<Placement>,
        revision: Revision,
    ) -> Option<Option<Placement>> {
        let old = self.placements.get(path);
        if old.is_some_and(|old| old.revision >= revision) {
            return None;
        }
        let before = old.map(|old| old.placement.clone());
        let owner_of = |placement: &Placement| placement.owner.as_ref().map(|o| o.node.clone());
        if let Some(owner) = old.and_then(|old| owner_of(&old.placement)) {
            if let Some(owned) = self.owned.get_mut(&owner) {
                owned.remove(path);
            }
            self.effects.nodes.insert(owner);
        }
        if let Some(owner) = placement.as_ref().and_then(owner_of) {
            self.owned
                .entry(owner.clone())
                .or_default()
                .insert(path.clone());
            self.effects.nodes.insert(owner);
        }
        let epoch = placement
            .as_ref()
            .map_or(Epoch::NONE, |placement| placement.epoch);
        if let Some(before) = &before
            && placement.is_some()
            && before.epoch > epoch
        {
            // Epochs never fall, unless the store came back from an old copy.
            let seen = self.seen.entry(path.clone()).or_default();
            *seen = before.epoch.max(*seen);
            self.post_seen(path.clone());
        }
        if self.seen.get(path).is_some_and(|seen| *seen <= epoch) {
            self.seen.remove(path);
            self.post_seen(path.clone());
        }
        match placement {
            Some(placement) => {
                self.placements.insert(
                    path.clone(),
                    Stored {
                        placement,
                        revision,
                    },
                );
            }
            None => {
                self.placements.remove(path);
            }
        }
        // Who publishes it may have to leave it now, or no longer.
        self.effects
            .nodes
            .extend(self.sites.get(path).into_iter().flatten().cloned());
        self.effects.moved.insert(path.clone());
        self.unsettle(path.clone());
        Some(before)
    }

    /// The store has these streams and no others, at `revision`.
    pub fn stored_streams_are(&mut self, paths: &HashSet<StreamPath>, revision: Revision) {
        let gone = |(path, stored): (&StreamPath, &Stored)| {
            (stored.revision <= revision && !paths.contains(path)).then(|| path.clone())
        };
        let gone: Vec<StreamPath> = self.placements.iter().filter_map(gone).collect();
        for path in gone {
            self.stored_stream(&path, None, Revision(revision.0.saturating_add(1)));
        }
        self.listed = true;
    }

    /// A node was seen with an epoch. `true` if the store's is smaller, so that it must be raised.
    pub fn seen(&mut self, path: &StreamPath, epoch: Epoch) -> bool {
        if epoch <= self.epoch(path) || self.seen.len() >= control::limits::STREAMS_MAX {
            return false;
        }
        self.seen.insert(path.clone(), epoch);
        self.post_seen(path.clone());
        self.unsettle(path.clone());
        true
    }

    /// The reconciler is to look at a stream.
    pub fn unsettle(&mut self, path: StreamPath) {
        self.unsettled.insert(path);
        self.effects.unsettled = true;
    }

    /// A stream has moved too often, and is to be looked at again at `until_unix_ms`. `true` if that is
    /// news.
    pub fn hold(&mut self, path: &StreamPath, until_unix_ms: u64, reason: &str, now: Now) -> bool {
        if self.held.insert(path.clone(), until_unix_ms) == Some(until_unix_ms) {
            return false;
        }
        let seconds = until_unix_ms.saturating_sub(now.unix_ms).div_ceil(1000);
        let owner = self.owner(path);
        let held = match &owner {
            Some(owner) => format!("held at {owner} for {seconds} s: {reason}"),
            None => format!("held without an owner for {seconds} s: {reason}"),
        };
        let event = New::stream(EventKind::StreamHeld, path, owner.as_ref(), held);
        self.effects.events.push(event);
        true
    }

    /// Streams that were held and may move again are looked at.
    fn release(&mut self, now: Now) {
        let due =
            |(path, until): (&StreamPath, &u64)| (*until <= now.unix_ms).then(|| path.clone());
        let due: Vec<StreamPath> = self.held.iter().filter_map(due).collect();
        for path in due {
            self.held.remove(&path);
            self.unsettle(path);
        }
    }

    /// Every stream is to be looked at: who decides is another.
    pub fn unsettle_all(&mut self) {
        let all = self.placements.keys().chain(self.sites.keys());
        let all = all.chain(self.seen.keys()).cloned();
        self.unsettled.extend(all);
        self.effects.unsettled = true;
    }

    /// Nothing is to be looked at: somebody else decides.
    pub fn settle_all(&mut self) {
        self.unsettled.clear();
        self.held.clear();
    }

    /// Takes at most `limit` streams that the reconciler is to look at, with their facts and the
    /// revision at which the store had them; `Revision(0)` if it does not have them.
    pub fn take_unsettled(&mut self, limit: usize, now: Now) -> Vec<(StreamPath, Facts, Revision)> {
        let count = limit.min(self.unsettled.len());
        let paths: Vec<StreamPath> = (0..count)
            .filter_map(|_| self.unsettled.pop_first())
            .collect();
        let mut placements = Ascending::over(&self.placements);
        let mut sites = Ascending::over(&self.sites);
        let with_facts = |path: StreamPath| {
            let stored = placements.get(&path);
            let revision = stored.map_or(Revision(0), |stored| stored.revision);
            let facts = self.facts_of(&path, stored, sites.get(&path), now);
            (path, facts, revision)
        };
        paths.into_iter().map(with_facts).collect()
    }

    /// Placements that have had no owner for so long that they need not be kept.
    pub fn expired(&self, now: Now) -> Vec<(StreamPath, Revision)> {
        let kept_ms = u64::try_from(PLACEMENT_KEPT.as_millis()).unwrap_or(u64::MAX);
        let expired = |(path, stored): (&StreamPath, &Stored)| {
            let age_ms = now.unix_ms.saturating_sub(stored.placement.since_unix_ms);
            (stored.placement.owner.is_none() && age_ms >= kept_ms)
                .then(|| (path.clone(), stored.revision))
        };
        self.placements.iter().filter_map(expired).collect()
    }

    /// All that the decision who owns a stream depends on.
    pub fn facts(&self, path: &StreamPath, now: Now) -> Facts {
        self.facts_of(path, self.placements.get(path), self.sites.get(path), now)
    }

    fn facts_of(
        &self,
        path: &StreamPath,
        stored: Option<&Stored>,
        sites: Option<&BTreeSet<NodeId>>,
        now: Now,
    ) -> Facts {
        let placement = stored.map(|stored| stored.placement.clone());
        let owner = placement
            .as_ref()
            .and_then(|placement| placement.owner.as_ref());
        let claims = self.claims(path, sites);
        let seen = match self.seen.is_empty() {
            true => Epoch::NONE,
            false => self.seen.get(path).copied().unwrap_or(Epoch::NONE),
        };
        Facts {
            owner_is: owner.map_or(OwnerIs::Gone, |owner| self.owner_is(owner, &claims)),
            claims,
            seen,
            placement,
            now_unix_ms: now.unix_ms,
        }
    }

    /// What is known of a stream's owner, given who claims the stream.
    fn owner_is(&self, owner: &Owner, claims: &[Claim]) -> OwnerIs {
        let Some(node) = self.nodes.get(&owner.node) else {
            return OwnerIs::Gone;
        };
        if node.health == Health::Dead {
            return OwnerIs::Dead;
        }
        if node.identity.incarnation != owner.incarnation {
            return OwnerIs::Restarted;
        }
        match (node.reported, node.missing) {
            (true, _) if claims.iter().any(|claim| claim.owner == *owner) => OwnerIs::Publishing,
            (true, _) => OwnerIs::Ended,
            (false, true) => OwnerIs::Missing,
            (false, false) => OwnerIs::Unheard,
        }
    }

    fn claims(&self, path: &StreamPath, sites: Option<&BTreeSet<NodeId>>) -> Vec<Claim> {
        let claim = |id: &NodeId| {
            let node = self.nodes.get(id)?;
            if node.identity.role != Role::Origin || node.health == Health::Dead {
                return None;
            }
            let stream = node.streams.get(path)?;
            let claims = stream.arrival == Arrival::Published;
            claims.then(|| Claim {
                owner: Owner {
                    node: id.clone(),
                    incarnation: node.identity.incarnation,
                },
                since_unix_ms: stream.since_unix_ms,
                suspect: node.health == Health::Suspect,
                pushed: stream.pushed.clone(),
                backup: stream.backup,
            })
        };
        sites.into_iter().flatten().filter_map(claim).collect()
    }

    fn epoch(&self, path: &StreamPath) -> Epoch {
        let stored = self
            .placements
            .get(path)
            .map_or(Epoch::NONE, |s| s.placement.epoch);
        self.seen.get(path).map_or(stored, |seen| stored.max(*seen))
    }

    fn role(&self, id: &NodeId) -> Option<Role> {
        self.nodes.get(id).map(|node| node.identity.role)
    }

    /// Something about a node changed that its streams depend on.
    fn owner_changed(&mut self, id: &NodeId) {
        for path in self.owned.get(id).cloned().unwrap_or_default() {
            self.effects.moved.insert(path.clone());
            self.effects
                .nodes
                .extend(self.sites.get(&path).into_iter().flatten().cloned());
            self.unsettle(path);
        }
        let published = self
            .nodes
            .get(id)
            .filter(|node| node.identity.role == Role::Origin);
        let published: Vec<StreamPath> = published
            .map(|node| node.streams.keys().cloned().collect())
            .unwrap_or_default();
        for path in published {
            // It may have stood by.
            self.effects.moved.insert(path.clone());
            self.unsettle(path);
        }
    }

    fn note_duplicate(&mut self, path: &StreamPath, id: &NodeId, now: Now) {
        let published = self.nodes.get(id).is_some_and(|node| node.publishes(path));
        let facts = self.facts(path, now);
        let owner = facts.placement.and_then(|placement| placement.owner);
        let Some(owner) = owner.filter(|owner| owner.node != *id && published) else {
            return;
        };
        let here = facts.claims.iter().find(|claim| claim.owner.node == *id);
        let by = |claim: &Claim| claim.pushed.as_ref().map(|pushed| pushed.by.clone());
        let pusher = here.and_then(by);
        // What one edge pushes to one origin after the other is one publish.
        let lives = |claim: &Claim| {
            claim.owner == owner && !claim.suspect && (pusher.is_none() || by(claim) != pusher)
        };
        let is_backup = |claim: &Claim| claim.owner.node == *id && claim.backup;
        if facts.claims.iter().any(lives) && !facts.claims.iter().any(is_backup) {
            let reason = format!("published at {id} while {} owns it", owner.node);
            let event = New::stream(EventKind::StreamDuplicate, path, Some(id), reason);
            self.effects.events.push(event);
            self.accuse(&owner.node);
        }
    }

    fn site_gone(&mut self, path: &StreamPath, id: &NodeId) {
        if let Some(nodes) = self.sites.get_mut(path) {
            nodes.remove(id);
            if nodes.is_empty() {
                self.sites.remove(path);
            }
        }
    }

    /// A node's process is gone, and so are its streams.
    fn drop_streams(&mut self, id: &NodeId) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        for path in node.drop_streams() {
            self.effects.moved.insert(path.clone());
            self.site_gone(&path, id);
            self.unsettle(path);
        }
        self.post_sites(id, false);
    }

    fn forget(&mut self, id: &NodeId) {
        self.drop_streams(id);
        self.owner_changed(id);
        self.nodes.remove(id);
        // That nobody attends it is not posted here: it goes with the node's own key, so that nobody
        // thinks that it fell silent.
        self.post_sites(id, false);
    }
}

fn registered_event(old: Option<&Node>, new: &Identity) -> Option<New> {
    let event = |kind, reason: String| Some(New::node(kind, &new.node, reason));
    let Some(old) = old else {
        return event(EventKind::NodeRegistered, format!("a new {}", new.role));
    };
    if old.identity.incarnation != new.incarnation {
        let reason = format!("a new process, it was {}", old.state_in_words());
        return event(EventKind::NodeRestarted, reason);
    }
    match old.health {
        Health::Alive => None,
        Health::Suspect | Health::Dead if old.heard.is_none() => event(
            EventKind::NodeRegistered,
            "heard again since the controller started".into(),
        ),
        Health::Suspect | Health::Dead => event(
            EventKind::NodeBack,
            format!("it was {}", old.state_in_words()),
        ),
    }
}

#[cfg(test)]
mod tests;
