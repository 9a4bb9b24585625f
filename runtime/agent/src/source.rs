//! What the node tells of itself.

use control::Report;

/// The node's own view, asked for once a second and after each
/// [`Agent::nudge`](crate::Agent::nudge).
pub trait Source: Send + Sync {
    /// Everything that the node sees now: its load and every live stream. Called on the agent's
    /// task, so it must not wait; it is sent whole, so what it leaves out is gone.
    fn report(&self) -> Report;
}
