//! What the controller knows, in memory: read by REST and by every node's dialogue, written by
//! reports and by the store's watch.
//!
//! * [`inventory`]: nodes, streams and placements, and the questions that are asked about them;
//!   no clock, no lock, no task.
//! * [`events`]: what happened, the last few thousand.
//! * [`mailbox`]: what one node's dialogue has to say next.
//! * [`board`]: what controllers that share a store tell each other.
//! * [`explanations`]: the newest decisions, with all that led to them.
//! * [`promises`]: publishes that were just sent to an origin and are not there yet.
//!
//! [`Model`] puts a lock around them. Each of its functions changes the inventory, then passes on
//! what follows from that: events to the ring, changed streams to those who follow them and to the
//! reconciler. The lock is held for microseconds and never across an `.await`.

pub mod board;
pub mod events;
pub mod explanations;
pub mod inventory;
pub mod mailbox;
pub mod promises;

use crate::{
    plan::{
        Duplicates, Facts, Placement, Policy,
        placing::{self, Explained, Question},
        tree,
    },
    program,
    store::{Lease, Revision, keys::Freeze},
};
use board::{Kept, Leader, Post};
use control::{Desired, Epoch, Identity, Location, NodeId, Report, Upstream};
use events::Events;
use explanations::{Explanations, Placing};
use inventory::{DialogueId, Inventory, Now, RegisterError, Timing};
use mailbox::Mailbox;
use media::StreamPath;
use parking_lot::Mutex;
use promises::Promises;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};
use tokio::sync::{Notify, watch};

/// All that the controller knows; shared by every task.
pub struct Model {
    state: Mutex<State>,
    /// The rules; they do not change while the controller runs.
    pub policy: Policy,
    /// What happened.
    pub events: Events,
    /// What was decided, and why.
    pub explanations: Explanations,
    /// Streams whose facts changed: the reconciler is to look.
    unsettled: Notify,
    /// The other controllers are to be told something.
    unposted: Notify,
    /// An origin is accused: it is to be asked whether it lives.
    accused: Notify,
    /// Who decides, and since which revision; `None` if nobody does, or nobody else might.
    leader: watch::Sender<Option<Leader>>,
    /// What an operator last said about restarts.
    freeze: watch::Sender<Option<Freeze>>,
    /// The greatest revision of the store that was heard of.
    revision: AtomicU64,
    /// The store is known to have lost its history, and was not listed since.
    history_lost: AtomicBool,
}

struct State {
    inventory: Inventory,
    mailboxes: BTreeMap<NodeId, (DialogueId, Arc<Mailbox>)>,
    followers: BTreeMap<StreamPath, BTreeSet<NodeId>>,
    promises: Promises,
    dialogues: DialogueId,
}

/// A node's place in the model while its dialogue lasts.
pub struct Attended {
    /// Which dialogue.
    pub dialogue: DialogueId,
    /// What it has to say.
    pub mailbox: Arc<Mailbox>,
    /// Whether the store does not have this identity yet.
    pub is_new: bool,
}

impl Model {
    /// Knows nothing yet.
    pub fn new(policy: Policy, timing: Timing, now: Now) -> Self {
        Self {
            state: Mutex::new(State {
                inventory: Inventory::new(timing, now),
                mailboxes: BTreeMap::new(),
                followers: BTreeMap::new(),
                promises: Promises::default(),
                dialogues: DialogueId::default(),
            }),
            policy,
            events: Events::new(now.unix_ms),
            explanations: Explanations::default(),
            unsettled: Notify::new(),
            unposted: Notify::new(),
            accused: Notify::new(),
            leader: watch::Sender::new(None),
            freeze: watch::Sender::new(None),
            revision: AtomicU64::new(0),
            history_lost: AtomicBool::new(false),
        }
    }

