//! Three controllers on three members of etcd: any one of each dies at any moment, again and again.
//!
//! The moments and the victims follow from a seed (`WEIR_SCENARIO_SEED`), `WEIR_SCENARIO_KILLS` says how
//! many; what is killed comes back while the next is chosen, so that one of each at most is dead.

use super::world::{MOVED_WITHIN, SOON, World};
use crate::faults::says;
use anyhow::{Context, Result, ensure};
use harness::{Clip, Streaming, eventually};
use std::time::{Duration, Instant};

/// A kill comes at any moment within this: longer than an election, so that some fall into one.
const MOMENT_MAX: Duration = Duration::from_millis(1_500);

/// Where both a controller and a member of etcd died, two elections follow on each other.
const FOUND_WITHIN: Duration = MOVED_WITHIN.saturating_mul(2);

fn from_environment(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_and_a_member_of_etcd_die_at_any_moment_and_nobody_notices() -> Result<()> {
    let kills = from_environment("WEIR_SCENARIO_KILLS", 2);
    let seed = from_environment("WEIR_SCENARIO_SEED", 4);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = World::start(3, 3).await?;
    let mut found = Vec::new();
    for kill in 0..kills {
        let (controller, member) = (random.usize(..3), random.usize(..3));
        let moments = [0, 1].map(|_| MOMENT_MAX.mul_f64(random.f64()));
        let led = world.controllers[controller]
            .metric("weir_controller_leader")
            .await?;
        tokio::time::sleep(moments[0]).await;
        world.controllers[controller].kill();
        let name = format!("live/kill{kill}");
        let began = Instant::now();
        let streaming = Streaming::start(&world.origin.rtmp_url(&name), Clip::demo()?, 0).await?;
        tokio::time::sleep(moments[1]).await;
        world.etcd.members[member].process.kill();

        // What is known is joined at once, what is new as soon as somebody decides.
        world.joins("live/a").await?;
        eventually(FOUND_WITHIN, async || world.joins(&name).await)
            .await
            .with_context(|| format!("seed {seed}, kill {kill}"))?;
        found.push(began.elapsed());
        eprintln!(
            "{kill}: controller {controller}{} and member {member} died, {name} is played after {:?}",
            if led > 0.0 { ", which decides," } else { "" },
            began.elapsed()
        );
        for (place, other) in world.controllers.iter().enumerate() {
            if place != controller {
                let cluster = says(other, "/v1/cluster").await?;
                ensure!(
                    cluster["edges"]["alive"] == 2,
                    "controller {place}: {cluster}"
                );
            }
        }
        world.etcd.members[member].process.restart()?;
        world.etcd.members[member].healthy(SOON).await?;
        world.controllers[controller].restart().await?;
        world.agree(2, None).await?;
        streaming.stop().await?;
        world.agree(1, None).await?;
        world.nobody_noticed()?;
    }
    found.sort();
    eprintln!("seed {seed}, {kills} kills of each: a new stream is played after {found:?}");
    world.nothing_happened().await
}
