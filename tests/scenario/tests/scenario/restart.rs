//! Programs are killed: they come back, and players notice as little as was promised.

use crate::cluster::Cluster;
use anyhow::{Context, Result, ensure};
use harness::{Clip, Player, Streaming, eventually, player::ensure_rising};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

/// Far more than one frame of the demo clip, far less than a gap that anybody would not see.
const STEP_MAX: Duration = Duration::from_millis(200);

/// What is promised of a killed edge.
const BACK_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_edge_is_back_and_playable_within_three_seconds_and_an_event_says_so() -> Result<()>
{
    let cluster = Cluster::up(&[]).await?;
    let origin = cluster.member("origin-1").await?;
    let edge = cluster.member("edge-1").await?;
    let _streaming = Streaming::start(&origin.rtmp_url("live/a"), Clip::demo()?, 0).await?;
    Player::start(edge.rtmp_url("live/a"))
        .hears_more(20, SOON)
        .await?;

    let killed = Instant::now();
    cluster.kill("edge-1")?;
    eventually(BACK_WITHIN, async || {
        let player = Player::start(edge.rtmp_url("live/a"));
        player.hears_more(5, Duration::from_millis(500)).await
    })
    .await
    .context("the edge is not playable again")?;
    let took = killed.elapsed();
    ensure!(took < BACK_WITHIN, "playable after {took:?}");
    ensure!(cluster.pid("edge-1")? != edge.pid, "it is another process");

    let event = eventually(SOON, async || {
        let events = cluster.get("/v1/events").await?;
        let restarted = events["events"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|event| event["kind"] == "node.restarted" && event["node"] == edge.name.as_str());
        restarted.cloned().with_context(|| events.to_string())
    })
    .await?;
    ensure!(
        event["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty()),
        "{event}"
    );
    eprintln!("playable {took:?} after the kill");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_controller_is_noticed_by_no_player_of_a_known_stream() -> Result<()> {
    let cluster = Cluster::up(&[]).await?;
    let origin = cluster.member("origin-1").await?;
    let [one, other] = [
        cluster.member("edge-1").await?,
        cluster.member("edge-2").await?,
    ];
    let streaming = Streaming::start(&origin.rtmp_url("live/a"), Clip::demo()?, 0).await?;
    let running = Player::start(one.rtmp_url("live/a"));
    running.hears_more(20, SOON).await?;
    Player::start(other.rtmp_url("live/a"))
        .hears_more(20, SOON)
        .await?;

    let before = cluster.pid("controller")?;
    cluster.kill("controller")?;
    let joined = Player::start(one.flv_url("live/a"));
    joined
        .hears_more(20, Duration::from_secs(2))
        .await
        .context("a new player where it is pulled")?;
    let elsewhere = Player::start(other.flv_url("live/a"));
    elsewhere
        .hears_more(20, Duration::from_secs(2))
        .await
        .context("a new player elsewhere")?;
    running.hears_more(50, SOON).await?;
    ensure_rising(&running.frames(), STEP_MAX)?;
    ensure!(
        running.end().is_none() && streaming.is_running(),
        "somebody was cut off"
    );

    eventually(SOON, async || {
        ensure!(
            cluster.pid("controller")? != before,
            "not yet started again"
        );
        let status = cluster.get("/v1/cluster").await?;
        ensure!(
            status["edges"]["alive"] == 2 && status["streams"] == 1,
            "{status}"
        );
        Ok(())
    })
    .await
    .context("the nodes register again and the model is whole")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_is_killed_comes_back_and_its_players_stay() -> Result<()> {
    let cluster = Cluster::up(&[]).await?;
    let origin = cluster.member("origin-1").await?;
    let edge = cluster.member("edge-1").await?;
    let streaming = Streaming::start(&origin.rtmp_url("live/a"), Clip::demo()?, 0).await?;
    let player = Player::start(edge.rtmp_url("live/a"));
    player.hears_more(20, SOON).await?;
    cluster.kill("origin-1")?;
    eventually(SOON, async || {
        ensure!(!streaming.is_running(), "the encoder has not noticed yet");
        Ok(())
    })
    .await?;
    // The encoder begins again at zero, as one that was restarted does.
    let _again = eventually(SOON, async || {
        Streaming::start(&origin.rtmp_url("live/a"), Clip::demo()?, 0).await
    })
    .await
    .context("the encoder reconnects")?;
    player
        .hears_more(50, SOON)
        .await
        .context("the player goes on")?;
    ensure!(
        player.end().is_none(),
        "the player was cut off: {:?}",
        player.end()
    );
    ensure_rising(&player.frames(), STEP_MAX)
}
