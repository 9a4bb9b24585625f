//! `weir-sim`: runs many seeds, replays one with its log, plants faults to see that they are found.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sim::{
    campaign::{self, Tally},
    mutant::{MUTANTS, Mutant},
    run::run,
};
use std::{process::ExitCode, time::Instant};

/// The control plane under simulation: real controllers, a store, nodes and a network in one process,
/// with faults by seed. Ends with 1 if a promise was broken.
#[derive(Parser)]
#[command(name = "weir-sim", after_help = EXAMPLES)]
struct Options {
    /// How many seeds to run, from 0 (or from --from) on.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Runs this seed alone, and prints everything that happened.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Plants a fault; see --list.
    #[arg(long)]
    mutant: Option<Mutant>,
    /// Names the faults that can be planted.
    #[arg(long)]
    list: bool,
}

const EXAMPLES: &str = "Examples:
  cargo run --release -p weir-sim -- --seeds 5000
  cargo run --release -p weir-sim -- --seed 64            what happened in run 64
  cargo run --release -p weir-sim -- --mutant no-fencing  how soon it is found";

#[expect(clippy::print_stdout, reason = "what was asked for goes to stdout")]
fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        for (_, name, what) in MUTANTS {
            println!("{name:<28}{what}");
        }
        return ExitCode::SUCCESS;
    }
    if let Some(seed) = options.seed {
        let outcome = run(seed, options.mutant);
        print!("{}", outcome.log);
        return match outcome.violation {
            Some(_) => ExitCode::FAILURE,
            None => ExitCode::SUCCESS,
        };
    }
    let began = Instant::now();
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {eta} left {msg}");
    let bar = ProgressBar::new(options.seeds);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let seeds = options.from..options.from.saturating_add(options.seeds);
    let tally = campaign::run(seeds, options.mutant, |tally| {
        bar.set_position(tally.runs);
        if !tally.broken.is_empty() {
            bar.set_message(format!("{} broken", tally.broken.len()));
        }
    });
    bar.finish_and_clear();
    println!("{}", table(&tally, began.elapsed()));
    match tally.broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn table(tally: &Tally, took: std::time::Duration) -> String {
    let mut said = String::new();
    for (seed, what) in &tally.broken {
        said += &format!("seed {seed}: {what}\n");
    }
    let row = |name: &str, value: String| format!("{name:<36}{value:>14}\n");
    said += &row("runs", tally.runs.to_string());
    said += &row("promises broken", tally.broken.len().to_string());
    said += &row("steps checked", tally.counts.steps.to_string());
    said += &row("changes of owner", tally.counts.changes.to_string());
    said += &row("restarts by controllers", tally.counts.restarts.to_string());
    said += &row("publishes placed", tally.counts.placed.to_string());
    let hours = tally.simulated.as_secs_f64() / 3_600.0;
    said += &row("simulated, hours", format!("{hours:.1}"));
    let slowest = tally.came_right_in.as_secs_f64();
    said += &row("slowest to come right, s", format!("{slowest:.1}"));
    said + row("took, s", format!("{:.1}", took.as_secs_f64())).trim_end()
}
