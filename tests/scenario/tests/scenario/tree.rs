//! Edges of a region pull a stream from one of them, and only that one from the origin.

use anyhow::{Context, Result, ensure};
use harness::{Clip, Player, Program, Streaming, eventually, http, player::ensure_rising};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

/// Far more than one frame of the demo clip, far less than a gap that anybody would not see.
const STEP_MAX: Duration = Duration::from_millis(200);

/// How long a kill may keep a player waiting: its edge asks elsewhere 150 ms later, and a key frame comes.
const NEXT_FRAME_WITHIN: Duration = Duration::from_secs(3);

const EDGES: usize = 4;

struct World {
    controller: Program,
    origin: Program,
    edges: Vec<Program>,
}

impl World {
    async fn start(tree: Value) -> Result<Self> {
        let home = harness::process::scratch()?;
        let store = json!({ "path": home.path().join("store.redb") });
        let controller = Program::controller(json!({ "tree": tree, "store": store })).await?;
        let grpc = format!("http://{}", controller.listener("grpc"));
        let cluster = |node: &str| json!({ "cluster": { "controllers": [grpc], "node": node, "region": "north" } });
        let origin = Program::origin(cluster("origin-1")).await?;
        let mut edges = Vec::new();
        for number in 0..EDGES {
            edges.push(Program::edge(cluster(&format!("edge-{number}"))).await?);
        }
        Ok(Self {
            controller,
            origin,
            edges,
        })
    }

    /// The one edge that is to pull the stream from the origin, by its place.
    async fn parent(&self) -> Result<usize> {
        let rest = self.controller.listener("rest");
        let url = format!("http://{rest}/v1/explain/streams/__defaultVhost__/live/a");
        let explained: Value = serde_json::from_str(&http::get_ok(&url).await?)?;
        let parents = explained["trees"][0]["parents"].as_array();
        let [parent] = parents.map_or(&[][..], |parents| parents) else {
            anyhow::bail!("not one parent: {}", explained["trees"]);
        };
        let number = parent.as_str().and_then(|name| name.strip_prefix("edge-"));
        let number = number.and_then(|number| number.parse().ok());
        number.with_context(|| explained["trees"].to_string())
    }

    /// The origin has so many who pull the stream.
    async fn pullers(&self, wanted: f64) -> Result<()> {
        eventually(SOON, async || {
            let pullers = self.origin.metric("weir_pullers").await?;
            ensure!(
                (pullers - wanted).abs() < 0.5,
                "the origin has {pullers} pullers"
            );
            Ok(())
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_origin_has_one_puller_and_players_outlive_the_parent() -> Result<()> {
    let mut world = World::start(json!({ "parents": 1 })).await?;
    let streaming = Streaming::start(&world.origin.rtmp_url("live/a"), Clip::demo()?, 0).await?;
    let players: Vec<Player> = world
        .edges
        .iter()
        .map(|edge| Player::start(edge.flv_url("live/a")))
        .collect();
    for player in &players {
        player.hears_more(20, SOON).await?;
    }
    world.pullers(1.0).await?;

    let first = world.parent().await?;
    world.edges[first].kill();
    let killed = Instant::now();
    for (place, player) in players.iter().enumerate() {
        if place != first {
            player.hears_more(10, NEXT_FRAME_WITHIN).await?;
        }
    }
    eprintln!(
        "ten more frames at each edge {:?} after the kill",
        killed.elapsed()
    );
    eventually(SOON, async || {
        ensure!(world.parent().await? != first, "it is still the parent");
        Ok(())
    })
    .await?;
    world.pullers(1.0).await?;

    // The parent is back, and is the parent again.
    world.edges[first].restart().await?;
    let back = Player::start(world.edges[first].flv_url("live/a"));
    back.hears_more(20, SOON).await?;
    eventually(SOON, async || {
        ensure!(world.parent().await? == first, "it is not the parent yet");
        Ok(())
    })
    .await?;
    world.pullers(1.0).await?;
    for (place, player) in players.iter().enumerate() {
        if place != first {
            player.hears_more(20, SOON).await?;
            ensure!(
                player.end().is_none(),
                "a player was cut off: {:?}",
                player.end()
            );
            ensure_rising(&player.frames(), STEP_MAX)?;
        }
    }
    ensure!(streaming.is_running(), "the publisher was cut off");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_with_too_few_edges_pulls_from_the_origin() -> Result<()> {
    let world = World::start(json!({ "parents": 1, "edges_min": EDGES + 1 })).await?;
    let _streaming = Streaming::start(&world.origin.rtmp_url("live/a"), Clip::demo()?, 0).await?;
    let players = world
        .edges
        .iter()
        .map(|edge| Player::start(edge.flv_url("live/a")));
    for player in players.collect::<Vec<_>>() {
        player.hears_more(20, SOON).await?;
    }
    ensure!(world.parent().await.is_err(), "there is a tree");
    Ok(())
}
