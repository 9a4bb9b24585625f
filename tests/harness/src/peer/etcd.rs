//! etcd: the store of a controller in production, one member or several.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::{
    http, port,
    process::{Invocation, Process, scratch},
    tls::{Authority, Issued},
    wait::eventually,
};

/// A cluster must elect a leader first.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running etcd cluster; each member can be killed, paused and restarted alone.
#[derive(Debug)]
pub struct Etcd {
    /// The members.
    pub members: Vec<Member>,
    /// How to be let in, if it asks for certificates.
    pub tls: Option<Certificates>,
}

/// One member.
#[derive(Debug)]
pub struct Member {
    /// etcd itself; a restart keeps its data.
    pub process: Process,
    endpoint: String,
    /// Where it answers probes, without TLS.
    health: SocketAddr,
}

/// What etcd and its clients show each other.
#[derive(Debug)]
pub struct Certificates {
    /// Signed etcd's certificate, and ours.
    pub authority: Authority,
    /// Etcd's, and ours.
    pub own: Issued,
}

impl Etcd {
    /// Starts one member and waits until it is healthy.
    ///
    /// # Errors
    /// If it is not installed or not healthy in time.
    pub async fn start() -> Result<Self> {
        Self::start_members(1).await
    }

    /// Starts a cluster and waits until all its members are healthy.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub async fn start_members(count: usize) -> Result<Self> {
        Self::start_all(count, None).await
    }

    /// Starts one member that speaks TLS and asks its clients for certificates.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub async fn start_with_tls() -> Result<Self> {
        let authority = Authority::new()?;
        let own = authority.issue("127.0.0.1")?;
        Self::start_all(1, Some(Certificates { own, authority })).await
    }

    async fn start_all(count: usize, tls: Option<Certificates>) -> Result<Self> {
        let ports: Vec<_> = (0..count)
            .map(|_| (port::free(), port::free(), port::free()))
            .collect();
        let named: Vec<_> = ports
            .iter()
            .enumerate()
            .map(|(place, (_, peer, _))| format!("m{place}=http://{peer}"))
            .collect();
        let cluster = named.join(",");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut members = Vec::with_capacity(count);
        for (place, (client, peer, health)) in ports.into_iter().enumerate() {
            let (endpoint, peer) = (format!("{scheme}://{client}"), format!("http://{peer}"));
            let mut etcd = Invocation::new("etcd")
                .args(["--name", &format!("m{place}"), "--data-dir", DATA])
                .args(["--listen-client-urls", &endpoint])
                .args(["--advertise-client-urls", &endpoint])
                .args(["--listen-metrics-urls", &format!("http://{health}")])
                .args(["--listen-peer-urls", &peer])
                .args(["--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &cluster]);
            if let Some(files) = &tls {
                etcd = etcd
                    .arg("--client-cert-auth")
                    .arg("--trusted-ca-file")
                    .arg(files.authority.certificate())
                    .arg("--cert-file")
                    .arg(&files.own.certificate)
                    .arg("--key-file")
                    .arg(&files.own.key);
            }
            members.push(Member {
                process: Process::start_in(scratch()?, etcd)?,
                endpoint,
                health,
            });
        }
        for member in &members {
            member.healthy(READY_WITHIN).await?;
        }
        Ok(Self { members, tls })
    }

    /// `http://…` or `https://…` of each member, for clients.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(Member::endpoint).collect()
    }

    /// Kills all members and starts them again with nothing in them.
    ///
    /// # Errors
    /// If they are not healthy in time.
    pub async fn empty(&mut self) -> Result<()> {
        self.replace(None).await
    }

    /// Writes all that is in it to a file.
    ///
    /// # Errors
    /// If etcdctl is not installed, or fails.
    pub async fn save(&self, snapshot: &Path) -> Result<()> {
        self.control(&["snapshot", "save", text(snapshot)?]).await
    }

    /// Kills its one member and starts it again with what it was when `snapshot` was saved.
    ///
    /// # Errors
    /// If etcdctl is not installed or fails, or etcd is not healthy in time.
    pub async fn restore(&mut self, snapshot: &Path) -> Result<()> {
        ensure!(self.members.len() == 1, "only one member is restored");
        self.replace(Some(snapshot)).await
    }

    async fn replace(&mut self, snapshot: Option<&Path>) -> Result<()> {
        for member in &mut self.members {
            member.process.kill();
            let data = member.process.folder().join(DATA);
            std::fs::remove_dir_all(&data).context("the member had data")?;
            if let Some(snapshot) = snapshot {
                let restore = ["snapshot", "restore", text(snapshot)?];
                let into = ["--data-dir", text(&data)?];
                etcdctl(&[&restore[..], &into[..]].concat()).await?;
            }
        }
        for member in &mut self.members {
            member.process.restart()?;
        }
        for member in &self.members {
            member.healthy(READY_WITHIN).await?;
        }
        Ok(())
    }

    /// From now on only the user `root` with this password is let in.
    ///
    /// # Errors
    /// If etcdctl is not installed, or fails.
    pub async fn require_password(&mut self, password: &str) -> Result<()> {
        self.control(&["user", "add", &format!("root:{password}")])
            .await?;
        self.control(&["auth", "enable"]).await
    }

    async fn control(&self, words: &[&str]) -> Result<()> {
        let endpoints = self.endpoints().join(",");
        etcdctl(&[&["--endpoints", &endpoints], words].concat()).await
    }
}

impl Member {
    /// `http://…` or `https://…`, for clients.
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// Waits until it answers and has a leader.
    ///
    /// # Errors
    /// If it does not within that time; with its log.
    pub async fn healthy(&self, within: Duration) -> Result<()> {
        let url = format!("http://{}/health", self.health);
        let healthy = eventually(within, async || {
            let health = http::get(&url).await?.json()?;
            ensure!(health["health"] == "true", "etcd says {health}");
            Ok(())
        });
        healthy
            .await
            .map_err(|error| error.context(self.process.tail()))
    }
}

/// A member's data, in its folder.
const DATA: &str = "data";

async fn etcdctl(words: &[&str]) -> Result<()> {
    let mut command = Command::new("etcdctl");
    command
        .env("ETCDCTL_API", "3")
        .args(words)
        .kill_on_drop(true);
    let output = tokio::time::timeout(READY_WITHIN, command.output())
        .await
        .context("etcdctl hangs")?
        .context("etcdctl cannot be started; tests/run installs what the tests need")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "etcdctl {words:?}: {complaint}");
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}
