//! Who is chosen, told one by one; and at random: that order does not matter, and that many at once
//! are as one after the other.

use super::*;
use proptest::prelude::*;

fn id(name: &str) -> NodeId {
    NodeId::new(name).expect("a good id")
}

fn site(text: &str) -> Site {
    let (region, zone) = text.split_once('/').unwrap_or((text, ""));
    Site {
        region: region.into(),
        zone: zone.into(),
    }
}

fn candidate(name: &str, at: &str, cpu_permille: u32, streams: usize) -> Candidate {
    let load = Load {
        cpu_permille,
        ..Load::default()
    };
    Candidate {
        node: id(name),
        site: site(at),
        standing: Standing::Ready,
        load,
        streams,
        capacity: Capacity::default(),
    }
}

fn question(from: &str, keep: Option<&str>, avoid: &[&str]) -> Question {
    Question {
        path: "h/live/a".parse().expect("a good path"),
        from: site(from),
        keep: keep.map(id),
        avoid: avoid.iter().map(|name| id(name)).collect(),
    }
}

/// Name, candidates, where from, kept, avoided; who is chosen.
type Row<'a> = (
    &'a str,
    &'a [Candidate],
    &'a str,
    Option<&'a str>,
    &'a [&'a str],
    Option<&'a str>,
);

#[test]
fn a_publish_goes_where_the_stream_is_then_to_the_least_loaded_with_room() {
    let full = |name: &str| Candidate {
        capacity: Capacity {
            streams: 3,
            ..Capacity::default()
        },
        ..candidate(name, "", 0, 3)
    };
    let with = |standing: Standing| Candidate {
        standing,
        ..candidate("a", "", 0, 0)
    };
    let (a, b, c) = (
        candidate("a", "", 500, 9),
        candidate("b", "", 110, 5),
        candidate("c", "", 120, 4),
    );
    let all = [a.clone(), b, c];
    let regions = [
        candidate("ap", "ap/1", 0, 0),
        candidate("eu", "eu/1", 150, 0),
    ];
    let busy_home = [
        candidate("ap", "ap/1", 0, 0),
        candidate("eu", "eu/1", 400, 0),
    ];
    let zones = [
        candidate("a1", "eu/a", 0, 0),
        candidate("a2", "eu/a", 900, 0),
        candidate("b1", "eu/b", 100, 0),
    ];
    let fails = [
        candidate("a1", "eu/a", 0, 0),
        candidate("a2", "eu/a", 0, 0),
        candidate("b1", "eu/b", 50, 0),
    ];
    let away = [with(Standing::Draining), candidate("z", "", 900, 0)];
    let table: [Row; 15] = [
        ("no origin", &[], "", None, &[], None),
        (
            "where it is, however loaded",
            &all,
            "",
            Some("a"),
            &[],
            Some("a"),
        ),
        ("5% is noise: fewer streams", &all, "", None, &[], Some("c")),
        ("its owner is gone", &all, "", Some("gone"), &[], Some("c")),
        (
            "its owner just failed",
            &all,
            "",
            Some("c"),
            &["c"],
            Some("b"),
        ),
        (
            "all just failed: better one than none",
            &all,
            "",
            None,
            &["a", "b", "c"],
            Some("c"),
        ),
        (
            "full ones are passed over",
            &[full("f"), a],
            "",
            None,
            &[],
            Some("a"),
        ),
        ("all are full", &[full("f")], "", None, &[], None),
        (
            "its own region, if busier",
            &regions,
            "eu/2",
            None,
            &[],
            Some("eu"),
        ),
        (
            "not if it is much busier",
            &busy_home,
            "eu/2",
            None,
            &[],
            Some("ap"),
        ),
        ("an asker from nowhere", &regions, "", None, &[], Some("ap")),
        (
            "room is kept in a busy zone",
            &zones,
            "eu/c",
            None,
            &[],
            Some("b1"),
        ),
        (
            "zones fail together",
            &fails,
            "eu/c",
            None,
            &["a1"],
            Some("b1"),
        ),
        (
            "all have failed: the hung one, which is the last of them, is not asked again",
            &fails,
            "eu/c",
            Some("a1"),
            &["a1", "b1", "a2"],
            Some("a2"),
        ),
        (
            "a drained one is not even kept",
            &away,
            "",
            Some("a"),
            &[],
            Some("z"),
        ),
    ];
    for (name, candidates, from, keep, avoid, wanted) in table {
        let explained = place(question(from, keep, avoid), candidates.to_vec());
        let chosen = explained.chosen().map(|chosen| chosen.node.as_str());
        assert_eq!(chosen, wanted, "{name}: {explained:?}");
    }
}

