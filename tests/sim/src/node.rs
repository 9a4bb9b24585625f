//! Origins and edges as controllers see them: each registers, reports, applies what is wanted of it and
//! goes on with what it knows, as the real agent does. Epochs are told and origins chosen by the
//! agent's own code; the media is a name in a map.
//!
//! ```text
//!  connect ──▶ Register ──▶ Welcome ──▶ Report, Locate, Place ◀──▶ Desired, Located, Placed
//!     ▲  any failure: pause (jittered, growing), next controller        │
//!     └─────────────────────────────────────────────────────────────────┘
//! ```

use crate::{
    invariants,
    mutant::Mutant,
    process::Process,
    wire::{self, Connection},
    world::{Machine, World, node_id},
};
use agent::{epochs::Epochs, placing};
use control::{
    Addresses, Arrival, Capacity, Desired, Epoch, Identity, Incarnation, Location, NodeId, Report,
    Role, StreamReport, Upstream,
    wire::{self as contract, FromNode, ToNode, from_node, to_node},
};
use media::StreamPath;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

/// How often a node reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The pause before the first new try, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long a placing is waited for before the node chooses for itself.
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);

/// How long a controller may take to say welcome.
const WELCOME_PATIENCE: Duration = Duration::from_secs(2);

/// Publishes that wait to be placed; there are fewer encoders.
const ASKS_MAX: usize = 64;

/// A publish that arrived here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Since when, by the node's own clock.
    pub since_unix_ms: u64,
    /// Of all publishes of all encoders, which.
    pub session: u64,
}

/// A node, running or not. What stands first is on its disk, and there after a restart.
pub struct NodeState {
    /// Origin or edge.
    pub role: Role,
    /// Of the last start.
    pub incarnation: Incarnation,
    /// The last that was wanted of it.
    pub desired: Desired,
    /// Where streams are.
    pub locations: BTreeMap<StreamPath, Location>,
    /// By how much its clock is wrong.
    pub skew_ms: i64,
    /// When it was last welcome at a controller.
    pub welcome: Option<Instant>,

    /// The running process.
    pub process: Option<Process>,
    /// Since when there is none.
    pub down_since: Option<Instant>,
    /// Since when it has run without a stop.
    pub up_since: Option<Instant>,
    /// Streams that are published here.
    pub published: BTreeMap<StreamPath, Published>,
    /// Streams that are played here.
    pub played: BTreeSet<StreamPath>,
    /// At which epoch it owns its streams.
    pub epochs: Epochs,
    /// Which controller it talks with, and since when.
    pub talks: Option<(usize, Instant)>,
    /// Something is to be reported.
    pub news: Arc<Notify>,
    /// Somebody asks for a placing.
    pub asks: Option<mpsc::Sender<Ask>>,
}

/// A publish that came to an edge and has to go to an origin.
pub struct Ask {
    path: StreamPath,
    avoid: Vec<NodeId>,
    answer: oneshot::Sender<Option<Upstream>>,
}

impl NodeState {
    /// A node that was never started.
    pub fn new(role: Role, skew_ms: i64) -> Self {
        Self {
            role,
            incarnation: Incarnation(0),
            desired: Desired::default(),
            locations: BTreeMap::new(),
            skew_ms,
            welcome: None,
            process: None,
            down_since: None,
            up_since: None,
            published: BTreeMap::new(),
            played: BTreeSet::new(),
            epochs: Epochs::default(),
            talks: None,
            news: Arc::default(),
            asks: None,
        }
    }

    /// Whether it runs and is not stopped.
    pub fn serves(&self) -> bool {
        self.process.as_ref().is_some_and(|it| !it.is_paused())
    }
}

/// Starts a node's process.
pub fn start(world: &Arc<World>, machine: Machine) {
    let node = node_id(machine);
    let wall_is = |skew_ms| world.wall(skew_ms);
    let (process, asked) = {
        let mut state = world.state();
        let Some(it) = state.nodes.get_mut(&node) else {
            return;
        };
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let process = Process::start(wall_is(it.skew_ms));
        it.incarnation = Incarnation(it.incarnation.0 + 1);
        // Which streams the process before owned or had to leave is over.
        it.desired.owned.clear();
        it.desired.leave.clear();
        it.process = Some(process.clone());
        it.asks = Some(asks);
        it.down_since = None;
        it.up_since = Some(Instant::now());
        state.history.restart_is_over(&node);
        (process, asked)
    };
    world.log(format_args!("{node} starts"));
    process.spawn(keep_talking(Arc::clone(world), machine, asked));
}

/// Ends a node's process on the spot.
pub fn crash(world: &World, node: &NodeId) {
    let mut state = world.state();
    let Some(it) = state.nodes.get_mut(node) else {
        return;
    };
    let Some(process) = it.process.take() else {
        return;
    };
    it.down_since = Some(Instant::now());
    it.up_since = None;
    it.published.clear();
    it.epochs = Epochs::default();
    it.talks = None;
    it.asks = None;
    drop(state);
    process.kill();
    world.log(format_args!("{node} is killed"));
    invariants::check(world);
}

