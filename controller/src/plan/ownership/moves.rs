//! How often a stream has changed from one origin to another lately.
//!
//! Each move costs its players a gap and each edge a new pull, and a stream that moves every second is
//! moved by a fault: two encoders that fight over a name, an origin whose network comes and goes.
//! What counts stands in the placement itself, so it goes with the store to whoever decides next.
//!
//! Always true: the times are those of moves that may still count, the oldest first. A process that is
//! started again, or a stream that comes back to the origin that had it last, has not moved.

use super::Placement;
use control::NodeId;

/// For so long a move counts, in milliseconds.
const WINDOW_MS: u64 = 60_000;

/// A stream's last changes from one origin to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves {
    /// The origin that owns it, or was the last to.
    pub last_owner: Option<NodeId>,
    /// When it changed from one origin to another, the oldest first, in milliseconds since the Unix
    /// epoch.
    pub at_unix_ms: Vec<u64>,
}

impl Moves {
    /// Those of a placement; its owner is its last one even where that was written before this was kept.
    pub(super) fn of(placement: Option<&Placement>) -> Self {
        let Some(placement) = placement else {
            return Self::default();
        };
        let owner = placement.owner.as_ref().map(|owner| owner.node.clone());
        Self {
            last_owner: owner.or_else(|| placement.moves.last_owner.clone()),
            at_unix_ms: placement.moves.at_unix_ms.clone(),
        }
    }

    /// With the change to this owner, or to none.
    pub(super) fn after(mut self, owner: Option<&NodeId>, now_unix_ms: u64) -> Self {
        self.at_unix_ms.retain(|at| counts(*at, now_unix_ms));
        if let Some(owner) = owner {
            if self.is_move(owner) {
                self.at_unix_ms.push(now_unix_ms);
            }
            self.last_owner = Some(owner.clone());
        }
        self
    }

    /// When the stream may change to `owner`, if it may not now.
    pub(super) fn held_until(
        &self,
        owner: &NodeId,
        per_minute: u32,
        now_unix_ms: u64,
    ) -> Option<u64> {
        if !self.is_move(owner) {
            return None;
        }
        let most = usize::try_from(per_minute.max(1)).unwrap_or(usize::MAX);
        let counted = self
            .at_unix_ms
            .iter()
            .filter(|at| counts(**at, now_unix_ms));
        // As many as may be have to be over before one more.
        let newest_in_the_way = counted.rev().nth(most - 1)?;
        Some(newest_in_the_way.saturating_add(WINDOW_MS))
    }

    /// How many count now.
    pub(super) fn within(&self, now_unix_ms: u64) -> usize {
        let counted = |at: &&u64| counts(**at, now_unix_ms);
        self.at_unix_ms.iter().filter(counted).count()
    }

    fn is_move(&self, to: &NodeId) -> bool {
        self.last_owner.as_ref().is_some_and(|last| last != to)
    }
}

