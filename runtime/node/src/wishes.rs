//! What the controller wants, done to the relay: again and again, harmlessly.

use agent::Agent;
use relay::Hub;

/// Applies each desired state; ends with the agent.
pub(crate) async fn apply(agent: Agent, hub: std::sync::Arc<Hub>) {
    let mut desired = agent.desired();
    loop {
        let leave = desired.borrow_and_update().leave.clone();
        for wish in leave {
            tracing::warn!(stream = %wish.path, owner = %wish.owner, epoch = %wish.epoch,
                reason = %wish.reason, "the stream is another node's; its publisher is closed here");
            hub.evict(&wish.path);
        }
        if desired.changed().await.is_err() {
            return;
        }
    }
}