/// Where a publish that came to this edge is to go.
pub async fn place(
    world: &World,
    node: &NodeId,
    path: &StreamPath,
    avoid: Vec<NodeId>,
) -> Option<Upstream> {
    let asks = {
        let state = world.state();
        let it = state.nodes.get(node)?;
        it.talks.and(it.asks.clone())
    };
    if let Some(asks) = asks {
        let (answer, answered) = oneshot::channel();
        let ask = Ask {
            path: path.clone(),
            avoid: avoid.clone(),
            answer,
        };
        if asks.try_send(ask).is_ok()
            && let Ok(Ok(placed)) = tokio::time::timeout(ANSWER_PATIENCE, answered).await
        {
            return placed;
        }
    }
    let state = world.state();
    placing::choose(path, &state.nodes.get(node)?.desired.origins, &avoid)
}

async fn keep_talking(world: Arc<World>, machine: Machine, mut asked: mpsc::Receiver<Ask>) {
    let node = node_id(machine);
    let mut turn = world.state().chance.usize(0..world.size.controllers);
    let mut pause = RETRY.0;
    loop {
        let controller = turn % world.size.controllers;
        turn = turn.wrapping_add(1);
        if let Some(connection) = wire::connect(&world, machine, controller).await {
            let mut dialogue = Dialogue {
                world: Arc::clone(&world),
                node: node.clone(),
                connection,
                located: BTreeSet::new(),
                placing: HashMap::new(),
                requests: 0,
            };
            if dialogue.begin().await {
                world.log(format_args!("{node} talks with c{controller}"));
                world.state().history.restart_is_over(&node);
                dialogue.set_talks(Some((controller, Instant::now())));
                dialogue.talk(&mut asked).await;
                dialogue.set_talks(None);
                world.log(format_args!("{node} no longer talks with c{controller}"));
                pause = RETRY.0;
            }
        }
        let jitter = world.state().chance.f64();
        tokio::time::sleep(pause.mul_f64(0.5 + jitter / 2.0)).await;
        pause = (pause * 2).min(RETRY.1);
    }
}

struct Dialogue {
    world: Arc<World>,
    node: NodeId,
    connection: Connection,
    /// Streams that the controller was asked for.
    located: BTreeSet<StreamPath>,
    placing: HashMap<u64, (StreamPath, oneshot::Sender<Option<Upstream>>)>,
    requests: u64,
}

impl Dialogue {
    fn set_talks(&self, talks: Option<(usize, Instant)>) {
        if let Some(it) = self.world.state().nodes.get_mut(&self.node) {
            it.talks = talks;
            it.welcome = talks.map(|(_, since)| since).or(it.welcome);
        }
    }

    fn say(&self, message: from_node::Message) {
        let said = self.connection.outward.try_send(FromNode {
            message: Some(message),
        });
        // A connection that is gone is noticed where it is read.
        if let Err(mpsc::error::TrySendError::Full(_)) = said {
            self.world.broken(format_args!(
                "{} says more than a connection holds",
                self.node
            ));
        }
    }

    /// Registers; `false` if there is no welcome.
    async fn begin(&mut self) -> bool {
        let register = {
            let state = self.world.state();
            let Some(it) = state.nodes.get(&self.node) else {
                return false;
            };
            let identity = Identity {
                node: self.node.clone(),
                role: it.role,
                incarnation: it.incarnation,
                addresses: Addresses {
                    rtmp: Some(format!("{}:1935", self.node)),
                    http: None,
                    admin: Some(format!("{}:80", self.node)),
                },
                region: String::new(),
                zone: String::new(),
                capacity: Capacity::default(),
                version: "sim".into(),
            };
            contract::Register {
                identity: Some(identity.into()),
                token: String::new(),
                generation: it.desired.generation.0,
            }
        };
        self.say(from_node::Message::Register(register));
        let welcome = tokio::time::timeout(WELCOME_PATIENCE, self.connection.inward.recv()).await;
        matches!(
            welcome,
            Ok(Some(ToNode {
                message: Some(to_node::Message::Welcome(_))
            }))
        )
    }

