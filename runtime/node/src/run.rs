//! The order in which a node comes up and goes down.
//!
//! Up: shards, sockets bound, identity announced, observers, served, ready. Down: not ready, nobody let
//! in, wait for those who are in until the deadline, close them, say goodbye to the controller.

use crate::{
    Parts,
    fencing::Fencing,
    telling::{Nudging, Telling},
    wishes,
};
use agent::{Agent, Role};
use anyhow::Context;
use relay::{
    Relay, Vhosts,
    dial::Dialler,
    forward::Forwards,
    hub::Observer,
    settings::{Secret, Settings},
};
use service::Process;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A node that is being composed: what its role's own parts may use.
#[derive(Clone)]
pub struct Node {
    /// Carries the streams.
    pub relay: Relay,
    /// Talks to the controller.
    pub agent: Agent,
    /// Connects to other servers.
    pub dialler: Dialler,
}

/// Runs a node in `role` until its process is told to stop; `own` adds what only this role has.
///
/// # Errors
/// If an address cannot be had, or a certificate cannot be read.
pub async fn run(
    parts: Parts,
    role: Role,
    process: Process,
    own: impl FnOnce(&Node) -> Vec<Arc<dyn Observer>>,
) -> anyhow::Result<()> {
    let serving = process.readiness.condition("serving");
    let dialler = Dialler::new(parts.ca_file.as_deref())?;
    let settings = Settings {
        publish: parts.publish,
        play: parts.play,
        limits: parts.limits,
        vhosts: Vhosts::new(parts.vhosts),
        secret: parts
            .cluster
            .token
            .as_ref()
            .map(|token| Secret::new(token.reveal()))
            .unwrap_or_default(),
    };
    let relay = Relay::start(settings, parts.shards).context("cannot start the shards")?;
    let rtmp = relay.listen(parts.rtmp.listen).context("rtmp.listen")?;
    let http = relay.listen(parts.http.listen).context("http.listen")?;
    let admin = process
        .serve_admin(&parts.admin, Default::default())
        .await?;
    let bound = agent::Bound {
        rtmp: Some(rtmp.address()),
        http: Some(http.address()),
        admin: Some(admin.address()),
    };
    let identity = agent::identify(&parts.cluster, role, bound);
    let telling = Arc::new(Telling::new(relay.clone()));
    let farewell = CancellationToken::new();
    let agent = Agent::spawn(&parts.cluster, identity, telling, farewell.clone());
    let node = Node {
        relay,
        agent,
        dialler,
    };

    let mut observers: Vec<Arc<dyn Observer>> = vec![
        Arc::new(Fencing::new(node.agent.clone(), node.relay.hub())),
        Arc::new(Nudging::new(node.agent.clone())),
    ];
    let shards = node.relay.shards().clone();
    observers.push(Arc::new(Forwards::new(
        parts.forward,
        node.dialler.clone(),
        shards,
    )));
    observers.extend(own(&node));
    node.relay.hub().observe(observers);

    tracing::info!(node = %node.agent.identity().node, rtmp = %rtmp.address(), http = %http.address(),
        admin = %admin.address(), shards = node.relay.shards().count(), "serves");
    node.relay.serve_rtmp(rtmp)?;
    node.relay.serve_http(http)?;
    serving.hold();

    let upkeep = relay::metrics::upkeep(&node.relay);
    let wishes = wishes::apply(node.agent.clone(), node.relay.hub().clone());
    tokio::select! {
        never = upkeep => match never {},
        () = async { wishes.await; std::future::pending().await } => {}
        () = process.drain.draining() => {}
    }
    node.relay.stop_accepting();
    tracing::info!(
        connections = node.relay.connections(),
        "drains: nobody is let in any more"
    );
    tokio::select! {
        () = node.relay.emptied() => {}
        () = process.drain.stopping() => {}
    }
    node.relay.close().await;
    farewell.cancel();
    node.agent.ended().await;
    Ok(())
}
