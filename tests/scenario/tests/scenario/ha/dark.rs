//! Etcd and all controllers are dead for long, while viewers come and go and encoders too; then etcd comes
//! back with nothing in it, or with an old copy.
//!
//! `WEIR_SCENARIO_DARK_S` makes the darkness longer than a test has time: 900 is a quarter of an hour.

use super::world::{JOINED_WITHIN, MOVED_WITHIN, SOON, World};
use anyhow::{Context, Result, ensure};
use harness::{Clip, Player, Streaming, eventually};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Streams that everybody knew before the dark; one more than the world's own.
const KNOWN: [&str; 4] = ["live/a", "live/k1", "live/k2", "live/k3"];

/// Of a thousand joins to known streams in the dark so many must succeed.
const JOINS_PERMILLE_MIN: u64 = 999;

/// An edge that nobody can tell where a stream is asks each origin, with rests of up to a second.
const FOUND_WITHIN: Duration = Duration::from_secs(5);

/// How etcd comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Returns {
    /// With nothing.
    Empty,
    /// As it was before `live/moved` got its present epoch, and when `live/gone` was still published.
    Old,
}

/// What happened in the dark.
#[derive(Debug, Default)]
struct Dark {
    joins: u64,
    failed: u64,
    publishes: u64,
}

fn dark_for() -> Duration {
    let seconds = std::env::var("WEIR_SCENARIO_DARK_S").ok();
    Duration::from_secs(seconds.and_then(|s| s.parse().ok()).unwrap_or(6))
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_and_all_controllers_are_dead_for_long_and_etcd_comes_back_empty() -> Result<()> {
    survives(Returns::Empty).await
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_and_all_controllers_are_dead_for_long_and_etcd_comes_back_old() -> Result<()> {
    survives(Returns::Old).await
}

async fn survives(returns: Returns) -> Result<()> {
    let mut world = World::start(1, 2).await?;
    let mut published = BTreeMap::new();
    for name in KNOWN.iter().skip(1).chain(["live/moved"].iter()) {
        published.insert((*name).to_owned(), world.publishes(name).await?);
    }
    let gone = world.publishes("live/gone").await?;
    let snapshot = tempfile::tempdir()?;
    let file = snapshot.path().join("etcd.snapshot");
    world.etcd.save(&file).await?;
    gone.stop().await?;
    // Published anew it has an epoch that the snapshot does not know.
    published
        .remove("live/moved")
        .context("it is published")?
        .stop()
        .await?;
    let first = epochs(&world).await?.get("moved").copied();
    published.insert(
        "live/moved".to_owned(),
        world.publishes("live/moved").await?,
    );
    eventually(SOON, async || {
        let now = epochs(&world).await?.get("moved").copied();
        ensure!(now > first, "epoch {now:?} after {first:?}");
        Ok(())
    })
    .await?;
    let before = epochs(&world).await?;
    let pids = |world: &World| [&world.origin, &world.edges[0], &world.edges[1]].map(|n| n.pid());
    let nodes = pids(&world);

    world.etcd.members[0].process.kill();
    for controller in &mut world.controllers {
        controller.kill();
    }
    let began = Instant::now();
    let (dark, newest) = churn(&world, dark_for()).await?;
    eprintln!("{dark:?} in {:?} of darkness", began.elapsed());
    ensure!(
        (dark.joins - dark.failed) * 1000 >= dark.joins * JOINS_PERMILLE_MIN,
        "{dark:?}"
    );
    published.insert("the newest".to_owned(), newest);

    match returns {
        Returns::Empty => world.etcd.empty().await?,
        Returns::Old => world.etcd.restore(&file).await?,
    }
    let back = Instant::now();
    for controller in &mut world.controllers {
        controller.restart().await?;
    }
    eventually(MOVED_WITHIN, async || {
        let after = epochs(&world).await?;
        ensure!(
            !after.contains_key("gone"),
            "what is gone is back: {after:?}"
        );
        for (name, epoch) in &before {
            let now = after.get(name).with_context(|| format!("{name} is lost"))?;
            ensure!(
                now >= epoch && (returns == Returns::Old || now > epoch),
                "{name}: epoch {now} after {epoch}: an old owner could win it back"
            );
        }
        Ok(())
    })
    .await?;
    // The world's own stream and all that are published; not the one that was gone before the dark.
    world.agree(1 + published.len(), None).await?;
    eprintln!("all is known again {:?} after etcd is back", back.elapsed());
    for name in KNOWN {
        world.joins(name).await?;
    }
    eventually(MOVED_WITHIN, async || world.joins("live/moved").await).await?;
    world.nobody_noticed()?;
    for (name, streaming) in &published {
        ensure!(
            streaming.is_running(),
            "the publisher of {name} was cut off"
        );
    }
    ensure!(pids(&world) == nodes, "a node was restarted");
    world.nothing_happened().await
}

/// The epoch of each stream that somebody owns.
async fn epochs(world: &World) -> Result<BTreeMap<String, u64>> {
    let page = crate::faults::says(&world.controllers[0], "/v1/streams?app=live").await?;
    let streams = page["streams"].as_array().into_iter().flatten();
    let owned = streams.filter(|stream| stream["origin"].is_string());
    let epoch = |stream: &serde_json::Value| {
        let name = stream["name"].as_str()?.to_owned();
        Some((name, stream["epoch"].as_u64()?))
    };
    owned
        .map(|stream| epoch(stream).with_context(|| stream.to_string()))
        .collect()
}

/// Viewers join the known streams at both edges and leave again, and encoders begin new streams and end
/// them. Returns the last of those, still published.
async fn churn(world: &World, lasts: Duration) -> Result<(Dark, Streaming)> {
    let (began, mut dark) = (Instant::now(), Dark::default());
    let mut streaming: Option<Streaming> = None;
    while began.elapsed() < lasts || streaming.is_none() {
        let name = format!("live/dark{}", dark.publishes);
        if let Some(ended) = streaming.take() {
            ensure!(ended.is_running(), "a publisher was cut off in the dark");
            ended.stop().await?;
        }
        let begun = Streaming::start(&world.origin.rtmp_url(&name), Clip::demo()?, 0).await?;
        eventually(FOUND_WITHIN, async || world.joins(&name).await)
            .await
            .context("a stream that began in the dark")?;
        streaming = Some(begun);
        dark.publishes += 1;
        for known in KNOWN.iter().cycle().take(4 * KNOWN.len()) {
            let players = [0, 1].map(|edge| Player::start(world.edges[edge].flv_url(known)));
            for player in players {
                dark.joins += 1;
                if let Err(error) = player.hears_more(10, JOINED_WITHIN).await {
                    dark.failed += 1;
                    eprintln!("{known} after {:?} in the dark: {error:#}", began.elapsed());
                }
            }
        }
        world.nobody_noticed()?;
    }
    Ok((dark, streaming.context("something was published")?))
}