    /// Changes the inventory and passes on what follows.
    fn change<T>(&self, now: Now, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let answer = change(&mut state);
        let effects = state.inventory.take_effects();
        for node in &effects.taken {
            if let Some((_, mailbox)) = state.mailboxes.get(node) {
                mailbox.replace();
            }
        }
        if effects.leader {
            let leader = state.inventory.leader().map(|(leader, _)| leader.clone());
            // Sent anew even if it is the same controller: it may have been elected again.
            self.leader.send_replace(leader);
        }
        for path in &effects.moved {
            let followers = state.followers.get(path).into_iter().flatten();
            for (_, mailbox) in followers.filter_map(|node| state.mailboxes.get(node)) {
                mailbox.located(path.clone());
            }
        }
        for (region, edge) in &effects.trees {
            state.tell_of_tree(region, edge, &self.policy.tree);
        }
        if effects.all_nodes {
            for (_, mailbox) in state.mailboxes.values() {
                mailbox.desired();
            }
        } else {
            for node in &effects.nodes {
                if let Some((_, mailbox)) = state.mailboxes.get(node) {
                    mailbox.desired();
                }
            }
        }
        drop(state);
        for event in effects.events {
            self.events.add(now.unix_ms, event);
        }
        if effects.unsettled || effects.leader {
            self.unsettled.notify_one();
        }
        if effects.unposted {
            self.unposted.notify_one();
        }
        if effects.accused {
            self.accused.notify_one();
        }
        answer
    }

    /// Reads the inventory.
    pub fn read<T>(&self, read: impl FnOnce(&Inventory) -> T) -> T {
        read(&self.state.lock().inventory)
    }

    /// A node registers; an earlier dialogue of it is told to end.
    ///
    /// # Errors
    /// If the node cannot be registered now; see [`RegisterError`].
    pub fn register(&self, identity: Identity, now: Now) -> Result<Attended, RegisterError> {
        self.change(now, |state| {
            let dialogue = state.dialogues.next();
            let node = identity.node.clone();
            let is_new = state.inventory.register(identity, dialogue, now)?;
            state.dialogues = dialogue;
            let mailbox = Arc::new(Mailbox::new());
            let placed = (dialogue, Arc::clone(&mailbox));
            if let Some((_, replaced)) = state.mailboxes.insert(node.clone(), placed) {
                replaced.replace();
                state.unfollow_all(&node, &replaced);
            }
            Ok(Attended {
                dialogue,
                mailbox,
                is_new,
            })
        })
    }

    /// A node reports.
    pub fn report(&self, node: &NodeId, dialogue: DialogueId, report: Report, now: Now) {
        self.change(now, |state| {
            state.inventory.report(node, dialogue, report, now)
        });
    }

    /// A node's dialogue broke, or (`left`) the node said goodbye.
    pub fn ended(&self, node: &NodeId, dialogue: DialogueId, left: bool, reason: &str, now: Now) {
        self.change(now, |state| {
            if state
                .mailboxes
                .get(node)
                .is_some_and(|(current, _)| *current == dialogue)
                && let Some((_, mailbox)) = state.mailboxes.remove(node)
            {
                state.unfollow_all(node, &mailbox);
            }
            state.inventory.ended(node, dialogue, left, reason, now);
        });
    }

    /// A suspect node was found dead.
    pub fn died(&self, node: &NodeId, reason: String, now: Now) {
        self.change(now, |state| state.inventory.died(node, reason, now));
    }

    /// A node could not push to these origins: they are to be asked whether they live.
    pub fn accuse(&self, origins: &[NodeId], now: Now) {
        if !origins.is_empty() {
            self.change(now, |state| {
                for origin in origins {
                    state.inventory.accuse(origin);
                }
            });
        }
    }

    /// Waits until somebody is accused. Cancel-safe.
    pub async fn accused(&self) {
        self.accused.notified().await;
    }

    /// Takes those who are accused and have not been asked.
    pub fn take_accused(&self) -> Vec<NodeId> {
        self.state.lock().inventory.take_accused()
    }

    /// An accused origin was asked whether it lives.
    pub fn judged(&self, node: &NodeId, answer: Result<(), String>, now: Now) {
        self.change(now, |state| state.inventory.judged(node, answer, now));
    }

