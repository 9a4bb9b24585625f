//! Several controllers in one process on one real etcd: what one of them learns all of them know, one
//! decides, and whatever goes away, nothing is lost.

#[path = "cluster/world.rs"]
#[allow(dead_code, reason = "the other tests need the rest")]
mod world;

use agent::{Epoch, Role};
use controller::{Config, Controller};
use harness::peer::etcd::Etcd;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use world::{Node, PATIENCE, at, events, eventually, get, happens, path};

fn config(etcd: &Etcd) -> Config {
    let text = format!(
        "grpc: {{listen: '127.0.0.1:0'}}\n\
         rest: {{listen: '127.0.0.1:0'}}\n\
         store: {{kind: etcd, endpoints: {}}}\n\
         nodes: {{report_interval: 100ms, suspect_after: 1s, dead_after: 2s}}\n",
        serde_json::to_string(&etcd.endpoints()).expect("JSON")
    );
    service::config::from_text("test.yaml", &text).expect("a good config")
}

async fn controllers<const N: usize>(etcd: &Etcd) -> [Controller; N] {
    let mut started = Vec::new();
    for _ in 0..N {
        started.push(Controller::start(&config(etcd)).await.expect("started"));
    }
    started
        .try_into()
        .unwrap_or_else(|_| unreachable!("as many as were started"))
}

/// Waits until exactly one of them decides, and says which.
async fn leader(controllers: &[&Controller]) -> usize {
    eventually("one decides", async || {
        let decides: Vec<usize> = (0..controllers.len())
            .filter(|place| controllers.get(*place).is_some_and(|c| c.decides()))
            .collect();
        match decides.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    })
    .await
}

