//! The two inputs come through two edges, which push them to two origins.

use super::{
    encoder::Encoder,
    gaps::Gaps,
    input::nobody_noticed,
    world::{SOON, World},
};
use crate::faults;
use anyhow::{Context, Result, ensure};
use harness::{Clip, Player, Program, eventually};
use serde_json::json;

/// Which origin owns the stream, once the other stands by.
async fn owner(world: &World) -> Result<usize> {
    eventually(SOON, async || {
        let stream = world.stream().await?;
        let stands_by = stream["standbys"].as_array().map(Vec::len);
        ensure!(stands_by == Some(1), "{stream}");
        let owner = stream["origin"].as_str().context("an owner")?;
        Ok(usize::from(owner == "origin-2"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_origin_is_killed_neither_encoder_nor_player_notices() -> Result<()> {
    let clip = Clip::demo()?;
    let mut world = World::start().await?;
    let grpc = format!("http://{}", world.controller.listener("grpc"));
    let third = json!({ "cluster": { "controllers": [grpc], "node": "edge-3" } });
    let third = Program::edge(third).await?;
    let urls = [
        world.edges[0].rtmp_url("live/twin"),
        world.edges[1].rtmp_url("live/twin?backup=1"),
    ];
    let encoder = Encoder::start(&clip, &urls);
    owner(&world).await?;
    let mut players = world.play();
    players.extend([third.rtmp_url("live/twin"), third.flv_url("live/twin")].map(Player::start));
    for player in &players {
        player.hears(40, SOON).await?;
    }
    let mut random = faults::moments();
    let mut gaps = Gaps::default();
    for victim in [owner(&world).await?, 1 - owner(&world).await?] {
        world.stands_by_whole(&mut random).await;
        gaps.measure(&players, || world.origins[victim].kill())
            .await;
        // While there is but one origin, one of the two waits at its edge.
        eventually(SOON, async || {
            let stream = world.stream().await?;
            let left = format!("origin-{}", 2 - victim);
            ensure!(stream["origin"] == left, "{stream}");
            Ok(())
        })
        .await?;
        nobody_noticed(&clip, &players)?;
        world.origins[victim].restart().await?;
        owner(&world).await?;
    }
    gaps.show("kill -9 of an origin, published through two edges");
    gaps.ensure_short()?;
    ensure!(
        encoder.connections() == urls.len(),
        "an encoder was cut off: {} connections",
        encoder.connections()
    );
    Ok(())
}
