//! Players that are slow: they harm only themselves.

use crate::support::{
    Player, Server, Way,
    flv_player::{self, FlvPlayer},
    rtmp_client::{RtmpClient, narrow_socket},
    soon, until, words,
};
use relay::{
    hub::{Epoch, PublisherInfo, PublisherKind},
    settings::Settings,
};
use service::config::Duration;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Instant, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
    time,
};

/// What a picture has in bytes: a hundred fill every buffer between the server and a player.
const PICTURE_BYTES: usize = 100_000;

/// Half a second of pictures.
const GOP: u32 = 12;

/// How long nothing may come to a slow player until it is taken to have caught up.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(50);

/// How far the camera may be ahead of the witness, in pictures.
const LEAD_MAX: u32 = 6;

/// Publishes pictures, one after the other, as fast as a healthy player takes them.
struct Camera {
    publisher: RtmpClient,
    sent: u32,
    witness: Witness,
}

/// Plays on and checks that nothing is missing.
struct Witness {
    seen: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Camera {
    async fn start(server: &Server) -> Self {
        let mut publisher = server.publish("a").await;
        publisher.send("m v k0@0").await;
        server.has_received("a", 1).await;
        let witness = Witness::start(server.play(Way::Rtmp, "a").await);
        Self {
            publisher,
            sent: 1,
            witness,
        }
    }

    async fn shoot(&mut self, count: u32) {
        for _ in 0..count {
            let word = picture(self.sent);
            self.publisher
                .send(&format!("{word}*{PICTURE_BYTES}"))
                .await;
            self.sent += 1;
            until("the witness", || {
                self.witness.task.is_finished()
                    || self.witness.seen.load(Relaxed) + LEAD_MAX >= self.sent
            })
            .await;
        }
    }

    /// Sends the last picture; the witness has seen all.
    async fn finish(&mut self) {
        self.publisher
            .send(&format!("pend@{}", self.sent * 40))
            .await;
        let task = &mut self.witness.task;
        soon("the witness to see the end", task)
            .await
            .expect("the witness misses nothing");
        assert_eq!(self.witness.seen.load(Relaxed), self.sent);
    }
}

fn picture(number: u32) -> String {
    let letter = if number.is_multiple_of(GOP) { 'k' } else { 'p' };
    format!("{letter}{number}@{}", number * 40)
}

impl Witness {
    fn start(mut player: Player) -> Self {
        let seen = Arc::new(AtomicU32::new(0));
        let counter = seen.clone();
        let task = tokio::spawn(async move {
            player.expects("m@0 v@0").await;
            loop {
                let word = player.words(1).await;
                if words::name(&word) == "pend" {
                    return;
                }
                let number = counter.fetch_add(1, Relaxed);
                assert_eq!(word, picture(number));
            }
        });
        Self { seen, task }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_that_stalls_skips_to_a_key_frame_and_others_miss_nothing() {
    let mut settings = Settings::default();
    settings.play.queue_length = Duration::from_secs(1);
    let server = Server::start(settings);
    let mut camera = Camera::start(&server).await;
    let mut slow = Player::Rtmp(Box::new(RtmpClient::open_narrow(&server.url("a")).await));
    slow.expects("m@0 v@0 k0@0").await;
    // It reads nothing until far more has been sent than any buffer holds.
    camera.shoot(GOP * 20).await;
    camera.finish().await;
    let words = slow.words_until("pend").await;
    let position = words.windows(2).position(|pair| words::is_header(&pair[1]));
    let skip = position.expect("it has fallen behind") + 1;
    let (before, after) = words.split_at(skip);
    for (number, word) in (1..).zip(before) {
        assert_eq!(*word, picture(number), "whole until it skips");
    }
    assert_eq!(after[..2], ["m@0", "v@0"]);
    assert!(after[2].starts_with('k'), "{}", after[2]);
    let skips = server.relay.hub().totals().skips;
    assert_eq!(skips, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_that_takes_nothing_is_closed_and_others_miss_nothing() {
    let mut settings = Settings::default();
    settings.play.stall_timeout = Duration::from_millis(300);
    let server = Server::start(settings);
    let mut camera = Camera::start(&server).await;
    let _over_rtmp = RtmpClient::open_narrow(&server.url("a")).await;
    let plain = flv_player::get("a");
    let _over_http = FlvPlayer::ask(narrow_socket(server.http).await, &plain).await;
    // Two requests at once go to hyper, where the second waits for the first.
    let _over_hyper = FlvPlayer::ask(narrow_socket(server.http).await, &plain.repeat(2)).await;
    until("everybody", || server.players("a") == 4).await;
    while server.players("a") > 1 {
        camera.shoot(1).await;
        assert!(camera.sent < 5_000, "they are never closed");
    }
    camera.finish().await;
    until("the connections to be closed", || {
        server.relay.connections() <= 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_whose_line_is_too_narrow_is_closed_in_the_end() {
    let mut settings = Settings::default();
    settings.play.queue_length = Duration::from_millis(400);
    let server = Server::start(settings);
    let mut camera = Camera::start(&server).await;
    let mut slow = FlvPlayer::ask(narrow_socket(server.http).await, &flv_player::get("a")).await;
    until("both", || server.players("a") == 2).await;
    let mut half = vec![0; PICTURE_BYTES * GOP as usize / 2];
    while server.players("a") > 1 {
        camera.shoot(GOP).await;
        // It takes half of what it should: it is not dead.
        let mut read = std::pin::pin!(slow.socket.read_exact(&mut half));
        let read = loop {
            match time::timeout(PATIENCE, &mut read).await {
                Ok(read) => break read,
                // It has caught up by a skip.
                Err(_) => camera.shoot(1).await,
            }
        };
        if read.is_err() {
            break;
        }
        assert!(camera.sent < 2_000, "it is never closed");
    }
    until("the slow one to be closed", || server.players("a") == 1).await;
    camera.finish().await;
    let skips = server.relay.hub().totals().skips;
    assert_eq!(skips, 3, "three in a row are too many");
}

#[tokio::test]
async fn a_shard_is_not_held_up_by_a_stranger_who_floods_it_with_pings() {
    let server = Server::start(Settings::default());
    let mut camera = Camera::start(&server).await;
    let mut rude = FlvPlayer::open_websocket(server.http, "a").await;
    until("both", || server.players("a") == 2).await;
    // Empty pings, masked, six bytes each; it reads no pong.
    let pings = [0x89, 0x80, 0, 0, 0, 0].repeat(10_000);
    let flood = async { while rude.socket.write_all(&pings).await.is_ok() {} };
    soon("the server to hang up on it", flood).await;
    camera.shoot(1).await;
    camera.finish().await;
}

#[tokio::test]
async fn a_shard_that_falls_behind_goes_on_at_a_key_frame() {
    let server = Server::start(Settings::default());
    let info = PublisherInfo {
        peer: None,
        origin: PublisherKind::Publish,
        upstream: None,
        since: SystemTime::now(),
        passed_on: None,
        epoch: Epoch::NONE,
        backup: false,
    };
    let hub = server.relay.hub();
    let publisher = hub.publish(&Server::path("a"), info).expect("nobody does");
    let publish = |word: &str| {
        let spoken = words::speak(word);
        let dts = media::MediaTime::from_millis(spoken.timestamp.into());
        let frame = flv::frame(spoken.kind, dts, spoken.body).expect("a good frame");
        publisher
            .publish(frame, Instant::now())
            .expect("it is ours");
    };
    publish("m");
    publish("v");
    publish(&picture(0));
    let mut players = Vec::new();
    for way in Way::ALL {
        let mut player = server.play(way, "a").await;
        player.expects("m@0 v@0 k0@0").await;
        players.push(player);
    }
    // Both shards stand still while more comes than their inboxes hold.
    let last = relay::limits::INBOX_PIECES_MAX as u32 + 5 * GOP;
    let mut held = Vec::new();
    for shard in 0..server.relay.shards().count() {
        let (hold, released) = std::sync::mpsc::sync_channel::<()>(1);
        let (stands, standing) = std::sync::mpsc::sync_channel(1);
        let stood = server.relay.shards().run_on(shard, move |_| {
            stands.send(()).expect("the test waits");
            // An error means that the test lets go.
            let _ = released.recv();
        });
        stood.expect("an idle shard");
        standing.recv().expect("the shard stands still");
        held.push(hold);
    }
    for number in 1..=last {
        publish(&picture(number));
    }
    drop(held);
    publish(&format!("pend@{}", (last + 1) * 40));
    let newest_key = last - last % GOP;
    for player in &mut players {
        let words = player.words_until("pend").await;
        let skip = words.iter().position(|word| words::is_header(word));
        let (before, after) = words.split_at(skip.expect("it has fallen behind"));
        for (number, word) in (1..).zip(before) {
            assert_eq!(*word, picture(number), "whole until it skips");
        }
        let mut expected = vec!["m@0".to_owned(), "v@0".to_owned()];
        expected.extend((newest_key..=last).map(picture));
        assert_eq!(after, expected);
    }
}
