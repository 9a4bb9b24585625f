//! The main job, end to end: ffmpeg publishes to an origin, players watch from edges.

use crate::{
    recorded::{self, Picture, is_whole, source},
    witness::{SOON, STEP_MAX, has_begun, heard_up_to},
};
use anyhow::{Context, Result, ensure};
use harness::{
    Player, Process, Program, eventually,
    peer::ffmpeg,
    player::{ensure_begins_well, ensure_rising, ensure_same_media},
};
use serde_json::json;
use std::time::Duration;
use tokio::task::{JoinSet, LocalSet};

const STREAM: &str = "live/239.1.1.5:1234";

/// How much every player records.
const RECORDED: Duration = Duration::from_secs(10);

const PICTURE: Picture = Picture {
    width: 640,
    height: 360,
    rate: 25,
    gop: 25,
};

/// ffmpeg tells a killed origin by its broken connection, at once on loopback; a busy machine needs
/// longer.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);

/// Where the sequence of two encoders is joined there may be one frame more or less; nobody sees that.
const SEAM_MAX: Duration = Duration::from_millis(200);

fn encoder(origin: &Program) -> Result<Process> {
    ffmpeg::publish(
        &origin.rtmp_url(STREAM),
        &source(&PICTURE, "640x360", 600_000),
    )
}

/// Records from all nodes at once, over RTMP and HTTP-FLV by ffmpeg and over WebSocket-FLV by our own
/// player, whose frames must be those of an RTMP player beside it.
async fn everybody_records(nodes: &[&Program], duration: Duration) -> Result<()> {
    let witnesses: Vec<(Player, Player)> = nodes
        .iter()
        .map(|node| {
            (
                Player::start(node.rtmp_url(STREAM)),
                Player::start(node.ws_url(STREAM)),
            )
        })
        .collect();
    for (rtmp, websocket) in &witnesses {
        has_begun(rtmp).await?;
        has_begun(websocket).await?;
    }
    let urls = nodes
        .iter()
        .flat_map(|node| [node.rtmp_url(STREAM), node.flv_url(STREAM)]);
    let together = LocalSet::new();
    let mut recordings = JoinSet::new();
    for url in urls {
        let recorded = async move {
            let recording = ffmpeg::record(&url, duration)
                .await
                .with_context(|| url.clone())?;
            let probe = is_whole(&recording, &PICTURE, duration, STEP_MAX)
                .await
                .with_context(|| url.clone())?;
            recorded::ensure_rising(&probe).with_context(|| url.clone())
        };
        recordings.spawn_local_on(recorded, &together);
    }
    together
        .run_until(async {
            while let Some(recorded) = recordings.join_next().await {
                recorded??;
            }
            anyhow::Ok(())
        })
        .await?;
    for (rtmp, websocket) in &witnesses {
        let reference = rtmp.frames();
        let last = reference.iter().rev().find(|frame| frame.is_media());
        let heard = heard_up_to(websocket, last.context("nothing was heard")?).await?;
        ensure_begins_well(&heard).with_context(|| websocket.url().to_owned())?;
        ensure_rising(&heard, STEP_MAX).with_context(|| websocket.url().to_owned())?;
        let pictures = PICTURE.rate as usize * duration.as_secs() as usize;
        let compared = ensure_same_media(&reference, &heard)
            .or_else(|_| ensure_same_media(&heard, &reference))
            .with_context(|| websocket.url().to_owned())?;
        ensure!(compared >= pictures, "only {compared} frames compared");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ffmpeg_publishes_to_an_origin_everybody_plays_from_its_edges() -> Result<()> {
    let origin = Program::origin(json!({})).await?;
    let upstream = json!({ "upstream": { "origins": [origin.rtmp().to_string()] } });
    let edges = [
        Program::edge(upstream.clone()).await?,
        Program::edge(upstream).await?,
    ];
    let mut encoder = encoder(&origin)?;
    everybody_records(&[&origin, &edges[0], &edges[1]], RECORDED).await?;
    encoder.ensure_running()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_controller_no_edge_has_to_be_told_of_the_origin() -> Result<()> {
    let controller = Program::controller(json!({})).await?;
    let cluster = |node: &str| {
        let grpc = format!("http://{}", controller.listener("grpc"));
        json!({ "cluster": { "controllers": [grpc], "node": node } })
    };
    let origin = Program::origin(cluster("origin-1")).await?;
    let edges = [
        Program::edge(cluster("edge-1")).await?,
        Program::edge(cluster("edge-2")).await?,
    ];
    let mut encoder = encoder(&origin)?;
    everybody_records(&[&edges[0], &edges[1]], RECORDED).await?;
    encoder.ensure_running()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_alone_is_a_server_and_takes_its_encoder_back() -> Result<()> {
    let origin = Program::origin(json!({})).await?;
    let first = encoder(&origin)?;
    everybody_records(&[&origin], Duration::from_secs(3)).await?;
    drop(first);
    let mut again = eventually(SOON, async || {
        let streams = origin.metric("weir_streams").await?;
        ensure!(streams < 1.0, "{streams} streams are still published");
        encoder(&origin)
    })
    .await?;
    everybody_records(&[&origin], Duration::from_secs(3)).await?;
    again.ensure_running()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_origin_costs_no_player_its_connection_when_a_second_one_is_listed() -> Result<()>
{
    let (mut first, second) = (
        Program::origin(json!({})).await?,
        Program::origin(json!({})).await?,
    );
    let origins = [first.rtmp().to_string(), second.rtmp().to_string()];
    let edge = Program::edge(json!({ "upstream": { "origins": origins } })).await?;
    let mut encoding = encoder(&first)?;
    let players = [
        edge.rtmp_url(STREAM),
        edge.flv_url(STREAM),
        edge.ws_url(STREAM),
    ]
    .map(Player::start);
    for player in &players {
        has_begun(player).await?;
    }
    // A real player records across the failover, and finds nothing in it.
    let url = edge.flv_url(STREAM);
    let failover = async {
        for player in &players {
            player.hears_more(100, SOON).await?;
        }

        first.kill();
        encoding
            .ended(NOTICED_WITHIN)
            .await
            .context("the encoder notices")?;
        let mut again = encoder(&second)?;
        for player in &players {
            player
                .until(2 * SOON, |frames| {
                    let spans = frames.iter().filter(|frame| frame.is_media());
                    let times: Vec<u32> = spans.map(|frame| frame.timestamp).collect();
                    let span = times
                        .last()
                        .zip(times.first())
                        .map(|(last, first)| last - first);
                    ensure!(
                        span >= Some(RECORDED.as_millis() as u32),
                        "{span:?} ms so far"
                    );
                    Ok(())
                })
                .await
                .context("the player goes on")?;
            ensure_rising(&player.frames(), SEAM_MAX).with_context(|| player.url().to_owned())?;
            ensure!(player.end().is_none(), "{} was cut off", player.url());
            ensure!(
                player.unpublished_count() == 0,
                "it was told of the failover"
            );
        }
        again.ensure_running()
    };
    let (recording, failed_over) = tokio::join!(ffmpeg::record(&url, RECORDED), failover);
    failed_over?;
    let probe = is_whole(&recording?, &PICTURE, RECORDED, SEAM_MAX).await?;
    recorded::ensure_rising(&probe)
}