/// A POST of JSON: its status.
async fn post(address: SocketAddr, route: &str, body: &str) -> u16 {
    let head = format!(
        "POST {route} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    world::send(address, head, body).await.0
}

async fn says(rest: SocketAddr, route: &str, pointer: &str, wanted: &str) {
    eventually(
        &format!("{rest} {route} {pointer} is {wanted}"),
        async || {
            let (_, body) = get(rest, route).await;
            let found = body.pointer(pointer)?.to_string();
            (found.trim_matches('"') == wanted).then_some(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_controller_learns_all_know() {
    let etcd = Etcd::start().await.expect("etcd runs");
    let all: [Controller; 3] = controllers(&etcd).await;
    let origin = Node::origin("origin", &[all[0].grpc_address()]);
    let edge = Node::edge("edge", &[all[1].grpc_address()]);
    origin.publishes("cam");
    edge.finds("cam", "origin").await;
    edge.has("cam", agent::Arrival::Pulled, |stream| stream.players = 7);
    for controller in &all {
        let rest = controller.rest_address();
        says(rest, "/v1/cluster", "/origins/alive", "1").await;
        says(rest, "/v1/cluster", "/edges/alive", "1").await;
        says(rest, "/v1/cluster", "/streams", "1").await;
        says(rest, "/v1/cluster", "/store", "etcd").await;
        says(rest, "/v1/streams/h/live/cam", "/origin", "origin").await;
        says(rest, "/v1/streams/h/live/cam", "/edges/0", "edge").await;
        says(rest, "/v1/streams/h/live/cam", "/players", "7").await;
        happens(controller, "stream.published", "h/live/cam").await;
    }
    // Everybody knows of the end, too, and of a goodbye.
    origin.ends("cam");
    edge.finds("cam", "-").await;
    edge.leave().await;
    for controller in &all {
        happens(controller, "stream.unpublished", "h/live/cam").await;
        happens(controller, "node.left", "edge").await;
        let silent = events(controller)
            .into_iter()
            .find(|(kind, ..)| kind == "node.suspect");
        assert_eq!(silent, None, "nobody fell silent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_publish_is_told_to_leave_whoever_attends_it() {
    let etcd = Etcd::start().await.expect("etcd runs");
    let all: [Controller; 2] = controllers(&etcd).await;
    let (one, two) = (
        Node::origin("one", &[all[0].grpc_address()]),
        Node::origin("two", &[all[1].grpc_address()]),
    );
    let edge = Node::edge("edge", &[all[1].grpc_address()]);
    one.publishes("cam");
    edge.finds("cam", "one").await;
    two.publishes("cam");
    let mut desired = two.agent.desired();
    let told = desired.wait_for(|desired| !desired.leave.is_empty());
    let told = tokio::time::timeout(PATIENCE, told).await.expect("told");
    assert_eq!(told.expect("it runs").leave[0].owner.as_str(), "one");
    two.ends("cam");
    one.ends("cam");
    edge.finds("cam", "-").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_the_leader_moves_it_and_loses_nothing() {
    let etcd = Etcd::start().await.expect("etcd runs");
    let mut all: Vec<Option<Controller>> = controllers::<3>(&etcd).await.map(Some).into();
    let grpc: Vec<SocketAddr> = all.iter().flatten().map(Controller::grpc_address).collect();
    let (origin, edge) = (Node::origin("origin", &grpc), Node::edge("edge", &grpc));
    origin.publishes("cam");
    let first = edge.finds("cam", "origin").await.epoch;
    for round in 0..2 {
        let alive: Vec<&Controller> = all.iter().flatten().collect();
        let place = leader(&alive).await;
        let gone = alive[place].grpc_address();
        let gone = all
            .iter_mut()
            .find(|one| one.as_ref().is_some_and(|one| one.grpc_address() == gone))
            .and_then(Option::take)
            .expect("it is one of them");
        let began = Instant::now();
        gone.stop().await;
        let name = format!("after{round}");
        origin.publishes(&name);
        edge.finds(&name, "origin").await;
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "it took {:?}",
            began.elapsed()
        );
        assert_eq!(edge.finds("cam", "origin").await.epoch, first);
    }
    let last = all.iter().flatten().next().expect("one is left");
    says(last.rest_address(), "/v1/cluster", "/streams", "3").await;
    let moved = events(last).into_iter().find(|(kind, ..)| {
        [
            "stream.moved",
            "stream.unpublished",
            "node.dead",
            "node.restarted",
        ]
        .contains(&&**kind)
    });
    assert_eq!(moved, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_goes_to_another_controller_is_alive_all_the_while() {
    let etcd = Etcd::start().await.expect("etcd runs");
    let [first, second] = controllers(&etcd).await;
    let grpc = [first.grpc_address(), second.grpc_address()];
    let origins: Vec<Node> = (0..4)
        .map(|n| Node::origin(&format!("o{n}"), &grpc))
        .collect();
    let edge = Node::edge("edge", &[second.grpc_address()]);
    let mut epochs = Vec::new();
    for (number, origin) in origins.iter().enumerate() {
        origin.publishes(&format!("cam{number}"));
        let (name, at) = (format!("cam{number}"), format!("o{number}"));
        epochs.push(edge.finds(&name, &at).await.epoch);
    }
    first.stop().await;
    for (number, origin) in origins.iter().enumerate() {
        origin.publishes(&format!("late{number}"));
        edge.finds(&format!("late{number}"), &format!("o{number}"))
            .await;
        let still = edge
            .finds(&format!("cam{number}"), &format!("o{number}"))
            .await;
        assert_eq!(still.epoch, epochs[number]);
    }
    // Longer than a lease, and than it takes to be dead.
    tokio::time::sleep(Duration::from_secs(4)).await;
    says(second.rest_address(), "/v1/cluster", "/origins/alive", "4").await;
    let bad = events(&second).into_iter().find(|(kind, ..)| {
        [
            "stream.moved",
            "stream.unpublished",
            "node.dead",
            "node.suspect",
        ]
        .contains(&&**kind)
    });
    assert_eq!(bad, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_vanishes_from_one_controller_is_dead_for_all() {
    let etcd = Etcd::start().await.expect("etcd runs");
    let all: [Controller; 2] = controllers(&etcd).await;
    let edge = Node::edge("edge", &[all[1].grpc_address()]);
    let two = Node::origin("two", &[all[1].grpc_address()]);
    two.is_connected().await;
    // A runtime of its own, so that it can vanish without a goodbye.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let one = {
        let _on_it = runtime.enter();
        Node::start("one", Role::Origin, &[all[0].grpc_address()], None)
    };
    one.publishes("cam");
    let first = edge.finds("cam", "one").await.epoch;
    runtime.shutdown_background();
    for controller in &all {
        happens(controller, "node.suspect", "one").await;
    }
    two.publishes("cam");
    assert!(edge.finds("cam", "two").await.epoch > first);
    for controller in &all {
        happens(controller, "node.dead", "one").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_s_freeze_is_every_controller_s_and_outlives_them() {
    let etcd = Etcd::start().await.expect("etcd runs");
    let [first, second] = controllers(&etcd).await;
    let order = async |at: SocketAddr, route: &str| post(at, route, "{\"reason\": \"why\"}").await;
    let frozen = "/restarts/frozen/reason";
    assert_eq!(order(first.rest_address(), "/v1/freeze").await, 200);
    says(second.rest_address(), "/v1/cluster", frozen, "why").await;
    first.stop().await;
    let [third] = controllers(&etcd).await;
    says(third.rest_address(), "/v1/cluster", frozen, "why").await;
    assert_eq!(order(third.rest_address(), "/v1/unfreeze").await, 200);
    eventually("thawed", async || {
        let (_, cluster) = get(second.rest_address(), "/v1/cluster").await;
        cluster.pointer(frozen).is_none().then_some(())
    })
    .await;
    // A restart is the business of the one that decides, and the others say who that is.
    let place = leader(&[&second, &third]).await;
    let other = [&third, &second][place].rest_address();
    assert_eq!(order(other, "/v1/nodes/one/restart").await, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_etcd_is_away_controllers_answer_and_what_began_meanwhile_is_found_after() {
    let mut etcd = Etcd::start().await.expect("etcd runs");
    let all: [Controller; 2] = controllers(&etcd).await;
    let origin = Node::origin("origin", &[all[0].grpc_address()]);
    let edge = Node::edge("edge", &[all[1].grpc_address()]);
    origin.publishes("cam");
    let first = edge.finds("cam", "origin").await.epoch;
    etcd.members[0].process.kill();
    origin.publishes("meanwhile");
    // Longer than the lease lives.
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        for controller in &all {
            let (status, cluster) = get(controller.rest_address(), "/v1/cluster").await;
            assert_eq!((status, &cluster["origins"]["alive"]), (200, &1.into()));
        }
        assert_eq!(
            at(&edge.agent.locate(&path("cam")).answer().await),
            "origin"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    etcd.members[0].process.restart().expect("restarted");
    edge.finds("meanwhile", "origin").await;
    assert_eq!(edge.finds("cam", "origin").await.epoch, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_comes_back_empty_is_filled_again_and_no_epoch_falls() {
    let mut etcd = Etcd::start().await.expect("etcd runs");
    let all: [Controller; 2] = controllers(&etcd).await;
    let (one, two) = (
        Node::origin("one", &[all[0].grpc_address()]),
        Node::origin("two", &[all[1].grpc_address()]),
    );
    let edge = Node::edge("edge", &[all[1].grpc_address()]);
    let mut epoch = Epoch::NONE;
    for (from, to, name) in [
        (&two, &one, "one"),
        (&one, &two, "two"),
        (&two, &one, "one"),
    ] {
        to.publishes("cam");
        from.ends("cam");
        epoch = edge.finds("cam", name).await.epoch;
    }
    two.publishes("other");
    edge.finds("other", "two").await;
    etcd.empty().await.expect("empty");
    for controller in &all {
        let rest = controller.rest_address();
        // The owner is told that nobody can undercut it: more than what nodes knew.
        eventually("the epoch is raised", async || {
            let (_, stream) = get(rest, "/v1/streams/h/live/cam").await;
            (stream["epoch"].as_u64()? > epoch.0).then_some(())
        })
        .await;
        says(rest, "/v1/streams/h/live/cam", "/origin", "one").await;
        says(rest, "/v1/streams/h/live/other", "/origin", "two").await;
        says(rest, "/v1/cluster", "/origins/alive", "2").await;
        says(rest, "/v1/cluster", "/edges/alive", "1").await;
        let bad = events(controller)
            .into_iter()
            .find(|(kind, ..)| ["node.dead", "node.restarted", "node.left"].contains(&&**kind));
        assert_eq!(bad, None);
    }
    // A controller that starts now finds all of it in the store.
    let [third] = controllers(&etcd).await;
    says(third.rest_address(), "/v1/cluster", "/origins/alive", "2").await;
    says(third.rest_address(), "/v1/cluster", "/streams", "2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_etcd_undercuts_no_epoch_that_nodes_know() {
    let mut etcd = Etcd::start().await.expect("etcd runs");
    let [controller] = controllers(&etcd).await;
    let grpc = [controller.grpc_address()];
    let (one, two) = (Node::origin("one", &grpc), Node::origin("two", &grpc));
    let edge = Node::edge("edge", &grpc);
    one.publishes("cam");
    let first = edge.finds("cam", "one").await.epoch;
    let dir = tempfile::tempdir().expect("a directory");
    let snapshot = dir.path().join("snapshot.db");
    etcd.save(&snapshot).await.expect("saved");
    two.publishes("cam");
    one.ends("cam");
    let second = edge.finds("cam", "two").await.epoch;
    assert!(second > first);
    // All controllers die with the store: only nodes know the second epoch.
    controller.stop().await;
    etcd.restore(&snapshot).await.expect("restored");
    let mut config = config(&etcd);
    config.grpc.listen = grpc[0].into();
    let again = world::start(&config).await;
    let found = eventually("the owner that nodes know", async || {
        let location = edge.agent.locate(&path("cam")).answer().await;
        let fresh = *edge.agent.connected().borrow();
        (fresh && at(&location) == "two" && location.epoch > second).then_some(location)
    })
    .await;
    says(
        again.rest_address(),
        "/v1/streams/h/live/cam",
        "/epoch",
        &found.epoch.0.to_string(),
    )
    .await;
}
