//! One input published to two origins: the owner dies or hangs, and players notice nothing. Unlike inputs
//! are switched at a key frame.
//!
//! `WEIR_SCENARIO_KILLS=30` kills and pauses so often and prints how long players had nothing new, as a table.
//! `WEIR_SCENARIO_SEED` makes a run's moments those of another.

mod encoder;
mod gaps;
mod input;
mod through_edges;
mod world;

use crate::faults;
use anyhow::{Context, Result, ensure};
use encoder::Encoder;
use gaps::{AROUND, Gaps};
use harness::{
    Clip, Player, Streaming,
    player::{Heard, ensure_rising},
};
use input::{hash, nobody_noticed};
use media::Kind;
use std::{collections::HashMap, time::Duration};
use world::{SOON, World};

/// Faults of each kind where nobody asks for more.
const FEW: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn whichever_of_two_origins_is_killed_players_have_every_frame_once() -> Result<()> {
    let clip = Clip::demo()?;
    let mut world = World::start().await?;
    let _encoder = Encoder::start(&clip, &world.urls());
    let players = world.players().await?;
    for player in &players {
        player.hears(40, SOON).await?;
    }
    let mut random = faults::moments();
    let mut gaps = Gaps::default();
    for _ in 0..faults::kills().unwrap_or(FEW) {
        let feeding = world.feeding().await?;
        world.stands_by_whole(&mut random).await;
        let victim = &mut world.origins[feeding];
        gaps.measure(&players, || victim.kill()).await;
        nobody_noticed(&clip, &players)?;
        world.origins[feeding].restart().await?;
    }
    gaps.show("kill -9 of the origin that feeds, published to two");
    gaps.ensure_short()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_hangs_is_left_at_the_first_frame_that_it_misses() -> Result<()> {
    let clip = Clip::demo()?;
    let mut world = World::start().await?;
    let _encoder = Encoder::start(&clip, &world.urls());
    let players = world.players().await?;
    for player in &players {
        player.hears(40, SOON).await?;
    }
    let mut random = faults::moments();
    let mut gaps = Gaps::default();
    for _ in 0..faults::kills().unwrap_or(FEW) {
        let feeding = world.feeding().await?;
        world.stands_by_whole(&mut random).await;
        let victim = &mut world.origins[feeding];
        gaps.measure(&players, || victim.pause()).await;
        world.origins[feeding].resume();
        tokio::time::sleep(AROUND).await;
    }
    gaps.show("SIGSTOP of the origin that feeds, published to two");
    nobody_noticed(&clip, &players)?;
    gaps.ensure_short()
}

#[tokio::test(flavor = "multi_thread")]
async fn unlike_inputs_are_switched_at_a_key_frame_and_time_goes_on() -> Result<()> {
    let clip = Clip::demo()?;
    let mut world = World::start().await?;
    let [primary, backup] = world.urls();
    // The same encoder settings, another moment of the clip and another clock.
    let _first = Streaming::start(&primary, clip.clone(), 3_600_000).await?;
    let players = world.play();
    for player in &players {
        player.hears(400, SOON).await?;
    }
    let _second = Streaming::start(&backup, clip.clone(), 0).await?;
    world.feeding().await?;
    let heard: Vec<usize> = players.iter().map(Player::frame_count).collect();
    let pictures = clip
        .rounds(0)
        .take_while(|(timestamp, ..)| *timestamp < clip.length_ms());
    let pictures = pictures.filter(|(_, kind, _)| *kind == Kind::Video);
    let places: HashMap<u64, usize> = pictures
        .enumerate()
        .map(|(place, (_, _, body))| (hash(body), place))
        .collect();
    let count = places.len();
    world.origins[0].kill();
    for (player, heard) in players.iter().zip(heard) {
        player.hears(heard + 200, SOON).await?;
        ensure!(
            player.end().is_none(),
            "{} was cut off: {:?}",
            player.url(),
            player.end()
        );
        let frames = player.frames();
        ensure_rising(&frames, Duration::from_millis(500))?;
        let pictures: Vec<&Heard> = frames
            .iter()
            .filter(|frame| frame.is_media() && frame.kind == Kind::Video)
            .collect();
        let place = |frame: &Heard| places.get(&frame.hash).copied().context("not of the clip");
        let mut turn = None;
        for (at, pair) in pictures.windows(2).enumerate() {
            let next = (place(pair[0])? + 1) % count;
            if place(pair[1])? != next {
                ensure!(turn.is_none(), "switched twice");
                turn = Some(at);
            }
        }
        let turn = turn.context("the second input was never heard")?;
        ensure!(
            pictures[turn + 1].is_key(),
            "the second input began within a GOP"
        );
    }
    Ok(())
}
