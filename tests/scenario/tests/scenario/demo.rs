//! `weir up --demo`: one command, and the main job runs.

use crate::cluster::Cluster;
use anyhow::{Result, ensure};
use harness::{Player, peer::ffmpeg, player::ensure_rising};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_without_an_encoder_sees_the_demo_on_both_edges() -> Result<()> {
    let mut cluster = Cluster::up(&["--demo"]).await?;
    for edge in ["edge-1", "edge-2"] {
        let edge = cluster.member(edge).await?;
        let recording = ffmpeg::record(&edge.flv_url("live/demo"), Duration::from_secs(2)).await?;
        recording.ensure_decodes().await?;
    }
    cluster.weir().interrupt();
    cluster.weir().succeeded(Duration::from_secs(10)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_s_time_goes_on_over_the_clip_s_seam() -> Result<()> {
    let cluster = Cluster::up(&["--demo"]).await?;
    let edge = cluster.member("edge-1").await?;
    let player = Player::start(edge.rtmp_url("live/demo"));
    let length = harness::Clip::demo()?.length_ms();
    let patience = Duration::from_millis(u64::from(length)) * 2 + Duration::from_secs(5);
    player
        .until(patience, |frames| {
            let media = || {
                frames
                    .iter()
                    .filter(|frame| frame.is_media())
                    .map(|frame| frame.timestamp)
            };
            let played = media().max().unwrap_or_default() - media().min().unwrap_or_default();
            ensure!(played > length + 1_000, "only {played} ms so far");
            Ok(())
        })
        .await?;
    ensure_rising(&player.frames(), Duration::from_millis(200))?;
    ensure!(player.end().is_none(), "the player was cut off");
    Ok(())
}
