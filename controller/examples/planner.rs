//! How long the planner takes for a whole cluster: 1,000 nodes, 100,000 streams.
//!
//! ```sh
//! cargo run --release -p weir-controller --example planner
//! ```
//!
//! Three plans, each timed alone, the median and the slowest of 15: who owns every stream when all of
//! them are new; the same again when nothing changed; and where 100,000 publishes are to go.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use control::{
    Addresses, Arrival, Capacity, Identity, Incarnation, Load, NodeId, Report, Role, StreamReport,
};
use controller::{
    limits::WRITES_PER_TRANSACTION_MAX,
    model::inventory::{DialogueId, Inventory, Now, Timing},
    plan::{
        self, Candidate, Decision, Placement, Policy,
        placing::{Board, Question, Site, Standing},
    },
    store::Revision,
};
use media::StreamPath;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NODES: usize = 1_000;
const ORIGINS: usize = 100;
const STREAMS: usize = 100_000;
const ROUNDS: usize = 15;
/// Where nodes are: four regions of three zones.
const SITES: usize = 12;

fn main() {
    let now = Now {
        instant: Instant::now(),
        unix_ms: 1_000_000,
    };
    let mut all_new = Vec::new();
    let mut unchanged = Vec::new();
    for _ in 0..ROUNDS {
        let mut inventory = cluster(now);
        let began = Instant::now();
        let owned = own_all(&mut inventory, now);
        all_new.push(began.elapsed());
        assert_eq!(owned.len(), STREAMS, "each stream gets an owner");
        for (number, (path, placement)) in owned.into_iter().enumerate() {
            let revision = Revision(number as u64 + 1);
            inventory.stored_stream(&path, Some(placement), revision);
        }
        let began = Instant::now();
        let changed = own_all(&mut inventory, now);
        unchanged.push(began.elapsed());
        assert_eq!(changed.len(), 0, "and keeps it");
    }
    let mut placed = Vec::new();
    for _ in 0..ROUNDS {
        let (candidates, questions) = (candidates(), questions());
        let began = Instant::now();
        let mut board = Board::new(candidates);
        let mut streams: BTreeMap<NodeId, usize> = BTreeMap::new();
        for question in &questions {
            let node = board.place(question).expect("there is room");
            *streams.entry(node.clone()).or_default() += 1;
        }
        placed.push(began.elapsed());
        let counts = (streams.values().min(), streams.values().max());
        assert!(
            counts.1 <= counts.0.map(|least| least * 4).as_ref(),
            "{counts:?}"
        );
    }
    println!("{NODES} nodes, {STREAMS} streams: median / slowest of {ROUNDS}");
    for (what, times) in [
        ("owners, all streams new", &mut all_new),
        ("owners, nothing changed", &mut unchanged),
        ("places for all publishes", &mut placed),
    ] {
        times.sort();
        let median = times.get(ROUNDS / 2).copied().unwrap_or(Duration::ZERO);
        let slowest = times.last().copied().unwrap_or(Duration::ZERO);
        println!("{what:<26} {median:>7.1?} / {slowest:.1?}");
    }
}

/// Decides for every unsettled stream, as many at a time as the reconciler does; the changes.
fn own_all(inventory: &mut Inventory, now: Now) -> Vec<(StreamPath, Placement)> {
    let (mut changes, policy) = (Vec::new(), Policy::default());
    loop {
        let unsettled = inventory.take_unsettled(WRITES_PER_TRANSACTION_MAX, now);
        if unsettled.is_empty() {
            return changes;
        }
        for (path, facts, _) in unsettled {
            if let Decision::Change { owner, epoch, .. } = plan::decide(&facts, &policy) {
                let before = facts.placement.as_ref();
                let placement = Placement::after(before, owner, epoch, now.unix_ms);
                changes.push((path, placement));
            }
        }
    }
}

/// All nodes report; each origin has its share of the streams, each edge pulls a hundred.
fn cluster(now: Now) -> Inventory {
    let timing = Timing {
        suspect_after: Duration::from_secs(3),
    };
    let mut inventory = Inventory::new(timing, now);
    for number in 0..NODES {
        let identity = identity(number);
        let (arrival, streams) = match identity.role {
            Role::Origin => (Arrival::Published, (number..STREAMS).step_by(ORIGINS)),
            Role::Edge => (Arrival::Pulled, (number..STREAMS).step_by(STREAMS / 100)),
        };
        let report = Report {
            streams: streams
                .map(|stream| StreamReport::new(path(stream), arrival, 1))
                .collect(),
            ..Report::default()
        };
        let (node, dialogue) = (identity.node.clone(), DialogueId::default());
        inventory
            .register(identity, dialogue, now)
            .expect("registered");
        inventory.report(&node, dialogue, report, now);
    }
    inventory
}

fn identity(number: usize) -> Identity {
    let Site { region, zone } = site(number);
    Identity {
        node: node(number),
        role: match number < ORIGINS {
            true => Role::Origin,
            false => Role::Edge,
        },
        incarnation: Incarnation(1),
        addresses: Addresses {
            rtmp: Some(format!("n{number}:1935")),
            ..Addresses::default()
        },
        region,
        zone,
        capacity: Capacity::default(),
        version: String::new(),
    }
}

fn candidates() -> Vec<Candidate> {
    let candidate = |number| Candidate {
        node: node(number),
        site: site(number),
        standing: Standing::Ready,
        load: Load::default(),
        streams: 0,
        capacity: Capacity {
            streams: 1_000,
            ..Capacity::default()
        },
    };
    (0..NODES).map(candidate).collect()
}

/// One publish in ten is somewhere already.
fn questions() -> Vec<Question> {
    let question = |stream: usize| Question {
        path: path(stream),
        from: site(stream / 7),
        keep: stream.is_multiple_of(10).then(|| node(stream % NODES)),
        avoid: Vec::new(),
    };
    (0..STREAMS).map(question).collect()
}

fn node(number: usize) -> NodeId {
    NodeId::new(&format!("n{number}")).expect("a good id")
}

fn path(stream: usize) -> StreamPath {
    StreamPath::new("h", "live", &stream.to_string()).expect("a good path")
}

fn site(number: usize) -> Site {
    let site = number % SITES;
    Site {
        region: format!("region-{}", site / 3),
        zone: format!("zone-{}", site % 3),
    }
}
