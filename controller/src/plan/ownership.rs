//! Which origin owns a stream: the one where it is published.
//!
//! The owner is an origin *in one incarnation*: a process that was started again has to claim anew.
//! Each change of owner raises the epoch; a stream that loses its owner keeps its epoch, so that the
//! next owner's is greater. An epoch is greater than all that are known, and no smaller than the time: so
//! none is given twice, even by a controller whose store has lost which were given.
//!
//! An encoder may publish the same to two origins: the second, which says so, stands by, and is the
//! owner when the first has ended ([`standbys`]).
//!
//! A stream changes from one origin to another only so often ([`moves`]): beyond that it is held where
//! it is, or, where its owner is gone, without one until it may move again.

mod moves;

pub use moves::Moves;

use super::{Duplicates, Policy};
use control::{Epoch, Incarnation, NodeId, Pushed, limits::STANDBYS_MAX};

/// Who owns a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The origin.
    pub node: NodeId,
    /// Its process.
    pub incarnation: Incarnation,
}

/// A stream's ownership, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Who owns it; nobody if it was unpublished.
    pub owner: Option<Owner>,
    /// Of the last change of owner.
    pub epoch: Epoch,
    /// Since when it has this owner, or none.
    pub since_unix_ms: u64,
    /// Its last changes from one origin to another.
    pub moves: Moves,
}

impl Placement {
    /// What follows on `before` when `owner` has the stream at `epoch` from now on.
    pub fn after(
        before: Option<&Self>,
        owner: Option<Owner>,
        epoch: Epoch,
        now_unix_ms: u64,
    ) -> Self {
        let to = owner.as_ref().map(|owner| &owner.node);
        let moves = Moves::of(before).after(to, now_unix_ms);
        Self {
            owner,
            epoch,
            since_unix_ms: now_unix_ms,
            moves,
        }
    }
}

/// One origin's claim: it reports that the stream is published there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who claims.
    pub owner: Owner,
    /// Since when it is published there, by that origin's clock.
    pub since_unix_ms: u64,
    /// Whether the origin went silent.
    pub suspect: bool,
    /// The node that pushes it there, and by which connection; `None` for an encoder.
    pub pushed: Option<Pushed>,
    /// Whether its publisher says that another, elsewhere, sends the same.
    pub backup: bool,
}

/// What is known of the present owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerIs {
    /// It reports the stream: its claim is among the claims.
    Publishing,
    /// This controller has just started and did not hear it yet; it may well be publishing.
    Unheard,
    /// It was not heard for long enough since this controller started to be suspect.
    Missing,
    /// It reports, and not this stream.
    Ended,
    /// Its process was started again and does not have the stream.
    Restarted,
    /// It was silent for too long.
    Dead,
    /// It left on purpose, or nobody knows it.
    Gone,
}

/// All that a decision depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The ownership now.
    pub placement: Option<Placement>,
    /// What is known of the present owner; [`OwnerIs::Gone`] if there is none.
    pub owner_is: OwnerIs,
    /// The claims of all origins that are not dead.
    pub claims: Vec<Claim>,
    /// A node was seen with this epoch: the store may have lost it.
    pub seen: Epoch,
    /// When it is decided.
    pub now_unix_ms: u64,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is as it should be.
    Keep,
    /// Another owner, or none, or the same at a greater epoch.
    Change {
        /// Who shall own it.
        owner: Option<Owner>,
        /// From now on.
        epoch: Epoch,
        /// For people.
        reason: String,
    },
    /// It would change from one origin to another, and has done so too often.
    Held {
        /// When it may again.
        until_unix_ms: u64,
        /// For people.
        reason: String,
    },
}

