//! Every check of the load generator can fail: a server that does one thing wrong is caught by the
//! check that is for it, over RTMP and over HTTP-FLV, and a good one by none.

mod server;

use load::{Footage, Plan, Report, check::Faults};
use server::Harm;
use std::time::Duration;

/// The report of a run against a server that does `harm`, over `protocol`.
fn report(harm: Harm, protocol: &str, change: impl Fn(&mut Plan)) -> Report {
    let address = server::start(harm);
    let mut plan = Plan {
        publish: Some(format!("rtmp://{address}/live/a").parse().expect("a URL")),
        play: vec![
            format!(
                "{protocol}://{address}/live/a{}",
                if protocol == "http" { ".flv" } else { "" }
            )
            .parse()
            .expect("a URL"),
        ],
        players: 4,
        check: 4,
        footage: Footage {
            gop_pictures: 10,
            ..Footage::default()
        },
        settle: Duration::from_millis(400),
        warm_up: Duration::ZERO,
        measure: Duration::from_millis(900),
        ..Plan::default()
    };
    change(&mut plan);
    load::run(&plan, &mut ()).expect("the run is carried out")
}

/// The same over each protocol in turn.
fn reports(harm: Harm) -> impl Iterator<Item = Report> {
    ["rtmp", "http"]
        .into_iter()
        .map(move |protocol| report(harm, protocol, |_| {}))
}

fn faults(report: &Report) -> Faults {
    report.checks.as_ref().expect("players have checked").faults
}

#[test]
fn a_good_server_has_no_faults() {
    for report in reports(Harm::None) {
        assert!(report.is_clean(), "{}", report.to_json());
        let checks = report.checks.as_ref().expect("players have checked");
        assert!(checks.frames > 80, "{checks:?}");
        assert_eq!(checks.frames, checks.stamped_frames);
        assert_eq!(checks.first_key.expect("they have started").count, 4);
        assert_eq!(
            (report.players.playing_at_end, report.players.joined),
            (4, 4)
        );
    }
}

#[test]
fn a_server_that_does_one_thing_wrong_is_caught() {
    type Count = fn(&Faults) -> u64;
    let cases: [(Harm, Count); 8] = [
        (Harm::Drop, |faults| faults.gaps.min(faults.torn_gaps)),
        (Harm::Repeat, |faults| faults.out_of_order),
        (Harm::Reorder, |faults| {
            faults.out_of_order.min(faults.timestamps_back)
        }),
        (Harm::TimeBack, |faults| faults.timestamps_back),
        (Harm::Corrupt, |faults| faults.corrupt),
        (Harm::NoHeaders, |faults| faults.starts_without_headers),
        (Harm::MidGop, |faults| faults.starts_without_key),
        (Harm::CutFrame, |faults| {
            faults.corrupt + faults.broken_framing
        }),
    ];
    std::thread::scope(|scope| {
        for (harm, count) in cases {
            scope.spawn(move || {
                for report in reports(harm) {
                    let faults = faults(&report);
                    assert!(count(&faults) >= 4, "{harm:?}: {faults:?}");
                    assert!(!report.is_clean(), "{harm:?}");
                }
            });
        }
    });
}

#[test]
fn a_server_that_delays_shows_in_the_latency() {
    for report in reports(Harm::Delay(Duration::from_millis(250))) {
        let checks = report.checks.as_ref().expect("players have checked");
        let latency = checks.latency.expect("frames were timed");
        assert!(latency.p50_ms >= 200.0, "{latency:?}");
    }
    for report in reports(Harm::None) {
        let checks = report.checks.as_ref().expect("players have checked");
        let latency = checks.latency.expect("frames were timed");
        assert!(latency.p50_ms < 200.0, "{latency:?}");
    }
}

#[test]
fn a_server_that_starts_players_late_shows_in_the_time_to_the_first_key_frame() {
    for report in reports(Harm::LateStart(Duration::from_millis(300))) {
        let checks = report.checks.as_ref().expect("players have checked");
        let first_key = checks.first_key.expect("they have started");
        assert!(first_key.p50_ms >= 300.0, "{first_key:?}");
    }
}

#[test]
fn a_server_that_closes_players_shows_whether_they_check_or_discard() {
    for check in [0, 4] {
        for protocol in ["rtmp", "http"] {
            let report = report(Harm::Close, protocol, |plan| {
                plan.check = check;
                plan.drain_interval = Duration::from_millis(10);
            });
            let lost = report.players.lost.get("closed by the server");
            assert_eq!(lost, Some(&4), "{:?}", report.players.lost);
            assert_eq!(report.players.playing_at_end, 0);
            assert!(!report.is_clean());
        }
    }
}

#[test]
fn a_starved_player_shows_in_the_spread() {
    let report = report(Harm::Starve, "http", |plan| plan.check = 0);
    let spread = report.players.bytes_of_each.expect("four players");
    assert_eq!(spread.count, 4);
    assert!(spread.slowest_share() < 0.8, "{spread:?}");
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let report = report(Harm::Refuse, "http", |_| {});
    let lost = report.players.lost.get("refused by the server: HTTP 404");
    assert_eq!(lost, Some(&4), "{:?}", report.players.lost);
}

#[test]
fn nobody_at_home_is_told_with_its_reason() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let plan = Plan {
        play: vec![format!("rtmp://{address}/live/a").parse().expect("a URL")],
        players: 3,
        warm_up: Duration::ZERO,
        measure: Duration::ZERO,
        ..Plan::default()
    };
    let report = load::run(&plan, &mut ()).expect("the run is carried out");
    let lost: u64 = report.players.lost.values().sum();
    assert_eq!(lost, 3, "{:?}", report.players.lost);
    let plan = Plan {
        publish: plan.play.first().cloned(),
        ..plan
    };
    let error = load::run(&plan, &mut ()).expect_err("nobody lets us publish");
    assert!(error.to_string().contains("could not connect"), "{error}");
}

#[test]
fn churn_and_idlers_are_what_was_asked_for() {
    let report = report(Harm::None, "http", |plan| {
        plan.players = 20;
        plan.check = 5;
        plan.churn_rate = 20.0;
        plan.stalled = 0.5;
    });
    assert!(report.is_clean(), "{}", report.to_json());
    assert!(report.players.joined > 30, "{}", report.players.joined);
    // Five check, ten stall, and five discard; those who were exchanged do not count.
    let counted = report
        .players
        .bytes_of_each
        .map_or(0, |spread| spread.count);
    assert!(counted <= 10, "{counted}");
}

#[test]
fn a_process_is_charged_for_what_it_sends() {
    let report = report(Harm::None, "http", |plan| {
        plan.pids = vec![std::process::id()];
        plan.footage.bits_per_second = 20_000_000;
    });
    let server = report.server.expect("a process was named");
    assert!(server.cpu_seconds > 0.0 && server.resident_end_bytes > 100_000);
    assert!(server.gbit_per_cpu_second.expect("it has sent") > 0.0);
    assert!(server.descriptors[2] > server.descriptors[0]);
}
