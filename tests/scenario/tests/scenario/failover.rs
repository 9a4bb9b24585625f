//! An origin dies, or hangs and comes back: what is published at an edge reaches every player without a
//! frame lost or repeated, and nobody is cut off. `direct` has encoders that publish at the origin itself.
//!
//! `WEIR_SCENARIO_KILLS=30` kills and pauses so often, with 20 streams and 200 players, and prints how
//! long players had nothing new, as a table. `WEIR_SCENARIO_SEED` makes a run's moments those of another.

mod direct;
mod encoder;
mod gaps;
mod world;

use crate::faults;
use anyhow::{Result, ensure};
use gaps::Gaps;
use harness::{Player, eventually};
use std::time::{Duration, Instant};
use world::{SOON, World};

/// From a kill to new frames at players: what is promised.
const KILLED_GAP_MAX: Duration = Duration::from_millis(1_500);

/// The same where the origin hangs.
const PAUSED_GAP_MAX: Duration = Duration::from_secs(3);

/// How many kills, and how large a crowd.
struct Size {
    rounds: usize,
    streams: usize,
    players: usize,
}

/// Short, or as the environment says.
fn size() -> Size {
    match faults::kills() {
        Some(rounds) => Size {
            rounds,
            streams: 20,
            players: 200,
        },
        None => Size {
            rounds: 2,
            streams: 2,
            players: 8,
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_at_an_edge_survives_the_kill_of_its_origin_without_a_frame_lost() -> Result<()> {
    let Size {
        rounds,
        streams,
        players,
    } = size();
    let mut world = World::start(streams, players).await?;
    let mut gaps = Gaps::default();
    for _ in 0..rounds {
        world.wait_a_while().await;
        let victim = world.busiest_origin().await?;
        let affected = world.streams_at(victim).await?;
        world.origins[victim].kill();
        gaps.extend(world.gaps_since(Instant::now(), &affected).await?);
        world.origins[victim].restart().await?;
        world.all_alive().await?;
    }
    gaps.show("kill -9 of the origin, publish through an edge");
    world.heard_every_frame()?;
    ensure!(gaps.longest() < KILLED_GAP_MAX, "{:?}", gaps.longest());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_at_an_edge_leaves_an_origin_that_hangs_which_wins_nothing_back() -> Result<()> {
    let Size {
        rounds,
        streams,
        players,
    } = size();
    let mut world = World::start(streams, players).await?;
    let mut gaps = Gaps::default();
    for _ in 0..rounds {
        world.wait_a_while().await;
        let victim = world.busiest_origin().await?;
        let affected = world.streams_at(victim).await?;
        let direct = Player::start(world.origins[victim].rtmp_url(&affected[0]));
        direct.hears_more(20, SOON).await?;
        world.origins[victim].pause();
        gaps.extend(world.gaps_since(Instant::now(), &affected).await?);
        let before = world.owners().await?;

        world.origins[victim].resume();
        world.all_alive().await?;
        // Who plays at the old owner itself is told that there is no more.
        eventually(SOON, async || {
            ensure!(
                direct.unpublished_count() > 0 || direct.end().is_some(),
                "nobody told the old owner's player"
            );
            Ok(())
        })
        .await?;
        ensure!(world.owners().await? == before, "something was won back");
    }
    gaps.show("SIGSTOP of the origin, publish through an edge");
    world.heard_every_frame()?;
    ensure!(gaps.longest() < PAUSED_GAP_MAX, "{:?}", gaps.longest());
    Ok(())
}
