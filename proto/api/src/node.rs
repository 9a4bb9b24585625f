//! Nodes as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One node that is registered, or that was and may come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its name, stable over restarts.
    #[schema(example = "edge-1")]
    pub node: String,
    /// Origin or edge.
    pub role: Role,
    /// Whether it is there.
    pub state: NodeState,
    /// Why it is in that state, if it is not alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it is in that state.
    pub state_since_unix_ms: u64,
    /// One process start; rises with each. Too large for a JSON number in some readers, so a text.
    pub incarnation: String,
    /// Where others reach it by RTMP, `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtmp: Option<String>,
    /// Where others reach it by HTTP, `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Where its health and metrics are, `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// Where it stands; empty if nobody said.
    pub region: String,
    /// Which part of the region; empty if nobody said.
    pub zone: String,
    /// Its program's version.
    pub version: String,
    /// When it registered last; left out if it has not since the controller started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_unix_ms: Option<u64>,
    /// When it last said something; left out if it has not since the controller started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_unix_ms: Option<u64>,
    /// Live streams on it, published or pulled.
    pub streams: usize,
    /// Open connections of all protocols.
    pub connections: u32,
    /// Publishers of all its streams.
    pub publishers: u32,
    /// Players of all its streams.
    pub players: u32,
    /// Received since its process started.
    pub bytes_in: u64,
    /// Sent since its process started.
    pub bytes_out: u64,
    /// Received now.
    pub bits_in_per_second: u64,
    /// Sent now.
    pub bits_out_per_second: u64,
    /// Share of the cores that it may use, 0 to 1000.
    pub cpu_permille: u32,
    /// Memory held; 0 if unknown.
    pub resident_bytes: u64,
}

/// What a node does in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Takes streams in and owns them.
    Origin,
    /// Pulls what its players ask for.
    Edge,
}

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It reports.
    Alive,
    /// It went silent or its connection broke; nothing is taken from it yet.
    Suspect,
    /// It was silent for too long: its streams are nobody's until they are published elsewhere.
    Dead,
}

/// A page of nodes, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodePage {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Give it as `after` to get the next page; left out on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
