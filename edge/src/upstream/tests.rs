//! Pulls from relays in this process, over real sockets, and from nobody.

use super::{race::race, sources::Source, *};
use crate::testing::{
    encoder, frame, is_said, listen, node, online, path, publish, relay, target, until,
};
use media::{Kind, Role};
use relay::{
    Relay,
    dial::Dialler,
    hub::{Epoch, Publisher, PublisherKind},
    rtmp::pull,
    settings::Settings,
};
use std::{net::SocketAddr, time::Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

const GRACE: Duration = Duration::from_millis(300);

/// How long a player waits for what nobody has, where that is what a test waits for.
const WAIT: Duration = Duration::from_millis(300);

/// Longer than any of these tests may take.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// An edge that pulls from `origins`, where it listens, and what it says of its pulls.
fn edge(origins: &[SocketAddr], settings: Settings) -> (Relay, SocketAddr, Arc<Running>) {
    let (relay, address) = relay(settings);
    let config = Config {
        origins: origins.iter().copied().map(target).collect(),
        grace: GRACE,
        ..Config::default()
    };
    let pulls = Pulls::new(config, node(&relay));
    let running = pulls.running.clone();
    relay.hub().observe(vec![Arc::new(pulls)]);
    (relay, address, running)
}

/// Who lets players wait for so long, and then says no.
fn waits(wait: Duration) -> Settings {
    let mut settings = Settings::default();
    settings.play.wait = wait;
    settings
}

/// Sound, so that there is something to pull.
fn sound(relay: &Relay, path: &StreamPath) -> Publisher {
    let publisher = publish(relay, path, encoder());
    frame(&publisher, Kind::Audio, Role::Config, 0);
    frame(&publisher, Kind::Audio, Role::Inter, 0);
    publisher
}

#[tokio::test]
async fn what_no_upstream_has_is_given_up_with_its_last_player() {
    // Bound and let go: nobody listens there.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = gone.local_addr().expect("a port");
    drop(gone);
    let (edge, _, running) = edge(&[origin], Settings::default());
    let player = edge.hub().read(&path("nowhere"), Reader::Player);
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
    let path = path("pulled");
    let (origin, address) = relay(Settings::default());
    let _publisher = sound(&origin, &path);
    let (edge, _, running) = edge(&[address], Settings::default());
    let player = edge.hub().read(&path, Reader::Player);
    until("the pull", || online(&edge, &path).is_some()).await;
    let stream = edge.hub().find(&path).expect("it is pulled");
    let began = Instant::now();
    drop(player);
    until("the pull to end", || running.0.lock().is_empty()).await;
    assert!(began.elapsed() >= GRACE.get(), "{:?}", began.elapsed());
    until("the stream to end", || online(&edge, &path).is_none()).await;
    assert_eq!(Arc::strong_count(&stream), 1, "nothing holds it any more");
}

#[tokio::test]
async fn a_player_that_comes_between_two_upstreams_is_counted_by_the_same_pull() {
    let path = path("between");
    let (origin, address) = relay(Settings::default());
    let publisher = sound(&origin, &path);
    let (edge, _, running) = edge(&[address], Settings::default());
    let first = edge.hub().read(&path, Reader::Player);
    until("the pull", || online(&edge, &path).is_some()).await;
    let stream = edge.hub().find(&path).expect("it is pulled");
    let second = edge.hub().read(&path, Reader::Node);
    drop(first);
    origin.close().await;
    drop(publisher);
    until("the upstream's end", || online(&edge, &path).is_none()).await;
    let third = edge.hub().read(&path, Reader::Player);
    assert!(Arc::ptr_eq(third.stream(), &stream));
    assert_eq!(running.0.lock().len(), 1);
    drop((second, third));
    until("the pull to end", || running.0.lock().is_empty()).await;
}

#[tokio::test]
async fn a_publisher_here_ends_the_pull_and_its_end_begins_another() {
    let path = path("here");
    let (origin, address) = relay(Settings::default());
    let _publisher = sound(&origin, &path);
    let (edge, _, running) = edge(&[address], Settings::default());
    let _player = edge.hub().read(&path, Reader::Player);
    until("the pull", || online(&edge, &path).is_some()).await;
    let here = sound(&edge, &path);
    until("the pull to end", || running.0.lock().is_empty()).await;
    assert!(online(&edge, &path).is_some());
    drop(here);
    let pulled = || {
        let stream = edge.hub().find(&path);
        let publisher = stream.and_then(|stream| stream.publisher());
        publisher.is_some_and(|publisher| publisher.origin == PublisherKind::Pull)
    };
    until("another pull", pulled).await;
}

#[tokio::test]
async fn an_upstream_that_refuses_is_said_why_and_the_next_feeds_the_player() {
    let path = path("refused");
    let (_empty, at_empty) = relay(waits(Duration::from_millis(20)));
    let (origin, address) = relay(Settings::default());
    let _publisher = sound(&origin, &path);
    let (edge, ..) = edge(&[at_empty, address], Settings::default());
    let _player = edge.hub().read(&path, Reader::Player);
    until("the pull", || online(&edge, &path).is_some()).await;
    let upstream = online(&edge, &path)
        .and_then(|stream| stream.publisher())
        .and_then(|publisher| publisher.upstream);
    assert_eq!(upstream.as_deref(), Some(address.to_string().as_str()));
    let (refuses, why) = (format!("upstream={at_empty}"), "StreamNotFound");
    is_said(&["not to be had there", "live/refused", &refuses, why]).await;
}

#[tokio::test]
async fn who_plays_what_every_upstream_refuses_is_told_so_after_its_wait() {
    let path = path("none");
    let (_empty, at_empty) = relay(waits(Duration::from_millis(20)));
    let (edge, address, running) = edge(&[at_empty], waits(WAIT));
    let began = Instant::now();
    let url = target(address).url(&path).expect("a URL");
    let dialler = Dialler::new(None).expect("no CA file");
    let refused = pull::open(&dialler, &url, SILENCE, Epoch::NONE, None).await;
    let why = refused.err().expect("nobody has it").to_string();
    assert!(why.contains("NetStream.Play.StreamNotFound"), "{why}");
    assert!(began.elapsed() >= WAIT.get(), "{:?}", began.elapsed());
    is_said(&["no upstream has the stream", "live/none"]).await;

    let (listening, http) = listen(&edge);
    edge.serve_http(listening).expect("an idle shard");
    let began = Instant::now();
    let mut socket = TcpStream::connect(http).await.expect("it listens");
    let request = "GET /live/none.flv HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.expect("taken");
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.expect("a status");
    assert_eq!(&answer, b"HTTP/1.1 404");
    assert!(began.elapsed() >= WAIT.get(), "{:?}", began.elapsed());
    until("the pull to end", || running.0.lock().is_empty()).await;
}

#[tokio::test]
async fn an_upstream_at_an_older_epoch_is_passed_over_for_the_one_at_the_newest() {
    let path = path("outdated");
    let (old, at_old) = relay(Settings::default());
    let (new, at_new) = relay(Settings::default());
    let _publishers = [(&old, 6), (&new, 7)].map(|(origin, epoch)| {
        let publisher = sound(origin, &path);
        origin.hub().believe(&path, Epoch(epoch));
        publisher
    });
    let sources = [("old", at_old), ("new", at_new)].map(|(name, address)| Source {
        name: name.into(),
        target: target(address),
        is_edge: false,
    });
    let dialler = Dialler::new(None).expect("no CA file");
    let asking = race(&dialler, &path, &sources, SILENCE, Epoch(7), None);
    let won = LocalSet::new().run_until(asking).await;
    assert_eq!(won.map(|(source, _)| source).as_ref(), Some(&sources[1]));
    let why = "epoch 6 of the stream is outdated: 7 is known";
    is_said(&["not to be had there", "live/outdated", "upstream=old", why]).await;
    // Who knows of no newer owner is served by it.
    let asking = race(&dialler, &path, &sources[..1], SILENCE, Epoch(6), None);
    let won = LocalSet::new().run_until(asking).await;
    assert_eq!(won.map(|(source, _)| source).as_ref(), Some(&sources[0]));
}
