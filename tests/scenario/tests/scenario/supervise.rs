//! Nodes die or hang: the controller finds out, has them restarted within its limits, and leaves alone
//! who still serves; when too many are gone at once it restarts nobody until it is told to.

use crate::cluster::Cluster;
use anyhow::{Context, Result, ensure};
use harness::{Clip, Player, Program, Streaming, eventually, http, program::weir_says};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const SOON: Duration = Duration::from_secs(20);

/// Silence until a node is dead, in the clusters of these tests.
const DEAD_AFTER: Duration = Duration::from_secs(2);

/// Restarts at a time.
const IN_FLIGHT_MAX: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_hangs_is_asked_found_dead_and_restarted_and_events_say_why() -> Result<()> {
    let cluster = Cluster::up(&[]).await?;
    let origin = cluster.member("origin-1").await?;
    let edge = cluster.member("edge-1").await?;
    let _streaming = Streaming::start(&origin.rtmp_url("live/a"), Clip::demo()?, 0).await?;
    cluster.pause("edge-1")?;
    let events = Events(cluster.rest().to_owned());
    // Ten seconds of silence, and whatever is left of the ten that a new controller waits.
    let done = eventually(SOON, async || {
        events.last("node.restart_done", "edge-1").await
    })
    .await?;
    ensure!(done["reason"].as_str() > Some("a new process"), "{done}");
    let dead = events.last("node.dead", "edge-1").await?;
    let restarting = events.last("node.restarting", "edge-1").await?;
    for event in [&dead, &restarting] {
        let reason = event["reason"].as_str().unwrap_or_default();
        ensure!(
            reason.contains("silent for 10") && reason.contains("no answer within 1.0 s"),
            "{event}"
        );
    }
    events.last("node.suspect", "edge-1").await?;
    ensure!(cluster.pid("edge-1")? != edge.pid, "it is another process");
    Player::start(edge.rtmp_url("live/a"))
        .hears_more(20, SOON)
        .await?;
    let told = cluster.says("events").await?;
    ensure!(told.contains("by the driver process, attempt 1"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_are_few_at_a_time_and_none_when_most_edges_are_gone_at_once() -> Result<()> {
    let mut fleet = Fleet::start(20).await?;
    fleet.kill(1..=10);
    let most = fleet.restarted_until_all_are_alive().await?;
    ensure!((1..=IN_FLIGHT_MAX).contains(&most), "{most} at a time");
    let restarts = fleet.events.count("node.restarting").await?;
    ensure!(restarts == 10, "{restarts} restarts of ten dead edges");
    ensure!(fleet.events.count("cluster.frozen").await? == 0, "frozen");

    // Those who come back by themselves end the freeze.
    fleet.kill(1..=15);
    fleet.is_frozen("15 of 20 edges look dead at once").await?;
    tokio::time::sleep(DEAD_AFTER * 2).await;
    let restarts = fleet.events.count("node.restarting").await?;
    ensure!(restarts == 10, "{} restarts while frozen", restarts - 10);
    for number in 1..=5 {
        fleet.edge(number)?.restart().await?;
    }
    let most = fleet.restarted_until_all_are_alive().await?;
    ensure!(most <= IN_FLIGHT_MAX, "{most} at a time");
    ensure!(fleet.events.count("cluster.unfrozen").await? == 1);

    // So does an operator.
    fleet.kill(1..=15);
    fleet.is_frozen("15 of 20 edges look dead at once").await?;
    let rest = fleet.rest();
    weir_says(["unfreeze", "--controller", &rest]).await?;
    let most = fleet.restarted_until_all_are_alive().await?;
    ensure!(most <= IN_FLIGHT_MAX, "{most} at a time");
    let unfrozen = fleet.events.last("cluster.unfrozen", "").await?;
    ensure!(unfrozen["reason"] == "an operator said so", "{unfrozen}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_is_only_cut_off_from_the_controller_is_left_alone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut controller = Program::controller(config(
        &dir,
        json!({"driver": "command",
        "held_for": "0", "command": {"argv": ["touch", asked(&dir, "{node}")]}}),
    ))
    .await?;
    let line = Line::to(controller.listener("grpc")).await?;
    let edge = edge("edge-1", line.address).await?;
    let rest = format!("http://{}", controller.listener("rest"));
    let events = Events(rest.clone());
    eventually(SOON, async || {
        events.last("node.registered", "edge-1").await
    })
    .await?;
    line.cut();
    eventually(SOON, async || events.last("node.cut_off", "edge-1").await).await?;
    tokio::time::sleep(DEAD_AFTER * 2).await;
    let node = http::get_ok(&format!("{rest}/v1/nodes/edge-1")).await?;
    let node: Value = serde_json::from_str(&node)?;
    ensure!(node["state"] == "suspect", "{node}");
    ensure!(events.count("node.restarting").await? == 0);
    ensure!(!PathBuf::from(asked(&dir, "edge-1")).exists());
    drop(edge);
    // Now it does not answer any more.
    eventually(SOON, async || {
        events.last("node.restarting", "edge-1").await
    })
    .await?;
    eventually(SOON, async || {
        ensure!(PathBuf::from(asked(&dir, "edge-1")).exists());
        Ok(())
    })
    .await?;
    controller.ensure_running()
}

/// A controller's events.
struct Events(String);

impl Events {
    async fn all(&self) -> Result<Vec<Value>> {
        let (mut all, mut after) = (Vec::new(), json!(0));
        loop {
            let url = format!("{}/v1/events?limit=1000&after={after}", self.0);
            let mut page: Value = serde_json::from_str(&http::get_ok(&url).await?)?;
            let events = page["events"].as_array_mut().context("no events")?;
            if events.is_empty() {
                return Ok(all);
            }
            all.append(events);
            after = page["next"].clone();
        }
    }

    /// The newest of a kind about a node, or about none.
    async fn last(&self, kind: &str, node: &str) -> Result<Value> {
        let all = self.all().await?;
        let is = |event: &&Value| {
            event["kind"] == kind && event["node"].as_str().unwrap_or_default() == node
        };
        let found = all.iter().rev().find(is).cloned();
        found.with_context(|| format!("no {kind} {node} in {all:#?}"))
    }

    async fn count(&self, kind: &str) -> Result<usize> {
        let all = self.all().await?;
        Ok(all.iter().filter(|event| event["kind"] == kind).count())
    }
}

/// Many edges, and a controller whose restart command leaves a file with the node's name; the test
/// stands for the machine's own supervisor, and starts whom such a file names.
struct Fleet {
    controller: Program,
    edges: BTreeMap<String, Program>,
    events: Events,
    dir: TempDir,
}

impl Fleet {
    async fn start(size: usize) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let restart = json!({"driver": "command", "in_flight_max": IN_FLIGHT_MAX, "held_for": "0",
            "wait_first": "100ms", "wait_max": "100ms",
            "command": {"argv": ["touch", asked(&dir, "{node}")]}});
        let controller = Program::controller(config(&dir, restart)).await?;
        let mut fleet = Self {
            events: Events(format!("http://{}", controller.listener("rest"))),
            edges: BTreeMap::new(),
            dir,
            controller,
        };
        let grpc = fleet.controller.listener("grpc");
        for number in 1..=size {
            let name = format!("edge-{number}");
            fleet.edges.insert(name.clone(), edge(&name, grpc).await?);
        }
        eventually(SOON, async || {
            let cluster = fleet.cluster().await?;
            ensure!(cluster["edges"]["alive"] == size, "{cluster}");
            Ok(())
        })
        .await?;
        Ok(fleet)
    }

    fn rest(&self) -> String {
        self.events.0.clone()
    }

    async fn cluster(&self) -> Result<Value> {
        let body = http::get_ok(&format!("{}/v1/cluster", self.rest())).await?;
        Ok(serde_json::from_str(&body)?)
    }

    fn edge(&mut self, number: usize) -> Result<&mut Program> {
        let edge = self.edges.get_mut(&format!("edge-{number}"));
        edge.context("no such edge")
    }

    fn kill(&mut self, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            if let Ok(edge) = self.edge(number) {
                edge.kill();
            }
        }
    }

    /// Starts whom the controller asks for until all are alive; the most restarts at a time.
    async fn restarted_until_all_are_alive(&mut self) -> Result<u64> {
        let (mut most, end) = (0, std::time::Instant::now() + SOON);
        loop {
            let cluster = self.cluster().await?;
            let restarts = &cluster["restarts"];
            let in_flight = restarts["in_flight"].as_u64().unwrap_or_default();
            most = most.max(in_flight);
            if in_flight == 0 && cluster["edges"]["alive"] == self.edges.len() {
                return Ok(most);
            }
            ensure!(std::time::Instant::now() < end, "{cluster}");
            let mut started = false;
            for (name, edge) in &mut self.edges {
                let file = asked(&self.dir, name);
                if std::fs::remove_file(&file).is_ok() {
                    edge.restart().await?;
                    started = true;
                }
            }
            if !started {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// In the API, in an event, in a metric and in `weir status`.
    async fn is_frozen(&self, why: &str) -> Result<()> {
        let cluster = eventually(SOON, async || {
            let cluster = self.cluster().await?;
            ensure!(cluster["restarts"]["frozen"]["reason"] == why, "{cluster}");
            Ok(cluster)
        })
        .await?;
        ensure!(
            cluster["restarts"]["frozen"]["cause"] == "too_many",
            "{cluster}"
        );
        let event = self.events.last("cluster.frozen", "").await?;
        let said = event["reason"].as_str().unwrap_or_default();
        ensure!(said.ends_with("edges look dead at once"), "{event}");
        let metrics = self.controller.metrics().await?;
        let frozen = "weir_controller_frozen{cause=\"too_many\"} 1";
        ensure!(metrics.contains(frozen), "{metrics}");
        let rest = self.rest();
        let status = weir_says(["status", "--controller", &rest]).await?;
        ensure!(status.contains(&format!("FROZEN: {why}")), "{status}");
        Ok(())
    }
}

fn config(dir: &TempDir, restart: Value) -> Value {
    json!({
        "store": {"path": dir.path().join("store.redb")},
        "nodes": {"report_interval": "200ms", "suspect_after": "1s",
            "dead_after": format!("{}s", DEAD_AFTER.as_secs()),
            "probe_interval": "200ms", "probe_patience": "500ms"},
        "restart": restart,
    })
}

/// The file that asks for a node.
fn asked(dir: &TempDir, node: &str) -> String {
    dir.path()
        .join(format!("asked-{node}"))
        .display()
        .to_string()
}

async fn edge(name: &str, controller: SocketAddr) -> Result<Program> {
    let controllers = [format!("http://{controller}")];
    Program::edge(json!({"cluster": {"node": name, "controllers": controllers}})).await
}

/// A line to a controller that can be cut.
struct Line {
    address: SocketAddr,
    carrying: JoinHandle<()>,
}

impl Line {
    async fn to(controller: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let carrying = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut far = TcpStream::connect(controller).await?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Ok(Self { address, carrying })
    }

    fn cut(&self) {
        self.carrying.abort();
    }
}
