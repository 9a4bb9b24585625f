//! One run: a cluster starts, things go wrong, then nothing more does, and everything has to come right.

use crate::{
    controllers, converge, encoder,
    encoder::Encoder,
    faults,
    invariants::Counts,
    mutant::Mutant,
    node::{self, NodeState},
    world::{Machine, World, node_id, path},
};
use control::Role;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long things go wrong.
const FAULTS_FOR: Duration = Duration::from_secs(40);

/// How long everything may take to come right: a node that was restarted often waits 20 s for the next
/// time, after a controller that has just begun to decide has waited for 10 s, and death takes 6 s.
const COMES_RIGHT_IN: Duration = Duration::from_secs(90);

/// How long it has to stay right.
const STAYS_RIGHT_FOR: Duration = Duration::from_secs(3);

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which run.
    pub seed: u64,
    /// The promise that was broken, if one was.
    pub violation: Option<String>,
    /// Everything that happened.
    pub log: String,
    /// What was seen.
    pub counts: Counts,
    /// How long it took to come right after the last fault.
    pub came_right_in: Duration,
    /// Simulated time in all.
    pub simulated: Duration,
}

/// Runs a seed, with a planted fault or without.
///
/// # Panics
/// If no runtime can be made, or the control plane panics.
pub fn run(seed: u64, mutant: Option<Mutant>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets needs nothing");
    runtime.block_on(async {
        let world = World::new(seed, mutant);
        let came_right_in = simulate(&world).await;
        world.log(match world.violation() {
            Some(_) => "the end: a promise is broken",
            None => "the end: all is right",
        });
        let counts = world.state().history.counts;
        // Who is killed lets go of the world.
        for number in 0..world.size.controllers {
            controllers::crash(&world, number);
        }
        Outcome {
            seed,
            violation: world.violation(),
            log: world.take_log(),
            counts,
            came_right_in,
            simulated: world.elapsed(),
        }
    })
}

async fn simulate(world: &Arc<World>) -> Duration {
    populate(world);
    let until = Instant::now() + FAULTS_FOR;
    let ends = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        faults::run(world, until).await;
    };
    // A broken promise ends the run.
    let broken = async {
        while world.violation().is_none() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        biased;
        () = broken => return Duration::ZERO,
        () = ends => {}
    }
    let healed = Instant::now();
    let mut right_since: Option<Instant> = None;
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        if world.violation().is_some() {
            return healed.elapsed();
        }
        match converge::converged(world).await {
            Ok(()) => {
                let since = *right_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= STAYS_RIGHT_FOR {
                    return since.duration_since(healed);
                }
            }
            Err(why) if healed.elapsed() >= COMES_RIGHT_IN => {
                world.broken(format_args!(
                    "not right {} s after the last fault: {why}",
                    COMES_RIGHT_IN.as_secs()
                ));
            }
            Err(_) => right_since = None,
        }
    }
}

fn populate(world: &Arc<World>) {
    world.log(format_args!("{:?}", world.size));
    for number in 0..world.size.controllers {
        let skew_ms = world.state().chance.i64(-5_000..5_000);
        controllers::start(world, number, skew_ms);
    }
    let origins = (0..world.size.origins).map(|it| (Machine::Origin(it), Role::Origin));
    let edges = (0..world.size.edges).map(|it| (Machine::Edge(it), Role::Edge));
    for (machine, role) in origins.chain(edges) {
        let mut state = world.state();
        let skew_ms = state.chance.i64(-5_000..5_000);
        let mut node = NodeState::new(role, skew_ms);
        if role == Role::Edge {
            let paths = world.paths().into_iter();
            node.played = paths.filter(|_| state.chance.bool()).collect();
        }
        state.nodes.insert(node_id(machine), node);
        drop(state);
        node::start(world, machine);
    }
    // Each stream has a second encoder, which is to be on air only when something goes wrong.
    for (second, number) in [false, true]
        .into_iter()
        .flat_map(|second| (0..world.size.streams).map(move |number| (second, number)))
    {
        let mut state = world.state();
        let by_edge = state.chance.bool();
        state
            .encoders
            .push(Encoder::new(path(number), by_edge, !second));
        let encoder = state.encoders.len() - 1;
        drop(state);
        tokio::spawn(encoder::run(Arc::clone(world), encoder));
    }
}
