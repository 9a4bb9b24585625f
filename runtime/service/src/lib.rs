//! The process around a Weir program: what origin, edge and controller need and none of them is.
//!
//! In reading order:
//!
//! * [`mod@run`]: composes a program: command line, config, logs, metrics, signals, exit code.
//! * [`cli`]: the arguments that every program takes.
//! * [`config`]: a YAML file with defaults below it and `WEIR_…` variables above it; errors that
//!   name file, line and key; field types with units; the reference page.
//! * [`telemetry`]: logs for a person at a terminal, JSON for everybody else.
//! * [`metrics`]: the process's one Prometheus registry; every metric has its help text.
//! * [`admin`]: the port for probes and scrapes: `/livez`, `/readyz`, `/metrics`, `/version`.
//! * [`http`]: serves a router to whoever comes, at a bounded cost.
//! * [`readiness`]: named conditions that must hold before the node takes work.
//! * [`drain`]: SIGTERM: take nothing new, finish the old, by a deadline.
//! * [`throttle`]: keeps a log line on a hot path from being the load.
//! * [`build`]: what this program was built from.
//! * [`limits`]: every bound of this crate.
//!
//! Nothing here knows media, a stream or the control plane.
//!
//! ```no_run
//! use garde::Validate;
//! use serde::{Deserialize, Serialize};
//! use service::{Process, Program, admin, telemetry};
//!
//! /// The program's config: the sum of its parts' configs.
//! #[derive(Debug, Clone, Serialize, Deserialize, Validate, schemars::JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! struct Config {
//!     #[garde(dive)]
//!     log: telemetry::Config,
//!     #[garde(dive)]
//!     admin: admin::Config,
//! }
//!
//! impl Default for Config {
//!     fn default() -> Self {
//!         Self { log: Default::default(), admin: admin::Config::on("127.0.0.1:9101") }
//!     }
//! }
//!
//! impl service::Settings for Config {
//!     fn log(&self) -> &telemetry::Config {
//!         &self.log
//!     }
//! }
//!
//! const PROGRAM: Program = Program::new("weir-origin", "origin");
//!
//! fn main() -> std::process::ExitCode {
//!     service::run(&PROGRAM, &PROGRAM.arguments(), async |config: Config, process: Process| {
//!         let listening = process.readiness.condition("rtmp listener");
//!         process.serve_admin(&config.admin, axum::Router::new()).await?;
//!         listening.hold();
//!         process.drain.draining().await;
//!         Ok(())
//!     })
//! }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod admin;
pub mod build;
pub mod cli;
pub mod config;
pub mod drain;
pub mod http;
pub mod limits;
pub mod metrics;
pub mod readiness;
pub mod run;
pub mod telemetry;
pub mod throttle;

pub use cli::Common;
pub use drain::Drain;
pub use readiness::Readiness;
pub use run::{Process, Program, Settings, run};
pub use throttle::Throttle;
