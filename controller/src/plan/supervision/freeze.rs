//! When it is not the nodes that are gone but we who are cut off: nobody is declared dead or
//! restarted then.
//!
//! Nodes count that began to look dead within [`Rules::freeze_within`](super::Rules::freeze_within);
//! once frozen, they count until they are back, so that time alone lets nothing go. An operator who
//! thaws lets those pass that look dead now: they no longer count.

use super::{Action, Presence, Supervision};
use control::Role;
use std::time::Instant;

/// Why nobody is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Too many nodes look dead at once.
    TooMany,
    /// An operator said so.
    Operator,
    /// The store cannot be reached: nobody knows what was decided elsewhere.
    StoreLost,
    /// This process has only just begun to decide; nodes are declared dead, and not restarted yet.
    Held,
}

/// That nobody is restarted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Why, for programs.
    pub cause: Cause,
    /// Why, for people.
    pub reason: String,
}

impl Frozen {
    fn new(cause: Cause, reason: impl Into<String>) -> Self {
        Self {
            cause,
            reason: reason.into(),
        }
    }
}

/// How many of a role's nodes look dead.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    down: usize,
    of: usize,
}

impl Supervision {
    /// Whether nobody is restarted now.
    pub fn frozen(&self) -> Option<&Frozen> {
        self.frozen.as_ref()
    }

    /// An operator freezes, or no longer does.
    pub fn operator_froze(&mut self, reason: Option<String>) {
        self.by_operator = reason;
        self.frozen = self.cause_to_freeze();
    }

    /// An operator thaws: what looks dead now may be restarted. The store's loss stays.
    pub fn thaw(&mut self) {
        self.by_operator = None;
        self.thawed = true;
        self.held = false;
        for watched in self.nodes.values_mut() {
            watched.counts = false;
        }
        self.frozen = self.cause_to_freeze();
    }

    /// Whether the store answers.
    pub fn store_is_lost(&mut self, lost: bool) {
        self.store_lost = lost;
    }

    /// Whether another controller may have been elected, for the store has not confirmed us lately.
    pub fn election_is_doubtful(&mut self, doubtful: bool) {
        self.doubtful = doubtful;
    }

    pub(super) fn judge_freeze(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let was = self.announced;
        if was != Some(Cause::TooMany) {
            self.let_old_ones_pass(now);
        }
        self.held &= now.saturating_duration_since(self.started) < self.rules.held_for;
        let is = self.cause_to_freeze();
        match (was, &is) {
            (_, Some(frozen)) if was != Some(frozen.cause) => {
                if frozen.cause != Cause::Held {
                    actions.push(Action::Froze(frozen.clone()));
                }
            }
            (Some(was), None) if was != Cause::Held => actions.push(Action::Thawed {
                reason: match was {
                    Cause::TooMany if self.thawed => "an operator said so".into(),
                    Cause::TooMany => "few enough nodes look dead".into(),
                    Cause::StoreLost => "the store answers again".into(),
                    Cause::Operator | Cause::Held => "an operator said so".into(),
                },
            }),
            (Some(_) | None, _) => {}
        }
        self.thawed = false;
        self.announced = is.as_ref().map(|frozen| frozen.cause);
        self.frozen = is;
    }

    /// The gravest cause first.
    fn cause_to_freeze(&self) -> Option<Frozen> {
        if let Some(reason) = &self.by_operator {
            return Some(Frozen::new(Cause::Operator, reason));
        }
        if self.store_lost {
            return Some(Frozen::new(Cause::StoreLost, "the store does not answer"));
        }
        if self.doubtful {
            return Some(Frozen::new(
                Cause::StoreLost,
                "the store has not confirmed lately that this controller decides",
            ));
        }
        for role in [Role::Origin, Role::Edge] {
            let Share { down, of } = self.share(role);
            let percent = usize::from(self.rules.freeze_percent);
            if down >= self.rules.freeze_nodes_min && down * 100 > percent * of {
                let reason = format!("{down} of {of} {role}s look dead at once");
                return Some(Frozen::new(Cause::TooMany, reason));
            }
        }
        let held_s = self.rules.held_for.as_secs_f64();
        self.held.then(|| {
            let reason = format!("the controller has not yet decided for {held_s:.0} s");
            Frozen::new(Cause::Held, reason)
        })
    }

    fn let_old_ones_pass(&mut self, now: Instant) {
        for watched in self.nodes.values_mut() {
            let recent = |since| now.saturating_duration_since(since) < self.rules.freeze_within;
            watched.counts &= watched.down_since.is_some_and(recent);
        }
    }

    fn share(&self, role: Role) -> Share {
        let of_role = self
            .nodes
            .values()
            .filter(|watched| watched.seen.role == role && !watched.left);
        of_role.fold(Share::default(), |share, watched| {
            let there = watched.seen.presence == Presence::Alive || watched.down_since.is_none();
            Share {
                down: share.down + usize::from(watched.counts),
                of: share.of + usize::from(watched.counts || there),
            }
        })
    }
}
