//! Pushes from an edge to origins in this process, over real sockets.

use super::*;
use crate::testing::{encoder, frame, is_said, node, online, path, publish, relay, target, until};
use media::{Kind, Role};
use relay::{
    Relay,
    dial::Dialler,
    hub::{Duplicate, Epoch, PassedOn, Publisher},
    rtmp::{
        introduction::Introduction,
        push::{Destination, Push},
    },
    settings::{Secret, Settings},
};
use std::{future, net::SocketAddr};
use tokio::sync::mpsc;

/// Longer than any of these tests may take.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// An edge that pushes to `origins`.
fn edge(origins: &[SocketAddr], settings: Settings) -> Relay {
    let (relay, _) = relay(settings);
    let listed = origins.iter().copied().map(target).collect();
    let pushes = Pushes::new(Config::default(), listed, node(&relay));
    relay.hub().observe(vec![Arc::new(pushes)]);
    relay
}

fn knows(token: &str) -> Settings {
    Settings {
        secret: Secret::new(token),
        ..Settings::default()
    }
}

/// Configuration and a key frame: what a push begins with.
fn begin(encoder: &Publisher) {
    frame(encoder, Kind::Video, Role::Config, 0);
    frame(encoder, Kind::Video, Role::Key, 0);
}

fn pictures(relay: &Relay, path: &StreamPath) -> u64 {
    online(relay, path).map_or(0, |stream| stream.totals().now().video_frames)
}

/// The node that pushes the stream to `relay`; empty if it is not believed to be one.
fn pushed_by(relay: &Relay, path: &StreamPath) -> Option<String> {
    let publisher = online(relay, path)?.publisher()?;
    let passed_on = publisher.passed_on?;
    Some(passed_on.node.to_string())
}

/// Why a connection of a push was over, and whether it was refused.
struct Over {
    why: String,
    refused: bool,
}

/// One push of `edge-1` from `edge` that goes to each of these in turn, and says that it knows `epoch`.
fn push_in_turn(
    edge: &Relay,
    path: &StreamPath,
    origins: Vec<SocketAddr>,
    epoch: Epoch,
) -> mpsc::Receiver<Over> {
    let (said, over) = mpsc::channel(1);
    let path = path.clone();
    let pushing = move |shard: std::rc::Rc<relay::shard::Shard>| {
        let own = shard.clone();
        shard.spawn(async move {
            let dialler = Dialler::new(None).expect("no CA file");
            let mut push = Push::new(&own, &path);
            for (origin, turn) in origins.into_iter().zip(1..) {
                let to = Destination {
                    url: target(origin).url(&path).expect("a URL"),
                    introduction: Introduction::push(
                        "edge-1".into(),
                        turn,
                        epoch,
                        &Secret::default(),
                    ),
                    silence_max: SILENCE,
                    answers: true,
                };
                let ended = push.run(&dialler, &to, future::pending()).await;
                let error = ended.expect_err("its publisher stays");
                let over = Over {
                    why: error.to_string(),
                    refused: error.is_refusal(),
                };
                if said.send(over).await.is_err() {
                    return;
                }
            }
        });
    };
    edge.shards().run(pushing).expect("an idle shard");
    over
}

#[tokio::test]
async fn what_an_encoder_publishes_is_pushed_and_ends_with_it() {
    let path = path("pushed");
    let (origin, address) = relay(Settings::default());
    let edge = edge(&[address], Settings::default());
    let encoder = publish(&edge, &path, encoder());
    begin(&encoder);
    frame(&encoder, Kind::Video, Role::Inter, 1);
    until("the push", || pictures(&origin, &path) >= 2).await;
    assert_eq!(pushed_by(&origin, &path).as_deref(), Some("edge-1"));
    frame(&encoder, Kind::Video, Role::Inter, 2);
    drop(encoder);
    until("its end", || online(&origin, &path).is_none()).await;
    until("the last to let go", || edge.hub().streams().is_empty()).await;
}

