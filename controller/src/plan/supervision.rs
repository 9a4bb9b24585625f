//! When a silent node is dead, and when a dead one is started again. Pure: what is seen and `now`
//! come in, [`Action`]s come out; nothing here asks, waits or restarts.
//!
//! ```text
//!            silent                     does not answer, silent for dead_after
//!   alive ───────────▶ suspect, probed ────────────────────────────────────────▶ dead
//!     ▲                  │ answers: it serves, and is only cut off from us        │ restart
//!     │                  ▼                                                        ▼
//!     └── reports ──── suspect                     failed, waits longer ◀──── in flight
//!     └──────────────────────── registers as a new process ─────────────────────┘
//! ```
//!
//! What must hold, whatever is seen:
//!
//! * Nobody is restarted who reports, who answers a probe, who said goodbye, or who was not probed
//!   in vain [`PROBES_FAILED_MIN`] times.
//! * At most [`Rules::in_flight_max`] restarts are under way, and one node's restarts are ever
//!   further apart until it has lived for [`Rules::forgiven_after`].
//! * While [frozen](Frozen) nobody is declared dead and nobody is restarted, except by an operator
//!   who names the node.

mod freeze;

pub use freeze::{Cause, Frozen};

use control::{Incarnation, NodeId, Role};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Probes that must have failed in a row before a node is held for dead: one may be lost.
pub const PROBES_FAILED_MIN: u32 = 2;

/// Doublings of the wait between two restarts of a node; then it is the longest in any case.
const DOUBLINGS_MAX: u32 = 20;

/// The operator's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// A node that was silent for so long, and does not answer, is dead.
    pub dead_after: Duration,
    /// How often a silent node is probed.
    pub probe_interval: Duration,
    /// Whether dead nodes are restarted; else they are only declared dead.
    pub restarts: bool,
    /// Restarts that may be under way at a time.
    pub in_flight_max: usize,
    /// A restarted node that has not registered within this has not been restarted.
    pub patience: Duration,
    /// The least time between the first restart of a node and the second; doubles with each.
    pub wait_first: Duration,
    /// The longest such time.
    pub wait_max: Duration,
    /// A node that lived so long begins again with `wait_first`.
    pub forgiven_after: Duration,
    /// Nobody is restarted before this process has decided for so long: nodes need a while to find
    /// a controller that was away.
    pub held_for: Duration,
    /// More than this share of a role's nodes, in percent, that look dead at once freeze …
    pub freeze_percent: u8,
    /// … if they are at least so many …
    pub freeze_nodes_min: usize,
    /// … and went within this time.
    pub freeze_within: Duration,
}

/// What is observed of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It reports.
    Alive,
    /// It went silent.
    Suspect,
    /// It was declared dead.
    Dead,
}

/// One node as it is seen now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub node: NodeId,
    /// Origin or edge.
    pub role: Role,
    /// Its process, by its last registration.
    pub incarnation: Incarnation,
    /// Whether it is there.
    pub presence: Presence,
    /// Since when nothing was heard of it.
    pub silent_for: Duration,
    /// Whether there is an address at which it can be probed.
    pub has_address: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask the node directly whether it lives, and say so with [`Supervision::probed`].
    Probe(NodeId),
    /// It is silent, and serves: said once.
    CutOff(NodeId),
    /// Declare it dead.
    Dead {
        /// Which.
        node: NodeId,
        /// For people.
        reason: String,
    },
    /// Start it again, and say what came of it with [`Supervision::driven`].
    Restart(Order),
    /// A restart has brought up a new process.
    Restarted {
        /// Which.
        node: NodeId,
        /// How long that took.
        took: Duration,
    },
    /// A restart came to nothing.
    RestartFailed {
        /// Which.
        node: NodeId,
        /// For people.
        reason: String,
    },
    /// From now on nobody is declared dead or restarted.
    Froze(Frozen),
    /// That is over.
    Thawed {
        /// For people.
        reason: String,
    },
}

/// One restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which node.
    pub node: NodeId,
    /// What it is.
    pub role: Role,
    /// The process that is to go.
    pub incarnation: Incarnation,
    /// Why, for people.
    pub reason: String,
    /// Restarts of it in a row, this one included.
    pub attempt: u32,
}

