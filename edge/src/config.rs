//! The edge's config: the sum of its parts' configs.
//!
//! Edge and origin each write theirs out, though most of the keys are the same: a part that both flatten
//! into their own would cost the errors their lines and their nearest keys, because serde buffers it.

use crate::{push, upstream};
use garde::Validate;
use node::check;
use relay::{
    Target,
    settings::{Http, Limits, Play, Publish, Rtmp},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{admin, config::Duration, telemetry};
use std::path::PathBuf;

/// The config of `weir-edge`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where encoders publish and players play.
    #[garde(dive)]
    pub rtmp: Rtmp,
    /// Where HTTP players play.
    #[garde(dive, custom(check::http_apart(&self.rtmp)))]
    pub http: Http,
    /// Health and metrics.
    #[garde(dive, custom(check::admin_apart(&self.rtmp, &self.http)))]
    pub admin: admin::Config,
    /// Logs.
    #[garde(dive)]
    pub log: telemetry::Config,
    /// Whence streams are pulled.
    #[garde(dive)]
    pub upstream: upstream::Config,
    /// Whither what is published here is passed on.
    #[garde(dive)]
    pub push: push::Config,
    /// What publishers may do: an origin that forwards to this edge is one.
    #[garde(dive)]
    pub publish: Publish,
    /// How players are served.
    #[garde(dive)]
    pub play: Play,
    /// How much the node takes on.
    #[garde(dive)]
    pub limits: Limits,
    /// Virtual hosts that are known by name; every other host means `__defaultVhost__`.
    #[garde(inner(custom(check::vhost)))]
    pub vhosts: Vec<String>,
    /// Where every stream is copied to: `host[:port]`, which keeps vhost, app and name, or an RTMP(S)
    /// URL in which `[vhost]`, `[app]` and `[stream]` are filled in.
    #[garde(skip)]
    pub forward: Vec<Target>,
    /// A PEM file of certificate authorities to trust for RTMPS, besides the system's.
    #[garde(custom(check::ca_file))]
    pub ca_file: Option<PathBuf>,
    /// The cluster, if the edge is in one.
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
            admin: admin::Config::on("127.0.0.1:9102"),
            log: telemetry::Config::default(),
            upstream: upstream::Config::default(),
            push: push::Config::default(),
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
    /// What the node needs of it, and what its pulls and its pushes need.
    pub(crate) fn parts(self) -> (node::Parts, upstream::Config, push::Config) {
        let parts = node::Parts {
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
        };
        (parts, self.upstream, self.push)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_before_anything_starts() {
        for (key, text) in [
            ("http", "rtmp: {listen: ':1940'}\nhttp: {listen: ':1940'}\n"),
            ("admin", "admin: {listen: ':1935'}\n"),
            ("vhosts[0]", "vhosts: ['*']\n"),
            ("ca_file", "ca_file: no/such/authorities.pem\n"),
        ] {
            let refused = service::config::from_text::<Config>("edge.yaml", text);
            let refused = refused.expect_err(text).to_string();
            assert!(refused.contains(&format!(": {key}: ")), "{refused}");
        }
    }
}
