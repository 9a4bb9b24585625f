//! Keeps the relay from serving what another origin owns: tells it at which epoch this node owns its
//! streams, and asks the controller when another node knows of a newer one.
//!
//! A node that is challenged does not take the challenger's word for it: whoever connects could say so.
//! It refuses to serve the challenger, and asks. If the controller names another owner, the publisher
//! here is closed, and those who play here are told that the stream has ended. If no controller answers,
//! it goes on for its own players.

use agent::{Agent, Role};
use media::StreamPath;
use parking_lot::Mutex;
use relay::{
    Hub,
    hub::{Epoch, Observer, Stream},
};
use std::{
    collections::HashSet,
    sync::{Arc, Weak},
};

/// Watches the hub for publishes and for challenges.
pub(crate) struct Fencing {
    agent: Agent,
    hub: Weak<Hub>,
    /// What is being asked: one question a stream.
    asked: Arc<Mutex<HashSet<StreamPath>>>,
}

impl Fencing {
    pub(crate) fn new(agent: Agent, hub: &Arc<Hub>) -> Self {
        Self {
            agent,
            hub: Arc::downgrade(hub),
            asked: Arc::default(),
        }
    }
}

impl Observer for Fencing {
    /// Published again here before the controller has seen it go: it still owns it.
    fn published(&self, stream: &Arc<Stream>) {
        stream.believe(Epoch(self.agent.owned_at(stream.path()).0));
    }

    fn challenged(&self, stream: &Arc<Stream>, epoch: Epoch) {
        let is_origin = self.agent.identity().role == Role::Origin;
        if !is_origin || !self.asked.lock().insert(stream.path().clone()) {
            return;
        }
        let (agent, hub) = (self.agent.clone(), self.hub.clone());
        let (asked, path) = (self.asked.clone(), stream.path().clone());
        // Ends within the agent's patience.
        tokio::spawn(async move {
            settle(&agent, &hub, &path, epoch).await;
            asked.lock().remove(&path);
        });
    }
}

/// Asks who owns `path`, and gives it up if that is another.
async fn settle(agent: &Agent, hub: &Weak<Hub>, path: &StreamPath, challenged: Epoch) {
    let location = agent.locate(path).answer().await;
    let epoch = Epoch(location.epoch.0);
    let us = &agent.identity().node;
    let is_ours = location.sources.iter().any(|source| source.node == *us);
    let Some(hub) = hub.upgrade() else { return };
    let Some(stream) = hub.find(path) else { return };
    let believed = stream.publisher().map(|publisher| publisher.epoch);
    if believed.is_none_or(|believed| believed >= epoch) || !location.known {
        tracing::info!(stream = %path, %challenged, known = %epoch, "another node knows a newer epoch than any controller told us");
        return;
    }
    if is_ours {
        stream.believe(epoch);
        return;
    }
    let owner = location.sources.first().map(|source| source.node.as_str());
    tracing::warn!(stream = %path, owner, %epoch, "the stream has another owner; its publisher is closed here");
    hub.evict(path);
    agent.nudge();
}
