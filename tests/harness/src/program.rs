//! Weir's own programs, built by cargo, on free loopback ports.
//!
//! A test gives the part of the config that it is about, as JSON, which is YAML too; listeners are
//! added where it names none. The programs are looked for in `WEIR_BIN_DIR`, or else where cargo put
//! them beside the test itself.

use std::{
    env,
    ffi::OsStr,
    net::SocketAddr,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    http, port,
    process::{Invocation, Process, scratch},
    wait::eventually,
};

/// From start to ready on a machine that is busy with other tests.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The folder with the programs under test, where it is not cargo's.
const BIN_DIR: &str = "WEIR_BIN_DIR";

/// Which of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `weir-origin`
    Origin,
    /// `weir-edge`
    Edge,
    /// `weir-controller`
    Controller,
}

impl Role {
    fn program(self) -> &'static str {
        match self {
            Self::Origin => "weir-origin",
            Self::Edge => "weir-edge",
            Self::Controller => "weir-controller",
        }
    }

    /// The listeners that it has, as `[section, key]` of its config.
    fn listeners(self) -> &'static [[&'static str; 2]] {
        match self {
            Self::Origin | Self::Edge => {
                &[["rtmp", "listen"], ["http", "listen"], ["admin", "listen"]]
            }
            Self::Controller => &[["grpc", "listen"], ["rest", "listen"], ["admin", "listen"]],
        }
    }
}

/// A running origin, edge or controller; killed on drop. It is a [`Process`], too.
#[derive(Debug)]
pub struct Program {
    process: Process,
    role: Role,
    config: Value,
}

impl Program {
    /// Starts an origin and waits until it is ready.
    ///
    /// # Errors
    /// If it is not built, or not ready in time; with its log.
    pub async fn origin(config: Value) -> Result<Self> {
        Self::start(Role::Origin, config).await
    }

    /// Starts an edge and waits until it is ready.
    ///
    /// # Errors
    /// As for [`Self::origin`].
    pub async fn edge(config: Value) -> Result<Self> {
        Self::start(Role::Edge, config).await
    }

    /// Starts a controller and waits until it is ready.
    ///
    /// # Errors
    /// As for [`Self::origin`].
    pub async fn controller(config: Value) -> Result<Self> {
        Self::start(Role::Controller, config).await
    }

    /// Starts a program and waits until it is ready.
    ///
    /// # Errors
    /// As for [`Self::origin`].
    pub async fn start(role: Role, config: Value) -> Result<Self> {
        Self::start_in(role, config, &[]).await
    }

    /// Starts a program that need not become ready: because its config is wrong, or because what it
    /// waits for is not there yet.
    ///
    /// # Errors
    /// If it is not built.
    pub fn start_unready(role: Role, config: Value) -> Result<Self> {
        Self::launch(role, config, &[])
    }

    /// Starts a program with variables of its environment, `[name, value]`, and waits until it is ready.
    ///
    /// # Errors
    /// As for [`Self::origin`].
    pub async fn start_in(role: Role, config: Value, variables: &[[&str; 2]]) -> Result<Self> {
        let mut program = Self::launch(role, config, variables)?;
        program.ready().await?;
        Ok(program)
    }

