//! Who owns a stream, told case by case; and at last every case, that deciding again changes nothing.
//!
//! * [`rivals`]: several publishers of one stream.

mod rivals;

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
            let who = owner.map_or("nobody".into(), |o| format!("{}.{}", o.node, o.incarnation));
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
