//! The controller goes and comes back: nodes serve on what they know, and nothing is forgotten.

use super::world::{Node, PATIENCE, at, config, events, eventually, happens, path, start};
use agent::{Epoch, Generation, Role};
use std::{net::SocketAddr, time::Duration};

/// A config that listens where an earlier controller did.
fn again(dir: &std::path::Path, grpc: SocketAddr) -> controller::Config {
    let mut config = config(dir);
    config.grpc.listen = grpc.into();
    config
}

/// The controller goes on where it was: what it says now is newer than `generation`.
async fn is_told_after(node: &Node, generation: Generation) {
    let mut desired = node.agent.desired();
    let newer = desired.wait_for(|desired| desired.generation > generation);
    tokio::time::timeout(PATIENCE, newer)
        .await
        .expect("a newer generation")
        .expect("it runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_controller_known_streams_are_found_and_generations_go_on_afterwards() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let (origin, edge) = (Node::origin("origin", &[grpc]), Node::edge("edge", &[grpc]));
    origin.publishes("cam");
    let before = edge.finds("cam", "origin").await;
    // Each new stream is a new desired state: the count is far from where a new one would begin.
    for number in 0..10 {
        origin.publishes(&number.to_string());
        edge.finds(&number.to_string(), "origin").await;
    }
    let generation = {
        let mut desired = origin.agent.desired();
        let known = desired.wait_for(|desired| desired.owned.len() == 11);
        tokio::time::timeout(PATIENCE, known)
            .await
            .expect("told")
            .expect("it runs")
            .generation
    };
    let mut desired = edge.agent.desired();
    let known = desired.wait_for(|desired| !desired.origins.is_empty());
    tokio::time::timeout(PATIENCE, known)
        .await
        .expect("told")
        .expect("it runs");
    controller.stop().await;
    let mut connected = edge.agent.connected();
    let gone = connected.wait_for(|connected| !connected);
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("noticed")
        .expect("it runs");

    // A new player of a known stream, and of one that nobody ever asked about.
    assert_eq!(edge.agent.locate(&path("cam")).answer().await, before);
    assert!(!edge.agent.locate(&path("other")).answer().await.known);
    let fallback = edge
        .agent
        .place(&path("other"), &[], false)
        .await
        .expect("the last origins are known");
    assert_eq!(fallback.node.as_str(), "origin");

    let controller = start(&again(dir.path(), grpc)).await;
    origin.is_connected().await;
    edge.is_connected().await;
    assert_eq!(edge.finds("cam", "origin").await.epoch, before.epoch);
    is_told_after(&origin, generation).await;
    let kinds: Vec<String> = events(&controller)
        .into_iter()
        .map(|(kind, ..)| kind)
        .collect();
    assert!(
        !kinds.iter().any(|kind| kind.starts_with("stream.")),
        "nothing moved: {kinds:?}"
    );
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_dies_while_the_controller_is_away_is_found_dead() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let origin = Node::origin("origin", &[grpc]);
    origin.publishes("cam");
    Node::edge("edge", &[grpc]).finds("cam", "origin").await;
    controller.stop().await;
    origin.leave().await;

    let controller = start(&again(dir.path(), grpc)).await;
    let edge = Node::edge("edge-2", &[grpc]);
    edge.finds("cam", "origin").await;
    happens(&controller, "node.dead", "origin").await;
    edge.finds("cam", "-").await;
    happens(&controller, "stream.unpublished", "h/live/cam").await;
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_lost_is_rebuilt_from_what_nodes_report() {
    let (dir, empty) = (
        tempfile::tempdir().expect("a dir"),
        tempfile::tempdir().expect("a dir"),
    );
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let (origin, edge) = (Node::origin("origin", &[grpc]), Node::edge("edge", &[grpc]));
    let mut last = Epoch::NONE;
    for _ in 0..3 {
        origin.publishes("cam");
        let epoch = edge.finds("cam", "origin").await.epoch;
        assert!(epoch > last);
        last = epoch;
        origin.ends("cam");
        edge.finds("cam", "-").await;
    }
    origin.publishes("cam");
    let mut locating = edge.agent.locate(&path("cam"));
    let before = edge.finds("cam", "origin").await;
    assert!(before.epoch > last);
    let generation = edge.agent.desired().borrow().generation;
    assert!(generation > Generation(0));
    controller.stop().await;

    let controller = start(&again(empty.path(), grpc)).await;
    edge.is_connected().await;
    eventually("the edge is told a newer epoch", async || {
        let location = locating.answer().await;
        (location.epoch > before.epoch && at(&location) == "origin").then_some(())
    })
    .await;
    is_told_after(&edge, generation).await;
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_started_again_without_a_controller_knows_what_it_knew() {
    let (dir, state) = (
        tempfile::tempdir().expect("a dir"),
        tempfile::tempdir().expect("a dir"),
    );
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let origin = Node::origin("origin", &[grpc]);
    origin.publishes("cam");
    let edge = Node::start("edge", Role::Edge, &[grpc], Some(state.path()));
    let before = edge.finds("cam", "origin").await;
    let mut desired = edge.agent.desired();
    let known = desired.wait_for(|desired| !desired.origins.is_empty());
    tokio::time::timeout(PATIENCE, known)
        .await
        .expect("told")
        .expect("it runs");
    let incarnation = edge.agent.identity().incarnation;
    controller.stop().await;
    edge.leave().await;

    let edge = Node::start("edge", Role::Edge, &[grpc], Some(state.path()));
    assert!(edge.agent.identity().incarnation > incarnation);
    assert_eq!(edge.agent.locate(&path("cam")).answer().await, before);
    assert_eq!(
        edge.agent.desired().borrow().origins[0].node.as_str(),
        "origin"
    );
    edge.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_origin_owned_is_over_when_its_process_is() {
    let (dir, state) = (
        tempfile::tempdir().expect("a dir"),
        tempfile::tempdir().expect("a dir"),
    );
    let controller = start(&config(dir.path())).await;
    let grpc = controller.grpc_address();
    let origin = Node::start("origin", Role::Origin, &[grpc], Some(state.path()));
    origin.publishes("cam");
    let mut desired = origin.agent.desired();
    let owns = desired.wait_for(|desired| desired.owned.len() == 1);
    tokio::time::timeout(PATIENCE, owns)
        .await
        .expect("told")
        .expect("it runs");
    controller.stop().await;
    origin.leave().await;

    let origin = Node::start("origin", Role::Origin, &[grpc], Some(state.path()));
    let desired = origin.agent.desired().borrow().clone();
    assert!(desired.generation > Generation(0) && desired.owned.is_empty());
    origin.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_finds_the_next_controller_of_its_list() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    // Bound and never answered, refused, and the one that lives.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bound");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bound");
    let refusing = closed.local_addr().expect("an address");
    drop(closed);
    let silent_address = silent.local_addr().expect("an address");
    let node = Node::edge(
        "edge",
        &[silent_address, refusing, controller.grpc_address()],
    );
    node.is_connected().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    controller.stop().await;
}
