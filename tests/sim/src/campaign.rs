//! Many runs, on as many threads as there are cores: each run is its own world.

use crate::{invariants::Counts, mutant::Mutant, run};
use parking_lot::Mutex;
use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// What came of many runs.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// How many there were.
    pub runs: u64,
    /// Which broke a promise, and which one, by seed.
    pub broken: Vec<(u64, String)>,
    /// What was seen in all of them.
    pub counts: Counts,
    /// Simulated time.
    pub simulated: Duration,
    /// The longest that a run took to come right.
    pub came_right_in: Duration,
}

/// Runs these seeds, with a planted fault or without; tells how it goes.
pub fn run(seeds: Range<u64>, mutant: Option<Mutant>, progress: impl Fn(&Tally) + Sync) -> Tally {
    let next = AtomicU64::new(seeds.start);
    let tally = Mutex::new(Tally::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    add(seed, mutant, &tally);
                    progress(&tally.lock());
                }
            });
        }
    });
    tally.into_inner()
}

/// Runs one, and adds it.
fn add(seed: u64, mutant: Option<Mutant>, tally: &Mutex<Tally>) {
    let outcome = run::run(seed, mutant);
    let mut tally = tally.lock();
    tally.runs += 1;
    tally
        .broken
        .extend(outcome.violation.map(|what| (seed, what)));
    tally.broken.sort();
    let (all, one) = (&mut tally.counts, outcome.counts);
    all.steps += one.steps;
    all.changes += one.changes;
    all.restarts += one.restarts;
    all.placed += one.placed;
    tally.simulated += outcome.simulated;
    tally.came_right_in = tally.came_right_in.max(outcome.came_right_in);
}
