//! The origin: takes streams in over RTMP, serves them over RTMP and HTTP-FLV, forwards them.
//!
//! Works alone, with one small config file or none; with `cluster.controllers` it tells the controller
//! what it carries.

mod config;

use config::Config;
use service::{Common, Process, Program};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program::new("weir-origin", "origin");

/// Takes live streams in over RTMP and serves them over RTMP and HTTP-FLV.
#[derive(Debug, clap::Parser)]
#[command(name = "weir-origin", version = service::build::VERSION, after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    common: Common,
}

const EXAMPLES: &str = "\
Examples:
  weir-origin                                    listens on :1935 (RTMP) and :8080 (HTTP)
  weir-origin --config origin.yaml               as the file says
  weir-origin --config origin.yaml --check       says what is wrong with the file, and ends
  WEIR_RTMP__LISTEN=:1940 weir-origin            one key by the environment
Then publish to rtmp://localhost/live/NAME and play http://localhost:8080/live/NAME.flv";

fn main() -> ExitCode {
    node::memory::keep_freed();
    let args = <Args as clap::Parser>::parse();
    service::run(
        &PROGRAM,
        &args.common,
        async |config: Config, process: Process| {
            node::run(config.parts(), agent::Role::Origin, process, |_| Vec::new()).await
        },
    )
}