/// Why an operator's restart is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Nobody knows it.
    #[error("there is no such node")]
    Unknown,
    /// One is under way.
    #[error("it is being restarted already")]
    InFlight,
}

/// How many nodes are where; for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Restarts under way.
    pub in_flight: usize,
    /// Dead nodes that wait to be restarted.
    pub waiting: usize,
}

/// What is remembered from one step to the next.
#[derive(Debug, Clone)]
pub struct Supervision {
    rules: Rules,
    started: Instant,
    nodes: BTreeMap<NodeId, Watched>,
    frozen: Option<Frozen>,
    /// What the last step said about that.
    announced: Option<Cause>,
    by_operator: Option<String>,
    /// An operator has just thawed.
    thawed: bool,
    store_lost: bool,
    /// Another controller may have been elected.
    doubtful: bool,
    held: bool,
}

#[derive(Debug, Clone)]
struct Watched {
    seen: Seen,
    /// It said goodbye or was forgotten: it is here only because its restart is under way.
    left: bool,
    probe: Probing,
    /// Since when it looks dead.
    down_since: Option<Instant>,
    /// Whether that counts for the freeze: an operator has not let it pass, and it is recent.
    counts: bool,
    alive_since: Option<Instant>,
    /// Restarts since it last lived long.
    attempts: u32,
    not_before: Option<Instant>,
    in_flight: Option<Flight>,
}

#[derive(Debug, Clone, Default)]
struct Probing {
    failed: u32,
    last_failure: String,
    /// It answered since it fell silent, and has not failed since.
    answers: bool,
    said: bool,
    asked: Option<Instant>,
    awaited: bool,
}

#[derive(Debug, Clone)]
struct Flight {
    since: Instant,
    from: Incarnation,
    /// The driver has done its part. Before that it may still end a process that somebody else started.
    driven: bool,
}

impl Supervision {
    /// Has seen nothing.
    pub fn new(rules: Rules, now: Instant) -> Self {
        let held = rules.restarts && !rules.held_for.is_zero();
        Self {
            rules,
            started: now,
            nodes: BTreeMap::new(),
            frozen: None,
            announced: None,
            by_operator: None,
            thawed: false,
            store_lost: false,
            doubtful: false,
            held,
        }
    }

    /// Begins to decide: what another decided before is not known, so nobody is restarted for a
    /// while.
    pub fn begins(&mut self, now: Instant) {
        *self = Self {
            by_operator: self.by_operator.take(),
            ..Self::new(self.rules.clone(), now)
        };
    }

    /// From now on this controller restarts nodes, or leaves that to the one that decides; who is
    /// dead it sees for itself in any case.
    pub fn restarts(&mut self, restarts: bool, now: Instant) {
        if self.rules.restarts != restarts {
            self.rules.restarts = restarts;
            self.begins(now);
        }
    }

    /// All nodes as they are now; what is to be done about them. Doing that and stepping again
    /// gives nothing new.
    pub fn step(&mut self, seen: &[Seen], now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        self.take_in(seen, now, &mut actions);
        self.give_up(now, &mut actions);
        self.judge_freeze(now, &mut actions);
        self.probe(now, &mut actions);
        self.declare(&mut actions);
        self.restart(now, &mut actions);
        actions
    }

    /// What a probe of a node found: that it answers, or why it did not.
    pub fn probed(&mut self, node: &NodeId, answer: Result<(), String>) {
        let Some(watched) = self.nodes.get_mut(node) else {
            return;
        };
        let probe = &mut watched.probe;
        probe.awaited = false;
        match answer {
            Ok(()) => {
                probe.failed = 0;
                probe.answers = true;
            }
            Err(why) => {
                probe.failed = probe.failed.saturating_add(1);
                probe.last_failure = why;
                probe.answers = false;
            }
        }
    }

    /// What a driver says of a restart. If it did its part, the restart lasts until the node has
    /// registered as a new process.
    pub fn driven(
        &mut self,
        node: &NodeId,
        done: Result<(), String>,
        now: Instant,
    ) -> Option<Action> {
        let watched = self.nodes.get_mut(node)?;
        match done {
            Ok(()) => {
                watched.in_flight.as_mut()?.driven = true;
                None
            }
            Err(why) => {
                watched.in_flight.take()?;
                Some(watched.failed(node, &why, now))
            }
        }
    }

