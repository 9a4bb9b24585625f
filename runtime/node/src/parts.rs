//! The config that origin and edge share, part by part.

use relay::{
    Target,
    settings::{Http, Limits, Play, Publish, Rtmp},
};
use std::path::PathBuf;

/// Everything that [`run`](crate::run()) needs to know; a program's config gives it.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Worker threads; 0 for one a core.
    pub shards: usize,
    /// Where encoders publish and players play.
    pub rtmp: Rtmp,
    /// Where HTTP players play.
    pub http: Http,
    /// Health and metrics.
    pub admin: service::admin::Config,
    /// What publishers may do.
    pub publish: Publish,
    /// How players are served.
    pub play: Play,
    /// How much the node takes on.
    pub limits: Limits,
    /// The vhosts that are known by name.
    pub vhosts: Vec<String>,
    /// Where every stream is copied to.
    pub forward: Vec<Target>,
    /// Certificate authorities to trust besides the system's, for RTMPS.
    pub ca_file: Option<PathBuf>,
    /// The cluster, if the node is in one.
    pub cluster: agent::Config,
}
