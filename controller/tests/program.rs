//! The real program `weir-controller`: killed at any moment it comes back with what it acknowledged,
//! and asked to end it ends.

#[path = "cluster/world.rs"]
#[allow(dead_code, reason = "the other tests need the rest")]
mod world;

use agent::Epoch;
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use world::{Node, at, eventually, get, path};

/// A program that is killed with the test.
struct Program {
    child: Child,
    config: PathBuf,
    grpc: SocketAddr,
    rest: SocketAddr,
    admin: SocketAddr,
}

impl Program {
    fn start(dir: &Path) -> Self {
        let [grpc, rest, admin] = free_addresses();
        let text = format!(
            "grpc: {{listen: '{grpc}'}}\nrest: {{listen: '{rest}'}}\nadmin: {{listen: '{admin}'}}\n\
             store: {{path: '{}'}}\nlog: {{level: warn}}\n\
             nodes: {{report_interval: 100ms, suspect_after: 1s, dead_after: 2s}}\n",
            dir.join("controller.redb").display()
        );
        let config = dir.join("controller.yaml");
        fs::write(&config, text).expect("written");
        Self {
            child: spawn(&config),
            config,
            grpc,
            rest,
            admin,
        }
    }

    /// As `kill -9` does it, then started again.
    fn kill_and_start(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("killed");
        self.child = spawn(&self.config);
    }

    async fn is_ready(&self) {
        eventually("the controller is ready", async || {
            tokio::net::TcpStream::connect(self.admin).await.ok()?;
            (get(self.admin, "/readyz").await.0 == 200).then_some(())
        })
        .await;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(config: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-controller"));
    command
        .arg("--config")
        .arg(config)
        .stdout(Stdio::null())
        .spawn()
        .expect("started")
}

/// Addresses that nobody else had a moment ago.
fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_comes_back_and_no_epoch_ever_falls() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut program = Program::start(dir.path());
    let (one, two) = (
        Node::origin("one", &[program.grpc]),
        Node::origin("two", &[program.grpc]),
    );
    let edge = Node::edge("edge", &[program.grpc]);
    let mut locating = edge.agent.locate(&path("cam"));
    let mut last = Epoch::NONE;
    for round in 0..8_u64 {
        // The stream changes hands while the controller is killed at another moment each time.
        let (from, to, name) = if round % 2 == 0 {
            (&two, &one, "one")
        } else {
            (&one, &two, "two")
        };
        to.publishes("cam");
        from.ends("cam");
        tokio::time::sleep(Duration::from_millis(round * 3)).await;
        program.kill_and_start();
        assert!(
            locating.current().epoch >= last,
            "what was known is still known"
        );
        eventually(&format!("found at {name}"), async || {
            let location = locating.answer().await;
            let fresh = *edge.agent.connected().borrow() && at(&location) == name;
            (fresh && location.epoch > last).then(|| last = location.epoch)
        })
        .await;
    }
    assert!(last >= Epoch(8));
    program.is_ready().await;
    let (_, stream) = get(program.rest, "/v1/streams/h/live/cam").await;
    assert_eq!(stream["epoch"].as_u64(), Some(last.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_has_its_help_and_a_nodes_work_is_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let program = Program::start(dir.path());
    program.is_ready().await;
    let origin = Node::origin("one", &[program.grpc]);
    origin.publishes("cam");
    Node::edge("edge", &[program.grpc])
        .finds("cam", "one")
        .await;
    let text = eventually("the stream is counted", async || {
        let text = scrape(program.admin).await;
        text.contains("weir_controller_streams 1").then_some(text)
    })
    .await;
    assert_eq!(service::metrics::without_help(&text), [""; 0]);
    for metric in [
        "weir_controller_nodes{role=\"origin\",state=\"alive\"} 1",
        "weir_controller_store_commits_total{outcome=\"committed\"}",
        "weir_controller_events_total{kind=\"stream.published\"} 1",
        "weir_controller_store_commit_seconds_bucket",
    ] {
        assert!(text.contains(metric), "{metric} is not in:\n{text}");
    }
    if let Some(file) = std::env::var_os("WEIR_METRICS_TO") {
        fs::write(file, text).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_end_it_ends_well_and_its_nodes_stay() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut program = Program::start(dir.path());
    let origin = Node::origin("one", &[program.grpc]);
    origin.is_connected().await;
    let pid = program.child.id().to_string();
    let sent = Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .expect("kill runs");
    assert!(sent.success());
    let status = eventually("it ends", async || {
        program.child.try_wait().expect("a child")
    })
    .await;
    assert_eq!(status.code(), Some(0));

    program.child = spawn(&program.config);
    program.is_ready().await;
    let (_, node) = get(program.rest, "/v1/nodes/one").await;
    assert_eq!(node["node"], "one");
}

async fn scrape(admin: SocketAddr) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut connection = tokio::net::TcpStream::connect(admin)
        .await
        .expect("connected");
    let head = "GET /metrics HTTP/1.0\r\nhost: test\r\n\r\n";
    connection.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .await
        .expect("answered");
    answer
}