#[test]
fn what_rules_a_candidate_out_is_said() {
    let mut candidate = candidate("a", "", 0, 3);
    let mut said = Vec::new();
    for standing in [
        Standing::Ready,
        Standing::Draining,
        Standing::NoRtmp,
        Standing::Away("dead: it hangs".into()),
    ] {
        candidate.standing = standing;
        said.push(ruled_out(&candidate));
    }
    candidate.standing = Standing::Ready;
    candidate.capacity.bits_per_second = 10;
    candidate.load.bits_out_per_second = 10;
    said.push(ruled_out(&candidate));
    candidate.capacity.streams = 3;
    said.push(ruled_out(&candidate));
    let standing = |why: &str| Some(RuledOut::Standing(why.into()));
    assert_eq!(
        said,
        [
            None,
            standing("drains"),
            standing("takes no RTMP"),
            standing("dead: it hangs"),
            Some(RuledOut::BandwidthFull),
            Some(RuledOut::StreamsFull),
        ]
    );
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let sites = prop::sample::select(vec!["eu/a", "eu/b", "ap/a", ""]);
    let standing = prop_oneof![
        6 => Just(Standing::Ready),
        1 => Just(Standing::Draining),
        1 => Just(Standing::Away("gone".into())),
    ];
    let limits = prop::sample::select(vec![0_u32, 4, 10, 40]);
    (sites, standing, 0..1000_u32, 0..12_usize, limits).prop_map(
        |(at, standing, cpu, streams, limit)| Candidate {
            standing,
            capacity: Capacity {
                streams: limit,
                ..Capacity::default()
            },
            ..candidate("x", at, cpu, streams)
        },
    )
}

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    prop::collection::vec(any_candidate(), 0..12).prop_map(|mut all| {
        for (number, candidate) in all.iter_mut().enumerate() {
            candidate.node = id(&format!("n{number}"));
        }
        all
    })
}

fn any_question() -> impl Strategy<Value = Question> {
    let from = prop::sample::select(vec!["eu/a", "ap/c", ""]);
    let keep = prop::option::weighted(0.3, 0..12_usize);
    let avoid = prop::collection::vec(0..12_usize, 0..3);
    let some = prop_oneof![3 => Just(Vec::new()), 1 => avoid];
    (from, keep, some).prop_map(|(from, keep, avoid)| {
        let name = |number: usize| id(&format!("n{number}"));
        Question {
            keep: keep.map(name),
            avoid: avoid.into_iter().map(name).collect(),
            ..question(from, None, &[])
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_inputs_have_the_same_answer_in_any_order(
        question in any_question(),
        candidates in any_candidates(),
        turn in 0..12_usize,
    ) {
        let kept = place(question.clone(), candidates.clone());
        // What is kept of a decision leads to it again.
        prop_assert_eq!(&place(kept.question.clone(), kept.candidates.clone()), &kept);
        let mut turned = candidates;
        let by = turn.min(turned.len());
        turned.rotate_left(by);
        let again = place(question, turned);
        let (one, other) = (kept.chosen(), again.chosen());
        prop_assert_eq!(one, other);
        if let Some(chosen) = one {
            prop_assert_eq!(&chosen.standing, &Standing::Ready);
        }
    }

    #[test]
    fn many_at_once_go_where_they_would_go_one_by_one(
        questions in prop::collection::vec(any_question(), 0..40),
        mut candidates in any_candidates(),
    ) {
        let mut board = Board::new(candidates.clone());
        for question in questions {
            let one = place(question.clone(), candidates.clone());
            prop_assert_eq!(board.place(&question), one.chosen().map(|chosen| &chosen.node));
            if let (Some(at), Why::Least) = (one.chosen, one.why) {
                candidates[at].streams += 1;
            }
        }
    }
}