/// One that is said to be later than now counts, too: another controller's clock is ahead. So far ahead
/// that it would hold the stream for more than twice the time, a clock was wrong, and it does not.
fn counts(at: u64, now_unix_ms: u64) -> bool {
    now_unix_ms.abs_diff(at) < WINDOW_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{
        Decision, Duplicates, Facts, Owner, Policy, decide, must_leave,
        ownership::{Claim, OwnerIs},
    };
    use control::{Epoch, Incarnation};

    fn owner(name: &str) -> Owner {
        Owner {
            node: NodeId::new(name).expect("a good id"),
            incarnation: Incarnation(1),
        }
    }

    fn claim(name: &str, since_unix_ms: u64) -> Claim {
        Claim {
            owner: owner(name),
            since_unix_ms,
            suspect: false,
            pushed: None,
            backup: false,
        }
    }

    /// A stream, and what happens to it.
    struct Life {
        policy: Policy,
        placement: Option<Placement>,
        now: u64,
        moved_at: Vec<u64>,
    }

    impl Life {
        fn new(duplicates: Duplicates, moves_per_minute: u32) -> Self {
            Self {
                policy: Policy {
                    duplicates,
                    moves_per_minute,
                    ..Policy::default()
                },
                placement: None,
                now: 1_000_000,
                moved_at: Vec::new(),
            }
        }

        fn facts(&self, claims: &[Claim]) -> Facts {
            let placement = self.placement.clone();
            let present = placement.as_ref().and_then(|it| it.owner.clone());
            let publishes = |owner: &Owner| claims.iter().any(|claim| claim.owner == *owner);
            Facts {
                owner_is: match present {
                    None => OwnerIs::Gone,
                    Some(owner) if publishes(&owner) => OwnerIs::Publishing,
                    Some(_) => OwnerIs::Dead,
                },
                placement,
                claims: claims.to_vec(),
                seen: Epoch::NONE,
                now_unix_ms: self.now,
            }
        }

        /// Decides until nothing changes; who has it then, and until when it is held.
        fn settles(&mut self, claims: &[Claim]) -> (Option<String>, Option<u64>) {
            for _ in 0..4 {
                let held = match decide(&self.facts(claims), &self.policy) {
                    Decision::Change { owner, epoch, .. } => {
                        let before = self.placement.take();
                        let last = Moves::of(before.as_ref()).last_owner;
                        let to = owner.as_ref().map(|owner| owner.node.clone());
                        if last.is_some() && to.is_some() && last != to {
                            self.moved_at.push(self.now);
                        }
                        let after = Placement::after(before.as_ref(), owner, epoch, self.now);
                        self.placement = Some(after);
                        continue;
                    }
                    Decision::Held { until_unix_ms, .. } => Some(until_unix_ms),
                    Decision::Keep => None,
                };
                let owner = self.placement.as_ref().and_then(|it| it.owner.as_ref());
                return (owner.map(|owner| owner.node.to_string()), held);
            }
            panic!("it does not settle");
        }
    }

    #[test]
    fn two_encoders_that_fight_over_a_name_are_stopped_and_the_owner_keeps_it() {
        let mut life = Life::new(Duplicates::TakeOver, 3);
        let names = ["a", "b"];
        let mut held = 0;
        for turn in 0..200_u64 {
            life.now += 1_000;
            let later = names[(turn % 2) as usize];
            let earlier = names[((turn + 1) % 2) as usize];
            let claims = [claim(earlier, life.now - 1_000), claim(later, life.now)];
            let (has, until) = life.settles(&claims);
            let has = has.expect("somebody has it");
            if let Some(until) = until {
                held += 1;
                assert!(has == earlier && until > life.now && until <= life.now + WINDOW_MS);
                let facts = life.facts(&claims);
                let other = owner(later).node;
                assert!(
                    must_leave(&facts, &other, &life.policy).is_some(),
                    "the fight goes on"
                );
            } else {
                assert_eq!(has, later);
            }
        }
        assert!(held > 80, "{held}");
        for moves in life.moved_at.windows(4) {
            assert!(moves[3] - moves[0] >= WINDOW_MS, "{moves:?}");
        }
    }

    #[test]
    fn a_stream_without_an_owner_waits_no_longer_than_it_must() {
        let mut life = Life::new(Duplicates::Refuse, 2);
        for name in ["a", "b", "c"] {
            life.now += 1_000;
            assert_eq!(
                life.settles(&[claim(name, life.now)]).0.as_deref(),
                Some(name)
            );
        }
        let first = life.now - 1_000;
        life.now += 1_000;
        let elsewhere = [claim("d", life.now)];
        // Its owner is dead: nobody is sent there, and it may not move on before its first move is over.
        assert_eq!(life.settles(&elsewhere), (None, Some(first + WINDOW_MS)));
        // Back where it was it has not moved.
        let back = [claim("d", life.now), claim("c", life.now + 1)];
        assert_eq!(life.settles(&back).0.as_deref(), Some("c"));
        assert_eq!(life.settles(&elsewhere), (None, Some(first + WINDOW_MS)));
        life.now = first + WINDOW_MS;
        assert_eq!(life.settles(&elsewhere), (Some("d".into()), None));
    }

    #[test]
    fn a_clock_that_is_ahead_holds_and_one_that_is_wrong_does_not() {
        let mut moves = Moves::default();
        let (a, b) = (owner("a").node, owner("b").node);
        moves = moves.after(Some(&a), 100_000).after(Some(&b), 110_000);
        assert_eq!(moves.held_until(&a, 1, 108_000), Some(170_000));
        assert_eq!(moves.held_until(&b, 1, 108_000), None);
        assert_eq!(moves.held_until(&a, 1, 20_000), None);
        assert_eq!(moves.held_until(&a, 2, 108_000), None);
    }
}
