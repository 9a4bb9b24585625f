//! Pushes from an edge to origins in this process.

use super::*;
use agent::{Agent, Bound, Report, Role};
use media::{Frame, Kind, MediaTime, Role as FrameRole, path::DEFAULT_VHOST};
use relay::{
    Relay,
    dial::Dialler,
    hub::{Epoch, PassedOn, Publisher, PublisherInfo, Stream},
    settings::Settings,
};
use std::{
    net::SocketAddr,
    time::{Instant, SystemTime},
};
use tokio::time;

struct Idle;

impl agent::Source for Idle {
    fn report(&self) -> Report {
        Report::default()
    }
}

fn path() -> StreamPath {
    StreamPath::new(DEFAULT_VHOST, "live", "a").expect("a path")
}

fn origin() -> (Relay, SocketAddr) {
    let relay = Relay::start(Settings::default(), 1).expect("threads");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let listening = relay.listen(any.into()).expect("a port");
    let address = listening.address();
    relay.serve_rtmp(listening).expect("an idle shard");
    (relay, address)
}

fn edge(origins: &[SocketAddr]) -> Relay {
    let relay = Relay::start(Settings::default(), 1).expect("threads");
    let agents = agent::Config {
        node: Some("edge-1".into()),
        ..agent::Config::default()
    };
    let identity = agent::identify(&agents, Role::Edge, Bound::default());
    let node = Node {
        relay: relay.clone(),
        agent: Agent::spawn(&agents, identity, Arc::new(Idle), Default::default()),
        dialler: Dialler::new(None).expect("no CA file"),
    };
    let target = |address: &SocketAddr| address.to_string().parse().expect("a target");
    let listed = origins.iter().map(target).collect();
    let pushes = Pushes::new(Config::default(), listed, node);
    relay.hub().observe(vec![Arc::new(pushes)]);
    relay
}

fn publish(relay: &Relay, origin: PublisherKind, passed_on: Option<PassedOn>) -> Publisher {
    let info = PublisherInfo {
        peer: None,
        origin,
        upstream: None,
        since: SystemTime::now(),
        passed_on: passed_on.map(Arc::new),
        epoch: Epoch::NONE,
        backup: false,
    };
    relay.hub().publish(&path(), info).expect("nobody does")
}

fn frame(publisher: &Publisher, kind: Kind, role: FrameRole, number: u8) {
    let body = match kind {
        Kind::Audio => vec![0xaf, u8::from(role != FrameRole::Config), number],
        _ => {
            let form = if role == FrameRole::Inter { 0x27 } else { 0x17 };
            let packet = u8::from(role != FrameRole::Config);
            vec![form, packet, 0, 0, 0, number]
        }
    };
    let frame = Frame {
        kind,
        role,
        codec: None,
        track: 0,
        dts: MediaTime::from_millis(i64::from(number) * 40),
        body: body.into(),
    };
    publisher
        .publish(frame, Instant::now())
        .expect("it is ours");
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

fn stream(relay: &Relay) -> Option<Arc<Stream>> {
    let stream = relay.hub().find(&path())?;
    stream.is_online().then_some(stream)
}

fn pictures(relay: &Relay) -> u64 {
    stream(relay).map_or(0, |stream| stream.totals().now().video_frames)
}

#[tokio::test]
async fn what_an_encoder_publishes_is_pushed_and_ends_with_it() {
    let (origin, address) = origin();
    let edge = edge(&[address]);
    let encoder = publish(&edge, PublisherKind::Publish, None);
    frame(&encoder, Kind::Video, FrameRole::Config, 0);
    frame(&encoder, Kind::Video, FrameRole::Key, 0);
    frame(&encoder, Kind::Video, FrameRole::Inter, 1);
    until("the push", || pictures(&origin) >= 2).await;
    let pushed = stream(&origin).and_then(|stream| stream.publisher());
    let passed_on = pushed.and_then(|publisher| publisher.passed_on);
    assert_eq!(
        passed_on.map(|it| it.node.to_string()).as_deref(),
        Some("edge-1")
    );
    frame(&encoder, Kind::Video, FrameRole::Inter, 2);
    drop(encoder);
    until("its end", || stream(&origin).is_none()).await;
    until("the last to let go", || edge.hub().streams().is_empty()).await;
}

#[tokio::test]
async fn the_next_origin_gets_all_that_is_kept_and_the_encoder_notices_nothing() {
    let (first, one) = origin();
    let (second, two) = origin();
    let edge = edge(&[one, two]);
    let encoder = publish(&edge, PublisherKind::Publish, None);
    frame(&encoder, Kind::Video, FrameRole::Config, 0);
    frame(&encoder, Kind::Video, FrameRole::Key, 0);
    until("the push", || stream(&first).or(stream(&second)).is_some()).await;
    let (old, new) = match stream(&first) {
        Some(_) => (first, second),
        None => (second, first),
    };
    frame(&encoder, Kind::Video, FrameRole::Inter, 1);
    old.close().await;
    frame(&encoder, Kind::Video, FrameRole::Inter, 2);
    until("the next origin", || stream(&new).is_some()).await;
    frame(&encoder, Kind::Video, FrameRole::Inter, 3);
    // Configuration and four pictures, from the key frame on: those that the old one had, too.
    until("all frames", || pictures(&new) >= 4).await;
    assert!(stream(&edge).is_some(), "the encoder publishes on");
}

#[tokio::test]
async fn what_comes_from_elsewhere_is_not_pushed() {
    let (origin, address) = origin();
    let edge = edge(&[address]);
    let forward = PassedOn {
        node: "".into(),
        turn: 0,
        epoch: Epoch::NONE,
    };
    for (kind, passed_on) in [
        (PublisherKind::Pull, None),
        (PublisherKind::Publish, Some(forward)),
    ] {
        let publisher = publish(&edge, kind, passed_on);
        frame(&publisher, Kind::Video, FrameRole::Key, 0);
        assert!(origin.hub().streams().is_empty());
        let readers = stream(&edge).map(|stream| stream.readers().borrow().all);
        assert_eq!(readers, Some(0), "nobody reads it in order to push it");
    }
}
