//! Publishers that end, come back, clash and stall.

use crate::support::{Server, Way, rtmp_client::RtmpClient, soon, until};
use relay::{hub::Duplicate, settings::Settings};
use rtmp::{client::Purpose, status::code};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn players_stay_when_a_publisher_comes_back_and_time_goes_on() {
    let server = Server::start(Settings::default());
    let mut first = server.publish("a").await;
    first
        .send("m@70000 v@70000 a@70000 k1@70000 p1@70040")
        .await;
    let mut players = Vec::new();
    for way in Way::ALL {
        let mut player = server.play(way, "a").await;
        player
            .expects("m@70000 v@70000 a@70000 k1@70000 p1@70040")
            .await;
        players.push(player);
    }
    drop(first); // without a goodbye
    until("the first to be gone", || !server.is_online("a")).await;
    let mut second = server.publish("a").await;
    second.send("m v a p8@0 k2@40 p2@80").await;
    for player in &mut players {
        // Nothing is said again, and nothing that cannot be decoded.
        player.expects("k2@70080 p2@70120").await;
    }
    second.send("v2 k3@120").await;
    for player in &mut players {
        player.expects("v2@70120 k3@70160").await;
    }
}

#[tokio::test]
async fn a_second_publisher_is_refused_and_the_first_goes_on() {
    let server = Server::start(Settings::default());
    let mut first = server.publish("a").await;
    first.send("v k1@0").await;
    let mut player = server.play(Way::Rtmp, "a").await;
    player.expects("v@0 k1@0").await;
    let second = RtmpClient::open(&server.url("a"), Purpose::Publish).await;
    let refusal = second.err().expect("a refusal");
    assert_eq!(refusal.code, code::PUBLISH_BAD_NAME);
    first.send("p1@40").await;
    player.expects("p1@40").await;
    // The refused one left no trace.
    first.close().await;
    until("the first to end", || !server.is_online("a")).await;
    server.publish("a").await;
}

#[tokio::test]
async fn a_second_publisher_takes_over_where_the_config_says_so() {
    let mut settings = Settings::default();
    settings.publish.duplicate = Duplicate::Takeover;
    let server = Server::start(settings);
    let mut first = server.publish("a").await;
    first.send("v a k1@0 s1@10").await;
    let mut player = server.play(Way::Flv, "a").await;
    player.expects("v@0 a@0 k1@0 s1@10").await;
    let mut second = server.publish("a").await;
    let told = first.ended().await.expect("the first is told why");
    assert_eq!(told.code, code::PUBLISH_BAD_NAME);
    second.send("v a s2@5000 k2@5010").await;
    player.expects("s2@50 k2@60").await;
    assert!(server.is_online("a"), "the end of the first ended nothing");
}

#[tokio::test]
async fn a_busy_publisher_that_is_taken_over_is_told_as_well() {
    let mut settings = Settings::default();
    settings.publish.duplicate = Duplicate::Takeover;
    let server = Server::start(settings);
    let mut first = server.publish("a").await;
    first.send("v k1@0").await;
    let second = server.publish("a").await;
    // Its frames may meet the takeover before anything else does.
    let sends = async {
        let mut number = 0;
        while first.refusal.is_none() && first.session.is_running() {
            number += 40;
            first.send(&format!("p@{number}")).await;
            let event = tokio::time::timeout(Duration::ZERO, first.event()).await;
            if event == Ok(None) {
                break;
            }
        }
    };
    soon("the first to be told", sends).await;
    let refusal = first.refusal.take().expect("a reason, not a reset");
    assert_eq!(refusal.code, code::PUBLISH_BAD_NAME);
    drop(second);
}

#[tokio::test]
async fn a_publisher_that_stalls_is_closed_and_its_name_is_free() {
    let mut settings = Settings::default();
    settings.publish.first_media_timeout = service::config::Duration::from_millis(300);
    settings.publish.timeout = service::config::Duration::from_millis(300);
    let server = Server::start(settings);
    for (name, script) in [("says-nothing", ""), ("stalls", "v k1@0")] {
        let began = Instant::now();
        let mut publisher = server.publish(name).await;
        publisher.send(script).await;
        publisher.ended().await;
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(300), "{name}: {waited:?}");
        assert!(!server.is_online(name), "{name}");
        server.publish(name).await;
    }
}

