//! One line of `forward`: every stream of an origin is at an edge and at another server, whatever
//! happens to either.

use crate::{
    recorded::{self, SMALL, is_whole},
    witness::{SOON, STEP_MAX, has_begun},
};
use anyhow::{Context, Result, ensure};
use harness::{
    Clip, Player, Program, Streaming, eventually,
    peer::{ffmpeg, nginx::Nginx},
    player::{Heard, ensure_rising, ensure_same_media},
    tls::Front,
};
use serde_json::json;
use std::time::{Duration, Instant};

const STREAM: &str = "live/239.1.1.5:1234";

/// What is promised of a new stream: from its first frame at the origin to its first picture at a
/// target's player.
const PLAYABLE_WITHIN: Duration = Duration::from_secs(1);

/// A target that is back gets the stream again: the longest delay between two tries and what a busy
/// machine adds.
const BACK_WITHIN: Duration = Duration::from_secs(8);

/// No player's picture stands for so long without being seen to stand.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// Frames of sound and picture in about two seconds.
const SOME: usize = 120;

/// An origin that forwards to an edge and to nginx-rtmp.
struct Nodes {
    origin: Program,
    edge: Program,
    nginx: Nginx,
}

impl Nodes {
    async fn start() -> Result<Self> {
        let edge = Program::edge(json!({})).await?;
        let nginx = Nginx::rtmp().await?;
        let targets = [edge.rtmp().to_string(), nginx.address().to_string()];
        let origin = Program::origin(json!({ "forward": targets })).await?;
        Ok(Self {
            origin,
            edge,
            nginx,
        })
    }

    /// Somebody at the edge and somebody at nginx, who may come before the stream does.
    fn players(&self) -> [Player; 2] {
        [self.edge.rtmp_url(STREAM), self.nginx.url(STREAM)].map(Player::start)
    }

    async fn streaming(&self) -> Result<Streaming> {
        Streaming::start(&self.origin.rtmp_url(STREAM), Clip::demo()?, 0).await
    }
}

