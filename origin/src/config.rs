//! The origin's config: the sum of its parts' configs.

use garde::Validate;
use relay::{
    Target,
    settings::{Http, Limits, Play, Publish, Rtmp},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{admin, config::Duration, telemetry};
use std::path::PathBuf;

/// The config of `weir-origin`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where encoders publish and players play.
    #[garde(dive)]
    pub rtmp: Rtmp,
    /// Where HTTP players play.
    #[garde(dive)]
    pub http: Http,
    /// Health and metrics.
    #[garde(dive)]
    pub admin: admin::Config,
    /// Logs.
    #[garde(dive)]
    pub log: telemetry::Config,
    /// What publishers may do.
    #[garde(dive)]
    pub publish: Publish,
    /// How players are served.
    #[garde(dive)]
    pub play: Play,
    /// How much the node takes on.
    #[garde(dive)]
    pub limits: Limits,
    /// Virtual hosts that are known by name; every other host means `__defaultVhost__`.
    #[garde(skip)]
    pub vhosts: Vec<String>,
    /// Where every stream is copied to: `host[:port]`, which keeps vhost, app and name, or an RTMP(S)
    /// URL in which `[vhost]`, `[app]` and `[stream]` are filled in.
    #[garde(skip)]
    pub forward: Vec<Target>,
    /// A PEM file of certificate authorities to trust for RTMPS, besides the system's.
    #[garde(skip)]
    pub ca_file: Option<PathBuf>,
    /// The cluster, if the origin is in one.
    #[garde(dive)]
    pub cluster: agent::Config,
    /// Worker threads; 0 for one a core.
    #[garde(skip)]
    pub shards: usize,
    /// How long a stop may take for those who are still connected.
    #[garde(skip)]
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rtmp: Rtmp::default(),
            http: Http::default(),
            admin: admin::Config::on("127.0.0.1:9101"),
            log: telemetry::Config::default(),
            publish: Publish::default(),
            play: Play::default(),
            limits: Limits::default(),
            vhosts: Vec::new(),
            forward: Vec::new(),
            ca_file: None,
            cluster: agent::Config::default(),
            shards: 0,
            drain: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// What the node needs of it.
    pub(crate) fn parts(self) -> node::Parts {
        node::Parts {
            shards: self.shards,
            rtmp: self.rtmp,
            http: self.http,
            admin: self.admin,
            publish: self.publish,
            play: self.play,
            limits: self.limits,
            vhosts: self.vhosts,
            forward: self.forward,
            ca_file: self.ca_file,
            cluster: self.cluster,
        }
    }
}

impl service::Settings for Config {
    fn log(&self) -> &telemetry::Config {
        &self.log
    }

    fn drain_deadline(&self) -> std::time::Duration {
        self.drain.get()
    }
}
