//! Controllers on one etcd, an origin and two edges, with a stream and players that must notice nothing.

use crate::faults::says;
use anyhow::{Context, Result, ensure};
use harness::{
    Clip, Player, Program, Streaming, eventually, peer::etcd::Etcd, player::ensure_rising,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(super) const SOON: Duration = Duration::from_secs(10);

/// Far more than one frame of the demo clip, far less than a gap that anybody would not see.
pub(super) const STEP_MAX: Duration = Duration::from_millis(200);

/// What is promised: another controller decides, and so a new stream is found.
pub(super) const MOVED_WITHIN: Duration = Duration::from_secs(5);

/// A join to a known stream needs nobody else.
pub(super) const JOINED_WITHIN: Duration = Duration::from_secs(2);

/// Controllers on one etcd, one origin, two edges; a stream that is published all the while, and a
/// player of it on each edge.
pub(super) struct World {
    pub(super) etcd: Etcd,
    pub(super) controllers: Vec<Program>,
    pub(super) origin: Program,
    pub(super) edges: [Program; 2],
    pub(super) streaming: Streaming,
    pub(super) players: [Player; 2],
}

impl World {
    pub(super) async fn start(members: usize, controllers: usize) -> Result<Self> {
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
    pub(super) async fn joins(&self, stream: &str) -> Result<()> {
        for edge in &self.edges {
            let player = Player::start(edge.flv_url(stream));
            let heard = player.hears_more(10, JOINED_WITHIN).await;
            heard.with_context(|| format!("a new player of {stream}"))?;
        }
        Ok(())
    }

    /// A stream that nobody knows yet is published, and everybody finds it.
    pub(super) async fn publishes(&self, stream: &str) -> Result<Streaming> {
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
    pub(super) async fn leader(&self, but: Option<usize>) -> Result<usize> {
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
    pub(super) fn nobody_noticed(&self) -> Result<()> {
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
    pub(super) async fn agree(&self, streams: usize, but: Option<usize>) -> Result<()> {
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

    pub(super) async fn stream_a(&self, controller: &Program) -> Result<Value> {
        let page = says(controller, "/v1/streams?app=live").await?;
        let found = page["streams"].as_array().into_iter().flatten();
        let mut found = found.filter(|stream| stream["name"] == "a");
        found.next().cloned().context("live/a is not listed")
    }

    /// Nothing that is restarted, dead or moved is in any controller's events.
    pub(super) async fn nothing_happened(&self) -> Result<()> {
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