/// Fails unless a player heard all that was sent, in order, without a leap in time, and never waited
/// long for the next frame.
fn ensure_undisturbed(player: &Player, sent: &[Heard], since: usize) -> Result<()> {
    let frames = player.frames();
    let undisturbed = || {
        ensure!(player.end().is_none(), "it ended: {:?}", player.end());
        ensure!(
            player.unpublished_count() == 0,
            "it was told that nobody publishes"
        );
        ensure_rising(&frames, STEP_MAX)?;
        let compared = ensure_same_media(sent, &frames)?;
        ensure!(compared >= since, "only {compared} frames compared");
        let waits = frames.windows(2).map(|pair| pair[1].at - pair[0].at);
        let longest = waits.skip(since).max().unwrap_or_default();
        ensure!(longest < SILENCE_MAX, "it heard nothing for {longest:?}");
        Ok(())
    };
    undisturbed().with_context(|| player.url().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_stream_is_playable_at_every_target_within_a_second() -> Result<()> {
    let nodes = Nodes::start().await?;
    let players = nodes.players();
    // nginx keeps no GOP: who joins it after the first key frame waits for the second.
    eventually(SOON, async || {
        let waiting = nodes.nginx.stream("239.1.1.5:1234").await?;
        ensure!(
            waiting.is_some_and(|stream| stream.clients == 1),
            "nobody waits at nginx yet"
        );
        Ok(())
    })
    .await?;
    let streaming = nodes.streaming().await?;
    for player in &players {
        has_begun(player).await?;
        let first = streaming.sent().first().context("nothing was sent")?.at;
        let frames = player.frames();
        let seen = frames.iter().find(|frame| frame.is_key());
        let took = seen.context("no key frame")?.at.duration_since(first);
        ensure!(took < PLAYABLE_WITHIN, "{} after {took:?}", player.url());
        player.hears_more(SOME, SOON).await?;
        ensure_undisturbed(player, &streaming.sent(), SOME)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_encoder_publishes_is_recorded_whole_at_every_target() -> Result<()> {
    let nodes = Nodes::start().await?;
    let players = nodes.players();
    let mut encoder = ffmpeg::publish(&nodes.origin.rtmp_url(STREAM), &ffmpeg::Source::default())?;
    for player in &players {
        has_begun(player).await?;
    }
    let duration = Duration::from_secs(5);
    let urls = [
        nodes.edge.rtmp_url(STREAM),
        nodes.edge.flv_url(STREAM),
        nodes.nginx.url(STREAM),
    ];
    let [rtmp, flv, nginx] = &urls;
    let recorded = tokio::join!(
        ffmpeg::record(rtmp, duration),
        ffmpeg::record(flv, duration),
        ffmpeg::record(nginx, duration)
    );
    for (recording, url) in [recorded.0, recorded.1, recorded.2].into_iter().zip(&urls) {
        let judged = async {
            let probe = is_whole(&recording?, &SMALL, duration, STEP_MAX).await?;
            recorded::ensure_rising(&probe)
        };
        judged.await.with_context(|| url.clone())?;
    }
    encoder.ensure_running()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_edge_gets_its_streams_again_and_the_other_target_never_notices() -> Result<()> {
    let mut nodes = Nodes::start().await?;
    let [at_edge, at_nginx] = nodes.players();
    let streaming = nodes.streaming().await?;
    has_begun(&at_edge).await?;
    has_begun(&at_nginx).await?;
    at_nginx.hears_more(SOME, SOON).await?;

    nodes.edge.kill();
    at_edge.ended(SOON).await?;
    at_nginx.hears_more(SOME, SOON).await?;
    nodes.edge.restart().await?;
    let back = Instant::now();
    let again = eventually(BACK_WITHIN, async || {
        let player = Player::start(nodes.edge.rtmp_url(STREAM));
        has_begun(&player).await?;
        Ok(player)
    })
    .await?;
    ensure!(back.elapsed() < BACK_WITHIN, "after {:?}", back.elapsed());
    again.hears_more(SOME, SOON).await?;

    at_nginx.hears_more(1, SOON).await?;
    ensure!(streaming.is_running(), "the encoder was cut off");
    let sent = streaming.sent();
    ensure_undisturbed(&at_nginx, &sent, 3 * SOME)?;
    ensure_undisturbed(&again, &sent, SOME)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_cdn_gets_its_streams_again_and_the_edge_never_notices() -> Result<()> {
    let mut nodes = Nodes::start().await?;
    let [at_edge, at_nginx] = nodes.players();
    let streaming = nodes.streaming().await?;
    has_begun(&at_edge).await?;
    has_begun(&at_nginx).await?;
    at_edge.hears_more(SOME, SOON).await?;

    nodes.nginx.process.kill();
    at_nginx.ended(SOON).await?;
    at_edge.hears_more(SOME, SOON).await?;
    nodes.nginx.restart().await?;
    let again = Player::start(nodes.nginx.url(STREAM));
    again
        .until(BACK_WITHIN, |frames| {
            ensure!(frames.iter().any(Heard::is_key), "no key frame yet");
            Ok(())
        })
        .await?;
    again.hears_more(SOME, SOON).await?;

    at_edge.hears_more(1, SOON).await?;
    ensure!(streaming.is_running(), "the encoder was cut off");
    let sent = streaming.sent();
    ensure_undisturbed(&at_edge, &sent, 3 * SOME)?;
    ensure_undisturbed(&again, &sent, SOME)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_stands_still_holds_up_nobody() -> Result<()> {
    let mut nodes = Nodes::start().await?;
    let [at_edge, at_nginx] = nodes.players();
    let streaming = nodes.streaming().await?;
    has_begun(&at_edge).await?;
    has_begun(&at_nginx).await?;

    nodes.nginx.process.pause();
    at_edge.hears_more(4 * SOME, SOON).await?;
    ensure_undisturbed(&at_edge, &streaming.sent(), 4 * SOME)?;
    nodes.nginx.process.resume();
    at_nginx.hears_more(SOME, SOON).await?;
    ensure_undisturbed(&at_edge, &streaming.sent(), 4 * SOME)
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_encoder_comes_back_so_does_the_stream_at_every_target() -> Result<()> {
    let nodes = Nodes::start().await?;
    let players = nodes.players();
    let streaming = nodes.streaming().await?;
    for player in &players {
        has_begun(player).await?;
        player.hears_more(SOME, SOON).await?;
    }
    // It crashes, and begins at zero again.
    drop(streaming);
    let again = eventually(SOON, async || nodes.streaming().await).await?;
    for player in &players {
        let gone_on = async {
            player.hears_more(2 * SOME, SOON).await?;
            ensure!(player.end().is_none(), "it ended: {:?}", player.end());
            ensure_rising(&player.frames(), SILENCE_MAX)
        };
        gone_on.await.with_context(|| player.url().to_owned())?;
    }
    ensure!(again.is_running(), "the encoder was cut off");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_over_tls_is_forwarded_to_when_its_certificate_is_trusted_and_only_then()
-> Result<()> {
    let nginx = Nginx::rtmp().await?;
    let (trusted, stranger) = (
        Front::of(nginx.address()).await?,
        Front::of(nginx.address()).await?,
    );
    let origin = Program::origin(json!({
        "forward": [
            format!("rtmps://{}/live/stolen-[stream]", stranger.address()),
            format!("rtmps://{}/[app]/copy-[stream]", trusted.address()),
        ],
        "ca_file": trusted.certificate(),
    }))
    .await?;
    let player = Player::start(nginx.url("live/copy-239.1.1.5:1234"));
    let streaming = Streaming::start(&origin.rtmp_url(STREAM), Clip::demo()?, 0).await?;
    has_begun(&player).await?;
    player.hears_more(SOME, SOON).await?;
    ensure_undisturbed(&player, &streaming.sent(), SOME)?;
    let failures = origin.metric("weir_forward_failures_total").await?;
    ensure!(failures >= 1.0, "the stranger was not refused");
    let stolen = nginx.stream("stolen-239.1.1.5:1234").await?;
    ensure!(stolen.is_none(), "a stranger got the stream: {stolen:?}");
    Ok(())
}
