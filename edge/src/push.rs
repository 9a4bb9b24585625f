//! Pushes: what an encoder publishes at this edge goes on to the origin that should own it, so that the
//! whole cluster has it; and when that origin dies, to the next, without a frame lost.
//!
//! * [`Config`]: whether, and how soon a silent origin is given up.
//! * [`origins`]: which origin, and which ones have just failed.
//! * [`task`]: one stream's push, as long as its encoder publishes.
//!
//! Only what an encoder publishes here is pushed: what this edge pulls, and what another node passes on to
//! it, comes from where a push would go.

mod origins;
mod task;
#[cfg(test)]
mod tests;

use garde::Validate;
use media::StreamPath;
use node::Node;
use parking_lot::Mutex;
use relay::{
    Target,
    hub::{Observer, PublisherKind, Stream},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{config::Duration, metrics::Metric};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Whether what is published at this edge goes on to an origin, and when that one is given up.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct Config {
    /// Push what encoders publish here to the origin that the controller names, or else to one of
    /// `upstream.origins`, always the same for a stream. Where there is neither, nothing is pushed.
    pub enabled: bool,
    /// How long an origin may acknowledge nothing; then the next one gets all that is not acknowledged.
    #[garde(range(min = Duration::from_millis(500)))]
    pub silence: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            silence: Duration::from_secs(1),
        }
    }
}

/// What Prometheus sees of the pushes, besides what the relay counts.
pub(crate) const METRICS: &[Metric] = &[
    Metric::gauge("weir_pushes", "Streams that are pushed to an origin now."),
    Metric::counter(
        "weir_push_failures_total",
        "Times the origin of a push was given up: refused, broken or silent.",
    ),
];

/// Starts a push whenever an encoder publishes here.
pub(crate) struct Pushes {
    config: Config,
    listed: Arc<[Target]>,
    node: Node,
    /// What ends the push of each stream, when it is dropped.
    running: Mutex<HashMap<StreamPath, DropGuard>>,
}

impl Pushes {
    /// `listed` are the origins to push to where no controller names one.
    pub(crate) fn new(config: Config, listed: Vec<Target>, node: Node) -> Self {
        service::metrics::describe(METRICS);
        Self {
            config,
            listed: listed.into(),
            node,
            running: Mutex::default(),
        }
    }

    fn has_whither(&self) -> bool {
        self.config.enabled && (self.node.agent.has_controllers() || !self.listed.is_empty())
    }

    fn start(&self, path: &StreamPath, backup: bool) {
        let ended = match self.running.lock().entry(path.clone()) {
            // Another encoder has taken over: the stream goes on.
            Entry::Occupied(_) => return,
            Entry::Vacant(entry) => {
                let ended = CancellationToken::new();
                entry.insert(ended.clone().drop_guard());
                ended
            }
        };
        let task = task::Task {
            path: path.clone(),
            backup,
            silence: self.config.silence.get(),
            listed: self.listed.clone(),
            node: self.node.clone(),
        };
        let started = self.node.relay.shards().run(move |shard| {
            let pushing = shard.clone();
            let closing = shard.closing().clone();
            shard.spawn(async move {
                tokio::select! {
                    () = task.run(&pushing, ended) => {}
                    () = closing.cancelled() => {}
                }
            });
        });
        if let Err(error) = started {
            self.stop(path);
            tracing::error!(stream = %path, %error, "a push could not be started");
        }
    }

    fn stop(&self, path: &StreamPath) {
        self.running.lock().remove(path);
    }
}

impl Observer for Pushes {
    fn published(&self, stream: &Arc<Stream>) {
        let Some(publisher) = stream.publisher().filter(|_| self.has_whither()) else {
            return;
        };
        let by_encoder =
            publisher.origin == PublisherKind::Publish && publisher.passed_on.is_none();
        match by_encoder {
            true => self.start(stream.path(), publisher.backup),
            false => self.stop(stream.path()),
        }
    }

    fn unpublished(&self, stream: &Arc<Stream>) {
        self.stop(stream.path());
    }
}