#[tokio::test]
async fn the_next_origin_gets_all_that_is_kept_and_the_encoder_notices_nothing() {
    let path = path("moved");
    let (first, one) = relay(Settings::default());
    let (second, two) = relay(Settings::default());
    let edge = edge(&[one, two], Settings::default());
    let encoder = publish(&edge, &path, encoder());
    begin(&encoder);
    let is_at = |relay: &Relay| online(relay, &path).is_some();
    until("the push", || is_at(&first) || is_at(&second)).await;
    let (old, new) = match is_at(&first) {
        true => (first, second),
        false => (second, first),
    };
    frame(&encoder, Kind::Video, Role::Inter, 1);
    old.close().await;
    frame(&encoder, Kind::Video, Role::Inter, 2);
    until("the next origin", || is_at(&new)).await;
    frame(&encoder, Kind::Video, Role::Inter, 3);
    // Configuration and four pictures, from the key frame on: those that the old one had, too.
    until("all frames", || pictures(&new, &path) >= 4).await;
    assert!(is_at(&edge), "the encoder publishes on");
}

#[tokio::test]
async fn what_comes_from_elsewhere_is_not_pushed() {
    let path = path("elsewhere");
    let (origin, address) = relay(Settings::default());
    let edge = edge(&[address], Settings::default());
    let forward = PassedOn {
        node: "".into(),
        turn: 0,
        epoch: Epoch::NONE,
    };
    for (origin_of_it, passed_on) in [
        (PublisherKind::Pull, None),
        (PublisherKind::Publish, Some(Arc::new(forward))),
    ] {
        let mut info = encoder();
        (info.origin, info.passed_on) = (origin_of_it, passed_on);
        let publisher = publish(&edge, &path, info);
        frame(&publisher, Kind::Video, Role::Key, 0);
        assert!(origin.hub().streams().is_empty());
        let readers = online(&edge, &path).map(|stream| stream.readers().borrow().all);
        assert_eq!(readers, Some(0), "nobody reads it in order to push it");
    }
}

#[tokio::test]
async fn who_cannot_prove_to_be_the_node_takes_nothing_from_it_and_waits_as_a_stranger() {
    let path = path("proof");
    let (origin, address) = relay(knows("hush"));
    let honest = edge(&[address], knows("hush"));
    let encoder_there = publish(&honest, &path, encoder());
    begin(&encoder_there);
    until("the push", || pictures(&origin, &path) >= 1).await;
    assert_eq!(pushed_by(&origin, &path).as_deref(), Some("edge-1"));

    // The same name, and a later turn: with the token it would take the stream over.
    let stranger = edge(&[address], knows("hash"));
    let encoder_here = publish(&stranger, &path, encoder());
    begin(&encoder_here);
    is_said(&["node=edge-1", "does not know the join token"]).await;
    is_said(&["publisher refused", "live/proof", "already being published"]).await;
    is_said(&["push broke; the encoder stays", "live/proof", "BadName"]).await;
    assert_eq!(pushed_by(&origin, &path).as_deref(), Some("edge-1"));
    assert!(
        online(&stranger, &path).is_some(),
        "its encoder publishes on"
    );

    drop(encoder_there);
    let is_in = || pushed_by(&origin, &path).as_deref() == Some("");
    until("the stranger's turn", is_in).await;
}

#[tokio::test]
async fn a_push_at_an_older_epoch_is_refused_and_the_next_origin_gets_all_that_it_kept() {
    let path = path("stale");
    // Even where any second publisher takes over.
    let mut lenient = Settings::default();
    lenient.publish.duplicate = Duplicate::Takeover;
    let (owner, at_owner) = relay(lenient);
    let (next, at_next) = relay(Settings::default());
    let _owned = publish(&owner, &path, encoder());
    owner.hub().believe(&path, Epoch(5));
    let (edge, _) = relay(Settings::default());
    let encoder = publish(&edge, &path, encoder());
    let mut over = push_in_turn(&edge, &path, vec![at_owner, at_next], Epoch(4));
    begin(&encoder);
    frame(&encoder, Kind::Video, Role::Inter, 1);
    let refused = over.recv().await.expect("the push goes on");
    assert!(refused.refused, "{}", refused.why);
    assert!(
        refused.why.contains("already being published"),
        "{}",
        refused.why
    );
    assert_eq!(pushed_by(&owner, &path), None, "the owner keeps its own");
    // Configuration and two pictures.
    until("all frames", || pictures(&next, &path) >= 2).await;
    assert_eq!(pushed_by(&next, &path).as_deref(), Some("edge-1"));

    // It was the epoch: who knows the newest takes over there.
    let _over = push_in_turn(&edge, &path, vec![at_owner], Epoch(5));
    let is_in = || pushed_by(&owner, &path).as_deref() == Some("edge-1");
    until("the push at the newest epoch", is_in).await;
}
