//! What a player says of the end of what it plays.

use super::*;
use crate::connection::tests::{Server, frames_of_the_clip, listen};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// How many frames a server sends before its end.
const FRAMES: usize = 50;

fn options(url: &str, output: &std::path::Path) -> Options {
    Options {
        url: url.to_owned(),
        stats: false,
        seconds: None,
        output: Some(output.to_owned()),
        json: false,
        strict: false,
    }
}

/// Plays from `url` to the end, as the command line does.
async fn played(url: &str) -> anyhow::Result<()> {
    let directory = tempfile::tempdir().expect("a directory");
    run(options(url, &directory.path().join("played.flv"))).await
}

/// Serves one player the clip's first frames over RTMP, and says goodbye as `goodbye` does.
async fn rtmp(goodbye: impl FnOnce(&mut Server)) -> anyhow::Result<()> {
    let (listener, url) = listen("live/cam").await;
    let serve = async {
        let mut server = Server::accept(&listener).await;
        server.next(None).await.expect("a player");
        for frame in frames_of_the_clip().await.iter().take(FRAMES) {
            server.session.send_media(&rtmp::Media {
                kind: frame.kind,
                timestamp: frame.dts.wire(),
                message_stream_id: 1,
                body: frame.body.clone(),
            });
        }
        goodbye(&mut server);
        let output = server.session.output().split();
        server
            .socket
            .write_all(&output)
            .await
            .expect("the player reads");
        // A socket that is closed over bytes which nobody read takes its last words back.
        server.socket.shutdown().await.expect("a player");
        let _until_it_goes = server.next(None).await;
    };
    let url = url.to_string();
    tokio::join!(played(&url), serve).0
}

/// Serves one player the clip's beginning over HTTP, under these headers.
async fn http(headers: &str, body: &[u8]) -> anyhow::Result<()> {
    // As the program does at its start.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!(
        "http://{}/live/cam.flv",
        listener.local_addr().expect("an address")
    );
    let serve = async {
        let (mut socket, _) = listener.accept().await.expect("a player");
        let mut request = [0; 1024];
        let _head = socket.read(&mut request).await.expect("a request");
        let head = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
        for bytes in [head.as_bytes(), body] {
            socket.write_all(bytes).await.expect("the player reads");
        }
    };
    tokio::join!(played(&url), serve).0
}

#[tokio::test]
async fn an_rtmp_stream_that_ends_is_good() {
    let ended = rtmp(|server| server.session.stream_eof()).await;
    ended.expect("a good end");
}

#[tokio::test]
async fn an_rtmp_server_that_dies_is_a_failure() {
    let cut = rtmp(|_| {}).await.expect_err("cut");
    assert!(
        format!("{cut:#}").contains("has cut the connection"),
        "{cut:#}"
    );
}

#[tokio::test]
async fn an_rtmp_publisher_that_comes_back_makes_the_stream_go_on() {
    let cut = rtmp(|server| {
        server.session.stream_eof();
        server.session.stream_begin();
        server.session.send_media(&rtmp::Media {
            kind: media::Kind::Audio,
            timestamp: 90_000,
            message_stream_id: 1,
            body: bytes::Bytes::from_static(&[0xaf, 1, 0x21]),
        });
    });
    assert!(cut.await.is_err(), "it was cut after the return");
}

#[tokio::test]
async fn an_http_body_s_end_is_good_where_it_is_the_end() {
    static CLIP: &[u8] = include_bytes!("../../assets/demo.flv");
    let beginning = &CLIP[..20_000];
    http("Connection: close\r\n", beginning)
        .await
        .expect("the body's end");
    let cut = http("Content-Length: 30000\r\n", beginning).await;
    let cut = cut.expect_err("cut");
    assert!(
        format!("{cut:#}").contains("has cut the connection"),
        "{cut:#}"
    );
}
