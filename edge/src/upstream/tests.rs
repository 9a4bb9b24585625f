//! Pulls from a relay in this process, and from nobody.

use super::*;
use agent::{Agent, Bound, Report, Role};
use media::{Frame, Kind, MediaTime, Role as FrameRole, path::DEFAULT_VHOST};
use relay::{
    Relay,
    dial::Dialler,
    hub::{Epoch, Publisher, PublisherInfo, PublisherKind},
    settings::Settings,
};
use std::{
    net::SocketAddr,
    time::{Instant, SystemTime},
};
use tokio::time;

const GRACE: Duration = Duration::from_millis(300);

struct Idle;

impl agent::Source for Idle {
    fn report(&self) -> Report {
        Report::default()
    }
}

fn path() -> StreamPath {
    StreamPath::new(DEFAULT_VHOST, "live", "a").expect("a path")
}

/// A relay that listens for RTMP.
fn relay() -> (Relay, SocketAddr) {
    let relay = Relay::start(Settings::default(), 1).expect("threads");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let listening = relay.listen(any.into()).expect("a port");
    let address = listening.address();
    relay.serve_rtmp(listening).expect("an idle shard");
    (relay, address)
}

/// An edge that pulls from `origin`, and what it says of its pulls.
fn edge(origin: SocketAddr) -> (Relay, Arc<Running>) {
    let (relay, _) = relay();
    let agents = agent::Config::default();
    let identity = agent::identify(&agents, Role::Edge, Bound::default());
    let node = Node {
        relay: relay.clone(),
        agent: Agent::spawn(&agents, identity, Arc::new(Idle), Default::default()),
        dialler: Dialler::new(None).expect("no CA file"),
    };
    let config = Config {
        origins: vec![origin.to_string().parse().expect("a target")],
        grace: GRACE,
        ..Config::default()
    };
    let pulls = Pulls::new(config, node);
    let running = pulls.running.clone();
    relay.hub().observe(vec![Arc::new(pulls)]);
    (relay, running)
}

/// Sound, so that there is something to pull.
fn publish(relay: &Relay) -> Publisher {
    let info = PublisherInfo {
        peer: None,
        origin: PublisherKind::Publish,
        upstream: None,
        since: SystemTime::now(),
        passed_on: None,
        epoch: Epoch::NONE,
        backup: false,
    };
    let publisher = relay.hub().publish(&path(), info).expect("nobody does");
    for (role, second) in [(FrameRole::Config, 0), (FrameRole::Inter, 1)] {
        let frame = Frame {
            kind: Kind::Audio,
            role,
            codec: None,
            track: 0,
            dts: MediaTime::ZERO,
            body: vec![0xaf, second, 0x12].into(),
        };
        publisher
            .publish(frame, Instant::now())
            .expect("it is ours");
    }
    publisher
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        while !holds() {
            time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    let held = time::timeout(std::time::Duration::from_secs(15), held).await;
    held.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

fn is_online(relay: &Relay) -> bool {
    let stream = relay.hub().find(&path());
    stream.is_some_and(|stream| stream.is_online())
}

#[tokio::test]
async fn what_no_upstream_has_is_given_up_with_its_last_player() {
    // Bound and let go: nobody listens there.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = gone.local_addr().expect("a port");
    drop(gone);
    let (edge, running) = edge(origin);
    let player = edge.hub().read(&path(), Reader::Player);
    assert_eq!(running.0.lock().len(), 1);
    drop(player);
    until("the pull to end", || running.0.lock().is_empty()).await;
    until("the name to be forgotten", || {
        edge.hub().streams().is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_pulled_for_its_players_and_the_grace_after_them() {
    let (origin, address) = relay();
    let _publisher = publish(&origin);
    let (edge, running) = edge(address);
    let player = edge.hub().read(&path(), Reader::Player);
    until("the pull", || is_online(&edge)).await;
    let stream = edge.hub().find(&path()).expect("it is pulled");
    let began = Instant::now();
    drop(player);
    until("the pull to end", || running.0.lock().is_empty()).await;
    assert!(began.elapsed() >= GRACE.get(), "{:?}", began.elapsed());
    until("the stream to end", || !is_online(&edge)).await;
    assert_eq!(Arc::strong_count(&stream), 1, "nothing holds it any more");
}

#[tokio::test]
async fn a_player_that_comes_between_two_upstreams_is_counted_by_the_same_pull() {
    let (origin, address) = relay();
    let publisher = publish(&origin);
    let (edge, running) = edge(address);
    let first = edge.hub().read(&path(), Reader::Player);
    until("the pull", || is_online(&edge)).await;
    let stream = edge.hub().find(&path()).expect("it is pulled");
    let second = edge.hub().read(&path(), Reader::Node);
    drop(first);
    origin.close().await;
    drop(publisher);
    until("the upstream's end", || !is_online(&edge)).await;
    let third = edge.hub().read(&path(), Reader::Player);
    assert!(Arc::ptr_eq(third.stream(), &stream));
    assert_eq!(running.0.lock().len(), 1);
    drop((second, third));
    until("the pull to end", || running.0.lock().is_empty()).await;
}

#[tokio::test]
async fn a_publisher_here_ends_the_pull_and_its_end_begins_another() {
    let (origin, address) = relay();
    let _publisher = publish(&origin);
    let (edge, running) = edge(address);
    let _player = edge.hub().read(&path(), Reader::Player);
    until("the pull", || is_online(&edge)).await;
    let here = publish(&edge);
    until("the pull to end", || running.0.lock().is_empty()).await;
    assert!(is_online(&edge));
    drop(here);
    let pulled = || {
        let stream = edge.hub().find(&path());
        let publisher = stream.and_then(|stream| stream.publisher());
        publisher.is_some_and(|publisher| publisher.origin == PublisherKind::Pull)
    };
    until("another pull", pulled).await;
}
