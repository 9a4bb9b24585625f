//! Streams are found where they are published, by everybody, at once, and by nobody else.

use super::world::{Node, PATIENCE, at, config, events, eventually, get, happens, path, start};
use agent::{Arrival, NodeId, Role};
use controller::config::DuplicatesRule;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_asked_before_the_publish_is_told_within_milliseconds() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let (origin, edge) = (
        Node::origin("origin-1", &[grpc]),
        Node::edge("edge-1", &[grpc]),
    );
    origin.is_connected().await;
    edge.is_connected().await;

    let mut locating = edge.agent.locate(&path("cam"));
    let nowhere = locating.answer().await;
    assert!(nowhere.known && nowhere.sources.is_empty(), "{nowhere:?}");

    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let began = Instant::now();
        origin.publishes("cam");
        let there = tokio::time::timeout(PATIENCE, locating.changed())
            .await
            .expect("told");
        fastest = fastest.min(began.elapsed());
        assert_eq!(at(&there), "origin-1");
        assert_eq!(there.sources[0].rtmp, "127.0.0.1:19350");
        assert_eq!(
            there.sources[0].incarnation,
            origin.agent.identity().incarnation
        );
        origin.ends("cam");
        let gone = tokio::time::timeout(PATIENCE, locating.changed())
            .await
            .expect("told");
        assert_eq!((at(&gone), gone.epoch), ("-", there.epoch));
    }
    // Reports are due each 100 ms: only a nudge is faster.
    assert!(
        fastest < Duration::from_millis(50),
        "the fastest of ten took {fastest:?}"
    );
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_origins_with_one_stream_the_first_keeps_it_and_the_second_is_told_to_leave() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let (one, two) = (Node::origin("one", &[grpc]), Node::origin("two", &[grpc]));
    let edge = Node::edge("edge", &[grpc]);
    one.publishes("cam");
    let first = edge.finds("cam", "one").await.epoch;
    two.publishes("cam");
    happens(&controller, "stream.duplicate", "h/live/cam").await;

    let mut desired = two.agent.desired();
    let told = desired.wait_for(|desired| !desired.leave.is_empty());
    let told = tokio::time::timeout(PATIENCE, told)
        .await
        .expect("told")
        .expect("it runs")
        .clone();
    assert_eq!(
        (told.leave[0].owner.as_str(), told.leave[0].epoch),
        ("one", first)
    );
    assert!(one.agent.desired().borrow().leave.is_empty());
    assert_eq!(at(&edge.finds("cam", "one").await), "one");

    // The first ends: the second, which still has it, gets it, and owes nobody.
    one.ends("cam");
    assert!(edge.finds("cam", "two").await.epoch > first);
    happens(&controller, "stream.moved", "h/live/cam").await;
    let mut desired = two.agent.desired();
    let owns = desired.wait_for(|desired| desired.leave.is_empty() && desired.owned.len() == 1);
    tokio::time::timeout(PATIENCE, owns)
        .await
        .expect("told")
        .expect("it runs");
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_policy_the_later_publish_takes_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = config(dir.path());
    config.streams.duplicates = DuplicatesRule::TakeOver;
    let controller = start(&config).await;
    let grpc = controller.grpc_address();
    let (one, two) = (Node::origin("one", &[grpc]), Node::origin("two", &[grpc]));
    let edge = Node::edge("edge", &[grpc]);
    one.publishes("cam");
    let first = edge.finds("cam", "one").await.epoch;
    tokio::time::sleep(Duration::from_millis(2)).await;
    two.publishes("cam");
    assert!(edge.finds("cam", "two").await.epoch > first);
    let mut desired = one.agent.desired();
    let told = desired.wait_for(|desired| !desired.leave.is_empty());
    tokio::time::timeout(PATIENCE, told)
        .await
        .expect("told")
        .expect("it runs");
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_two_fight_over_is_held_and_the_explanation_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = config(dir.path());
    config.streams.duplicates = DuplicatesRule::TakeOver;
    config.streams.moves_per_minute = 1;
    let controller = start(&config).await;
    let grpc = controller.grpc_address();
    let (one, two) = (Node::origin("one", &[grpc]), Node::origin("two", &[grpc]));
    let edge = Node::edge("edge", &[grpc]);
    one.publishes("cam");
    edge.finds("cam", "one").await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    two.publishes("cam");
    let second = edge.finds("cam", "two").await.epoch;
    one.ends("cam");
    happens(&controller, "stream.moved", "h/live/cam").await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    one.publishes("cam");

    happens(&controller, "stream.held", "h/live/cam").await;
    let mut desired = one.agent.desired();
    let told = desired.wait_for(|desired| !desired.leave.is_empty());
    tokio::time::timeout(PATIENCE, told)
        .await
        .expect("told")
        .expect("it runs");
    let rest = controller.rest_address();
    let (_, told) = get(rest, "/v1/explain/streams/h/live/cam").await;
    let reason = told["owner"]["reason"].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("held at two: it would go to one, and has moved 1 times"),
        "{told}"
    );
    assert_eq!(edge.finds("cam", "two").await.epoch, second);
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_moves_when_its_origin_is_gone_and_it_is_published_at_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let (one, two) = (Node::origin("one", &[grpc]), Node::origin("two", &[grpc]));
    let edge = Node::edge("edge", &[grpc]);
    one.publishes("cam");
    let first = edge.finds("cam", "one").await.epoch;
    one.leave().await;
    assert_eq!(edge.finds("cam", "-").await.epoch, first);
    happens(&controller, "node.left", "one").await;
    two.publishes("cam");
    assert!(edge.finds("cam", "two").await.epoch > first);

    let desired = edge.agent.desired();
    eventually("only the live origin is listed", async || {
        let origins = desired.borrow().origins.clone();
        (origins.len() == 1 && origins[0].node.as_str() == "two").then_some(())
    })
    .await;
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_takes_over_from_a_killed_one_is_never_told_to_leave() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let (two, edge) = (Node::origin("two", &[grpc]), Node::edge("edge", &[grpc]));
    two.is_connected().await;
    let told_to_leave = Arc::new(AtomicBool::new(false));
    let (mut desired, told) = (two.agent.desired(), Arc::clone(&told_to_leave));
    tokio::spawn(async move {
        while desired.changed().await.is_ok() {
            if !desired.borrow_and_update().leave.is_empty() {
                told.store(true, Ordering::Relaxed);
            }
        }
    });
    for round in 0..5 {
        let (name, origin) = (format!("cam{round}"), format!("one{round}"));
        // A runtime of its own, so that it can vanish without a goodbye.
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let one = {
            let _on_it = runtime.enter();
            Node::origin(&origin, &[grpc])
        };
        one.publishes(&name);
        let first = edge.finds(&name, &origin).await.epoch;
        runtime.shutdown_background();
        happens(&controller, "node.suspect", &origin).await;
        two.publishes(&name);
        assert!(edge.finds(&name, "two").await.epoch > first);
        // Nodes are told before the event is written down.
        happens(&controller, "stream.moved", path(&name).as_str()).await;
    }
    assert!(!told_to_leave.load(Ordering::Relaxed));
    let moves = events(&controller)
        .into_iter()
        .filter(|(kind, ..)| kind == "stream.moved");
    assert_eq!(moves.count(), 5, "each stream moved once");
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_at_an_edge_goes_where_the_stream_is_and_both_edges_agree() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let edges = [Node::edge("edge-1", &[grpc]), Node::edge("edge-2", &[grpc])];
    for edge in &edges {
        edge.is_connected().await;
        assert!(
            edge.agent.place(&path("new"), &[], false).await.is_err(),
            "there is no origin yet"
        );
    }
    let (one, two) = (Node::origin("one", &[grpc]), Node::origin("two", &[grpc]));
    one.is_connected().await;
    two.is_connected().await;
    let first = edges[0]
        .agent
        .place(&path("new"), &[], false)
        .await
        .expect("placed");
    let second = edges[1]
        .agent
        .place(&path("new"), &[], false)
        .await
        .expect("placed");
    assert_eq!(first.node, second.node);
    let other = edges[0]
        .agent
        .place(&path("new"), std::slice::from_ref(&first.node), false)
        .await
        .expect("placed");
    assert_ne!(other.node, first.node);

    two.publishes("cam");
    edges[0].finds("cam", "two").await;
    let placed = edges[1]
        .agent
        .place(&path("cam"), &[], false)
        .await
        .expect("placed");
    assert_eq!(placed.node.as_str(), "two");
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_process_of_a_node_replaces_the_earlier_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let first = Node::origin("one", &[grpc]);
    first.is_connected().await;
    let second = Node::start("one", Role::Origin, &[grpc], None);
    second.is_connected().await;
    happens(&controller, "node.restarted", "one").await;
    let mut connected = first.agent.connected();
    let gone = connected.wait_for(|connected| !connected);
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("ended")
        .expect("it runs");
    second.publishes("cam");
    Node::edge("edge", &[grpc]).finds("cam", "one").await;
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_know_the_token_stays_outside() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = config(dir.path());
    config.grpc.token = Some(controller::config::Token::new("hush"));
    let controller = start(&config).await;
    let stranger = Node::origin("stranger", &[controller.grpc_address()]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!*stranger.agent.connected().borrow());
    controller
        .model()
        .read(|inventory| assert!(inventory.nodes().is_empty()));
    controller.stop().await;
}

