//! The program `weir-controller`.

use clap::Parser;
use controller::{Config, Controller};
use service::{Common, Process, Program};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program::new("weir-controller", "controller");

fn main() -> ExitCode {
    let args = Common::parse();
    service::run(&PROGRAM, &args, async |config: Config, process: Process| {
        service::metrics::describe(&controller::metrics::METRICS);
        let ready = process.readiness.condition("store and listeners");
        let admin = process
            .serve_admin(&config.admin, axum::Router::new())
            .await?;
        let controller = tokio::select! {
            // A shared store that does not answer is waited for.
            started = Controller::start(&config) => started?,
            () = process.drain.draining() => return Ok(()),
        };
        ready.hold();
        tokio::select! {
            () = process.drain.draining() => {}
            failed = controller.failed() => return Err(failed),
        }
        controller.stop().await;
        admin.close().await;
        Ok(())
    })
}