    /// Time has passed: nodes may be suspect or forgotten. Returns the forgotten ones.
    pub fn tick(&self, now: Now) -> Vec<NodeId> {
        self.change(now, |state| {
            state.promises.expire(now.instant);
            state.inventory.tick(now)
        })
    }

    /// The store has a node.
    pub fn stored_node(&self, identity: Identity, now: Now) {
        self.change(now, |state| state.inventory.stored_node(identity, now));
    }

    /// The store no longer has a node.
    pub fn unstored_node(&self, node: &NodeId, now: Now) {
        self.change(now, |state| state.inventory.unstored_node(node));
    }

    /// The store has a stream's placement, or no longer has it. If it is news, returns what was
    /// known before.
    pub fn stored_stream(
        &self,
        path: &StreamPath,
        placement: Option<Placement>,
        revision: Revision,
        now: Now,
    ) -> Option<Option<Placement>> {
        self.change(now, |state| {
            if placement.as_ref().is_some_and(|it| it.owner.is_some()) {
                state.promises.kept(path);
            }
            state.inventory.stored_stream(path, placement, revision)
        })
    }

    /// The store has these entries and no others, at `revision`.
    pub fn stored_are(&self, kept: &Kept, revision: Revision, now: Now) {
        self.change(now, |state| {
            state.inventory.stored_streams_are(&kept.streams, revision);
            state.inventory.posted_are(kept, revision, now);
        });
    }

    /// The store was listed at this revision. `true` if it has been at a later one, or was found to have
    /// lost its history in another way.
    pub fn was_later(&self, revision: Revision) -> bool {
        let before = self.revision.swap(revision.0, Relaxed);
        self.history_lost.swap(false, Relaxed) || before > revision.0
    }

    /// Whatever the store says next, it has lost its history.
    pub fn history_is_lost(&self) {
        self.history_lost.store(true, Relaxed);
    }

    /// The store is at this revision, or at a later one that we know.
    pub fn is_at(&self, revision: Revision) {
        self.revision.fetch_max(revision.0, Relaxed);
    }

    /// The latest revision of the store that is known.
    pub fn revision(&self) -> Revision {
        Revision(self.revision.load(Relaxed))
    }

    /// What an operator last said about restarts, to whichever controller.
    pub fn freeze(&self) -> watch::Receiver<Option<Freeze>> {
        self.freeze.subscribe()
    }

    /// The store has an operator's word on restarts.
    pub fn stored_freeze(&self, freeze: Freeze) {
        self.freeze.send_if_modified(|known| {
            let news = known.as_ref() != Some(&freeze);
            *known = Some(freeze);
            news
        });
    }

    /// Other controllers share the store, and tell each other something by it.
    pub fn board(&self, now: Now, change: impl FnOnce(&mut Inventory)) {
        self.change(now, |state| change(&mut state.inventory));
    }

    /// What our entries hang on from now on.
    pub fn hang_on(&self, lease: Option<Lease>) {
        self.board(program::now(), |inventory| inventory.hang_on(lease));
    }

    /// What our entries hang on lives until then in any case, by our own clock.
    pub fn lease_lives(&self, until: Instant) {
        self.state.lock().inventory.lease_lives(until);
    }

    /// Who decides; seen as changed by each election.
    pub fn leader(&self) -> watch::Receiver<Option<Leader>> {
        self.leader.subscribe()
    }

    /// What to stand for election with.
    pub fn candidacy(&self) -> Option<(Leader, Lease)> {
        self.read(Inventory::candidacy)
    }

    /// Waits until there is something to post. Cancel-safe.
    pub async fn unposted(&self) {
        self.unposted.notified().await;
    }

    /// Looks for everything that the others do not know rightly, numbers included.
    pub fn post_all(&self) {
        self.board(program::now(), |inventory| inventory.post_all(true));
    }

