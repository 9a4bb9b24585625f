//! etcd: the store of a controller in production, one member or several.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    http, port,
    process::{Invocation, Process, scratch},
    wait::eventually,
};

/// A cluster must elect a leader first.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running etcd cluster; each member can be killed, paused and restarted alone.
#[derive(Debug)]
pub struct Etcd {
    /// The members.
    pub members: Vec<Member>,
}

/// One member.
#[derive(Debug)]
pub struct Member {
    /// etcd itself; a restart keeps its data.
    pub process: Process,
    client: SocketAddr,
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
        let ports: Vec<_> = (0..count).map(|_| (port::free(), port::free())).collect();
        let named: Vec<_> = ports
            .iter()
            .enumerate()
            .map(|(place, (_, peer))| format!("m{place}=http://{peer}"))
            .collect();
        let cluster = named.join(",");
        let mut members = Vec::with_capacity(count);
        for (place, (client, peer)) in ports.into_iter().enumerate() {
            let (client_url, peer_url) = (format!("http://{client}"), format!("http://{peer}"));
            let etcd = Invocation::new("etcd")
                .args(["--name", &format!("m{place}"), "--data-dir", "data"])
                .args(["--listen-client-urls", &client_url])
                .args(["--advertise-client-urls", &client_url])
                .args(["--listen-peer-urls", &peer_url])
                .args(["--initial-advertise-peer-urls", &peer_url])
                .args(["--initial-cluster", &cluster]);
            members.push(Member {
                process: Process::start_in(scratch()?, etcd)?,
                client,
            });
        }
        for member in &members {
            member.healthy(READY_WITHIN).await?;
        }
        Ok(Self { members })
    }

    /// `http://…` of each member, for clients.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(Member::endpoint).collect()
    }
}

impl Member {
    /// `http://…`, for clients.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.client)
    }

    /// Waits until it answers and has a leader.
    ///
    /// # Errors
    /// If it does not within that time; with its log.
    pub async fn healthy(&self, within: Duration) -> Result<()> {
        let url = format!("{}/health", self.endpoint());
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
