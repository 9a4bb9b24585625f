//! Our own publisher and player against nginx-rtmp and ffmpeg, which know nothing of our code.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{
    Clip, Player, Publisher, Streaming, eventually,
    peer::{
        ffmpeg::{self, Source},
        nginx::Nginx,
    },
    player::{End, ensure_begins_well, ensure_rising, ensure_same_media},
    recording::Kind,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const SOON: Duration = Duration::from_secs(20);
/// The demo clip's key frame comes every 2 s.
const FRAMES: usize = 200;

#[tokio::test]
async fn a_hundred_players_hear_what_was_sent() -> Result<()> {
    let nginx = Nginx::rtmp().await?;
    let url = nginx.url("live/cam");
    let publisher = Streaming::start(&url, Clip::demo()?, 0).await?;
    let players: Vec<Player> = (0..100).map(|_| Player::start(&url)).collect();
    for player in &players {
        player.hears(FRAMES, SOON).await?;
    }
    let sent = publisher.sent();
    for player in &players {
        let heard = player.frames();
        ensure_rising(&heard, Duration::from_millis(40))?;
        let compared = ensure_same_media(&sent, &heard)?;
        ensure!(
            compared > FRAMES / 4,
            "only {compared} frames could be compared"
        );
    }
    publisher.stop().await?;
    for player in &players {
        eventually(SOON, async || {
            ensure!(
                player.unpublished_count() > 0 || player.end().is_some(),
                "it knows nothing"
            );
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_we_publish_ffmpeg_decodes() -> Result<()> {
    let nginx = Nginx::rtmp().await?;
    let url = nginx.url("live/cam");
    let _publisher = Streaming::start(&url, Clip::demo()?, 4_294_966_000).await?;
    let recording = ffmpeg::record(&url, Duration::from_secs(3)).await?;
    recording.ensure_decodes().await?;
    let probe = recording.probe().await?;
    let video = probe.stream(Kind::Video)?;
    assert_eq!((video.width, video.height), (640, 360));
    assert_eq!(probe.stream(Kind::Audio)?.sample_rate, "48000");
    Ok(())
}

#[tokio::test]
async fn what_ffmpeg_publishes_begins_well_for_us() -> Result<()> {
    let nginx = Nginx::rtmp().await?;
    let url = nginx.url("live/cam");
    // nginx-rtmp sends a player whatever comes next; one that is there first hears the beginning.
    let player = Player::start(&url);
    eventually(SOON, async || {
        nginx
            .stream("cam")
            .await?
            .context("nobody plays")
            .map(|_| ())
    })
    .await?;
    let _publisher = ffmpeg::publish(&url, &Source::default())?;
    player.until(SOON, ensure_begins_well).await?;
    player.hears_more(50, SOON).await?;
    ensure_rising(&player.frames(), Duration::from_millis(200))
}

#[tokio::test]
async fn a_second_publisher_is_told_that_it_is_refused() -> Result<()> {
    let nginx = Nginx::rtmp().await?;
    let url = nginx.url("live/cam");
    let _first = Publisher::connect(&url).await?;
    let error = Publisher::connect(&url)
        .await
        .err()
        .context("two publish one stream")?;
    assert!(format!("{error:#}").contains("BadName"), "{error:#}");
    Ok(())
}

#[tokio::test]
async fn a_player_knows_that_its_server_was_killed() -> Result<()> {
    let mut nginx = Nginx::rtmp().await?;
    let url = nginx.url("live/cam");
    let _publisher = Streaming::start(&url, Clip::demo()?, 0).await?;
    let player = Player::start(&url);
    player.hears_more(10, SOON).await?;
    nginx.process.kill();
    assert!(matches!(
        player.ended(SOON).await?,
        End::Closed | End::Broken(_)
    ));
    Ok(())
}

#[tokio::test]
async fn a_stalled_player_hears_nothing_until_it_is_resumed() -> Result<()> {
    let nginx = Nginx::rtmp().await?;
    let url = nginx.url("live/cam");
    let _publisher = Streaming::start(&url, Clip::demo()?, 0).await?;
    let (stalled, other) = (Player::start(&url), Player::start(&url));
    stalled.hears_more(10, SOON).await?;
    stalled.stall();
    other.hears_more(20, SOON).await?;
    let heard = stalled.frame_count();
    other.hears_more(50, SOON).await?;
    // What one read had brought is still told.
    ensure!(stalled.frame_count() - heard <= 20, "it hears on");
    stalled.resume();
    stalled.hears_more(70, SOON).await
}

/// Answers one connection with `head` and the demo clip, and closes it.
async fn serve(head: &'static str) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/live/cam.flv", listener.local_addr()?);
    let clip = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/weir/assets/demo.flv"
    );
    let clip = std::fs::read(clip)?;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await?;
        let _request = socket.read(&mut [0; 4096]).await?;
        socket.write_all(head.as_bytes()).await?;
        socket.write_all(&clip).await?;
        anyhow::Ok(())
    });
    Ok(url)
}

#[tokio::test]
async fn http_flv_is_played_to_its_end() -> Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nConnection: close\r\n\r\n";
    let player = Player::start(serve(head).await?);
    assert_eq!(player.ended(SOON).await?, End::Closed);
    let frames = player.frames();
    ensure_begins_well(&frames)?;
    ensure_rising(&frames, Duration::from_millis(40))?;
    assert_eq!(
        frames.iter().filter(|frame| frame.is_media()).count(),
        400 + 750
    );
    Ok(())
}

#[tokio::test]
async fn an_http_refusal_is_told() -> Result<()> {
    let head = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let player = Player::start(serve(head).await?);
    assert_eq!(player.ended(SOON).await?, End::Http(404));
    Ok(())
}
