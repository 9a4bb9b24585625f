//! A controller, two origins and three edges; encoders that publish at the first edge, players at the
//! other two.

use crate::{faults, witness};
use anyhow::{Context, Result, ensure};
use harness::{
    Clip, Player, Program, Streaming, eventually,
    player::{Heard, ensure_begins_well, ensure_rising},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long anything may take that takes far less on a machine with time to spare.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// Two frames of the clip are at most a picture apart; a busy machine's clock steps add to that.
const STEP_MAX: Duration = Duration::from_millis(60);

/// For so long after a fault the longest pause is looked for: longer than any that is allowed.
const WATCHED: Duration = Duration::from_secs(4);

pub(super) struct World {
    controller: Program,
    pub(super) origins: Vec<Program>,
    pub(super) edges: Vec<Program>,
    streamings: Vec<(String, Streaming)>,
    players: Vec<(String, Player)>,
    random: fastrand::Rng,
    _state: TempDir,
}

impl World {
    pub(super) async fn start(streams: usize, players: usize) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let controller = Program::controller(json!({
            "store": { "path": state.path().join("store") },
            // Two origins are killed in turn: each stream moves with every one.
            "streams": { "moves_per_minute": 600 },
        }))
        .await?;
        let grpc = format!("http://{}", controller.listener("grpc"));
        let node = |name: String| json!({ "cluster": { "controllers": [grpc], "node": name } });
        let (mut origins, mut edges) = (Vec::new(), Vec::new());
        for number in 1..=2 {
            let mut config = node(format!("origin-{number}"));
            // Nobody comes back to an origin that was left.
            config["play"] = json!({ "linger": "1s" });
            origins.push(Program::origin(config).await?);
        }
        for number in 1..=3 {
            edges.push(Program::edge(node(format!("edge-{number}"))).await?);
        }
        let mut world = Self {
            controller,
            origins,
            edges,
            streamings: Vec::new(),
            players: Vec::new(),
            random: faults::moments(),
            _state: state,
        };
        world.all_alive().await?;
        for number in 0..streams {
            let path = format!("live/s{number}");
            let url = world.edges[0].rtmp_url(&path);
            let streaming = Streaming::start(&url, Clip::demo()?, 0).await?;
            world.streamings.push((path, streaming));
        }
        world.seat(streams, players).await?;
        Ok(world)
    }

    /// Players of `live/s0` and so on, half at each edge, half over each protocol; returns when all of
    /// them have heard some of it.
    pub(super) async fn seat(&mut self, streams: usize, players: usize) -> Result<()> {
        for number in 0..players {
            let path = format!("live/s{}", number % streams);
            let edge = &self.edges[1 + number / streams % 2];
            let url = match number / streams / 2 % 2 {
                0 => edge.rtmp_url(&path),
                _ => edge.flv_url(&path),
            };
            self.players.push((path, Player::start(url)));
        }
        for (_, player) in &self.players {
            player.hears_more(30, SOON).await?;
        }
        Ok(())
    }

    /// The players of a stream.
    pub(super) fn players_of(&self, path: &str) -> impl Iterator<Item = &Player> {
        let of = self
            .players
            .iter()
            .filter(move |(played, _)| played == path);
        of.map(|(_, player)| player)
    }

    /// Until some moment of a GOP, by the seed.
    pub(super) async fn wait_a_while(&mut self) {
        self.wait(500..3_000).await;
    }

    /// For some time within this range of milliseconds, by the seed.
    pub(super) async fn wait(&mut self, millis: Range<u64>) {
        let millis = self.random.u64(millis);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// Who owns each stream, at which epoch.
    pub(super) async fn owners(&self) -> Result<BTreeMap<String, (String, u64)>> {
        let page = faults::says(&self.controller, "/v1/streams?app=live&limit=1000").await?;
        let mut owners = BTreeMap::new();
        for stream in page["streams"].as_array().into_iter().flatten() {
            let text = |key: &str| stream[key].as_str().unwrap_or_default().to_owned();
            let epoch = stream["epoch"].as_u64().context("no epoch")?;
            let path = format!("{}/{}", text("app"), text("name"));
            owners.insert(path, (text("origin"), epoch));
        }
        Ok(owners)
    }

    /// The streams that an origin owns.
    pub(super) async fn streams_at(&self, origin: usize) -> Result<Vec<String>> {
        let node = format!("origin-{}", origin + 1);
        let owned = self.owners().await?.into_iter();
        let owned = owned.filter_map(|(path, (owner, _))| (owner == node).then_some(path));
        Ok(owned.collect())
    }

    /// The origin that owns most streams, once every stream has an owner.
    pub(super) async fn busiest_origin(&self) -> Result<usize> {
        eventually(SOON, async || {
            let (one, two) = (self.streams_at(0).await?, self.streams_at(1).await?);
            ensure!(
                one.len() + two.len() == self.streamings.len(),
                "not all streams are owned: {one:?} {two:?}"
            );
            Ok(usize::from(two.len() > one.len()))
        })
        .await
    }

    /// Both origins and all edges are alive, by the controller's word.
    pub(super) async fn all_alive(&self) -> Result<()> {
        eventually(SOON, async || {
            let cluster = faults::says(&self.controller, "/v1/cluster").await?;
            ensure!(
                cluster["origins"]["alive"] == 2 && cluster["edges"]["alive"] == 3,
                "{cluster}"
            );
            Ok(())
        })
        .await
    }

    /// For each player of these streams the longest time without a frame since `fault`.
    pub(super) async fn gaps_since(
        &self,
        fault: Instant,
        affected: &[String],
    ) -> Result<Vec<Duration>> {
        let players: Vec<&Player> = self
            .players
            .iter()
            .filter(|(path, _)| affected.contains(path))
            .map(|(_, player)| player)
            .collect();
        ensure!(!players.is_empty(), "nobody plays {affected:?}");
        tokio::time::sleep_until((fault + WATCHED).into()).await;
        // All together: one after the other takes as long as a fault does.
        let heard: Vec<usize> = players.iter().map(|player| player.frame_count()).collect();
        let mut gaps = Vec::new();
        for (player, heard) in players.into_iter().zip(heard) {
            player.hears(heard + 5, SOON).await?;
            let frames = player.frames();
            let before = frames.iter().rposition(|frame| frame.at <= fault);
            let since = &frames[before.context("it had heard nothing before")?..];
            let pauses = since
                .windows(2)
                .map(|pair| pair[1].at.saturating_duration_since(pair[0].at));
            gaps.push(pauses.max().unwrap_or(WATCHED));
        }
        Ok(gaps)
    }

    /// Nobody was cut off, and every player has every frame from its first on, once, in order.
    pub(super) fn heard_every_frame(&self) -> Result<()> {
        let heard = self.every_frame();
        heard.inspect_err(|_| eprintln!("{}", self.logs()))
    }

    fn every_frame(&self) -> Result<()> {
        for (path, streaming) in &self.streamings {
            ensure!(streaming.is_running(), "the encoder of {path} was cut off");
            for player in self.players_of(path) {
                let what = || player.url().to_owned();
                ensure!(player.end().is_none(), "{}: {:?}", what(), player.end());
                let frames = player.frames();
                // Taken after the player's: it has all that the player has.
                let sent = streaming.sent();
                ensure_begins_well(&frames).with_context(what)?;
                // Bodies and timestamps, from its first key frame on.
                let first = frames.iter().position(Heard::is_key).unwrap_or(0);
                witness::ensure_follows(&sent, &frames[first..]).with_context(what)?;
                ensure_rising(&frames, STEP_MAX).with_context(what)?;
            }
        }
        Ok(())
    }

    /// What the nodes have said of their streams, for who looks for a fault.
    pub(super) fn logs(&self) -> String {
        let nodes = self.origins.iter().chain(&self.edges);
        let lines = nodes.map(|node| {
            let name = node.config()["cluster"]["node"].to_string();
            let log = node.log();
            let told = log.lines().filter(|line| line.contains("stream"));
            told.map(|line| format!("{name} {line}\n"))
                .collect::<String>()
        });
        lines.collect()
    }
}
