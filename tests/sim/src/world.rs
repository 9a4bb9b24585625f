//! Everything that is true in a simulated cluster, whoever knows it: which machines run, which can hear
//! each other, what was said and done. The one place that draws lots.
//!
//! No lock is held across an `.await`, and one thread runs it all, so that the lots fall the same way
//! each time.

use crate::{
    encoder::Encoder, invariants::History, mutant::Mutant, node::NodeState, process::Process,
};
use control::NodeId;
use controller::{
    program::{Core, Wall},
    store::memory::Memory,
};
use fastrand::Rng;
use media::StreamPath;
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// Any machine of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Machine {
    /// The store's.
    Store,
    /// A controller's.
    Controller(usize),
    /// An origin's.
    Origin(usize),
    /// An edge's.
    Edge(usize),
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store => f.write_str("store"),
            Self::Controller(number) => write!(f, "c{number}"),
            Self::Origin(number) => write!(f, "o{number}"),
            Self::Edge(number) => write!(f, "e{number}"),
        }
    }
}

/// How many of each there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Controllers on the store.
    pub controllers: usize,
    /// Origins.
    pub origins: usize,
    /// Edges.
    pub edges: usize,
    /// Streams.
    pub streams: usize,
}

/// A controller's process.
pub struct Running {
    /// The process.
    pub process: Process,
    /// What runs in it, once it has learnt what the store holds.
    pub core: Option<Arc<Core>>,
    /// Which start.
    pub run: u64,
}

/// What is true now.
pub struct State {
    /// All lots.
    pub chance: Rng,
    /// Whose messages to whom are held up.
    pub blocked: BTreeSet<(Machine, Machine)>,
    /// How much longer messages to or from a machine take.
    pub slow: BTreeMap<Machine, Duration>,
    /// Messages are broken off, told twice or told late now.
    pub unreliable: bool,
    /// The store answers nobody.
    pub store_down: bool,
    /// The controllers that run.
    pub controllers: BTreeMap<usize, Running>,
    /// The nodes, running or not.
    pub nodes: BTreeMap<NodeId, NodeState>,
    /// Who publishes what.
    pub encoders: Vec<Encoder>,
    /// Starts of controllers so far.
    pub runs: u64,
    /// What the checks remember.
    pub history: History,
    log: String,
    violation: Option<String>,
}

/// The cluster.
pub struct World {
    /// How large it is.
    pub size: Size,
    /// What is planted.
    pub mutant: Option<Mutant>,
    /// The store itself.
    pub memory: Memory,
    /// Told when messages may pass that could not.
    pub opened: Notify,
    started: Instant,
    state: Mutex<State>,
}

/// The wall clocks' beginning: a Friday in November 2026.
const UNIX_MS: u64 = 1_794_000_000_000;

impl State {
    /// The store has lost what it knew.
    pub fn store_lost(&mut self) {
        self.history.store_lost(self.runs);
    }
}

impl World {
    /// An empty cluster. To be called on the runtime whose clock it shall have.
    pub fn new(seed: u64, mutant: Option<Mutant>) -> Arc<Self> {
        let mut chance = Rng::with_seed(seed);
        let size = Size {
            controllers: chance.usize(1..=3),
            origins: chance.usize(2..=3),
            edges: chance.usize(2..=4),
            streams: chance.usize(2..=5),
        };
        Arc::new(Self {
            size,
            mutant,
            memory: Memory::default(),
            opened: Notify::new(),
            started: Instant::now(),
            state: Mutex::new(State {
                chance,
                blocked: BTreeSet::new(),
                slow: BTreeMap::new(),
                unreliable: false,
                store_down: false,
                controllers: BTreeMap::new(),
                nodes: BTreeMap::new(),
                encoders: Vec::new(),
                runs: 0,
                history: History::default(),
                log: String::new(),
                violation: None,
            }),
        })
    }

    /// Looks at what is true, or changes it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Whether this is planted.
    pub fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// How long it has run.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Writes down what happened.
    pub fn log(&self, what: impl fmt::Display) {
        let at = self.elapsed();
        let mut state = self.state();
        let (s, us) = (at.as_secs(), at.subsec_micros());
        // Writing to a text cannot fail.
        let _ = writeln!(state.log, "{s:>4}.{us:06} {what}");
    }

    /// A promise is broken. The first one counts.
    pub fn broken(&self, what: impl fmt::Display) {
        self.log(format_args!("BROKEN {what}"));
        let text = what.to_string();
        self.state().violation.get_or_insert(text);
    }

    /// Which promise was broken.
    pub fn violation(&self) -> Option<String> {
        self.state().violation.clone()
    }

    /// Takes the log.
    pub fn take_log(&self) -> String {
        std::mem::take(&mut self.state().log)
    }

    /// A wall clock that is right but for `skew_ms`.
    pub fn wall(&self, skew_ms: i64) -> Wall {
        Wall {
            at: self.started.into_std(),
            unix_ms: UNIX_MS.saturating_add_signed(skew_ms),
        }
    }

    /// What a right clock shows.
    pub fn unix_ms(&self) -> u64 {
        self.wall(0).unix_ms(Instant::now().into_std())
    }

    /// Whether `from` is heard by `to`, if both run.
    pub fn is_open(&self, from: Machine, to: Machine) -> bool {
        let state = self.state();
        let is_store = from == Machine::Store || to == Machine::Store;
        !(state.blocked.contains(&(from, to)) || is_store && state.store_down)
    }

    /// How long the next message takes.
    pub fn latency(&self, from: Machine, to: Machine) -> Duration {
        let mut state = self.state();
        let usual = Duration::from_micros(state.chance.u64(200..3_000));
        let slow = [from, to].map(|it| state.slow.get(&it).copied().unwrap_or_default());
        let slow = slow.into_iter().max().unwrap_or_default();
        if slow.is_zero() {
            return usual;
        }
        usual + slow.mul_f64(state.chance.f64())
    }

    /// Whether something happens that happens so often.
    pub fn happens(&self, permille: u32) -> bool {
        self.state().chance.u32(0..1_000) < permille
    }

    /// Waits until `from` is heard by `to`.
    pub async fn open(&self, from: Machine, to: Machine) {
        loop {
            let opened = self.opened.notified();
            if self.is_open(from, to) {
                return;
            }
            opened.await;
        }
    }

    /// A node's machine.
    pub fn machine(&self, node: &NodeId) -> Option<Machine> {
        let number = node.as_str().get(1..)?.parse().ok()?;
        Some(match node.as_str().starts_with('o') {
            true => Machine::Origin(number),
            false => Machine::Edge(number),
        })
    }

    /// All streams' names.
    pub fn paths(&self) -> Vec<StreamPath> {
        (0..self.size.streams).map(path).collect()
    }
}

/// A stream's name.
pub fn path(number: usize) -> StreamPath {
    StreamPath::new("h", "live", &format!("s{number}")).expect("a plain name is a good path")
}

/// A node's name.
pub fn node_id(machine: Machine) -> NodeId {
    NodeId::new(&machine.to_string()).expect("a plain name is a good id")
}
