//! Hundreds of players at random moments: each starts at a key frame, all receive the same bytes.
#![expect(clippy::print_stdout, reason = "a failed run is repeated by its seed")]

use crate::witness::{SOON, STEP_MAX, has_begun, heard_up_to, hears_as, seed};
use anyhow::{Context, Result, ensure};
use harness::{
    Clip, Player, Program, Streaming,
    peer::ffmpeg,
    player::{ensure_begins_well, ensure_rising, ensure_same_media},
};
use serde_json::json;
use std::time::Duration;
use tokio::time;

const PLAYERS: usize = 200;

/// The players come within this: six key frames of the demo clip.
const JOINS: Duration = Duration::from_secs(12);

/// How many frames everybody still hears together when the last has come: more than two key frames.
const TOGETHER: usize = 300;

/// A name with all that an operator may put into one.
const STREAM: &str = "live/239.1.1.5:1234";

/// An origin, and an edge that pulls from it.
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

    /// Players that come at seeded moments: half by RTMP, the rest by HTTP and by WebSocket; three of
    /// four at the edge. Returns when all have begun and heard some of the stream together.
    async fn crowd(&self) -> Result<(Vec<Player>, Vec<Player>)> {
        let seed = seed();
        println!("WEIR_SCENARIO_SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut moments: Vec<Duration> =
            (0..PLAYERS).map(|_| JOINS.mul_f64(random.f64())).collect();
        moments.sort();
        let begun = time::Instant::now();
        let (mut at_origin, mut at_edge) = (Vec::new(), Vec::new());
        for moment in moments {
            time::sleep_until(begun + moment).await;
            let (node, players) = match random.u8(0..4) {
                0 => (&self.origin, &mut at_origin),
                _ => (&self.edge, &mut at_edge),
            };
            players.push(Player::start(match random.u8(0..8) {
                0..4 => node.rtmp_url(STREAM),
                4..7 => node.flv_url(STREAM),
                _ => node.ws_url(STREAM),
            }));
        }
        for player in at_origin.iter().chain(&at_edge) {
            has_begun(player).await?;
        }
        let last = at_edge.last().context("nobody came to the edge")?;
        last.hears_more(TOGETHER, SOON).await?;
        println!(
            "{} players at the origin, {} at the edge",
            at_origin.len(),
            at_edge.len()
        );
        Ok((at_origin, at_edge))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_players_at_random_moments_start_at_a_key_frame_and_receive_the_same_bytes()
-> Result<()> {
    let nodes = Nodes::start().await?;
    let clip = Clip::demo()?;
    let streaming = Streaming::start(&nodes.origin.rtmp_url(STREAM), clip, 0).await?;
    let witnesses = [&nodes.origin, &nodes.edge].map(|node| Player::start(node.rtmp_url(STREAM)));
    let (at_origin, at_edge) = nodes.crowd().await?;
    let sent = streaming.sent();
    streaming.stop().await?;

    for (witness, players) in witnesses.iter().zip([&at_origin, &at_edge]) {
        // What was sent while this was read has come, too; the last frame seen here must be there.
        let all = heard_up_to(witness, sent.last().context("nothing was sent")?).await?;
        ensure_begins_well(&all)?;
        ensure_rising(&all, STEP_MAX)?;
        let compared = ensure_same_media(&sent, &all)?;
        ensure!(
            compared > sent.len() / 2,
            "only {compared} of {} frames compared",
            sent.len()
        );
        for player in players {
            hears_as(player, &all)
                .await
                .with_context(|| player.url().to_owned())?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_players_of_a_real_encoder_receive_the_same_bytes() -> Result<()> {
    let nodes = Nodes::start().await?;
    // They come before the encoder does, and wait.
    let witnesses = [&nodes.origin, &nodes.edge].map(|node| Player::start(node.rtmp_url(STREAM)));
    let mut encoder = ffmpeg::publish(&nodes.origin.rtmp_url(STREAM), &ffmpeg::Source::default())?;
    for witness in &witnesses {
        has_begun(witness).await?;
    }
    let (at_origin, at_edge) = nodes.crowd().await?;
    encoder.ensure_running()?;
    let [at_first, downstream] = &witnesses;
    let reference = at_first.frames();
    let last = reference
        .last()
        .context("the first witness heard nothing")?;
    let pulled = heard_up_to(downstream, last).await?;
    ensure!(ensure_same_media(&at_first.frames(), &pulled)? > 0);
    for (all, players) in [(at_first.frames(), &at_origin), (pulled, &at_edge)] {
        ensure_begins_well(&all)?;
        ensure_rising(&all, STEP_MAX)?;
        for player in players {
            hears_as(player, &all)
                .await
                .with_context(|| player.url().to_owned())?;
        }
    }
    Ok(())
}
