//! The program `weir-load`: load on a live server from the command line.
//!
//! In reading order:
//!
//! * [`options`]: `play`, `publish`, `mix`; what all subcommands share, and how it becomes a plan.
//! * [`compare`]: `compare` and `floor`, which start the servers themselves.

mod cli;

use clap::{Parser, Subcommand};
use cli::{compare, options};
use std::process::ExitCode;

/// Put load on a live server, Weir or another, and measure it: players over RTMP, HTTP-FLV and
/// WebSocket-FLV, publishers over RTMP.
#[derive(Debug, Parser)]
#[command(
    name = "weir-load",
    version,
    after_help = "Start here:  weir-load mix --publish rtmp://127.0.0.1:1935/live/test \\
                 --url http://127.0.0.1:8080/live/test.flv --players 1000 --check 20 --pid PID"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play streams that somebody publishes.
    Play(options::Play),
    /// Publish synthetic streams.
    Publish(options::Publish),
    /// Publish and play: measures latency, gaps and checksums from end to end.
    Mix(options::Mix),
    /// Load Weir, a peer and a bare loop in turn, and show them side by side.
    Compare(compare::Compare),
    /// Load a bare loop of `send`: what no server on this machine can undercut.
    Floor(compare::Floor),
    /// The bare loop itself; `floor` and `compare` start it.
    #[command(hide = true)]
    FloorServer(compare::FloorServer),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Play(options) => options.run(),
        Command::Publish(options) => options.run(),
        Command::Mix(options) => options.run(),
        Command::Compare(options) => options.run(),
        Command::Floor(options) => options.run(),
        Command::FloorServer(options) => options.run(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        // The report has said what is wrong.
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("weir-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