/// Decides who owns a stream. Applying a decision and deciding again changes nothing more.
pub fn decide(facts: &Facts, policy: &Policy) -> Decision {
    let moves = Moves::of(facts.placement.as_ref());
    let Some(wins) = best(facts, policy.duplicates, |_| true) else {
        return settle(facts, None);
    };
    let to = &wins.owner.node;
    let Some(until_unix_ms) = moves.held_until(to, policy.moves_per_minute, facts.now_unix_ms)
    else {
        return settle(facts, Some(wins));
    };
    // Whoever had it last may have it without a move.
    let stays = |claim: &Claim| moves.last_owner.as_ref() == Some(&claim.owner.node);
    match settle(facts, best(facts, policy.duplicates, stays)) {
        Decision::Keep if facts.owner_is != OwnerIs::Unheard => Decision::Held {
            until_unix_ms,
            reason: format!(
                "it would go to {to}, and has moved {} times within a minute, which is the most",
                moves.within(facts.now_unix_ms)
            ),
        },
        decided => decided,
    }
}

/// Makes the claim that wins the owner, where it is not.
fn settle(facts: &Facts, wins: Option<&Claim>) -> Decision {
    let present = facts
        .placement
        .as_ref()
        .and_then(|placement| placement.owner.as_ref());
    let epoch = facts
        .placement
        .as_ref()
        .map_or(Epoch::NONE, |placement| placement.epoch);
    let change = |owner: Option<&Owner>, reason: String| Decision::Change {
        owner: owner.cloned(),
        epoch: match owner {
            Some(_) => next_epoch(epoch.max(facts.seen), facts.now_unix_ms),
            None => epoch.max(facts.seen),
        },
        reason,
    };
    match (present, wins) {
        (Some(owner), Some(claim)) if claim.owner == *owner => match facts.seen > epoch {
            true => change(
                Some(owner),
                format!("a node knew epoch {}, the store only {epoch}", facts.seen),
            ),
            false => Decision::Keep,
        },
        // Who was heard first since the controller started does not beat an owner that was not yet.
        (Some(_), _) if facts.owner_is == OwnerIs::Unheard => Decision::Keep,
        (Some(_), None) if facts.owner_is == OwnerIs::Missing => Decision::Keep,
        (Some(owner), None) => change(None, ended(owner, facts.owner_is)),
        (Some(owner), Some(claim)) => change(Some(&claim.owner), moved(owner, facts, claim)),
        (None, Some(claim)) => change(
            Some(&claim.owner),
            format!("published at {}", claim.owner.node),
        ),
        (None, None) => Decision::Keep,
    }
}

/// The epoch after the greatest that is `known`. It counts up, whatever the clock says, and begins at the
/// clock's milliseconds, because what is known may be less than what was given: a store that came back empty
/// or old would else give an epoch again that another owner has, who was not heard yet.
fn next_epoch(known: Epoch, now_unix_ms: u64) -> Epoch {
    known.next().max(Epoch(now_unix_ms))
}

/// Whom an origin that publishes the stream has to leave it to; `None` if it need not. Only an owner
/// that is alive, publishes and stays the owner drives another one out: a publisher that is sent
/// away while ownership is still being decided would be lost to both.
pub fn must_leave<'a>(facts: &'a Facts, node: &NodeId, policy: &Policy) -> Option<&'a Placement> {
    let placement = facts.placement.as_ref()?;
    let owner = placement
        .owner
        .as_ref()
        .filter(|owner| owner.node != *node)?;
    let mut standing_by = standbys(Some(placement), &facts.claims, policy.duplicates);
    if standing_by.any(|claim| claim.owner.node == *node) {
        return None;
    }
    let lives = |claim: &Claim| claim.owner == *owner && !claim.suspect;
    let stays = || !matches!(decide(facts, policy), Decision::Change { .. });
    (facts.claims.iter().any(lives) && stays()).then_some(placement)
}

/// Whether the node that pushes the stream there has begun to push it elsewhere since: a publisher is at
/// one origin at a time, whatever that origin still says.
fn was_left(facts: &Facts, claim: &Claim) -> bool {
    let Some(pushed) = &claim.pushed else {
        return false;
    };
    facts.claims.iter().any(|other| {
        let later = |it: &Pushed| it.by == pushed.by && it.turn > pushed.turn;
        !other.suspect && other.pushed.as_ref().is_some_and(later)
    })
}

