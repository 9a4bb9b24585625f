//! The cluster in one look.

use crate::Restarts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The cluster in one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    /// The controller that answers.
    pub controller: String,
    /// Its version.
    pub version: String,
    /// When it started.
    pub started_unix_ms: u64,
    /// What keeps its state: `embedded`, `etcd`.
    pub store: String,
    /// Of several controllers on one etcd, the one that decides; left out if there is one only, or
    /// none is elected at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The store's revision: rises with each change in it.
    pub revision: u64,
    /// Origins by state.
    pub origins: NodeCounts,
    /// Edges by state.
    pub edges: NodeCounts,
    /// Streams that have an owner.
    pub streams: usize,
    /// Players on all nodes.
    pub players: u32,
    /// What origins receive now.
    pub bits_in_per_second: u64,
    /// What all nodes send now.
    pub bits_out_per_second: u64,
    /// How restarts of dead nodes stand.
    #[serde(default)]
    pub restarts: Restarts,
}

/// Nodes by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct NodeCounts {
    /// They report.
    pub alive: usize,
    /// They went silent.
    pub suspect: usize,
    /// They were silent for too long.
    pub dead: usize,
}