    /// An operator wants a node restarted, whatever it looks like.
    ///
    /// # Errors
    /// If it is not known, or is being restarted.
    pub fn order(
        &mut self,
        node: &NodeId,
        reason: &str,
        now: Instant,
    ) -> Result<Order, OrderError> {
        let rules = &self.rules;
        let watched = self.nodes.get_mut(node).ok_or(OrderError::Unknown)?;
        if watched.in_flight.is_some() {
            return Err(OrderError::InFlight);
        }
        Ok(watched.take_off(rules, reason.to_owned(), now))
    }

    /// Restarts that are under way, and dead nodes that wait for theirs.
    pub fn counts(&self) -> Counts {
        let waits = |watched: &&Watched| {
            watched.seen.presence == Presence::Dead && watched.in_flight.is_none()
        };
        Counts {
            in_flight: self.in_flight(),
            waiting: match self.rules.restarts {
                true => self.nodes.values().filter(waits).count(),
                false => 0,
            },
        }
    }

    fn in_flight(&self) -> usize {
        let flies = |watched: &&Watched| watched.in_flight.is_some();
        self.nodes.values().filter(flies).count()
    }

    fn take_in(&mut self, seen: &[Seen], now: Instant, actions: &mut Vec<Action>) {
        let there: BTreeSet<&NodeId> = seen.iter().map(|seen| &seen.node).collect();
        // Who left or was forgotten is nobody's business, unless it left because it is restarted.
        self.nodes.retain(|node, watched| {
            watched.left = !there.contains(node);
            !watched.left || watched.in_flight.is_some()
        });
        for seen in seen {
            let watched = self
                .nodes
                .entry(seen.node.clone())
                .or_insert_with(|| Watched::new(seen.clone()));
            actions.extend(watched.is_seen(seen, &self.rules, now));
        }
    }

    /// Restarts that have taken too long have failed.
    fn give_up(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let patience = self.rules.patience;
        for (node, watched) in &mut self.nodes {
            let late = |flight: &mut Flight| now.saturating_duration_since(flight.since) > patience;
            if watched.in_flight.take_if(late).is_some() {
                let why = format!("it has not registered within {} s", patience.as_secs_f64());
                actions.push(watched.failed(node, &why, now));
            }
        }
    }

    fn probe(&mut self, now: Instant, actions: &mut Vec<Action>) {
        for (node, watched) in &mut self.nodes {
            let probe = &mut watched.probe;
            let silent = watched.seen.presence != Presence::Alive && watched.seen.has_address;
            let flies = watched.in_flight.is_some() || watched.left;
            if silent && probe.answers && !probe.said {
                probe.said = true;
                actions.push(Action::CutOff(node.clone()));
            }
            let due = probe.asked.is_none_or(|asked| {
                now.saturating_duration_since(asked) >= self.rules.probe_interval
            });
            if silent && due && !probe.awaited && !flies {
                probe.asked = Some(now);
                probe.awaited = true;
                actions.push(Action::Probe(node.clone()));
            }
        }
    }

    fn declare(&mut self, actions: &mut Vec<Action>) {
        if self
            .frozen
            .as_ref()
            .is_some_and(|frozen| frozen.cause != Cause::Held)
        {
            return;
        }
        for (node, watched) in &mut self.nodes {
            let Watched { seen, probe, .. } = watched;
            let silent = seen.presence == Presence::Suspect
                && !watched.left
                && seen.silent_for >= self.rules.dead_after;
            let answers_not = !seen.has_address || probe.failed >= PROBES_FAILED_MIN;
            if !silent || !answers_not {
                continue;
            }
            let mut reason = format!("silent for {:.1} s", seen.silent_for.as_secs_f64());
            if seen.has_address {
                let (failed, why) = (probe.failed, &probe.last_failure);
                reason += &format!("; {failed} probes failed, the last: {why}");
            }
            seen.presence = Presence::Dead;
            let node = node.clone();
            actions.push(Action::Dead { node, reason });
        }
    }