/// Who stands by: origins that have the same input as the owner, at most [`STANDBYS_MAX`], those that had
/// it first before others. Nothing of it is stored: it is what origins report, and goes with them.
pub fn standbys<'a>(
    placement: Option<&'a Placement>,
    claims: &'a [Claim],
    duplicates: Duplicates,
) -> impl Iterator<Item = &'a Claim> + use<'a> {
    let owner = placement.and_then(|placement| placement.owner.as_ref());
    let mut of_owner = claims.iter().filter(|claim| Some(&claim.owner) == owner);
    // Where the owner has but the backup, what comes besides is the primary.
    let all = duplicates == Duplicates::Backup || of_owner.any(|claim| claim.backup);
    let stands_by = |claim: &&Claim| {
        owner.is_some_and(|owner| claim.owner.node != owner.node)
            && !claim.suspect
            && (all || claim.backup)
    };
    let mut standing_by: Vec<&Claim> = claims.iter().filter(stands_by).collect();
    standing_by.sort_by_key(|claim| claim.since_unix_ms);
    standing_by.into_iter().take(STANDBYS_MAX)
}

/// The claim that should win of those that `may`. That of a suspect origin is old: it is enough to
/// keep a stream, not to get one. One that its pusher has left is none.
fn best(facts: &Facts, duplicates: Duplicates, may: impl Fn(&Claim) -> bool) -> Option<&Claim> {
    let placement = facts.placement.as_ref();
    let present = placement.and_then(|placement| placement.owner.as_ref());
    let holds = |claim: &Claim| present == Some(&claim.owner);
    let counts =
        |claim: &&Claim| may(claim) && (!claim.suspect || holds(claim)) && !was_left(facts, claim);
    facts.claims.iter().filter(counts).max_by(|a, b| {
        let earlier = b.since_unix_ms.cmp(&a.since_unix_ms);
        let by_policy = match duplicates {
            Duplicates::Refuse | Duplicates::Backup => holds(a).cmp(&holds(b)).then(earlier),
            Duplicates::TakeOver => earlier.reverse().then(holds(a).cmp(&holds(b))),
        };
        let alive = b.suspect.cmp(&a.suspect);
        let primary = b.backup.cmp(&a.backup);
        alive
            .then(primary)
            .then(by_policy)
            .then_with(|| b.owner.node.cmp(&a.owner.node))
    })
}

fn ended(owner: &Owner, owner_is: OwnerIs) -> String {
    let node = &owner.node;
    match owner_is {
        OwnerIs::Dead => format!("{node} is dead"),
        OwnerIs::Restarted => format!("{node} was started again"),
        OwnerIs::Gone => format!("{node} left"),
        OwnerIs::Missing => format!("{node} has not been heard since the controller started"),
        OwnerIs::Ended | OwnerIs::Publishing | OwnerIs::Unheard => {
            format!("no longer published at {node}")
        }
    }
}

