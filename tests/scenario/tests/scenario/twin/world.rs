//! A controller, two origins and two edges; one stream, and its players at both edges.

use crate::faults;
use anyhow::{Context, Result, ensure};
use harness::{Player, Program, eventually};
use serde_json::{Value, json};
use std::time::Duration;

/// How long anything may take that takes far less on a machine with time to spare.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// The clip's.
const GOP: Duration = Duration::from_secs(2);

/// A controller, two origins and two edges, which it knows.
pub(super) struct World {
    pub(super) controller: Program,
    pub(super) origins: [Program; 2],
    pub(super) edges: [Program; 2],
}

impl World {
    pub(super) async fn start() -> Result<Self> {
        // As fast as `weir up` has it.
        let nodes = json!({ "report_interval": "200ms", "suspect_after": "600ms" });
        let controller = Program::controller(json!({ "nodes": nodes })).await?;
        let grpc = format!("http://{}", controller.listener("grpc"));
        let node = |name: &str| json!({ "cluster": { "controllers": [&grpc], "node": name } });
        Ok(Self {
            origins: [
                Program::origin(node("origin-1")).await?,
                Program::origin(node("origin-2")).await?,
            ],
            edges: [
                Program::edge(node("edge-1")).await?,
                Program::edge(node("edge-2")).await?,
            ],
            controller,
        })
    }

    pub(super) fn urls(&self) -> [String; 2] {
        [
            self.origins[0].rtmp_url("live/twin"),
            self.origins[1].rtmp_url("live/twin?backup=1"),
        ]
    }

    /// Players of both edges, over both protocols, once the first origin owns the stream and the second
    /// stands by.
    pub(super) async fn players(&self) -> Result<Vec<Player>> {
        eventually(SOON, async || {
            let stream = self.stream().await?;
            let settled = stream["origin"] == "origin-1" && stream["standbys"][0] == "origin-2";
            ensure!(settled, "{stream}");
            Ok(())
        })
        .await?;
        Ok(self.play())
    }

    pub(super) fn play(&self) -> Vec<Player> {
        let of = |edge: &Program| {
            [edge.rtmp_url("live/twin"), edge.flv_url("live/twin")].map(Player::start)
        };
        self.edges.iter().flat_map(of).collect()
    }

    pub(super) async fn stream(&self) -> Result<Value> {
        faults::says(&self.controller, "/v1/streams/__defaultVhost__/live/twin").await
    }

    /// Which origin feeds the first edge, once both edges hold both origins. The other edge may have gone
    /// over already: on a busy machine a frame may be late.
    pub(super) async fn feeding(&self) -> Result<usize> {
        eventually(SOON, async || {
            let stream = self.stream().await?;
            ensure!(
                stream["standbys"]
                    .as_array()
                    .is_some_and(|all| all.len() == 1),
                "{stream}"
            );
            let sites = stream["sites"].as_array().context("sites")?;
            let pulled = sites.iter().filter_map(|site| site["upstream"].as_str());
            let from: Vec<&str> = pulled.collect();
            ensure!(from.len() == 2, "{stream}");
            // Each origin has two readers: both edges hold both.
            for origin in &self.origins {
                let connections = origin.metric("weir_connections").await?;
                ensure!(connections >= 3.0, "{connections} connections");
            }
            Ok(usize::from(from[0] == "origin-2"))
        })
        .await
    }

    /// An origin that has just come has pictures from the next key frame on: before it, it is no
    /// stand-by yet. Ends at a moment of the seed's.
    pub(super) async fn stands_by_whole(&self, random: &mut fastrand::Rng) {
        let whole = GOP + Duration::from_millis(random.u64(..1_000));
        tokio::time::sleep(whole).await;
    }
}
