//! Several publishers of one stream: backups, those that have to leave, and those that an edge has left.

use super::*;

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
        let leaves =
            |claim: &&Claim| must_leave(&facts, &claim.owner.node, &policy(duplicates)).is_some();
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