fn moved(from: &Owner, facts: &Facts, to: &Claim) -> String {
    let why = match facts.owner_is {
        OwnerIs::Publishing if facts.claims.iter().any(|c| c.owner == *from && c.suspect) => {
            format!("{} is suspect", from.node)
        }
        OwnerIs::Publishing
            if facts
                .claims
                .iter()
                .any(|c| c.owner == *from && was_left(facts, c)) =>
        {
            format!("its edge has left {} for it", from.node)
        }
        OwnerIs::Publishing
            if facts.claims.iter().any(|c| c.owner == *from && c.backup) && !to.backup =>
        {
            format!("{} has but a backup of it", from.node)
        }
        OwnerIs::Publishing => "the later publish takes over".to_owned(),
        other => ended(from, other),
    };
    format!("published at {}; {why}", to.owner.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str, incarnation: u64) -> Owner {
        let node = NodeId::new(name).expect("a good id");
        Owner {
            node,
            incarnation: Incarnation(incarnation),
        }
    }

    fn claim(name: &str, since_unix_ms: u64, suspect: bool) -> Claim {
        Claim {
            owner: owner(name, 1),
            since_unix_ms,
            suspect,
            pushed: None,
            backup: false,
        }
    }

    fn owned(by: Option<Owner>, epoch: u64) -> Option<Placement> {
        Some(Placement {
            owner: by,
            epoch: Epoch(epoch),
            since_unix_ms: 0,
            moves: Moves::default(),
        })
    }

    fn policy(duplicates: Duplicates) -> Policy {
        Policy {
            duplicates,
            ..Policy::default()
        }
    }

    /// What is decided as `owner@epoch`, `nobody@epoch` or `keep`.
    fn said(facts: &Facts, duplicates: Duplicates) -> String {
        match decide(facts, &policy(duplicates)) {
            Decision::Keep => "keep".into(),
            Decision::Held { .. } => "held".into(),
            Decision::Change { owner, epoch, .. } => {
                let who =
                    owner.map_or("nobody".into(), |o| format!("{}.{}", o.node, o.incarnation));
                format!("{who}@{epoch}")
            }
        }
    }

    /// Name, ownership, owner, claims, epoch seen, policy; what is decided.
    type Row = (
        &'static str,
        Option<Placement>,
        OwnerIs,
        Vec<Claim>,
        u64,
        Duplicates,
        &'static str,
    );

    #[test]
    fn a_stream_is_owned_where_it_is_published() {
        use Duplicates::{Refuse, TakeOver};
        use OwnerIs::{Dead, Ended, Gone, Missing, Publishing, Restarted, Unheard};
        let a = || Some(owner("a", 1));
        let (live_a, live_b) = (claim("a", 10, false), claim("b", 20, false));
        let (suspect_a, suspect_b) = (claim("a", 10, true), claim("b", 20, true));
        let table: [Row; 23] = [
            ("nothing", None, Gone, vec![], 0, Refuse, "keep"),
            (
                "first publish",
                None,
                Gone,
                vec![live_a.clone()],
                0,
                Refuse,
                "a.1@1",
            ),
            (
                "published again",
                owned(None, 4),
                Gone,
                vec![live_a.clone()],
                0,
                Refuse,
                "a.1@5",
            ),
            (
                "goes on",
                owned(a(), 1),
                Publishing,
                vec![live_a.clone()],
                0,
                Refuse,
                "keep",
            ),
            (
                "suspect alone",
                owned(a(), 1),
                Publishing,
                vec![suspect_a.clone()],
                0,
                Refuse,
                "keep",
            ),
            ("ended", owned(a(), 3), Ended, vec![], 0, Refuse, "nobody@3"),
            ("died", owned(a(), 3), Dead, vec![], 0, Refuse, "nobody@3"),
            ("left", owned(a(), 3), Gone, vec![], 0, Refuse, "nobody@3"),
            (
                "restarted empty",
                owned(a(), 3),
                Restarted,
                vec![],
                0,
                Refuse,
                "nobody@3",
            ),
            (
                "not heard yet",
                owned(a(), 3),
                Unheard,
                vec![],
                0,
                Refuse,
                "keep",
            ),
            (
                "not heard yet, b was",
                owned(a(), 3),
                Unheard,
                vec![live_b.clone()],
                0,
                Refuse,
                "keep",
            ),
            (
                "suspect and not the owner",
                None,
                Gone,
                vec![suspect_a.clone()],
                0,
                Refuse,
                "keep",
            ),
            (
                "ended at b, a is suspect",
                owned(Some(owner("b", 1)), 2),
                Ended,
                vec![suspect_a.clone()],
                0,
                Refuse,
                "nobody@2",
            ),
            ("missing", owned(a(), 3), Missing, vec![], 0, Refuse, "keep"),
            (
                "missing, b has it",
                owned(a(), 3),
                Missing,
                vec![live_b.clone()],
                0,
                Refuse,
                "b.1@4",
            ),
            (
                "died, b has it",
                owned(a(), 3),
                Dead,
                vec![live_b.clone()],
                0,
                Refuse,
                "b.1@4",
            ),
            (
                "duplicate",
                owned(a(), 1),
                Publishing,
                vec![live_b.clone(), live_a.clone()],
                0,
                Refuse,
                "keep",
            ),
            (
                "take over",
                owned(a(), 1),
                Publishing,
                vec![live_b.clone(), live_a.clone()],
                0,
                TakeOver,
                "b.1@2",
            ),
            (
                "suspect, b has it",
                owned(a(), 1),
                Publishing,
                vec![suspect_a.clone(), live_b.clone()],
                0,
                Refuse,
                "b.1@2",
            ),
            (
                "later but suspect",
                owned(a(), 1),
                Publishing,
                vec![live_a.clone(), suspect_b],
                0,
                TakeOver,
                "keep",
            ),
            (
                "both claim, nobody owns",
                None,
                Gone,
                vec![live_b, live_a.clone()],
                0,
                Refuse,
                "a.1@1",
            ),
            (
                "the store lost the epoch",
                owned(a(), 1),
                Publishing,
                vec![live_a.clone()],
                7,
                Refuse,
                "a.1@8",
            ),
            (
                "the store lost all",
                None,
                Gone,
                vec![live_a],
                7,
                Refuse,
                "a.1@8",
            ),
        ];
        for (name, placement, owner_is, claims, seen, duplicates, wanted) in table {
            let facts = Facts {
                placement,
                owner_is,
                claims,
                seen: Epoch(seen),
                now_unix_ms: 0,
            };
            assert_eq!(said(&facts, duplicates), wanted, "{name}");
        }
    }

    #[test]
    fn a_backup_stands_by_and_is_the_next_owner() {
        use Duplicates::{Backup, Refuse, TakeOver};
        use OwnerIs::{Dead, Ended, Gone, Publishing};
        let (a, b, c) = (
            claim("a", 10, false),
            claim("b", 20, false),
            claim("c", 5, false),
        );
        let backup = |claim: &Claim| Claim {
            backup: true,
            ..claim.clone()
        };
        let suspect = |claim: &Claim| Claim {
            suspect: true,
            ..claim.clone()
        };
        let of = |claim: &Claim| Some(claim.owner.clone());
        // Name, owner, what it is, claims, policy; what is decided, who stands by, who must leave.
        for (name, has, owner_is, claims, duplicates, decided, stand_by, leave) in [
            (
                "a backup",
                of(&a),
                Publishing,
                vec![a.clone(), backup(&b)],
                Refuse,
                "keep",
                "b",
                "",
            ),
            (
                "no backup",
                of(&a),
                Publishing,
                vec![a.clone(), b.clone()],
                Refuse,
                "keep",
                "",
                "b",
            ),
            (
                "a backup alone",
                None,
                Gone,
                vec![backup(&b)],
                Refuse,
                "b.1@4",
                "",
                "",
            ),
            (
                "the primary comes",
                of(&b),
                Publishing,
                vec![a.clone(), backup(&b)],
                Refuse,
                "a.1@4",
                "a",
                "",
            ),
            (
                "a backup never takes over",
                of(&a),
                Publishing,
                vec![a.clone(), backup(&b)],
                TakeOver,
                "keep",
                "b",
                "",
            ),
            (
                "the owner ends",
                of(&a),
                Ended,
                vec![backup(&b)],
                Refuse,
                "b.1@4",
                "b",
                "",
            ),
            (
                "the owner dies",
                of(&a),
                Dead,
                vec![backup(&b)],
                Refuse,
                "b.1@4",
                "b",
                "",
            ),
            (
                "the owner is suspect",
                of(&a),
                Publishing,
                vec![suspect(&a), backup(&b)],
                Refuse,
                "b.1@4",
                "b",
                "",
            ),
            (
                "the stand-by is suspect",
                of(&a),
                Publishing,
                vec![a.clone(), suspect(&backup(&b))],
                Refuse,
                "keep",
                "",
                "b",
            ),
            (
                "by policy",
                of(&a),
                Publishing,
                vec![a.clone(), b.clone()],
                Backup,
                "keep",
                "b",
                "",
            ),
            (
                "two backups",
                of(&a),
                Publishing,
                vec![a.clone(), backup(&b), backup(&c)],
                Refuse,
                "keep",
                "c b",
                "",
            ),
            (
                "two backups alone",
                None,
                Gone,
                vec![backup(&b), backup(&c)],
                Refuse,
                "c.1@4",
                "",
                "",
            ),
        ] {
            let facts = Facts {
                placement: owned(has, 3),
                owner_is,
                claims,
                seen: Epoch::NONE,
                now_unix_ms: 0,
            };
            assert_eq!(said(&facts, duplicates), decided, "{name}");
            let standing_by = standbys(facts.placement.as_ref(), &facts.claims, duplicates);
            let names: Vec<_> = standing_by.map(|claim| claim.owner.node.as_str()).collect();
            assert_eq!(names.join(" "), stand_by, "{name}");
            let leaves = |claim: &&Claim| {
                must_leave(&facts, &claim.owner.node, &policy(duplicates)).is_some()
            };
            let leaving: Vec<_> = facts
                .claims
                .iter()
                .filter(leaves)
                .map(|claim| claim.owner.node.as_str())
                .collect();
            assert_eq!(leaving.join(" "), leave, "{name}");
        }
        let crowd: Vec<Claim> = ["a", "b", "c", "d"]
            .map(|name| claim(name, 1, false))
            .into();
        let facts = Facts {
            placement: owned(of(&a), 3),
            owner_is: Publishing,
            claims: crowd,
            seen: Epoch::NONE,
            now_unix_ms: 0,
        };
        let third = owner("d", 1).node;
        assert!(
            must_leave(&facts, &third, &policy(Backup)).is_some(),
            "two stand by, and no more"
        );
    }

    #[test]
    fn only_a_live_owner_that_stays_drives_another_origin_out() {
        use Duplicates::{Refuse, TakeOver};
        use OwnerIs::{Ended, Publishing, Unheard};
        let (live_a, live_b) = (claim("a", 10, false), claim("b", 20, false));
        let both = vec![live_a.clone(), live_b.clone()];
        for (name, owner_is, claims, duplicates, leaves) in [
            ("duplicate", Publishing, both.clone(), Refuse, true),
            ("about to take over", Publishing, both, TakeOver, false),
            (
                "suspect owner",
                Publishing,
                vec![claim("a", 10, true), live_b.clone()],
                Refuse,
                false,
            ),
            (
                "owner not heard yet",
                Unheard,
                vec![live_b.clone()],
                Refuse,
                false,
            ),
            ("about to move", Ended, vec![live_b], Refuse, false),
        ] {
            let placement = owned(Some(owner("a", 1)), 1);
            let facts = Facts {
                placement,
                owner_is,
                claims,
                seen: Epoch::NONE,
                now_unix_ms: 0,
            };
            let policy = policy(duplicates);
            let b = must_leave(&facts, &owner("b", 1).node, &policy);
            assert_eq!(b.is_some(), leaves, "{name}");
            assert_eq!(
                must_leave(&facts, &owner("a", 1).node, &policy),
                None,
                "{name}"
            );
        }
    }

    #[test]
    fn a_stream_goes_where_its_edge_has_gone_whatever_the_old_origin_says() {
        use Duplicates::{Refuse, TakeOver};
        let pushed = |claim: Claim, by: &str, turn| Claim {
            pushed: Some(Pushed {
                by: NodeId::new(by).expect("a good id"),
                turn,
            }),
            ..claim
        };
        let old = pushed(claim("a", 10, false), "e1", 1);
        // The clocks of the two origins need not agree.
        let new = pushed(claim("b", 5, false), "e1", 2);
        let other = pushed(claim("b", 20, false), "e2", 9);
        let lost = pushed(claim("b", 20, true), "e1", 2);
        for (name, claims, duplicates, wanted) in [
            ("left", vec![old.clone(), new.clone()], Refuse, "b.1@4"),
            ("left", vec![old.clone(), new.clone()], TakeOver, "b.1@4"),
            ("another edge", vec![old.clone(), other], Refuse, "keep"),
            (
                "the new one is suspect",
                vec![old.clone(), lost],
                Refuse,
                "keep",
            ),
        ] {
            let facts = Facts {
                placement: owned(Some(owner("a", 1)), 3),
                owner_is: OwnerIs::Publishing,
                claims,
                seen: Epoch::NONE,
                now_unix_ms: 0,
            };
            assert_eq!(said(&facts, duplicates), wanted, "{name}");
        }
        let settled = Facts {
            placement: owned(Some(owner("b", 1)), 4),
            owner_is: OwnerIs::Publishing,
            claims: vec![old, new],
            seen: Epoch::NONE,
            now_unix_ms: 0,
        };
        assert_eq!(said(&settled, Refuse), "keep");
        let leaves = |node| must_leave(&settled, &owner(node, 1).node, &policy(Refuse)).is_some();
        assert!(leaves("a") && !leaves("b"));
    }

    #[test]
    fn a_process_that_was_started_again_claims_anew() {
        let claims = vec![Claim {
            owner: owner("a", 2),
            since_unix_ms: 1,
            suspect: false,
            pushed: None,
            backup: false,
        }];
        let placement = owned(Some(owner("a", 1)), 5);
        let facts = Facts {
            placement,
            owner_is: OwnerIs::Restarted,
            claims,
            seen: Epoch::NONE,
            now_unix_ms: 0,
        };
        assert_eq!(said(&facts, Duplicates::Refuse), "a.2@6");
    }

    #[test]
    fn a_store_that_forgot_an_epoch_does_not_give_it_again() {
        let at = |placement, claim, seen, now_unix_ms| Facts {
            placement,
            owner_is: OwnerIs::Gone,
            claims: vec![claim],
            seen: Epoch(seen),
            now_unix_ms,
        };
        let (a, b) = (claim("a", 10, false), claim("b", 20, false));
        let (old, known) = (owned(None, 70), owned(None, 90_000));
        for (name, facts, wanted) in [
            ("the first", at(None, a, 0, 50_000), "a.1@50000"),
            (
                "the store is empty, and a not heard yet",
                at(None, b.clone(), 0, 60_000),
                "b.1@60000",
            ),
            (
                "the store is an old copy",
                at(old, b.clone(), 0, 60_000),
                "b.1@60000",
            ),
            (
                "the clock is behind",
                at(known, b.clone(), 0, 60_000),
                "b.1@90001",
            ),
            (
                "the clock is behind what a node knew",
                at(None, b, 80_000, 60_000),
                "b.1@80001",
            ),
        ] {
            assert_eq!(said(&facts, Duplicates::Refuse), wanted, "{name}");
        }
    }

    #[test]
    fn deciding_again_changes_nothing_and_epochs_never_fall() {
        // Every combination of owner, liveness, claims and policy.
        for bits in 0..512_u32 {
            let bit = |n: u32| bits >> n & 1 == 1;
            let mut claims = Vec::new();
            for (n, name) in [(0, "a"), (1, "b")] {
                if bit(n) {
                    claims.push(claim(
                        name,
                        u64::from(bits >> 7 & 1) * 5 + u64::from(n),
                        bit(n + 2),
                    ));
                }
            }
            let present = bit(4).then(|| owner("a", 1));
            let owner_is = match (&present, bit(0), bit(5)) {
                (Some(_), true, _) => OwnerIs::Publishing,
                (Some(_), false, true) => OwnerIs::Unheard,
                (Some(_), false, false) => OwnerIs::Ended,
                (None, ..) => OwnerIs::Gone,
            };
            let duplicates = if bit(6) {
                Duplicates::TakeOver
            } else {
                Duplicates::Refuse
            };
            let seen = Epoch(if bit(8) { 9 } else { 0 });
            let placement = owned(present, 3);
            let mut facts = Facts {
                placement,
                owner_is,
                claims,
                seen,
                now_unix_ms: 100,
            };
            let policy = policy(duplicates);
            let Decision::Change { owner, epoch, .. } = decide(&facts, &policy) else {
                continue;
            };
            assert!(epoch >= Epoch(3));
            let publishing = facts
                .claims
                .iter()
                .any(|claim| Some(&claim.owner) == owner.as_ref());
            facts.owner_is = if publishing {
                OwnerIs::Publishing
            } else {
                OwnerIs::Gone
            };
            let before = facts.placement.take();
            facts.placement = Some(Placement::after(before.as_ref(), owner, epoch, 100));
            assert_eq!(decide(&facts, &policy), Decision::Keep, "{facts:?}");
        }
    }
}
