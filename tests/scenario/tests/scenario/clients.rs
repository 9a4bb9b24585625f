//! Encoders and players that are not ours, each through an origin and an edge.
//!
//! What ffmpeg does is `journey`'s.

use crate::{
    recorded::{Picture, SMALL, is_whole, lasts},
    witness::{STEP_MAX, has_begun},
};
use anyhow::{Context, Result};
use harness::{
    Player, Process, Program, Recording, eventually,
    peer::{ffmpeg, gstreamer, librtmp, mpv, obs, vlc},
};
use serde_json::json;
use std::time::Duration;

const STREAM: &str = "live/239.1.1.5:1234";

/// How much is recorded.
const RECORDED: Duration = Duration::from_secs(4);

/// Encoders that work by the wall clock leave out pictures when the machine is busy with other tests.
const LEAP_MAX: Duration = Duration::from_millis(500);

/// GStreamer's and OBS's start, on a virtual screen, takes seconds.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

struct Nodes {
    origin: Program,
    edge: Program,
}

impl Nodes {
    async fn start() -> Result<Self> {
        let origin = Program::origin(json!({})).await?;
        let upstream = json!({ "origins": [origin.rtmp().to_string()] });
        let edge = Program::edge(json!({ "upstream": upstream })).await?;
        Ok(Self { origin, edge })
    }

    /// Records at the edge what is published at the origin as `path`.
    async fn recorded_by_ffmpeg(&self, path: &str, picture: &Picture) -> Result<()> {
        // The first who asks waits for the encoder; who waits too long is told that there is none.
        eventually(STARTS_WITHIN, async || {
            has_begun(&Player::start(self.origin.rtmp_url(path))).await
        })
        .await
        .context("it is not published")?;
        let (rtmp, flv) = (self.edge.rtmp_url(path), self.edge.flv_url(path));
        let (rtmp, flv) = tokio::join!(
            ffmpeg::record(&rtmp, RECORDED),
            ffmpeg::record(&flv, RECORDED)
        );
        is_whole(&rtmp?, picture, RECORDED, LEAP_MAX)
            .await
            .context("over RTMP")?;
        is_whole(&flv?, picture, RECORDED, LEAP_MAX)
            .await
            .context("over HTTP-FLV")?;
        Ok(())
    }

    /// Publishes by ffmpeg, and waits until it is to be had at the edge.
    async fn published_by_ffmpeg(&self) -> Result<Process> {
        let encoder = ffmpeg::publish(&self.origin.rtmp_url(STREAM), &ffmpeg::Source::default())?;
        has_begun(&Player::start(self.edge.rtmp_url(STREAM))).await?;
        Ok(encoder)
    }
}

async fn is_good(recorded: Result<Recording>) -> Result<()> {
    lasts(&recorded?, &SMALL, RECORDED, STEP_MAX).await
}

#[tokio::test(flavor = "multi_thread")]
async fn obs_publishes() -> Result<()> {
    let nodes = Nodes::start().await?;
    let _obs = obs::publish(&nodes.origin.rtmp_url("live"), "239.1.1.5:1234").await?;
    let picture = Picture {
        rate: 30,
        gop: 30,
        ..SMALL
    };
    nodes.recorded_by_ffmpeg(STREAM, &picture).await
}

#[tokio::test(flavor = "multi_thread")]
async fn gstreamer_publishes() -> Result<()> {
    let nodes = Nodes::start().await?;
    let _gstreamer = gstreamer::publish(&nodes.origin.rtmp_url(STREAM))?;
    nodes.recorded_by_ffmpeg(STREAM, &SMALL).await
}

#[tokio::test(flavor = "multi_thread")]
async fn librtmp_publishes() -> Result<()> {
    let nodes = Nodes::start().await?;
    let _librtmp = librtmp::publish(&nodes.origin.rtmp_url(STREAM))?;
    nodes.recorded_by_ffmpeg(STREAM, &SMALL).await
}

#[tokio::test(flavor = "multi_thread")]
async fn vlc_plays() -> Result<()> {
    let nodes = Nodes::start().await?;
    let _encoder = nodes.published_by_ffmpeg().await?;
    let (rtmp, flv) = (nodes.edge.rtmp_url(STREAM), nodes.edge.flv_url(STREAM));
    let (rtmp, flv) = tokio::join!(vlc::record(&rtmp, RECORDED), vlc::record(&flv, RECORDED));
    is_good(rtmp).await.context("over RTMP")?;
    is_good(flv).await.context("over HTTP-FLV")
}

#[tokio::test(flavor = "multi_thread")]
async fn mpv_plays() -> Result<()> {
    let nodes = Nodes::start().await?;
    let _encoder = nodes.published_by_ffmpeg().await?;
    let (rtmp, flv) = (nodes.edge.rtmp_url(STREAM), nodes.edge.flv_url(STREAM));
    let (rtmp, flv) = tokio::join!(mpv::record(&rtmp, RECORDED), mpv::record(&flv, RECORDED));
    is_good(rtmp).await.context("over RTMP")?;
    is_good(flv).await.context("over HTTP-FLV")
}

#[tokio::test(flavor = "multi_thread")]
async fn gstreamer_plays() -> Result<()> {
    let nodes = Nodes::start().await?;
    let _encoder = nodes.published_by_ffmpeg().await?;
    is_good(gstreamer::record(&nodes.edge.rtmp_url(STREAM), RECORDED).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rtmpdump_plays() -> Result<()> {
    let nodes = Nodes::start().await?;
    let _encoder = nodes.published_by_ffmpeg().await?;
    is_good(librtmp::record(&nodes.edge.rtmp_url(STREAM), RECORDED).await).await
}