#[tokio::test]
async fn players_are_told_when_the_publisher_does_not_come_back() {
    let server = Server::start(Server::impatient());
    let mut publisher = server.publish("a").await;
    publisher.send("v k1@0").await;
    let mut players = Vec::new();
    for way in Way::ALL {
        let mut player = server.play(way, "a").await;
        player.expects("v@0 k1@0").await;
        players.push(player);
    }
    publisher.close().await;
    for player in players {
        match player {
            crate::support::Player::Rtmp(mut client) => {
                client.ended().await;
                assert!(client.unpublished, "it is said, not only done");
            }
            crate::support::Player::Flv(mut player) => {
                player.ended().await;
                let is_websocket = player.head.starts_with("HTTP/1.1 101");
                // A close frame, code 1000 (RFC 6455 §7.4.1).
                let closes = player.control.first().is_some_and(|(opcode, payload)| {
                    *opcode == 8 && payload.starts_with(&1_000_u16.to_be_bytes())
                });
                assert_eq!(closes, is_websocket);
            }
        }
    }
    until("the stream to be forgotten", || {
        server.relay.hub().streams().is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_publisher_may_end_one_stream_and_begin_another_on_one_connection() {
    let server = Server::start(Settings::default());
    let mut publisher = server.publish("a").await;
    publisher.send("v k1@0").await;
    server.has_received("a", 1).await;
    publisher.session.close();
    publisher.flush().await;
    until("the stream to end", || !server.is_online("a")).await;
    assert_eq!(server.relay.connections(), 1);
}

#[tokio::test]
async fn a_publisher_that_is_read_in_gulps_loses_nothing_and_is_seen_to_leave() {
    let mut settings = Server::impatient();
    settings.play.merge_write = service::config::Duration::from_secs(1);
    settings.play.merge_write_min = service::config::Duration::from_secs(1);
    let server = Server::start(settings);
    let mut publisher = server.publish("a").await;
    publisher.send("m v k0@0").await;
    let mut player = server.play(Way::Rtmp, "a").await;
    player.expects("m@0 v@0 k0@0").await;
    let mut expected = Vec::new();
    for number in 1..40 {
        let word = format!("p{number}@{}", number * 40);
        // More than the kernel holds for a socket, and single frames longer than a gulp.
        publisher
            .send(&format!("{word}*{}", 9_000 * (number % 9 + 1)))
            .await;
        expected.push(word);
    }
    player.expects(&expected.join(" ")).await;
    publisher.send("p40@1600").await;
    drop(publisher);
    player.expects("p40@1600").await;
    until("its end", || !server.is_online("a")).await;
}

#[tokio::test]
async fn who_was_read_in_gulps_is_heard_at_once_when_it_no_longer_publishes() {
    let mut settings = Server::impatient();
    settings.play.merge_write = service::config::Duration::from_secs(1);
    settings.play.merge_write_min = service::config::Duration::from_secs(1);
    let server = Server::start(settings);
    let mut publisher = server.publish("a").await;
    publisher.send("m v k0@0").await;
    server.has_received("a", 1).await;
    publisher.session.close();
    publisher.flush().await;
    until("its end", || !server.is_online("a")).await;
    // Ping Request and its answer (7.1.7), with the time 9.
    let header = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0];
    let ping = [&header[..], &[0, 6, 0, 0, 0, 9]].concat();
    let mut socket = publisher.socket;
    socket.write_all(&ping).await.expect("it is open");
    let mut said = vec![0; 4 << 10];
    let answered = async {
        loop {
            let bytes = socket.read(&mut said).await.expect("it is open");
            assert!(bytes > 0, "the server hung up");
            if said[..bytes].ends_with(&[0, 7, 0, 0, 0, 9]) {
                return;
            }
        }
    };
    soon("the answer to a ping", answered).await;
}
