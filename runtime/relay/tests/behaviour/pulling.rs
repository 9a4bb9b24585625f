//! Streams taken from another relay: what an edge does for its players.

use crate::support::{Server, Way, until};
use relay::{
    dial::Dialler,
    hub::Reader,
    rtmp::pull::{self, PullError},
    settings::Settings,
};
use std::time::Duration;
use tokio::sync::oneshot;

/// Pulls `name` from one server into another; answers when that is over.
fn pull(from: &Server, to: &Server, name: &str, silence: Duration) -> oneshot::Receiver<String> {
    let (url, path) = (from.url(name), Server::path(name));
    let (sender, receiver) = oneshot::channel();
    let started = to.relay.shards().run(move |shard| {
        shard.clone().spawn(async move {
            let dialler = Dialler::new(None).expect("no CA file");
            let ended =
                match pull::open(&dialler, &url, silence, relay::hub::Epoch::NONE, None).await {
                    Ok(pulled) => {
                        let running = pulled.run(&shard, &path, "upstream".into());
                        match Box::pin(running).await {
                            Ok(never) => match never {},
                            Err(error) => error,
                        }
                    }
                    Err(error) => error,
                };
            // The test may have ended.
            let _ = sender.send(variant(&ended));
        });
    });
    started.expect("an idle shard");
    receiver
}

/// Which end it was: `Ended`, `Client: Silent`.
fn variant(error: &PullError) -> String {
    let text = format!("{error:?}");
    let mut names = text.split(['(', ' ', '{']).filter(|name| !name.is_empty());
    match (names.next(), names.next()) {
        (Some("Client"), Some(cause)) => format!("Client: {cause}"),
        (Some(name), _) => name.to_owned(),
        (None, _) => String::new(),
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_player_of_a_pull_gets_what_a_player_of_the_origin_gets() {
    let (origin, edge) = (
        Server::start(Settings::default()),
        Server::start(Settings::default()),
    );
    let mut publisher = origin.publish("a").await;
    publisher.send("m v a k1@0 s1@10 p1@40").await;
    origin.has_received("a", 3).await;
    let _pulled = pull(&origin, &edge, "a", LONG);
    for way in Way::ALL {
        let mut player = edge.play(way, "a").await;
        player.expects("m@0 v@0 a@0 k1@0 s1@10 p1@40").await;
    }
    let at_origin = origin.relay.hub().find(&Server::path("a"));
    let readers = *at_origin.expect("it is published").readers().borrow();
    assert_eq!(
        (readers.players, readers.nodes),
        (0, 1),
        "a node is no player"
    );
}

#[tokio::test]
async fn a_pull_ends_when_its_upstream_falls_silent_or_ends() {
    let (origin, edge) = (
        Server::start(Server::impatient()),
        Server::start(Settings::default()),
    );
    let mut silent = origin.publish("silent").await;
    silent.send("v k1@0").await;
    origin.has_received("silent", 1).await;
    let silence = Duration::from_millis(100);
    let ended = pull(&origin, &edge, "silent", silence).await;
    assert_eq!(ended.as_deref(), Ok("Client: Silent"));
    assert!(!edge.is_online("silent"));

    let mut ending = origin.publish("ending").await;
    ending.send("v k1@0").await;
    origin.has_received("ending", 1).await;
    let pulled = pull(&origin, &edge, "ending", LONG);
    until("the pull", || edge.is_online("ending")).await;
    ending.close().await;
    assert_eq!(pulled.await.as_deref(), Ok("Ended"));
    assert!(!edge.is_online("ending"));

    let nowhere = pull(&origin, &edge, "nowhere", LONG).await;
    assert_eq!(nowhere.as_deref(), Ok("Client: Refused"));
}

#[tokio::test]
async fn a_pull_gives_way_to_a_publisher_and_players_stay() {
    let (origin, edge) = (
        Server::start(Settings::default()),
        Server::start(Settings::default()),
    );
    let mut at_origin = origin.publish("a").await;
    at_origin.send("v k1@0").await;
    origin.has_received("a", 1).await;
    let pulled = pull(&origin, &edge, "a", LONG);
    let mut player = edge.play(Way::Flv, "a").await;
    player.expects("v@0 k1@0").await;
    let mut at_edge = edge.publish("a").await;
    assert_eq!(pulled.await.as_deref(), Ok("TakenOver"));
    at_edge.send("v k2@0").await;
    player.expects("k2@40").await;
    let refused = pull(&origin, &edge, "a", LONG).await;
    assert_eq!(refused.as_deref(), Ok("Busy"));
}

#[tokio::test]
async fn players_stay_when_a_pull_moves_to_another_upstream() {
    let (first, second, edge) = (
        Server::start(Settings::default()),
        Server::start(Settings::default()),
        Server::start(Settings::default()),
    );
    let mut at_first = first.publish("a").await;
    at_first.send("m v k1@0 p1@40").await;
    first.has_received("a", 2).await;
    let mut at_second = second.publish("a").await;
    at_second.send("m v k8@500000 p8@500040").await;
    second.has_received("a", 2).await;

    let reading = edge.relay.hub().read(&Server::path("a"), Reader::Internal);
    let pulled = pull(&first, &edge, "a", LONG);
    let mut player = edge.play(Way::Flv, "a").await;
    player.expects("m@0 v@0 k1@0 p1@40").await;
    first.relay.close().await;
    let ended = pulled.await.expect("an end");
    assert!(
        ended.starts_with("Client: Broken") || ended == "Ended",
        "{ended}"
    );
    let _pulled = pull(&second, &edge, "a", LONG);
    player.expects("k8@80 p8@120").await;
    drop(reading);
}
