//! What happened in the cluster, with reasons.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Rises from event to event, over restarts of the controller too; not without gaps.
    pub id: u64,
    /// When the controller saw it.
    pub at_unix_ms: u64,
    /// What happened.
    pub kind: EventKind,
    /// The node that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The stream that it is about, `vhost/app/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Why, for people.
    pub reason: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum EventKind {
    /// The controller started.
    #[serde(rename = "controller.started")]
    ControllerStarted,
    /// A node registered: a new one, or one that the controller had not heard since its own start.
    #[serde(rename = "node.registered")]
    NodeRegistered,
    /// A node registered with a new incarnation: its process was started again.
    #[serde(rename = "node.restarted")]
    NodeRestarted,
    /// A node went silent.
    #[serde(rename = "node.suspect")]
    NodeSuspect,
    /// A suspect or dead node of the same incarnation speaks again.
    #[serde(rename = "node.back")]
    NodeBack,
    /// A node was silent for too long, and did not answer when it was asked.
    #[serde(rename = "node.dead")]
    NodeDead,
    /// A node ended on purpose.
    #[serde(rename = "node.left")]
    NodeLeft,
    /// A node is silent and answers when it is asked: it serves, and is left alone.
    #[serde(rename = "node.cut_off")]
    NodeCutOff,
    /// A node is being restarted.
    #[serde(rename = "node.restarting")]
    NodeRestarting,
    /// A restart has brought up a new process of the node.
    #[serde(rename = "node.restart_done")]
    NodeRestartDone,
    /// A restart came to nothing.
    #[serde(rename = "node.restart_failed")]
    NodeRestartFailed,
    /// From now on no node is declared dead or restarted.
    #[serde(rename = "cluster.frozen")]
    ClusterFrozen,
    /// That is over.
    #[serde(rename = "cluster.unfrozen")]
    ClusterUnfrozen,
    /// A stream has got an owner.
    #[serde(rename = "stream.published")]
    StreamPublished,
    /// A stream has lost its owner.
    #[serde(rename = "stream.unpublished")]
    StreamUnpublished,
    /// A stream has changed its owner.
    #[serde(rename = "stream.moved")]
    StreamMoved,
    /// A second origin has a stream that another one owns.
    #[serde(rename = "stream.duplicate")]
    StreamDuplicate,
    /// A stream has changed its owner too often: it is held where it is, or without one, for a while.
    #[serde(rename = "stream.held")]
    StreamHeld,
    /// Another kind of a newer controller.
    #[serde(rename = "other", other)]
    Other,
}

/// A page of events, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// Give it as `after` to get what follows, now or later.
    pub next: u64,
    /// Whether events between `after` and the first one here are no longer kept.
    pub gap: bool,
}
