//! Where a player starts, over every way to play.

use crate::support::{
    Player, Server, Way, flv_player::FlvPlayer, rtmp_client::RtmpClient, until, words,
};
use relay::settings::Settings;
use rtmp::{client::Purpose, status::code};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_player_that_joins_late_starts_at_a_key_frame() {
    let server = Server::start(Settings::default());
    let mut publisher = server.publish("a").await;
    publisher
        .send("m v a k1@0 s1@10 p1@40 k2@80 s2@90 p2@120")
        .await;
    server.has_received("a", 6).await;
    let mut players = Vec::new();
    for way in Way::ALL {
        let mut player = server.play(way, "a").await;
        player.expects("m@0 v@0 a@0 k2@80 s2@90 p2@120").await;
        players.push(player);
    }
    publisher.send("p3@160 k3@200").await;
    for mut player in players {
        player.expects("p3@160 k3@200").await;
    }
}

#[tokio::test]
async fn frames_that_are_gathered_arrive_all_and_in_order() {
    let mut settings = Settings::default();
    settings.play.merge_write_min = service::config::Duration::from_millis(20);
    let server = Server::start(settings);
    let mut publisher = server.publish("a").await;
    publisher.send("m v k0@0").await;
    server.has_received("a", 1).await;
    let mut players = Vec::new();
    for way in Way::ALL.into_iter().cycle().take(4 * Way::ALL.len()) {
        let mut player = server.play(way, "a").await;
        player.expects("m@0 v@0 k0@0").await;
        players.push(player);
    }
    let mut expected = Vec::new();
    for number in 1..200 {
        // Some longer than all that one write gathers.
        let bytes = [10, 3_000, 70_000][number % 3];
        let word = format!("p{number}@{}", number * 40);
        publisher.send(&format!("{word}*{bytes}")).await;
        expected.push(word);
    }
    for mut player in players {
        player.expects(&expected.join(" ")).await;
    }
}

