//! What every test run simulates: some hundred seeds, the same log for the same seed, and each planted
//! fault found. `cargo run --release -p weir-sim -- --seeds 5000` does more.

use sim::{campaign, mutant::MUTANTS, run::run};

/// Seeds in a test run; `WEIR_SIM_SEEDS` asks for another number.
const SEEDS: u64 = 200;

/// Within so many seeds each planted fault must be found.
const FOUND_WITHIN: u64 = 500;

#[test]
fn no_seed_breaks_a_promise() {
    let asked = std::env::var("WEIR_SIM_SEEDS").ok();
    let seeds = asked.map_or(SEEDS, |text| text.parse().expect("a number of seeds"));
    let tally = campaign::run(0..seeds, None, |_| {});
    let replay = "cargo run --release -p weir-sim -- --seed N";
    assert!(tally.broken.is_empty(), "{replay}: {:#?}", tally.broken);
    // A cluster in which nothing happens keeps every promise.
    assert!(tally.counts.changes > seeds, "{:?}", tally.counts);
    assert!(tally.counts.restarts > seeds / 4, "{:?}", tally.counts);
    assert!(tally.counts.placed > seeds / 4, "{:?}", tally.counts);
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    for seed in 0..8 {
        let (first, second) = (run(seed, None), run(seed, None));
        assert!(first.log.lines().count() > 20, "{}", first.log);
        assert_eq!(first, second, "seed {seed}");
    }
    assert_ne!(run(1, None).log, run(2, None).log);
}

#[test]
fn each_planted_fault_is_found() {
    for (mutant, name, _) in MUTANTS {
        let found = (0..FOUND_WITHIN).find(|seed| run(*seed, Some(mutant)).violation.is_some());
        assert!(found.is_some(), "{name} lived through {FOUND_WITHIN} seeds");
    }
}
