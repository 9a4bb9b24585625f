//! The origin's config: the sum of its parts' configs.
//!
//! Edge and origin each write theirs out, though most of the keys are the same: a part that both flatten
//! into their own would cost the errors their lines and their nearest keys, because serde buffers it.

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

/// The config of `weir-origin`.
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
    #[garde(inner(custom(check::vhost)))]
    pub vhosts: Vec<String>,
    /// Where every stream is copied to: `host[:port]`, which keeps vhost, app and name, or an RTMP(S)
    /// URL in which `[vhost]`, `[app]` and `[stream]` are filled in.
    #[garde(skip)]
    pub forward: Vec<Target>,
    /// A PEM file of certificate authorities to trust for RTMPS, besides the system's.
    #[garde(custom(check::ca_file))]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let refused = service::config::from_text::<Config>("origin.yaml", text);
        let refused = refused.expect_err(text).to_string();
        refused.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn two_listeners_do_not_share_a_port() {
        for (text, told) in [
            (
                "rtmp:\n  listen: 127.0.0.1:1940\nhttp:\n  listen: 0.0.0.0:1940\n",
                "origin.yaml:4:3: http: cannot listen at 0.0.0.0:1940, for rtmp.listen listens at \
                 127.0.0.1:1940: each needs a port of its own",
            ),
            (
                "admin:\n  listen: :8080\n",
                "origin.yaml:2:3: admin: cannot listen at :8080, for http.listen listens at :8080: \
                 each needs a port of its own",
            ),
            (
                "admin:\n  listen: 10.0.0.1:1935\n",
                "origin.yaml:2:3: admin: cannot listen at 10.0.0.1:1935, for rtmp.listen listens at \
                 :1935: each needs a port of its own",
            ),
        ] {
            assert_eq!(refused(text), told);
        }
        let free = "rtmp: {listen: ':0'}\nhttp: {listen: ':0'}\nadmin: {listen: ':0'}\n";
        assert!(service::config::from_text::<Config>("origin.yaml", free).is_ok());
    }

    #[test]
    fn a_vhost_is_one_host_s_name() {
        assert_eq!(
            refused("vhosts: [a.example, 'b example']"),
            "origin.yaml:1:21: vhosts[1]: no name of a host: the vhost holds ' ', which a stream \
             path may not"
        );
        assert_eq!(
            refused("vhosts: ['*.example']"),
            "origin.yaml:1:10: vhosts[0]: a vhost is one name, without wildcards; hosts that are \
             not named mean `__defaultVhost__`"
        );
    }

    #[test]
    fn certificates_that_are_not_there_are_named_before_anything_starts() {
        let told = refused("ca_file: no/such/authorities.pem");
        assert!(
            told.starts_with(
                "origin.yaml:1:10: ca_file: cannot read certificates from no/such/authorities.pem: "
            ),
            "{told}"
        );
    }
}
