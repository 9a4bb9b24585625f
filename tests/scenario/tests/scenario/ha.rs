//! etcd as the store, three controllers, three members: whoever dies, publishing and joining go on.
//!
//! * [`world`]: the cluster that this is done to.
//! * [`dark`]: nothing of the control plane runs, for long, and etcd comes back empty or old.
//! * [`kills`]: controllers and members die at seeded moments.

mod dark;
mod kills;
mod world;

use crate::cluster::Cluster;
use anyhow::{Result, ensure};
use harness::{Clip, Player, Streaming, eventually, peer::etcd::Etcd, player::ensure_rising};
use std::time::{Duration, Instant};
use world::{SOON, STEP_MAX, World};

/// A hung controller is left by its nodes after 5 s, when its connection is found dead.
const HUNG_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn any_of_three_controllers_may_be_killed_while_publishing_and_joining_go_on() -> Result<()> {
    let mut world = World::start(3, 3).await?;
    let mut published = Vec::new();
    for victim in 0..world.controllers.len() {
        world.controllers[victim].kill();
        world.joins("live/a").await?;
        published.push(world.publishes(&format!("live/c{victim}")).await?);
        world.agree(1 + published.len(), Some(victim)).await?;
        world.nobody_noticed()?;
        world.controllers[victim].restart().await?;
        world.agree(1 + published.len(), None).await?;
    }
    world.nothing_happened().await
}

#[tokio::test(flavor = "multi_thread")]
async fn any_of_three_members_of_etcd_may_be_killed_while_publishing_and_joining_go_on()
-> Result<()> {
    let mut world = World::start(3, 3).await?;
    let mut published = Vec::new();
    for victim in 0..world.etcd.members.len() {
        world.etcd.members[victim].process.kill();
        world.joins("live/a").await?;
        published.push(world.publishes(&format!("live/m{victim}")).await?);
        world.agree(1 + published.len(), None).await?;
        world.nobody_noticed()?;
        world.etcd.members[victim].process.restart()?;
        world.etcd.members[victim].healthy(SOON).await?;
    }
    world.nothing_happened().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_hangs_is_left_and_gives_way_when_it_wakes() -> Result<()> {
    let mut world = World::start(1, 3).await?;
    let leader = world.leader(None).await?;
    world.controllers[leader].pause();
    let began = Instant::now();
    world.joins("live/a").await?;
    let late = Streaming::start(&world.origin.rtmp_url("live/late"), Clip::demo()?, 0).await?;
    eventually(HUNG_WITHIN, async || world.joins("live/late").await).await?;
    eprintln!(
        "live/late is played {:?} after its controller hung",
        began.elapsed()
    );
    ensure!(
        world.leader(Some(leader)).await? != leader,
        "it still decides"
    );
    world.agree(2, Some(leader)).await?;

    world.controllers[leader].resume();
    eventually(SOON, async || {
        let leads = world.controllers[leader]
            .metric("weir_controller_leader")
            .await?;
        ensure!(leads < 1.0, "it thinks that it still decides");
        Ok(())
    })
    .await?;
    world.agree(2, None).await?;
    world.nobody_noticed()?;
    ensure!(late.is_running(), "the late publisher was cut off");
    world.nothing_happened().await
}

#[tokio::test(flavor = "multi_thread")]
async fn weir_up_keeps_its_state_in_etcd_when_told_to() -> Result<()> {
    let etcd = Etcd::start().await?;
    let cluster = Cluster::up(&["--etcd", &etcd.endpoints().join(",")]).await?;
    let status = cluster.get("/v1/cluster").await?;
    ensure!(status["store"] == "etcd", "{status}");
    let (origin, edge) = (
        cluster.member("origin-1").await?,
        cluster.member("edge-1").await?,
    );
    let streaming = Streaming::start(&origin.rtmp_url("live/a"), Clip::demo()?, 0).await?;
    let player = Player::start(edge.rtmp_url("live/a"));
    player.hears_more(20, SOON).await?;

    let before = cluster.pid("controller")?;
    cluster.kill("controller")?;
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
    .await?;
    player.hears_more(50, SOON).await?;
    ensure_rising(&player.frames(), STEP_MAX)?;
    ensure!(
        player.end().is_none() && streaming.is_running(),
        "somebody was cut off"
    );
    Ok(())
}
