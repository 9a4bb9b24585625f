//! A whole cluster as a newcomer starts it: `weir up`, on free ports, with a home of its own.
//!
//! With `WEIR_SCENARIO_STORE=etcd` in the environment its controller keeps its state in an etcd of the
//! cluster's own: every scenario of a cluster holds for both stores.

use anyhow::{Context, Result, ensure};
use harness::{
    eventually, http,
    peer::etcd::Etcd,
    process::{Invocation, Process, scratch},
    program::binary,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;

/// From `weir up` to ready, on a machine that is busy with other tests.
const UP_WITHIN: Duration = Duration::from_secs(30);

/// A running `weir up`; all its members end with it.
pub(crate) struct Cluster {
    weir: Process,
    home: Arc<TempDir>,
    rest: String,
    /// Ends after the cluster.
    _etcd: Option<Etcd>,
}

/// Where a member listens, and its process.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) rtmp: String,
    pub(crate) http: String,
    pub(crate) admin: String,
}

impl Member {
    pub(crate) fn rtmp_url(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.rtmp)
    }

    pub(crate) fn flv_url(&self, path: &str) -> String {
        format!("http://{}/{path}.flv", self.http)
    }
}

impl Cluster {
    /// `weir up` with one origin and two edges, and `arguments`; returns when all of them are alive.
    pub(crate) async fn up(arguments: &[&str]) -> Result<Self> {
        let home = scratch()?;
        let etcd = match std::env::var("WEIR_SCENARIO_STORE") {
            Ok(store) if store == "etcd" && !arguments.contains(&"--etcd") => {
                Some(Etcd::start().await?)
            }
            _ => None,
        };
        let in_etcd = etcd.as_ref().map(|etcd| etcd.endpoints().join(","));
        let in_etcd = in_etcd.iter().flat_map(|urls| ["--etcd", urls]);
        let invocation = Invocation::new(binary("weir")?)
            .words("up --rtmp 0 --http 0 --rest 0 --grpc 0 --admin 0")
            .args(arguments)
            .args(in_etcd)
            .env("XDG_STATE_HOME", home.path().display().to_string());
        let mut weir = Process::start_in(home.clone(), invocation)?;
        let cards = home.path().join("weir/running");
        let rest = eventually(UP_WITHIN, async || {
            weir.ensure_running()?;
            let card = std::fs::read_dir(&cards)?
                .flatten()
                .next()
                .context("no card yet")?;
            let card: Value = serde_json::from_slice(&std::fs::read(card.path())?)?;
            let rest = card["controller"]
                .as_str()
                .context("no controller on the card")?
                .to_owned();
            let status = http::get_ok(&format!("{rest}/v1/cluster")).await?;
            let status: Value = serde_json::from_str(&status)?;
            ensure!(
                status["edges"]["alive"] == 2 && status["origins"]["alive"] == 1,
                "{status}"
            );
            Ok(rest)
        })
        .await
        .with_context(|| weir.tail())?;
        Ok(Self {
            weir,
            home,
            rest,
            _etcd: etcd,
        })
    }

    /// The `weir up` itself.
    pub(crate) fn weir(&mut self) -> &mut Process {
        &mut self.weir
    }

    /// The controller's REST API.
    pub(crate) fn rest(&self) -> &str {
        &self.rest
    }

    /// The answer to a GET of the REST API.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let body = http::get_ok(&format!("{}{path}", self.rest)).await?;
        serde_json::from_str(&body).with_context(|| body.clone())
    }

    /// What the operator's command line prints.
    pub(crate) async fn says(&self, words: &str) -> Result<String> {
        let mut arguments: Vec<&str> = words.split(' ').collect();
        arguments.extend(["--controller", &self.rest]);
        harness::program::weir_says(arguments).await
    }

    /// A media node by its name, as the controller knows it.
    pub(crate) async fn member(&self, name: &str) -> Result<Member> {
        let node = self.get(&format!("/v1/nodes/{name}")).await?;
        let address = |key: &str| {
            let address = node[key].as_str();
            address
                .map(str::to_owned)
                .with_context(|| format!("{name} has no {key}: {node}"))
        };
        Ok(Member {
            name: name.to_owned(),
            pid: self.pid(name)?,
            rtmp: address("rtmp")?,
            http: address("http")?,
            admin: address("admin")?,
        })
    }

    /// The process of a member: the one whose config file bears its name.
    pub(crate) fn pid(&self, name: &str) -> Result<u32> {
        let config = PathBuf::from(self.home.path()).join(format!("weir/cluster/{name}.yaml"));
        let config = config.display().to_string();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let Ok(command) = std::fs::read(entry.path().join("cmdline")) else {
                continue;
            };
            if command
                .split(|byte| *byte == 0)
                .any(|word| word == config.as_bytes())
            {
                return Ok(pid);
            }
        }
        anyhow::bail!("no process runs with {config}")
    }

    /// Kills a member without a word.
    pub(crate) fn kill(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::KILL)
    }

    /// Has a member stand still, with all its connections open.
    pub(crate) fn pause(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::STOP)
    }

    fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid(name)?)?;
        let pid = Pid::from_raw(pid).context("a process has a number")?;
        Ok(kill_process(pid, signal)?)
    }
}
