//! Restarts and the freeze: what operators order, and how it stands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An operator's order: to restart a node, to freeze, to unfreeze.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Why; kept in the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "upgrade of the rack")]
    pub reason: Option<String>,
}

/// A restart that has begun. How it ends is an event: `node.restart_done` or `node.restart_failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Restarting {
    /// The node.
    pub node: String,
    /// What restarts it: `process`, `command`, `kubernetes`.
    pub driver: String,
    /// Restarts of it in a row, this one included.
    pub attempt: u32,
}

/// How restarts of dead nodes stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Restarts {
    /// What restarts them: `process`, `command`, `kubernetes`, or `none`.
    pub driver: String,
    /// Restarts under way.
    pub in_flight: usize,
    /// Dead nodes that wait to be restarted.
    pub waiting: usize,
    /// Left out unless nobody is restarted now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
}

/// That no node is restarted now, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Frozen {
    /// Why, for programs.
    pub cause: FreezeCause,
    /// Why, for people.
    #[schema(example = "15 of 20 edges look dead at once")]
    pub reason: String,
}

/// Why no node is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FreezeCause {
    /// Too many nodes look dead at once: it is more likely the controller that is cut off.
    TooMany,
    /// An operator said so.
    Operator,
    /// The store does not answer.
    StoreLost,
    /// The controller has only just begun to decide; nodes are declared dead, and not restarted
    /// yet.
    Held,
    /// Another cause of a newer controller.
    #[serde(other)]
    Other,
}
