//! What HTTP and WebSocket players may say, and in how many pieces.

use crate::support::{
    Server, Way,
    flv_player::{self, FlvPlayer},
    soon,
};
use relay::settings::Settings;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const EXPECTED: &str = "m@0 v@0 a@0 k1@0 s1@10 p1@40";

async fn published() -> (Server, crate::support::rtmp_client::RtmpClient) {
    let server = Server::start(Settings::default());
    let mut publisher = server.publish("a").await;
    publisher.send("m v a k1@0 s1@10 p1@40").await;
    server.has_received("a", 3).await;
    (server, publisher)
}

async fn expects(player: FlvPlayer) -> FlvPlayer {
    let mut player = crate::support::Player::Flv(Box::new(player));
    player.expects(EXPECTED).await;
    match player {
        crate::support::Player::Flv(player) => *player,
        crate::support::Player::Rtmp(_) => unreachable!("it was not put in"),
    }
}

#[tokio::test]
async fn a_request_in_pieces_is_served_the_same() {
    let (server, _publisher) = published().await;
    let request = flv_player::get("a");
    for piece in [1, 7, 1_000] {
        let mut socket = TcpStream::connect(server.http).await.expect("a server");
        socket.set_nodelay(true).expect("a socket");
        for bytes in request.as_bytes().chunks(piece) {
            socket.write_all(bytes).await.expect("the server reads");
            tokio::task::yield_now().await;
        }
        let player = FlvPlayer::answered(socket).await;
        assert!(player.head.starts_with("HTTP/1.1 200 "), "{}", player.head);
        expects(player).await;
    }
}

#[tokio::test]
async fn who_asks_by_another_method_is_told_which_are_served() {
    let (server, _publisher) = published().await;
    let socket = TcpStream::connect(server.http).await.expect("a server");
    let request = "HEAD /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n";
    let head = FlvPlayer::ask(socket, request).await.head;
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    assert!(
        head.to_lowercase().contains("\r\nallow: get, options\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_connection_that_is_used_again_is_served_the_same() {
    let (server, mut publisher) = published().await;
    let mut socket = TcpStream::connect(server.http).await.expect("a server");
    let nothing = b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n";
    socket.write_all(nothing).await.expect("the server reads");
    let mut answer = Vec::new();
    let answered = async {
        while !answer.ends_with(b"}}") {
            let read = socket.read_buf(&mut answer).await.expect("an answer");
            assert!(read > 0, "the server keeps the connection");
        }
    };
    soon("the first answer", answered).await;
    assert!(answer.starts_with(b"HTTP/1.1 404 "));
    let player = FlvPlayer::ask(socket, &flv_player::get("a")).await;
    assert!(player.head.contains("chunked"), "{}", player.head);
    let mut over_hyper = expects(player).await;

    let plain = FlvPlayer::open(server.http, "a").await;
    let mut plain = expects(plain).await;
    publisher.send("p2@80").await;
    for player in [&mut over_hyper, &mut plain] {
        let word = soon("a picture", player.frame()).await;
        assert_eq!(word.as_deref(), Some("p2@80"));
    }
    assert_eq!(over_hyper.received, plain.received, "byte by byte");
    assert_eq!(over_hyper.announced, plain.announced);
}

#[tokio::test]
async fn browsers_of_every_site_may_play() {
    let (server, _publisher) = published().await;
    for request in [
        flv_player::get("a"),
        "OPTIONS /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
    ] {
        let socket = TcpStream::connect(server.http).await.expect("a server");
        let answer = FlvPlayer::ask(socket, &request).await;
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains("access-control-allow-origin: *"), "{head}");
    }
}

#[tokio::test]
async fn a_websocket_ping_is_answered_between_frames_and_a_close_with_a_close() {
    let (server, mut publisher) = published().await;
    let mut player = expects(FlvPlayer::open_websocket(server.http, "a").await).await;
    let ping = [0x89, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
    player.socket.write_all(&ping).await.expect("a server");
    let mut number = 1;
    while player.control.is_empty() {
        number += 1;
        let word = format!("p{number}@{}", number * 40);
        publisher.send(&word).await;
        assert_eq!(soon("a picture", player.frame()).await, Some(word));
    }
    assert_eq!(player.control, [(0xA, b"hi".to_vec())]);

    let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
    player.socket.write_all(&close).await.expect("a server");
    player.ended().await;
    let (opcode, payload) = player.control.last().expect("a close frame");
    assert_eq!((*opcode, &payload[..2]), (8, &[0x03, 0xe8][..]));
}

#[tokio::test]
async fn a_websocket_that_is_none_is_hung_up_on() {
    let (server, _publisher) = published().await;
    let mut player = FlvPlayer::open_websocket(server.http, "a").await;
    let unmasked = [0x81, 0x02, b'h', b'i'];
    player.socket.write_all(&unmasked).await.expect("a server");
    player.ended().await;
}

#[tokio::test]
async fn a_player_that_hangs_up_is_no_player_any_more() {
    let (server, _publisher) = published().await;
    for way in Way::ALL {
        let mut player = server.play(way, "a").await;
        player.expects(EXPECTED).await;
        assert_eq!(server.players("a"), 1, "{way:?}");
        drop(player);
        crate::support::until("nobody plays", || server.players("a") == 0).await;
    }
}
