//! How much strangers may take of a node.

use crate::support::{Server, soon, until};
use relay::settings::Settings;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};

/// Reads until the server has hung up.
async fn hung_up(socket: &mut TcpStream) {
    let mut buffer = [0; 64];
    while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("a server")
}

#[tokio::test]
async fn connections_past_the_limit_are_closed_at_once_and_one_that_ends_makes_room() {
    for (connections, connections_per_address) in [(3, 0), (100, 3)] {
        let mut settings = Settings::default();
        settings.limits.connections = connections;
        settings.limits.connections_per_address = connections_per_address;
        let server = Server::start(settings);
        let mut first = connect(server.rtmp).await;
        let mut held = vec![connect(server.http).await, connect(server.rtmp).await];
        until("three connections", || server.relay.connections() == 3).await;
        for address in [server.rtmp, server.http] {
            let mut refused = connect(address).await;
            soon("the server to refuse", hung_up(&mut refused)).await;
        }
        first.shutdown().await.expect("a server");
        soon("the first to end", hung_up(&mut first)).await;
        until("room", || server.relay.connections() == 2).await;
        held.push(connect(server.rtmp).await);
        until("three again", || server.relay.connections() == 3).await;
    }
}

/// Says a little every second, as a slow-loris does.
async fn drip(address: SocketAddr, bytes: &[u8]) -> Duration {
    let began = time::Instant::now();
    let mut socket = connect(address).await;
    let (mut reader, mut writer) = socket.split();
    let dripping = async {
        for byte in bytes.iter().cycle() {
            let _ = writer.write_all(&[*byte]).await;
            time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut buffer = [0; 64];
    let reading = async { while reader.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    tokio::select! {
        () = dripping => {}
        () = reading => {}
    }
    began.elapsed()
}

#[tokio::test]
async fn who_takes_his_time_to_say_what_he_wants_is_hung_up_on() {
    let server = Server::start(Settings::default());
    let slow = async {
        tokio::join!(
            drip(server.rtmp, &[3, 0, 0, 0, 0, 0]),
            drip(server.http, b"GET /live/aaaaaaaaaaaaaaaaaa"),
            drip(server.http, b"POST / HTTP/1.1\r\nX: yyyyyyy"),
        )
    };
    let (rtmp, http, other) = soon("the server to hang up", slow).await;
    for elapsed in [rtmp, http, other] {
        let patience = relay::limits::GREETING_TIMEOUT;
        assert!(
            elapsed >= patience / 2 && elapsed < patience * 3 / 2,
            "{elapsed:?}"
        );
    }
    until("nobody", || server.relay.connections() == 0).await;
}

#[tokio::test]
async fn a_node_that_closes_does_not_wait_for_those_who_have_said_nothing() {
    let server = Server::start(Settings::default());
    let mut held = vec![connect(server.rtmp).await, connect(server.http).await];
    let url = server.url("nothing");
    let waiting = tokio::spawn(async move {
        let purpose = rtmp::client::Purpose::Play;
        let opened = crate::support::rtmp_client::RtmpClient::open(&url, purpose);
        time::timeout(Duration::from_secs(4), opened).await.is_ok()
    });
    let mut asked = connect(server.http).await;
    let request = crate::support::flv_player::get("nothing");
    asked.write_all(request.as_bytes()).await.expect("a server");
    held.push(asked);
    until("the players", || server.players("nothing") == 2).await;
    let closing = time::timeout(Duration::from_secs(3), server.relay.close());
    closing.await.expect("it closes at once");
    for socket in &mut held {
        soon("the server to hang up", hung_up(socket)).await;
    }
    waiting.abort();
}

#[tokio::test]
async fn whoever_speaks_something_else_is_hung_up_on() {
    let server = Server::start(Settings::default());
    let mut socket = connect(server.rtmp).await;
    let nonsense = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(100);
    let _ = socket.write_all(&nonsense).await;
    soon("the server to hang up", hung_up(&mut socket)).await;
    until("nobody", || server.relay.connections() == 0).await;
}
