//! What a controller costs and how fast it answers: 2,000 simulated nodes on one controller program, over
//! real sockets.
//!
//! ```sh
//! cargo build --release -p weir-controller --bin weir-controller --example load
//! target/release/examples/load                # or: load NODES LOOKUPS_A_SECOND SECONDS
//! ```
//!
//! One node in twenty is an origin with a hundred streams, the others are edges that pull ten each; every
//! node has a connection of its own, reports in full each second with numbers that have moved, and applies
//! what it is told. First the reports alone, then `Locate` on top: at an even pace whatever the answers
//! take, each timed from the moment at which it was due to `Located`.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use anyhow::{Context, Result};
use control::{
    Addresses, Arrival, Capacity, Epoch, Identity, Incarnation, Load, NodeId, Report, Role,
    StreamReport,
    wire::{self, FromNode, control_client::ControlClient, from_node, to_node},
};
use harness::Program;
use media::StreamPath;
use parking_lot::Mutex;
use serde_json::json;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinSet, time};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

/// One node in so many is an origin.
const NODES_PER_ORIGIN: usize = 20;

/// Streams on each origin.
const STREAMS_PER_ORIGIN: usize = 100;

/// Streams that each edge pulls.
const PULLS_PER_EDGE: usize = 10;

/// Messages that wait to be sent on one connection; a test that fills it is too slow itself, and ends.
const WAITING_MAX: usize = 1_024;

/// The pause between two looks at what is due: a thread of its own sleeps as shortly as the system can,
/// where a timer of the runtime has a grain of a millisecond.
const TURN: Duration = Duration::from_micros(100);

/// What is asked and not answered yet, with when it was due; and what the answers took.
#[derive(Default)]
struct Lookups {
    asked: Mutex<HashMap<(usize, String), Instant>>,
    took: Mutex<Vec<Duration>>,
    locations: Mutex<HashMap<bool, u64>>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<usize>());
    let mut number = |default| numbers.next().unwrap_or(Ok(default));
    let (nodes, pace, seconds) = (number(2_000)?, number(5_000)?, number(20)?);
    let origins = (nodes / NODES_PER_ORIGIN).max(1);
    let streams = origins * STREAMS_PER_ORIGIN;

    let home = tempfile::tempdir()?;
    let store = json!({ "path": home.path().join("store.redb") });
    let controller =
        Program::controller(json!({ "store": store, "log": { "level": "warn" } })).await?;
    let url = format!("http://{}", controller.listener("grpc"));
    let lookups = Arc::new(Lookups::default());
    let (mut tasks, mut asking) = (JoinSet::new(), Vec::new());
    for number in 0..nodes {
        let (send, outward) = mpsc::channel(WAITING_MAX);
        let node = Node::new(number, origins, streams);
        if node.role == Role::Edge {
            asking.push((number, send.clone()));
        }
        tasks.spawn(node.attend(url.clone(), send, outward, Arc::clone(&lookups)));
        // A ramp: 2,000 nodes in four seconds.
        time::sleep(Duration::from_millis(2)).await;
    }
    let settled = async {
        loop {
            time::sleep(Duration::from_millis(200)).await;
            let owned = controller.metric("weir_controller_streams").await?;
            if owned >= streams as f64 {
                return anyhow::Ok(());
            }
        }
    };
    let began = Instant::now();
    time::timeout(Duration::from_secs(60), settled)
        .await
        .context("not every stream has an owner within a minute")??;
    println!(
        "{nodes} nodes, {origins} of them origins with {streams} streams; all owned {:.1?} after \
        the last node came",
        began.elapsed()
    );
    time::sleep(Duration::from_secs(3)).await;

    let span = Duration::from_secs(seconds as u64);
    let alone = Cost::over(&controller, time::sleep(span)).await?;
    println!("reports each second:        {alone}");
    let to_lookups = Arc::clone(&lookups);
    let asking =
        tokio::task::spawn_blocking(move || ask(&asking, streams, pace, span, &to_lookups));
    let asked = Cost::over(&controller, async { asking.await.expect("it asks") }).await?;
    println!("and {pace} lookups a second: {asked}");

    time::sleep(Duration::from_secs(1)).await;
    let unanswered = lookups.asked.lock().len();
    let mut took = std::mem::take(&mut *lookups.took.lock());
    took.sort();
    let at = |permille: usize| {
        took.get(took.len() * permille / 1000)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{} lookups, {unanswered} not answered, {} without a source: p50 {:.2?}, p95 {:.2?}, p99 {:.2?}, \
         p99.9 {:.2?}, slowest {:.2?}",
        took.len(),
        lookups.locations.lock().get(&false).copied().unwrap_or(0),
        at(500),
        at(950),
        at(990),
        at(999),
        took.last().copied().unwrap_or_default()
    );
    anyhow::ensure!(
        tasks.try_join_next().is_none(),
        "a node's dialogue has ended"
    );
    Ok(())
}

/// Asks at an even pace, each edge in turn, each for another stream.
fn ask(
    edges: &[(usize, mpsc::Sender<FromNode>)],
    streams: usize,
    pace: usize,
    span: Duration,
    lookups: &Lookups,
) {
    let began = Instant::now();
    let mut done = 0_usize;
    while began.elapsed() < span {
        std::thread::sleep(TURN);
        let due = (began.elapsed().as_secs_f64() * pace as f64) as usize;
        while done < due {
            let (edge, send) = &edges[done % edges.len()];
            // 7919 is prime: all streams come up before one does again.
            let path = path((done * 7_919) % streams).to_string();
            let due_at = began + Duration::from_secs_f64(done as f64 / pace as f64);
            lookups.asked.lock().insert((*edge, path.clone()), due_at);
            let locate = wire::Locate { path, epoch: 0 };
            if send
                .try_send(says(from_node::Message::Locate(locate)))
                .is_err()
            {
                println!("edge {edge} reads too slowly");
                return;
            }
            done += 1;
        }
    }
}

