//! Virtual hosts: which of them this node knows; everybody else is at the default one.
//!
//! As at SRS, a host that is not configured means the default vhost, so that `rtmp://10.0.0.1/live/a`
//! and `rtmp://localhost/live/a` are one stream.

use media::path::DEFAULT_VHOST;
use std::{collections::BTreeSet, sync::Arc};

/// The vhosts that a node knows by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Vhosts(Arc<BTreeSet<String>>);

impl Vhosts {
    /// These, and the default one.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(names.into_iter().collect()))
    }

    /// The vhost that a client means who says `host`.
    pub fn resolve<'a>(&'a self, host: &str) -> &'a str {
        self.0.get(host).map_or(DEFAULT_VHOST, String::as_str)
    }
}