#[tokio::test]
async fn streams_of_sound_or_pictures_alone_are_played_and_announced_as_such() {
    let server = Server::start(Settings::default());
    for (name, script, count, expected, announced) in [
        (
            "sound",
            "m a s1@0 s2@23",
            2,
            "m@0 a@0 s1@0 s2@23",
            (true, false),
        ),
        (
            "pictures",
            "m v k1@0 p1@40",
            2,
            "m@0 v@0 k1@0 p1@40",
            (false, true),
        ),
        (
            "mp3",
            "m v k1@0 x1@10",
            2,
            "m@0 v@0 k1@0 x1@10",
            (true, true),
        ),
    ] {
        let mut publisher = server.publish(name).await;
        publisher.send(script).await;
        server.has_received(name, count).await;
        for way in Way::ALL {
            let mut player = server.play(way, name).await;
            player.expects(expected).await;
            if let Player::Flv(player) = player {
                assert_eq!(player.announced, Some(announced), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn who_joins_gets_the_headers_that_belong_to_its_key_frame() {
    let server = Server::start(Settings::default());
    let mut publisher = server.publish("a").await;
    publisher.send("m1 v1 a k1@0 p1@40 v2 m2 p2@80").await;
    server.has_received("a", 3).await;
    let mut before = server.play(Way::Rtmp, "a").await;
    before
        .expects("m1@0 v1@0 a@0 k1@0 p1@40 v2@40 m2@40 p2@80")
        .await;
    publisher.send("k2@120 p3@160").await;
    server.has_received("a", 5).await;
    before.expects("k2@120 p3@160").await;
    for way in Way::ALL {
        let mut after = server.play(way, "a").await;
        after.expects("m2@40 v2@40 a@0 k2@120 p3@160").await;
    }
}

#[tokio::test]
async fn sound_alone_can_be_joined_after_a_publisher_with_pictures() {
    let server = Server::start(Settings::default());
    let mut first = server.publish("a").await;
    first.send("m1 v a1 k1@0 s1@10").await;
    // These keep a tape's index on every shard.
    let mut players = Vec::new();
    for _ in 0..16 {
        players.push(server.play(Way::Flv, "a").await);
    }
    for player in &mut players {
        player.expects("m1@0 v@0 a1@0 k1@0 s1@10").await;
    }
    first.close().await;
    until("the first to end", || !server.is_online("a")).await;
    let mut second = server.publish("a").await;
    second.send("m2 a2 s2@0 s3@23").await;
    for player in &mut players {
        player.expects("m2@10 a2@10 s2@50 s3@73").await;
    }
    for _ in 0..16 {
        let mut late = server.play(Way::Flv, "a").await;
        late.expects("m2@10 a2@10 s2@50 s3@73").await;
        let Player::Flv(late) = late else { panic!() };
        assert_eq!(late.announced, Some((true, false)));
    }
}

#[tokio::test]
async fn timestamps_that_wrap_or_jump_go_on() {
    let server = Server::start(Settings::default());
    for (name, sent, expected) in [
        (
            "wraps",
            "v k1@4294967256 p1@0 p2@40",
            "v@4294967256 k1@4294967256 p1@0 p2@40",
        ),
        (
            "jumps ahead",
            "v k1@0 p1@40 p2@3600000 p3@3600040",
            "v@0 k1@0 p1@40 p2@80 p3@120",
        ),
        (
            "jumps back",
            "v k1@90000 p1@90040 p2@0 p3@40",
            "v@90000 k1@90000 p1@90040 p2@90080 p3@90120",
        ),
        (
            "cue points without a clock",
            "v k1@90000 p1@90040 c1@0 p2@90080",
            "v@90000 k1@90000 p1@90040 c1@90040 p2@90080",
        ),
    ] {
        let name = name.replace(' ', "-");
        let mut publisher = server.publish(&name).await;
        let mut player = server.play(Way::Rtmp, &name).await;
        let frames = sent.replace("v k1", "k1");
        publisher.send("v@0").await;
        publisher.send(&frames).await;
        let expected = expected.split_once(' ').expect("a header").1;
        let words = player.words(expected.split_whitespace().count() + 1).await;
        let (header, frames) = words.split_once(' ').expect("a header");
        assert_eq!(words::name(header), "v");
        assert_eq!(frames, expected, "{name}");
    }
}

#[tokio::test]
async fn without_the_gop_cache_a_player_starts_at_the_next_key_frame() {
    let mut settings = Settings::default();
    settings.play.gop_cache = false;
    let server = Server::start(settings);
    let mut publisher = server.publish("a").await;
    publisher.send("m v a k1@0 s1@10 p1@40").await;
    server.has_received("a", 3).await;
    let mut players = Vec::new();
    for way in Way::ALL {
        players.push(server.play(way, "a").await);
    }
    // It has joined when the server has answered; what comes now is later than that.
    publisher.send("p2@80 s2@90 k2@120 p3@160").await;
    for player in &mut players {
        player.expects("m@0 v@0 a@0 k2@120 p3@160").await;
    }
    let mut sound = server.publish("sound").await;
    sound.send("a s1@0 s2@600 s3@1200 s4@1800").await;
    server.has_received("sound", 4).await;
    let mut player = server.play(Way::Flv, "sound").await;
    sound.send("s5@2400 s6@3000").await;
    player.expects("a@0 s5@2400 s6@3000").await;
}

#[tokio::test]
async fn a_player_that_comes_before_its_publisher_starts_when_it_comes() {
    let server = Server::start(Settings::default());
    for way in Way::ALL {
        let name = format!("{way:?}");
        let played = async {
            let mut player = server.play(way, &name).await;
            player.words(4).await
        };
        let published = async {
            until("the player", || server.players(&name) == 1).await;
            let mut publisher = server.publish(&name).await;
            publisher.send("m v k1@0 p1@40").await;
            publisher
        };
        let (words, _publisher) = tokio::join!(played, published);
        assert_eq!(words, "m@0 v@0 k1@0 p1@40", "{name}");
    }
}

#[tokio::test]
async fn who_plays_what_nobody_publishes_is_told_so_after_a_wait() {
    let server = Server::start(Server::impatient());
    let began = Instant::now();
    let refused = rtmp_refusal(&server, "nothing").await;
    assert_eq!(refused, code::PLAY_STREAM_NOT_FOUND);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(200), "{waited:?}");

    let began = Instant::now();
    let player = FlvPlayer::open(server.http, "nothing").await;
    assert!(player.head.starts_with("HTTP/1.1 404 "), "{}", player.head);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(200), "{waited:?}");
    until("the stream to be forgotten", || {
        server.relay.hub().streams().is_empty()
    })
    .await;
}

async fn rtmp_refusal(server: &Server, name: &str) -> String {
    let url = server.url(name);
    let opened = RtmpClient::open(&url, Purpose::Play).await;
    match opened {
        Ok(_) => panic!("nobody publishes {name}"),
        Err(status) => status.code.into_owned(),
    }
}

#[tokio::test]
async fn two_hundred_players_at_random_moments_get_the_same_from_a_key_frame_on() {
    const PLAYERS: usize = 200;
    let server = Server::start(Settings::default());
    let mut publisher = server.publish("a").await;
    publisher.send("m v a k0@0").await;
    server.has_received("a", 1).await;
    let mut random = fastrand::Rng::with_seed(4);
    let mut players = tokio::task::JoinSet::new();
    let mut sent = vec!["k0@0".to_owned()];
    let mut number = 0;
    while players.len() < PLAYERS {
        for _ in 0..random.usize(0..6) {
            number += 1;
            let at = number * 20;
            let word = match number % 25 {
                0 => format!("k{number}@{at}"),
                odd if odd % 2 == 1 => format!("s{number}@{at}"),
                _ => format!("p{number}@{at}"),
            };
            publisher
                .send(&format!("{word}*{}", random.usize(0..3_000)))
                .await;
            sent.push(word);
        }
        for _ in 0..random.usize(0..4) {
            let way = Way::ALL[random.usize(0..3)];
            let (address, url) = (server.http, server.url("a"));
            players.spawn(async move {
                let mut player = match way {
                    Way::Rtmp => {
                        let opened = RtmpClient::open(&url, Purpose::Play);
                        Player::Rtmp(Box::new(opened.await.expect("it is published")))
                    }
                    Way::Flv => Player::Flv(Box::new(FlvPlayer::open(address, "a").await)),
                    Way::WebSocket => {
                        Player::Flv(Box::new(FlvPlayer::open_websocket(address, "a").await))
                    }
                };
                let words = player.words_until("pend").await;
                let bytes = match player {
                    Player::Flv(player) => player.received,
                    Player::Rtmp(_) => Vec::new(),
                };
                (way, words, bytes)
            });
        }
    }
    let all = PLAYERS as u32;
    until("everybody", || server.players("a") >= all).await;
    publisher.send("pend@90000000").await;
    let mut longest = Vec::new();
    let mut flv = Vec::new();
    while let Some(played) = players.join_next().await {
        let (way, words, bytes) = played.expect("no panic");
        let (headers, frames) = words.split_at(3);
        assert_eq!(headers, ["m@0", "v@0", "a@0"], "{way:?}");
        assert!(
            frames[0].starts_with('k'),
            "{way:?} starts at {}",
            frames[0]
        );
        assert!(
            sent.ends_with(frames),
            "{way:?} has not what was sent from {}",
            frames[0]
        );
        if way != Way::Rtmp {
            if bytes.len() > longest.len() {
                longest.clone_from(&bytes);
            }
            flv.push((way, bytes));
        }
    }
    // The tags, byte by byte, from wherever each has started.
    let tags = |bytes: &[u8]| -> Vec<u8> {
        let key = [0x17, 1, 0, 0, 0];
        let first = bytes.windows(5).position(|window| window == key);
        bytes[first.expect("a key frame") - flv::tag::TAG_HEADER_BYTES..].to_vec()
    };
    let longest = tags(&longest);
    for (way, bytes) in flv {
        assert!(longest.ends_with(&tags(&bytes)), "{way:?} got other bytes");
    }
}

#[tokio::test]
async fn a_player_that_pauses_goes_on_live_at_a_key_frame() {
    let server = Server::start_on_one_shard(Settings::default());
    let mut publisher = server.publish("a").await;
    publisher.send("v k1@0").await;
    let opened = RtmpClient::open(&server.url("a"), Purpose::Play).await;
    let mut client = opened.expect("somebody publishes it");
    for expected in ["v@0", "k1@0"] {
        assert_eq!(client.frame().await.as_deref(), Some(expected));
    }
    let mut witness = server.play(Way::Flv, "a").await;
    client.pause(true).await;
    publisher.send("p1@40 k2@80 p2@120").await;
    witness.expects("v@0 k1@0 p1@40 k2@80 p2@120").await;
    // Sent together with a second pause: commands that come at once are obeyed at once.
    client.pause(true).await;
    client.pause(false).await;
    let mut player = Player::Rtmp(Box::new(client));
    player.expects("v@0 k2@80 p2@120").await;
    publisher.send("p3@160").await;
    player.expects("p3@160").await;
}
