//! Pulls: one for each stream that players want and nobody publishes here.
//!
//! * [`Config`]: a static list of origins, and the times.
//! * [`sources`]: whom to ask, in which order.
//! * [`race`]: asks several at once; the first with media wins.
//! * [`standby`]: feeds a stream from one source, and holds a second one warm.
//! * [`pull`]: one stream's pull, from its first player to the grace after its last.
//!
//! However many players come at once, a stream has one pull. Its task ends only under the lock of
//! [`Running`], after a look whether somebody has come meanwhile: no player is forgotten.

mod pull;
mod race;
mod sources;
mod standby;
#[cfg(test)]
mod tests;

use garde::Validate;
use media::StreamPath;
use node::Node;
use parking_lot::Mutex;
use relay::{
    Target,
    hub::{Observer, Reader, Stream},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{config::Duration, metrics::Metric};
use std::{collections::HashSet, sync::Arc};

/// Whence streams are pulled, and for how long.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct Config {
    /// Origins (or other edges) to ask where no controller names one: `host[:port]`, or an RTMP(S) URL
    /// in which `[vhost]`, `[app]` and `[stream]` are filled in. The first that has the stream serves
    /// it; the others stand by.
    #[garde(length(max = 16))]
    pub origins: Vec<Target>,
    /// How long a stream is still pulled after its last player has gone.
    pub grace: Duration,
    /// How long an upstream may send nothing; then the next one is asked.
    pub silence: Duration,
    /// Pull a stream that is published to two origins from both, and go on with the second at the first
    /// frame that the first does not send. Costs the inbound bandwidth of such streams twice.
    pub standby: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            grace: Duration::from_secs(10),
            silence: Duration::from_secs(3),
            standby: true,
        }
    }
}

/// What Prometheus sees of the pulls.
pub(crate) const METRICS: &[Metric] = &[
    Metric::counter(
        "weir_pull_failures_total",
        "Times a pull's upstream ended, broke or fell silent, and no stand-by was held.",
    ),
    Metric::counter(
        "weir_pull_cuts_total",
        "Times a pull went on with the stand-by that it held.",
    ),
];

/// Starts a pull whenever players want what nobody publishes here.
pub(crate) struct Pulls {
    config: Arc<Config>,
    node: Node,
    running: Arc<Running>,
}

/// The streams that are being pulled.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashSet<StreamPath>>);

impl Running {
    /// Whether the pull of `stream` may end because nobody plays it.
    fn may_end_idle(&self, stream: &Stream) -> bool {
        let mut running = self.0.lock();
        let idle = !stream.readers().borrow().play();
        if idle {
            running.remove(stream.path());
        }
        idle
    }

    /// Whether the pull of `stream` may end because somebody publishes it here.
    fn may_end_published(&self, stream: &Stream) -> bool {
        let mut running = self.0.lock();
        let online = stream.is_online();
        if online {
            running.remove(stream.path());
        }
        online
    }
}

impl Pulls {
    pub(crate) fn new(config: Config, node: Node) -> Self {
        service::metrics::describe(METRICS);
        Self {
            config: Arc::new(config),
            node,
            running: Arc::default(),
        }
    }

    fn start(&self, stream: &Arc<Stream>) {
        if !self.running.0.lock().insert(stream.path().clone()) {
            return;
        }
        let (config, node) = (self.config.clone(), self.node.clone());
        let running = self.running.clone();
        let reading = self.node.relay.hub().read(stream.path(), Reader::Internal);
        let started = self.node.relay.shards().run(move |shard| {
            let pull = pull::Pull {
                shard: shard.clone(),
                config,
                node,
                running,
                reading,
            };
            let closing = shard.closing().clone();
            shard.spawn(async move {
                tokio::select! {
                    () = pull.run() => {}
                    () = closing.cancelled() => {}
                }
            });
        });
        if let Err(error) = started {
            self.running.0.lock().remove(stream.path());
            tracing::error!(stream = %stream.path(), %error, "a pull could not be started");
        }
    }
}

impl Observer for Pulls {
    fn wanted(&self, stream: &Arc<Stream>) {
        self.start(stream);
    }

    fn unpublished(&self, stream: &Arc<Stream>) {
        if stream.readers().borrow().play() {
            self.start(stream);
        }
    }
}