/// Where a publish that came to `edge` belongs: the origin, or why there is none.
async fn placed(edge: &Node, avoid: &[&str], backup: bool) -> String {
    let avoid: Vec<NodeId> = avoid
        .iter()
        .map(|node| NodeId::new(node).expect("a good id"))
        .collect();
    match edge.agent.place(&path("cam"), &avoid, backup).await {
        Ok(origin) => origin.node.to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_goes_where_nobody_else_publishes_the_stream_and_so_does_what_has_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let (one, two) = (Node::origin("one", &[grpc]), Node::origin("two", &[grpc]));
    let (edge, other) = (Node::edge("edge-1", &[grpc]), Node::edge("edge-2", &[grpc]));
    for node in [&one, &two, &edge, &other] {
        node.is_connected().await;
    }
    let pushed = |by: &str, backup| {
        let by = NodeId::new(by).expect("a good id");
        move |report: &mut agent::StreamReport| {
            report.pushed = Some(agent::Pushed { by, turn: 1 });
            report.backup = backup;
        }
    };
    // The first was told where to go, and is not there yet.
    let first = placed(&edge, &[], false).await;
    let (primary, second) = match first.as_str() {
        "one" => (&one, "two"),
        _ => (&two, "one"),
    };
    assert_eq!(placed(&other, &[], true).await, second);
    primary.has("cam", Arrival::Published, pushed("edge-1", false));
    other.finds("cam", &first).await;
    assert_eq!(placed(&other, &[], true).await, second);
    // Even if that one has just failed it: there is but the other publisher's besides.
    assert_eq!(placed(&other, &[second], true).await, second);

    let standby = if second == "one" { &one } else { &two };
    standby.has("cam", Arrival::Published, pushed("edge-2", true));
    eventually("both are known", async || {
        let said = placed(&edge, &[&first], false).await;
        (said == first).then_some(())
    })
    .await;
    assert_eq!(placed(&other, &[], true).await, second, "it stays");
    let third = Node::edge("edge-3", &[grpc]);
    third.is_connected().await;
    let said = placed(&third, &[], true).await;
    assert!(said.contains("from another publisher"), "{said}");
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_stands_by_is_named_to_edges_and_owns_the_stream_when_the_first_has_ended() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let (one, two) = (Node::origin("one", &[grpc]), Node::origin("two", &[grpc]));
    let edge = Node::edge("edge", &[grpc]);
    one.publishes("cam");
    let first = edge.finds("cam", "one").await.epoch;
    two.has("cam", Arrival::Published, |report| report.backup = true);

    let mut locating = edge.agent.locate(&path("cam"));
    let named = async {
        while locating.answer().await.standbys.is_empty() {
            locating.changed().await;
        }
        locating.current()
    };
    let named = tokio::time::timeout(PATIENCE, named).await.expect("told");
    let names =
        |of: &[agent::Upstream]| of.iter().map(|it| it.node.to_string()).collect::<Vec<_>>();
    assert_eq!(
        (names(&named.sources), names(&named.standbys), named.epoch),
        (vec!["one".into()], vec!["two".into()], first)
    );
    let rest = controller.rest_address();
    let (_, stream) = get(rest, "/v1/streams/h/live/cam").await;
    assert_eq!(stream["standbys"], serde_json::json!(["two"]));
    let (_, told) = get(rest, "/v1/explain/streams/h/live/cam").await;
    assert_eq!(
        told["owner"]["reason"],
        "one publishes it; standing by with the same: two"
    );
    assert!(
        two.agent.desired().borrow().leave.is_empty(),
        "nobody ends it"
    );

    one.ends("cam");
    assert!(edge.finds("cam", "two").await.epoch > first);
    assert!(locating.answer().await.standbys.is_empty());
    controller.stop().await;
}
