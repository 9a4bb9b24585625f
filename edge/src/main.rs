//! The edge: pulls what its players ask for, or is forwarded it, and fans it out over RTMP and HTTP-FLV;
//! what is published to it, it pushes to the origin that should own it.
//!
//! Where a stream is comes from the controller, or from a static list in the config.

mod config;
mod push;
#[cfg(test)]
mod testing;
mod upstream;

use config::Config;
use push::Pushes;
use service::{Common, Process, Program};
use std::{process::ExitCode, sync::Arc};
use upstream::Pulls;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program::new("weir-edge", "edge");

/// Pulls live streams when players ask for them and fans them out over RTMP and HTTP-FLV.
#[derive(Debug, clap::Parser)]
#[command(name = "weir-edge", version = service::build::VERSION, after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    common: Common,
}

const EXAMPLES: &str = "\
Examples:
  WEIR_UPSTREAM__ORIGINS='[10.0.0.1, 10.0.0.2]' weir-edge
                                                 pulls from these origins
  weir-edge --config edge.yaml                   as the file says
  weir-edge --config edge.yaml --check           says what is wrong with the file, and ends
Then play rtmp://localhost/live/NAME or http://localhost:8080/live/NAME.flv";

fn main() -> ExitCode {
    node::memory::keep_freed();
    let args = <Args as clap::Parser>::parse();
    service::run(
        &PROGRAM,
        &args.common,
        async |config: Config, process: Process| {
            let (parts, upstream, push) = config.parts();
            node::run(parts, agent::Role::Edge, process, |node| {
                let pushes = Pushes::new(push, upstream.origins.clone(), node.clone());
                // In this order: a pull must not begin before the push of a publisher that has gone ends.
                vec![
                    Arc::new(pushes),
                    Arc::new(Pulls::new(upstream, node.clone())),
                ]
            })
            .await
        },
    )
}
