//! The program `weir`: a whole cluster on one machine, and the operator's command line.
//!
//! In reading order:
//!
//! * [`up`]: `weir up`, the cluster as child processes.
//! * [`state`]: what that leaves on disk, and how the other subcommands find it.
//! * [`show`]: `weir status`, `nodes`, `streams`, `events`, `explain`, and the orders `restart`, `freeze`,
//!   `unfreeze`, by the controller's [`rest`] API.
//! * [`play`] and [`publish`]: a small player and a small encoder, on one [`connection`].
//!
//! One thread serves all of it; nothing here is on a hot path.

mod connection;
mod play;
mod plural;
mod publish;
mod rest;
mod show;
mod state;
mod up;

use clap::{Parser, Subcommand};
use std::{io, process::ExitCode};

/// Weir, a live-streaming CDN: run a cluster on this machine, look at one, play and publish.
#[derive(Debug, Parser)]
#[command(name = "weir", version = service::build::VERSION, after_help = "Start here:  weir up --demo")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Options),
    Status(show::status::Options),
    Streams(show::streams::Options),
    Nodes(show::nodes::Options),
    Events(show::events::Options),
    Explain(show::explain::Options),
    Restart(show::orders::Restart),
    Freeze(show::orders::Freeze),
    Unfreeze(show::orders::Unfreeze),
    Play(play::Options),
    Publish(publish::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Fails only if somebody has installed one before, and nobody is before us.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match cli.command {
                Command::Up(options) => up::run(options).await,
                Command::Status(options) => show::status::run(options).await,
                Command::Streams(options) => show::streams::run(options).await,
                Command::Nodes(options) => show::nodes::run(options).await,
                Command::Events(options) => show::events::run(options).await,
                Command::Explain(options) => show::explain::run(options).await,
                Command::Restart(options) => show::orders::restart(options).await,
                Command::Freeze(options) => show::orders::freeze(options).await,
                Command::Unfreeze(options) => show::orders::unfreeze(options).await,
                Command::Play(options) => play::run(options).await,
                Command::Publish(options) => publish::run(options).await,
            }
        })
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever read our output has seen enough (`weir streams | head -1`).
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_version_names_the_commit_as_the_other_programs_do() {
        let version = Cli::command().render_version();
        assert!(version.contains(service::build::BUILD.commit), "{version}");
    }
}
