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
mod tests;