    /// Takes at most `limit` things to post, and what to hang them on.
    pub fn take_unposted(&self, limit: usize) -> (Vec<Post>, Option<Lease>) {
        let mut state = self.state.lock();
        (
            state.inventory.take_unposted(limit),
            state.inventory.lease(),
        )
    }

    /// These could not be posted, or somebody else has written them.
    pub fn unpost(&self, posts: Vec<Post>) {
        self.board(program::now(), |inventory| inventory.unpost(posts));
    }

    /// The store has it now.
    pub fn has_posted(&self, post: &Post, lease: Lease, revision: Revision, now: Now) {
        self.board(now, |inventory| {
            inventory.has_posted(post, lease, revision, now)
        });
    }

    /// Something happened that the inventory does not see.
    pub fn happened(&self, event: events::New, now: Now) {
        self.events.add(now.unix_ms, event);
    }

    /// Waits until the facts of a stream changed, or who decides. Cancel-safe.
    pub async fn unsettled(&self) {
        self.unsettled.notified().await;
    }

    /// Every stream is to be looked at.
    pub fn unsettle_all(&self) {
        self.state.lock().inventory.unsettle_all();
        self.unsettled.notify_one();
    }

    /// Nothing is to be looked at here: somebody else decides.
    pub fn settle_all(&self) {
        self.state.lock().inventory.settle_all();
    }

    /// Takes at most `limit` streams whose facts changed, with their facts and the revision at which
    /// the store had them.
    pub fn take_unsettled(&self, limit: usize, now: Now) -> Vec<(StreamPath, Facts, Revision)> {
        self.state.lock().inventory.take_unsettled(limit, now)
    }

    /// A stream has moved too often and is to be looked at again at `until_unix_ms`. `true` if that is
    /// news.
    pub fn hold(&self, path: &StreamPath, until_unix_ms: u64, reason: &str, now: Now) -> bool {
        self.change(now, |state| {
            state.inventory.hold(path, until_unix_ms, reason, now)
        })
    }

    /// Streams to look at again.
    pub fn unsettle(&self, paths: impl IntoIterator<Item = StreamPath>) {
        let mut state = self.state.lock();
        for path in paths {
            state.inventory.unsettle(path);
        }
        drop(state);
        self.unsettled.notify_one();
    }

    /// A node follows a stream from now on. `false` if it follows too many.
    pub fn follow(&self, node: &NodeId, mailbox: &Mailbox, path: StreamPath, seen: Epoch) -> bool {
        if !mailbox.follow(path.clone()) {
            return false;
        }
        let mut state = self.state.lock();
        state
            .followers
            .entry(path.clone())
            .or_default()
            .insert(node.clone());
        let raised = state.inventory.seen(&path, seen);
        drop(state);
        if raised {
            self.unsettled.notify_one();
        }
        true
    }

    /// A node no longer follows a stream.
    pub fn unfollow(&self, node: &NodeId, mailbox: &Mailbox, path: &StreamPath) {
        if mailbox.unfollow(path) {
            self.state.lock().unfollow(node, path);
        }
    }

    /// Where a stream is, for a node that asks.
    pub fn location(&self, asker: &NodeId, path: &StreamPath) -> Location {
        let state = self.state.lock();
        state.inventory.location_for(asker, path, &self.policy)
    }

    /// What a node should be doing, without a generation.
    pub fn desired(&self, node: &NodeId, now: Now) -> Desired {
        self.state.lock().inventory.desired(node, &self.policy, now)
    }

