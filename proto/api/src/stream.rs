//! Streams as the API shows them: one entry for the whole cluster, with a site for each node.

use crate::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One live stream in the whole cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stream {
    /// `vhost/app/name`.
    #[schema(example = "__defaultVhost__/live/239.1.1.5:1234")]
    pub path: String,
    /// The first part of the path.
    pub vhost: String,
    /// The second.
    pub app: String,
    /// All the rest; may hold `/` and `:`.
    pub name: String,
    /// The origin that owns it; left out if nobody does now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Origins that have the same input and stand by: one of them is the next owner.
    #[serde(default)]
    pub standbys: Vec<String>,
    /// The version of its ownership: rises with each change of owner.
    pub epoch: u64,
    /// Since when that owner owns it; left out if nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_unix_ms: Option<u64>,
    /// Edges that have it, by name.
    pub edges: Vec<String>,
    /// Players on all nodes.
    pub players: u32,
    /// Of the media as it comes in at its origin (or, if it has none, at any node).
    pub bits_per_second: u64,
    /// The picture, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<Video>,
    /// The sound, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Audio>,
    /// Every node that has it: origins first, then by name.
    pub sites: Vec<Site>,
}

/// A stream on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Site {
    /// Which node.
    pub node: String,
    /// Its role.
    pub role: Role,
    /// How the stream came there.
    pub arrival: Arrival,
    /// For pulled ones: where it is pulled from; left out if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Since when it is there.
    pub since_unix_ms: u64,
    /// Players there.
    pub players: u32,
    /// Received there since then.
    pub bytes_in: u64,
    /// Sent from there since then.
    pub bytes_out: u64,
    /// As it comes in there.
    pub bits_per_second: u64,
}

/// How a stream came to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// Somebody publishes it there: an encoder, a push, a forward, an ingest.
    Published,
    /// The node fetches it from upstream.
    Pulled,
}

/// The picture. What is not known is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Video {
    /// `h264`, `h265`, `av1`, …
    #[schema(example = "h264")]
    pub codec: String,
    /// In pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// In pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Frames a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
}

/// The sound. What is not known is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Audio {
    /// `aac`, `opus`, `mp3`, …
    #[schema(example = "aac")]
    pub codec: String,
    /// In hertz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// 1 for mono, 2 for stereo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
}

/// A page of streams, in the order of their paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamPage {
    /// The streams.
    pub streams: Vec<Stream>,
    /// Give it as `after` to get the next page; left out on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