    /// The longest dead first; origins before edges, for streams hang on them.
    fn restart(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if !self.rules.restarts || self.frozen.is_some() {
            return;
        }
        let mut room = self.rules.in_flight_max.saturating_sub(self.in_flight());
        let waits = |(_, watched): &(&NodeId, &Watched)| watched.may_be_restarted(now);
        let mut waiting: Vec<(bool, Option<Instant>, NodeId)> = self
            .nodes
            .iter()
            .filter(waits)
            .map(|(node, watched)| {
                let is_edge = watched.seen.role == Role::Edge;
                (is_edge, watched.down_since, node.clone())
            })
            .collect();
        waiting.sort();
        for (_, _, node) in waiting {
            let Some(watched) = self.nodes.get_mut(&node).filter(|_| room > 0) else {
                return;
            };
            room -= 1;
            let silent_s = watched.seen.silent_for.as_secs_f64();
            let why = &watched.probe.last_failure;
            let reason = format!("it is dead: silent for {silent_s:.1} s, {why}");
            let order = watched.take_off(&self.rules, reason, now);
            actions.push(Action::Restart(order));
        }
    }
}

impl Watched {
    fn new(seen: Seen) -> Self {
        Self {
            seen,
            left: false,
            probe: Probing::default(),
            down_since: None,
            counts: false,
            alive_since: None,
            attempts: 0,
            not_before: None,
            in_flight: None,
        }
    }

    fn is_seen(&mut self, seen: &Seen, rules: &Rules, now: Instant) -> Option<Action> {
        self.seen = seen.clone();
        if seen.presence == Presence::Alive {
            return self.is_alive(rules, now);
        }
        self.alive_since = None;
        let is_down = match seen.has_address {
            true if self.probe.failed > 0 => true,
            true if self.probe.answers => false,
            // Not asked yet, or not since its restart came to nothing: it is as it was.
            true => return None,
            false => true,
        };
        if !is_down {
            self.is_not_down();
        } else if self.down_since.is_none() {
            self.down_since = Some(now);
            self.counts = true;
        }
        None
    }

    fn is_alive(&mut self, rules: &Rules, now: Instant) -> Option<Action> {
        // An answer that is still on its way is of no use to the next silence.
        self.probe = Probing::default();
        self.is_not_down();
        let since = *self.alive_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= rules.forgiven_after {
            self.attempts = 0;
            self.not_before = None;
        }
        // Until the new process registers, the old one may still be heard.
        let new = |flight: &mut Flight| flight.driven && self.seen.incarnation > flight.from;
        let flight = self.in_flight.take_if(new)?;
        self.alive_since = Some(now);
        Some(Action::Restarted {
            node: self.seen.node.clone(),
            took: now.saturating_duration_since(flight.since),
        })
    }

    fn is_not_down(&mut self) {
        self.down_since = None;
        self.counts = false;
    }

    fn may_be_restarted(&self, now: Instant) -> bool {
        self.seen.presence == Presence::Dead
            && self.seen.has_address
            && self.probe.failed >= PROBES_FAILED_MIN
            && self.in_flight.is_none()
            && self.not_before.is_none_or(|not_before| not_before <= now)
    }

    fn take_off(&mut self, rules: &Rules, reason: String, now: Instant) -> Order {
        let doublings = self.attempts.min(DOUBLINGS_MAX);
        let wait = rules.wait_first.saturating_mul(1 << doublings);
        self.attempts = self.attempts.saturating_add(1);
        self.not_before = Some(now + wait.min(rules.wait_max));
        self.in_flight = Some(Flight {
            since: now,
            from: self.seen.incarnation,
            driven: false,
        });
        Order {
            node: self.seen.node.clone(),
            role: self.seen.role,
            incarnation: self.seen.incarnation,
            reason,
            attempt: self.attempts,
        }
    }

    fn failed(&mut self, node: &NodeId, why: &str, now: Instant) -> Action {
        // What was found before the restart says nothing about what is there after it.
        self.probe = Probing::default();
        let wait = self
            .not_before
            .map(|not_before| not_before.saturating_duration_since(now));
        let wait_s = wait.unwrap_or_default().as_secs_f64();
        Action::RestartFailed {
            node: node.clone(),
            reason: format!(
                "{why}; attempt {}, the next not before {wait_s:.0} s",
                self.attempts
            ),
        }
    }
}

#[cfg(test)]
mod tests;
