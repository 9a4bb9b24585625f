//! What the controller wants, done to the relay: again and again, harmlessly.

use agent::Agent;
use relay::{Hub, hub::Epoch};

/// Applies each desired state; ends with the agent.
pub(crate) async fn apply(agent: Agent, hub: std::sync::Arc<Hub>) {
    let mut desired = agent.desired();
    loop {
        let (owned, leave) = {
            let desired = desired.borrow_and_update();
            (desired.owned.clone(), desired.leave.clone())
        };
        for stream in owned {
            hub.believe(&stream.path, Epoch(stream.epoch.0));
        }
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
