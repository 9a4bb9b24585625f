//! The smallest program on this frame: it listens for probes, does nothing, and ends when asked.
//! `tests/process.rs` runs it.

use std::time::Duration;

use axum::{Router, routing::get};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{Process, Program, Settings, admin, config, telemetry};

#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// What is logged.
    #[garde(dive)]
    log: telemetry::Config,
    /// Probes and scrapes.
    #[garde(dive)]
    admin: admin::Config,
    /// How long a drain may take.
    #[garde(skip)]
    drain: config::Duration,
    /// Whether to hang instead of ending.
    #[garde(skip)]
    hang: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: telemetry::Config::default(),
            admin: admin::Config::on("127.0.0.1:0"),
            drain: config::Duration::from_secs(25),
            hang: false,
        }
    }
}

impl Settings for Config {
    fn log(&self) -> &telemetry::Config {
        &self.log
    }

    fn drain_deadline(&self) -> Duration {
        self.drain.get()
    }
}

const PROGRAM: Program = Program::new("idle", "example").about("Does nothing, observably");

fn main() -> std::process::ExitCode {
    service::run(
        &PROGRAM,
        &PROGRAM.arguments(),
        async |config: Config, process: Process| {
            let asked = process.readiness.condition("asked to be ready");
            let extra = Router::new().route(
                "/be-ready",
                get(async move || {
                    asked.hold();
                    "it is"
                }),
            );
            let admin = process.serve_admin(&config.admin, extra).await?;
            process.drain.stopping().await;
            if config.hang {
                std::future::pending::<()>().await;
            }
            admin.close().await;
            Ok(())
        },
    )
}