    /// Which origin a publish that `from` has belongs to; the choice is kept for
    /// [`PLACING_KEPT`](crate::limits::PLACING_KEPT). A `backup`, and a publish of what has a backup, belongs
    /// to an origin that has the stream from nobody else.
    ///
    /// # Errors
    /// If there is no origin with room; for people.
    pub fn place(
        &self,
        path: &StreamPath,
        from: &NodeId,
        avoid: &[NodeId],
        backup: bool,
        now: Now,
    ) -> Result<Upstream, &'static str> {
        let mut state = self.state.lock();
        let mut question = state.question(path, state.inventory.site(from), avoid, now);
        let all_stand_by = backup || self.policy.duplicates == Duplicates::Backup;
        let mut taken = state.inventory.rivals(path, from, all_stand_by);
        if backup {
            let promised = state.promises.of(path, now.instant);
            taken.extend(promised.cloned());
            question.keep = state.inventory.pushed_to(path, from);
        }
        let explained = state.placed(question, &taken);
        let upstream = explained
            .chosen()
            .and_then(|chosen| state.inventory.upstream(&chosen.node));
        if let Some(chosen) = explained.chosen().filter(|_| !backup) {
            state.promises.make(path, &chosen.node, now.instant);
        }
        let revision = state.inventory.revision(path);
        drop(state);
        let is_away = |candidate: &placing::Candidate| {
            matches!(candidate.standing, placing::Standing::Away(_))
        };
        let is_taken =
            |candidate: &placing::Candidate| candidate.standing == placing::Standing::Taken;
        let all_away = explained.candidates.iter().all(is_away);
        let taken = explained.candidates.iter().any(is_taken);
        self.explanations.placed(Placing {
            at_unix_ms: now.unix_ms,
            revision,
            explained,
        });
        upstream.ok_or(match (all_away, taken) {
            (true, _) => "no origin is alive",
            (false, true) => "no origin is left that has not the stream from another publisher",
            (false, false) => "every origin is full",
        })
    }

    /// Where a publish from nowhere would be sent now; promises nothing.
    pub fn would_place(&self, path: &StreamPath, now: Now) -> Placing {
        let state = self.state.lock();
        let question = state.question(path, placing::Site::default(), &[], now);
        Placing {
            at_unix_ms: now.unix_ms,
            revision: state.inventory.revision(path),
            explained: state.placed(question, &[]),
        }
    }
}

impl State {
    /// An edge of a region may be a parent there, or no longer: those who follow a stream that this
    /// concerns are told where to pull it from now.
    fn tell_of_tree(&self, region: &str, edge: &NodeId, rules: &tree::Rules) {
        if rules.parents == 0 {
            return;
        }
        let in_region = |node: &&NodeId| self.inventory.site(node).region == region;
        for (path, followers) in &self.followers {
            let mut concerned = followers.iter().filter(in_region).peekable();
            if concerned.peek().is_none() || !self.inventory.tree_changed(region, edge, path, rules)
            {
                continue;
            }
            for (_, mailbox) in concerned.filter_map(|node| self.mailboxes.get(node)) {
                mailbox.located(path.clone());
            }
        }
    }

    fn unfollow(&mut self, node: &NodeId, path: &StreamPath) {
        if let Some(followers) = self.followers.get_mut(path) {
            followers.remove(node);
            if followers.is_empty() {
                self.followers.remove(path);
            }
        }
    }

    fn unfollow_all(&mut self, node: &NodeId, mailbox: &Mailbox) {
        for path in mailbox.take_followed() {
            self.unfollow(node, &path);
        }
    }

    fn question(
        &self,
        path: &StreamPath,
        from: placing::Site,
        avoid: &[NodeId],
        now: Now,
    ) -> Question {
        let promised = || self.promises.of(path, now.instant).cloned();
        Question {
            path: path.clone(),
            from,
            keep: self.inventory.owner(path).or_else(promised),
            avoid: avoid.to_vec(),
        }
    }

    /// Publishes that were just sent to an origin count as its streams until they are. Those that are
    /// `taken` have the stream already, from another publisher.
    fn placed(&self, question: Question, taken: &[NodeId]) -> Explained {
        let mut candidates = self.inventory.candidates();
        for candidate in &mut candidates {
            candidate.streams += self.promises.to(&candidate.node);
            if candidate.standing == placing::Standing::Ready && taken.contains(&candidate.node) {
                candidate.standing = placing::Standing::Taken;
            }
        }
        placing::place(question, candidates)
    }
}