    async fn talk(&mut self, asked: &mut mpsc::Receiver<Ask>) {
        let Some(news) = self
            .world
            .state()
            .nodes
            .get(&self.node)
            .map(|it| Arc::clone(&it.news))
        else {
            return;
        };
        let mut report = tokio::time::interval(REPORT_INTERVAL);
        report.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                message = self.connection.inward.recv() => match message {
                    Some(message) => self.hear(message),
                    None => return,
                },
                Some(ask) = asked.recv() => self.ask(ask),
                () = news.notified() => self.report(),
                _ = report.tick() => self.report(),
            }
        }
    }

    fn report(&mut self) {
        let (report, wanted) = {
            let mut state = self.world.state();
            let mut streams = Vec::new();
            let pulled = invariants::pulled(&state, &self.node);
            let Some(it) = state.nodes.get_mut(&self.node) else {
                return;
            };
            for (path, published) in &it.published {
                let since = published.since_unix_ms;
                streams.push(StreamReport::new(path.clone(), Arrival::Published, since));
            }
            for (path, upstream) in pulled {
                let mut report = StreamReport::new(path, Arrival::Pulled, 0);
                report.upstream = upstream.to_string();
                streams.push(report);
            }
            let mut report = Report {
                streams,
                ..Report::default()
            };
            it.epochs.tell(&mut report);
            if self.world.has(Mutant::EpochsUntold) {
                for stream in &mut report.streams {
                    stream.epoch = Epoch::NONE;
                }
            }
            let known = |path: &StreamPath| it.locations.get(path).map(|at| at.epoch);
            let wanted: Vec<(StreamPath, Epoch)> = it
                .played
                .iter()
                .map(|path| (path.clone(), known(path).unwrap_or_default()))
                .collect();
            (report, wanted)
        };
        for (path, epoch) in wanted {
            if self.located.insert(path.clone()) {
                let epoch = match self.world.has(Mutant::EpochsUntold) {
                    true => Epoch::NONE,
                    false => epoch,
                };
                self.say(from_node::Message::Locate(contract::Locate {
                    path: path.to_string(),
                    epoch: epoch.0,
                }));
            }
        }
        self.say(from_node::Message::Report(report.into()));
    }

    fn ask(&mut self, ask: Ask) {
        self.requests += 1;
        self.say(from_node::Message::Place(contract::Place {
            request: self.requests,
            path: ask.path.to_string(),
            avoid: ask.avoid.iter().map(NodeId::to_string).collect(),
            backup: false,
        }));
        self.placing.insert(self.requests, (ask.path, ask.answer));
    }

    fn hear(&mut self, message: ToNode) {
        match message.message {
            Some(to_node::Message::Desired(desired)) => match Desired::try_from(desired) {
                Ok(desired) => self.apply(desired),
                Err(error) => self.world.broken(format_args!(
                    "{} cannot read its desired state: {error}",
                    self.node
                )),
            },
            Some(to_node::Message::Located(located)) => match Location::from_wire(located) {
                Ok((path, location)) => self.learn(path, location),
                Err(error) => self.world.broken(format_args!(
                    "{} cannot read a location: {error}",
                    self.node
                )),
            },
            Some(to_node::Message::Placed(placed)) => {
                let origin = placed.origin.map(Upstream::try_from);
                let origin = origin.and_then(Result::ok);
                if let Some((path, answer)) = self.placing.remove(&placed.request) {
                    let origin = invariants::placed(&self.world, &self.node, &path, origin);
                    // Whoever asked may have lost patience.
                    let _ = answer.send(origin);
                }
            }
            Some(to_node::Message::Welcome(_)) | None => {}
        }
        invariants::check(&self.world);
    }

    fn apply(&mut self, desired: Desired) {
        let generation = desired.generation;
        let mut left = Vec::new();
        let mut refused = String::new();
        {
            let mut state = self.world.state();
            let Some(it) = state.nodes.get_mut(&self.node) else {
                return;
            };
            let newer =
                generation > it.desired.generation || self.world.has(Mutant::OldGenerationApplied);
            if newer {
                it.epochs.learn(&desired.owned);
                for wish in &desired.leave {
                    if it.published.remove(&wish.path).is_some() {
                        left.push(wish.path.clone());
                    }
                }
                if !left.is_empty() {
                    it.news.notify_one();
                }
                it.desired = desired;
            } else {
                refused = format!("{generation} is not newer than {}", it.desired.generation);
            }
        }
        for path in left {
            self.world
                .log(format_args!("{} leaves {path} to its owner", self.node));
        }
        invariants::generation(&self.world, &self.node);
        self.say(from_node::Message::Applied(contract::Applied {
            generation: generation.0,
            refused,
        }));
    }

    fn learn(&mut self, path: StreamPath, location: Location) {
        let mut state = self.world.state();
        let Some(it) = state.nodes.get_mut(&self.node) else {
            return;
        };
        let known = it.locations.get(&path).map(|at| at.epoch);
        if known.is_some_and(|known| location.epoch < known) && !self.world.has(Mutant::NoFencing) {
            drop(state);
            return self.world.log(format_args!(
                "{} refuses {path} at {}",
                self.node, location.epoch
            ));
        }
        let source = location.sources.first().map(|source| source.node.clone());
        let epoch = location.epoch;
        it.locations.insert(path.clone(), location);
        drop(state);
        let source = source.map_or_else(|| "nobody".to_owned(), |node| node.to_string());
        self.world.log(format_args!(
            "{} learns {path} is at {source}@{epoch}",
            self.node
        ));
        invariants::located(&self.world, &self.node, &path, known, epoch);
    }
}
