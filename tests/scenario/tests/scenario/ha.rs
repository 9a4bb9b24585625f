//! etcd as the store, three controllers, three members: whoever dies, publishing and joining go on.

use crate::cluster::Cluster;
use anyhow::{Context, Result, ensure};
use harness::{
    Clip, Player, Program, Streaming, eventually, http, peer::etcd::Etcd, player::ensure_rising,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

/// Far more than one frame of the demo clip, far less than a gap that anybody would not see.
const STEP_MAX: Duration = Duration::from_millis(200);

/// What is promised: another controller decides, and so a new stream is found.
const MOVED_WITHIN: Duration = Duration::from_secs(5);

/// A hung controller is left by its nodes after 5 s, when its connection is found dead.
const HUNG_WITHIN: Duration = Duration::from_secs(10);

/// A join to a known stream needs nobody else.
const JOINED_WITHIN: Duration = Duration::from_secs(2);

/// Controllers on one etcd, one origin, two edges; a stream that is published all the while, and a
/// player of it on each edge.
struct World {
    etcd: Etcd,
    controllers: Vec<Program>,
    origin: Program,
    edges: [Program; 2],
    streaming: Streaming,
    players: [Player; 2],
}

impl World {
    async fn start(members: usize, controllers: usize) -> Result<Self> {
        let etcd = Etcd::start_members(members).await?;
        let store = json!({ "kind": "etcd", "endpoints": etcd.endpoints() });
        let mut started = Vec::new();
        for _ in 0..controllers {
            started.push(Program::controller(json!({ "store": store })).await?);
        }
        let node = |name: &str| {
            let grpc = started
                .iter()
                .map(|c| format!("http://{}", c.listener("grpc")));
            let grpc: Vec<String> = grpc.collect();
            json!({ "cluster": { "controllers": grpc, "node": name } })
        };
        let origin = Program::origin(node("origin-1")).await?;
        let edges = [
            Program::edge(node("edge-1")).await?,
            Program::edge(node("edge-2")).await?,
        ];
        let streaming = Streaming::start(&origin.rtmp_url("live/a"), Clip::demo()?, 0).await?;
        let players = [
            Player::start(edges[0].rtmp_url("live/a")),
            Player::start(edges[1].flv_url("live/a")),
        ];
        let world = Self {
            etcd,
            controllers: started,
            origin,
            edges,
            streaming,
            players,
        };
        eventually(SOON, async || world.joins("live/a").await).await?;
        for player in &world.players {
            player.hears_more(20, SOON).await?;
        }
        Ok(world)
    }

    /// A new player on each edge hears a stream at once.
    async fn joins(&self, stream: &str) -> Result<()> {
        for edge in &self.edges {
            let player = Player::start(edge.flv_url(stream));
            let heard = player.hears_more(10, JOINED_WITHIN).await;
            heard.with_context(|| format!("a new player of {stream}"))?;
        }
        Ok(())
    }

    /// A stream that nobody knows yet is published, and everybody finds it.
    async fn publishes(&self, stream: &str) -> Result<Streaming> {
        let began = Instant::now();
        let streaming = Streaming::start(&self.origin.rtmp_url(stream), Clip::demo()?, 0).await?;
        eventually(MOVED_WITHIN, async || self.joins(stream).await).await?;
        eprintln!(
            "{stream} is played {:?} after its first frame",
            began.elapsed()
        );
        Ok(streaming)
    }

    /// The one controller, of those that answer, which decides.
    async fn leader(&self, but: Option<usize>) -> Result<usize> {
        eventually(MOVED_WITHIN, async || {
            let mut leads = Vec::new();
            for (place, controller) in self.controllers.iter().enumerate() {
                if Some(place) != but && controller.metric("weir_controller_leader").await? > 0.0 {
                    leads.push(place);
                }
            }
            ensure!(leads.len() == 1, "these decide: {leads:?}");
            leads.first().copied().context("one decides")
        })
        .await
    }

    /// Nobody who was there has noticed anything.
    fn nobody_noticed(&self) -> Result<()> {
        ensure!(self.streaming.is_running(), "the publisher was cut off");
        for player in &self.players {
            ensure!(
                player.end().is_none(),
                "a player was cut off: {:?}",
                player.end()
            );
            ensure_rising(&player.frames(), STEP_MAX)?;
        }
        Ok(())
    }

    /// All controllers that run say the same of the cluster.
    async fn agree(&self, streams: usize, but: Option<usize>) -> Result<()> {
        for (place, controller) in self.controllers.iter().enumerate() {
            if Some(place) == but {
                continue;
            }
            eventually(MOVED_WITHIN, async || {
                let cluster = says(controller, "/v1/cluster").await?;
                ensure!(
                    cluster["streams"] == streams
                        && cluster["origins"]["alive"] == 1
                        && cluster["edges"]["alive"] == 2,
                    "controller {place} says {cluster}"
                );
                let known = self.stream_a(controller).await?;
                ensure!(
                    known["origin"] == "origin-1" && known["edges"] == json!(["edge-1", "edge-2"]),
                    "controller {place} says {known}"
                );
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn stream_a(&self, controller: &Program) -> Result<Value> {
        let page = says(controller, "/v1/streams?app=live").await?;
        let found = page["streams"].as_array().into_iter().flatten();
        let mut found = found.filter(|stream| stream["name"] == "a");
        found.next().cloned().context("live/a is not listed")
    }

    /// Nothing that is restarted, dead or moved is in any controller's events.
    async fn nothing_happened(&self) -> Result<()> {
        for controller in &self.controllers {
            let page = says(controller, "/v1/events?limit=1000").await?;
            for event in page["events"].as_array().into_iter().flatten() {
                let kind = event["kind"].as_str().unwrap_or_default();
                ensure!(
                    !["node.dead", "node.restarted", "stream.moved"].contains(&kind),
                    "{event}"
                );
            }
        }
        Ok(())
    }
}

/// How long nothing of the control plane runs: `WEIR_SCENARIO_DARK_S` for longer than a test has time.
fn dark_for() -> Duration {
    let seconds = std::env::var("WEIR_SCENARIO_DARK_S").ok();
    Duration::from_secs(seconds.and_then(|s| s.parse().ok()).unwrap_or(8))
}

async fn says(controller: &Program, path: &str) -> Result<Value> {
    let url = format!("http://{}{path}", controller.listener("rest"));
    let body = http::get_ok(&url).await?;
    serde_json::from_str(&body).with_context(|| body.clone())
}

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
async fn etcd_and_all_controllers_die_and_etcd_comes_back_empty() -> Result<()> {
    let mut world = World::start(1, 2).await?;
    let epoch = async |world: &World| -> Result<u64> {
        let stream = world.stream_a(&world.controllers[0]).await?;
        stream["epoch"].as_u64().with_context(|| stream.to_string())
    };
    let before = epoch(&world).await?;
    let pids = |world: &World| {
        [
            world.origin.pid(),
            world.edges[0].pid(),
            world.edges[1].pid(),
        ]
    };
    let nodes = pids(&world);

    world.etcd.members[0].process.kill();
    for controller in &mut world.controllers {
        controller.kill();
    }
    let (dark, mut joins) = (Instant::now(), 0);
    while dark.elapsed() < dark_for() {
        world.joins("live/a").await?;
        joins += world.edges.len();
    }
    eprintln!(
        "{joins} joins in {:?} without any controller, none failed",
        dark.elapsed()
    );
    let _meanwhile = Streaming::start(&world.origin.rtmp_url("live/b"), Clip::demo()?, 0).await?;

    world.etcd.empty().await?;
    for controller in &mut world.controllers {
        controller.restart().await?;
    }
    world.agree(2, None).await?;
    eventually(MOVED_WITHIN, async || world.joins("live/b").await).await?;
    world.joins("live/a").await?;
    world.nobody_noticed()?;
    ensure!(pids(&world) == nodes, "a node was restarted");
    let after = epoch(&world).await?;
    ensure!(
        after > before,
        "epoch {after} after {before}: an old owner could win it back"
    );
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
