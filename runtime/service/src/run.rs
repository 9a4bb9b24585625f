//! Composes a program: command line, config, logs, metrics, signals; then its own main; then the
//! exit code.
//!
//! | Code | Meaning |
//! | --- | --- |
//! | 0 | ended as asked, also after a drain |
//! | 1 | failed, or did not end in time and was abandoned |
//! | 2 | the command line or the config is wrong; nothing was started |

use std::{process::ExitCode, time::Duration};

use axum::Router;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    Common, Drain, Readiness,
    admin::{self, Admin},
    build::BUILD,
    cli, config, drain, limits, metrics, telemetry,
};

/// The exit code of a wrong command line or config.
pub const EXIT_USAGE: u8 = 2;

/// What a program is called and how wide it runs.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    name: &'static str,
    role: &'static str,
    about: &'static str,
    worker_threads: usize,
}

impl Program {
    /// `name` is the executable's, `role` what it is in the cluster: `origin`, `edge`, `controller`.
    pub const fn new(name: &'static str, role: &'static str) -> Self {
        Self {
            name,
            role,
            about: "",
            worker_threads: 2,
        }
    }

    /// One sentence for `--help`.
    pub const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// How many threads the process's own runtime has; two if not said. Shards have their own.
    pub const fn worker_threads(self, worker_threads: usize) -> Self {
        Self {
            worker_threads,
            ..self
        }
    }

    /// Reads the command line of a program that takes no other arguments than [`Common`]. Ends the
    /// process on `--help`, on `--version` and on a mistake.
    pub fn arguments(&self) -> Common {
        cli::parse(cli::command(self.name, self.about))
    }
}

/// The parts of a program's config that its process needs.
pub trait Settings {
    /// What is logged, and how.
    fn log(&self) -> &telemetry::Config;

    /// How long a drain may take.
    fn drain_deadline(&self) -> Duration {
        limits::DRAIN_DEADLINE_DEFAULT
    }
}

/// What the process gives to its program; cheap to clone.
#[derive(Clone)]
pub struct Process {
    /// When to take nothing new, and when to stop.
    pub drain: Drain,
    /// What must hold before the node takes work.
    pub readiness: Readiness,
    /// The process's metrics.
    pub metrics: metrics::Handle,
}

impl Process {
    /// Answers probes and scrapes at `config.listen`, and `extra` beside them. The port stays up
    /// through a drain: close it last, or let the process's end close it.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn serve_admin(
        &self,
        config: &admin::Config,
        extra: Router,
    ) -> Result<Admin, admin::ListenError> {
        let Self {
            drain,
            readiness,
            metrics,
        } = self.clone();
        admin::serve(
            config,
            admin::Shown {
                metrics,
                readiness,
                drain,
            },
            extra,
        )
        .await
    }
}

/// Runs a program to its end: loads its config as `args` say, sets up logs, metrics and signals,
/// and awaits `main`, which ends by itself once [`Process::drain`] says so.
///
/// A `main` that does not end within [`limits::STOP_GRACE`] of [`Drain::stopping`] is abandoned.
pub fn run<C, F>(program: &Program, args: &Common, main: F) -> ExitCode
where
    C: config::Config + Settings,
    F: AsyncFnOnce(C, Process) -> anyhow::Result<()>,
{
    if let Some(text) = printed::<C>(args) {
        return print(&text);
    }
    let loaded = match config::load::<C>(args.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{}: {error}", program.name);
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if args.check {
        return print("the config is good\n");
    }
    let config = loaded.config;
    telemetry::init(config.log());
    for config::Ignored { name, nearest } in &loaded.ignored {
        match nearest {
            Some(nearest) => tracing::warn!(name, nearest, "this variable is no config key"),
            None => tracing::debug!(name, "this variable is no config key"),
        }
    }
    tracing::info!(
        program = program.name,
        version = BUILD.version,
        commit = BUILD.commit,
        target = BUILD.target,
        pid = std::process::id(),
        config = args
            .config
            .as_ref()
            .map(|file| tracing::field::display(file.display())),
        "starts"
    );
    take_descriptors();
    match start(program, config, main) {
        Ok(()) => {
            tracing::info!(program = program.name, "ends");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(
                program = program.name,
                error = told(&error),
                "ends in failure"
            );
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, each once: some name their cause themselves, as a log line without the chain
/// needs it.
fn told(error: &anyhow::Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    causes
        .reduce(|told, cause| match told.ends_with(&cause) {
            true => told,
            false => format!("{told}: {cause}"),
        })
        .unwrap_or_default()
}

fn start<C, F>(program: &Program, config: C, main: F) -> anyhow::Result<()>
where
    C: config::Config + Settings,
    F: AsyncFnOnce(C, Process) -> anyhow::Result<()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(program.worker_threads)
        .thread_name(program.role)
        .enable_all()
        .build()?;
    let metrics = metrics::install(program.role)?;
    let drain = Drain::new(config.drain_deadline());
    let process = Process {
        drain: drain.clone(),
        readiness: Readiness::new(),
        metrics,
    };
    let ended = runtime.block_on(async {
        let signals = drain::Signals::catch()?;
        let metrics = process.metrics.clone();
        let abandoned = async {
            drain.supervise(signals).await;
            tokio::time::sleep(limits::STOP_GRACE).await;
        };
        tokio::select! {
            ended = Box::pin(main(config, process)) => ended,
            () = abandoned => anyhow::bail!("did not end within {:?} of its stop", limits::STOP_GRACE),
            never = metrics.upkeep() => match never {},
        }
    });
    runtime.shutdown_timeout(limits::STOP_GRACE);
    ended
}

/// A connection is a descriptor, and shells and systemd give a thousand at first: takes as many as the
/// system allows.
fn take_descriptors() {
    let given = getrlimit(Resource::Nofile);
    let wanted = given
        .maximum
        .unwrap_or(u64::MAX)
        .min(limits::DESCRIPTORS_MAX);
    if given.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let limit = Rlimit {
        current: Some(wanted),
        ..given
    };
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => tracing::debug!(descriptors = wanted, "the descriptor limit is raised"),
        Err(error) => {
            let descriptors = given.current;
            tracing::warn!(%error, descriptors, wanted, "the descriptor limit stays as it is");
        }
    }
}

fn printed<C: config::Config>(args: &Common) -> Option<String> {
    if args.print_schema {
        return Some(config::schema::<C>());
    }
    if args.print_reference {
        return Some(config::reference::<C>());
    }
    args.print_example.then(config::example::<C>)
}

fn print(text: &str) -> ExitCode {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let taken = || std::io::Error::other("the address is in use");
        #[derive(Debug, thiserror::Error)]
        #[error("cannot listen: {source}")]
        struct Listen {
            source: std::io::Error,
        }
        let listen: anyhow::Result<()> = Err(Listen { source: taken() }.into());
        let listen = listen.context("rtmp.listen").expect_err("refused");
        assert_eq!(
            told(&listen),
            "rtmp.listen: cannot listen: the address is in use"
        );
        let chained = anyhow::Error::from(taken()).context("cannot listen");
        assert_eq!(told(&chained), "cannot listen: the address is in use");
        assert_eq!(told(&anyhow!("alone")), "alone");
    }
}