    fn launch(role: Role, mut config: Value, variables: &[[&str; 2]]) -> Result<Self> {
        for [section, key] in role.listeners() {
            let section = config
                .as_object_mut()
                .context("a config is an object")?
                .entry(*section)
                .or_insert_with(|| json!({}));
            section
                .as_object_mut()
                .context("a section of the config is an object")?
                .entry(*key)
                .or_insert_with(|| json!(port::free().to_string()));
        }
        let folder = scratch()?;
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, serde_json::to_string_pretty(&config)?)?;
        let log = env::var("RUST_LOG").unwrap_or_else(|_| "info".into());
        let mut invocation = Invocation::new(binary(role.program())?)
            .arg("--config")
            .arg(&file)
            .env("RUST_LOG", log);
        for [name, value] in variables {
            invocation = invocation.env(name, *value);
        }
        Ok(Self {
            process: Process::start_in(folder, invocation)?,
            role,
            config,
        })
    }

    /// Starts it again at the same ports with the same config, killing it first if it still runs,
    /// and waits until it is ready.
    ///
    /// # Errors
    /// If it is not ready in time.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.ready().await
    }

    /// Waits until `/readyz` says 200.
    ///
    /// # Errors
    /// If it ends by itself, or does not say so in time; with its log.
    pub async fn ready(&mut self) -> Result<()> {
        let url = format!("http://{}/readyz", self.admin());
        let process = &mut self.process;
        let outcome = eventually(READY_WITHIN, async || {
            // What has ended will not become ready: do not wait for it.
            if let Err(ended) = process.ensure_running() {
                return Ok(Err(ended));
            }
            http::get_ok(&url).await.map(|_| Ok(()))
        });
        match outcome.await {
            Ok(ended) => ended,
            Err(error) => {
                Err(error.context(format!("{:?} is not ready\n{}", self.role, self.tail())))
            }
        }
    }

    /// Which of the programs it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its whole config, listeners included.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Where it answers probes and scrapes.
    pub fn admin(&self) -> SocketAddr {
        self.listener("admin")
    }

    /// Where it speaks RTMP.
    pub fn rtmp(&self) -> SocketAddr {
        self.listener("rtmp")
    }

    /// Where it speaks HTTP to players.
    pub fn http(&self) -> SocketAddr {
        self.listener("http")
    }

    /// The address at which a section of its config listens.
    ///
    /// # Panics
    /// If its config has no such section with an `ip:port`; a fault of the test.
    pub fn listener(&self, section: &str) -> SocketAddr {
        let listen = self.config[section]["listen"]
            .as_str()
            .and_then(|text| text.parse().ok());
        listen.unwrap_or_else(|| panic!("{:?} has no listener {section}", self.role))
    }

    /// `rtmp://…/PATH`, to publish to or to play; a path is `app/name`.
    pub fn rtmp_url(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.rtmp())
    }

    /// `http://…/PATH.flv`, to play over HTTP-FLV.
    pub fn flv_url(&self, path: &str) -> String {
        format!("http://{}/{path}.flv", self.http())
    }

    /// `ws://…/PATH.flv`, to play over WebSocket-FLV.
    pub fn ws_url(&self, path: &str) -> String {
        format!("ws://{}/{path}.flv", self.http())
    }

    /// Its metrics, in Prometheus's text format.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn metrics(&self) -> Result<String> {
        http::get_ok(&format!("http://{}/metrics", self.admin())).await
    }

    /// The sum of a metric over all its label sets; 0 where it has none yet.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        Ok(sum(&self.metrics().await?, name))
    }
}

impl Deref for Program {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Program {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Starts the program `weir` with these arguments: for `up`, which goes on.
///
/// # Errors
/// If it is not built.
pub fn weir<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<Process> {
    Process::start(Invocation::new(binary("weir")?).args(arguments))
}

/// Runs the program `weir` to its end and gives what it wrote to standard output: for `status`,
/// `streams`, `nodes`.
///
/// # Errors
/// If it is not built, fails, or takes too long; with what it wrote to standard error.
pub async fn weir_says<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<String> {
    let mut command = tokio::process::Command::new(binary("weir")?);
    command
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(READY_WITHIN, command.output())
        .await
        .context("weir hangs")??;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "weir failed, {}: {complaint}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Where a program that cargo built is.
///
/// # Errors
/// If it is in no place where it is looked for; the error says how to build it.
pub fn binary(program: &str) -> Result<PathBuf> {
    if let Some(folder) = env::var_os(BIN_DIR) {
        let file = Path::new(&folder).join(program);
        ensure!(
            file.is_file(),
            "{BIN_DIR} is set, but there is no {}",
            file.display()
        );
        return Ok(file);
    }
    // The test is TARGET/PROFILE/deps/NAME-HASH, the programs are TARGET/PROFILE/NAME. A program of
    // the other profile is not taken: it may be of another day's code.
    let test = env::current_exe()?;
    let profile = test
        .ancestors()
        .nth(2)
        .context("a test has a target folder")?;
    let file = profile.join(program);
    if !file.is_file() {
        bail!(
            "{} is not built: run `cargo build -p {program}` with the test's profile, or set \
             {BIN_DIR} to the folder with the programs",
            file.display()
        );
    }
    Ok(file)
}

fn sum(metrics: &str, name: &str) -> f64 {
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with(['{', ' ']))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_not_over_its_namesakes() {
        let text = "# TYPE weir_players gauge\nweir_players{via=\"rtmp\"} 2\nweir_players{via=\"flv\"} 3\n\
                    weir_players_total 9\n";
        assert_eq!(sum(text, "weir_players"), 5.0);
        assert_eq!(sum(text, "weir_players_total"), 9.0);
        assert_eq!(sum(text, "weir_streams"), 0.0);
    }

    #[test]
    fn a_program_that_is_not_built_is_named_with_the_command_that_builds_it() {
        let error = binary("weir-nobody")
            .expect_err("there is none")
            .to_string();
        assert!(error.contains("weir-nobody"), "{error}");
    }
}