/// A simulated node.
struct Node {
    number: usize,
    role: Role,
    paths: Vec<StreamPath>,
}

impl Node {
    fn new(number: usize, origins: usize, streams: usize) -> Self {
        let (role, paths) = match number < origins {
            true => (
                Role::Origin,
                (number..streams).step_by(origins).collect::<Vec<_>>(),
            ),
            false => {
                let pulls = (0..PULLS_PER_EDGE).map(|pull| (number * 31 + pull * 977) % streams);
                (Role::Edge, pulls.collect())
            }
        };
        let mut paths: Vec<StreamPath> = paths.into_iter().map(path).collect();
        paths.sort();
        paths.dedup();
        Self {
            number,
            role,
            paths,
        }
    }

    /// Registers, reports each second, answers what it is told. Ends only by an error.
    async fn attend(
        self,
        url: String,
        send: mpsc::Sender<FromNode>,
        outward: mpsc::Receiver<FromNode>,
        lookups: Arc<Lookups>,
    ) -> Result<()> {
        let channel = Endpoint::from_shared(url)?.connect().await?;
        send.send(says(from_node::Message::Register(wire::Register {
            identity: Some(self.identity().into()),
            ..Default::default()
        })))
        .await?;
        let answer = ControlClient::new(channel)
            .attend(ReceiverStream::new(outward))
            .await?;
        let mut inward = answer.into_inner();
        inward.message().await?.context("no Welcome")?;
        // Nodes do not report in step.
        let mut ticks = time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        let mut round = 0;
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    round += 1;
                    send.send(says(from_node::Message::Report(self.report(round).into()))).await?;
                }
                told = inward.message() => match told?.context("the controller closed")?.message {
                    Some(to_node::Message::Desired(desired)) => {
                        let applied = wire::Applied { generation: desired.generation, refused: String::new() };
                        send.send(says(from_node::Message::Applied(applied))).await?;
                    }
                    Some(to_node::Message::Located(located)) => {
                        let due = lookups.asked.lock().remove(&(self.number, located.path.clone()));
                        if let Some(due) = due {
                            lookups.took.lock().push(due.elapsed());
                            let found = !located.sources.is_empty();
                            *lookups.locations.lock().entry(found).or_default() += 1;
                        }
                        let forget = wire::Forget { path: located.path };
                        send.send(says(from_node::Message::Forget(forget))).await?;
                    }
                    _ => {}
                }
            }
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            node: NodeId::new(&format!("{}-{}", self.role, self.number)).expect("a good id"),
            role: self.role,
            incarnation: Incarnation(1),
            addresses: Addresses {
                rtmp: Some(format!(
                    "10.0.{}.{}:1935",
                    self.number / 250,
                    self.number % 250
                )),
                http: None,
                admin: None,
            },
            region: format!("r{}", self.number % 10),
            zone: String::new(),
            capacity: Capacity::default(),
            version: "0".into(),
        }
    }

    fn report(&self, round: u64) -> Report {
        let arrival = match self.role {
            Role::Origin => Arrival::Published,
            Role::Edge => Arrival::Pulled,
        };
        let stream = |path: &StreamPath| StreamReport {
            epoch: Epoch(1),
            players: 20,
            bytes_in: round * 250_000,
            bytes_out: round * 5_000_000,
            bits_per_second: 2_000_000 + round % 7 * 1_000,
            ..StreamReport::new(path.clone(), arrival, 1)
        };
        Report {
            load: Load {
                players: 200,
                cpu_permille: 300 + u32::try_from(round % 50).unwrap_or(0),
                bytes_out: round * 50_000_000,
                ..Load::default()
            },
            streams: self.paths.iter().map(stream).collect(),
        }
    }
}

fn path(number: usize) -> StreamPath {
    StreamPath::new("__defaultVhost__", "live", &format!("stream-{number}")).expect("a good path")
}

fn says(message: from_node::Message) -> FromNode {
    FromNode {
        message: Some(message),
    }
}

/// What a controller used within a time.
struct Cost {
    cores: f64,
    resident_bytes: f64,
}

impl Cost {
    async fn over(controller: &Program, doing: impl Future<Output = ()>) -> Result<Self> {
        let (began, before) = (Instant::now(), cpu_seconds(controller.pid())?);
        doing.await;
        let used = cpu_seconds(controller.pid())? - before;
        Ok(Self {
            cores: used / began.elapsed().as_secs_f64(),
            resident_bytes: resident_bytes(controller.pid())?,
        })
    }
}

/// What a process has used of all cores, in user and in kernel: fields 14 and 15 of its `stat`.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in brackets, which may hold blanks.
    let (_, fields) = stat.rsplit_once(')').context("stat has a name")?;
    let ticks: Vec<f64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / rustix::param::clock_ticks_per_second() as f64)
}

fn resident_bytes(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.context("status has VmRSS")?.parse::<f64>()? * 1024.0)
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let megabytes = self.resident_bytes / 1e6;
        write!(f, "{:.2} cores, {megabytes:.0} MB resident", self.cores)
    }
}
