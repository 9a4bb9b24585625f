//! Origins that somebody accuses: they are asked whether they live, and until that is known they drive
//! nobody out.

use super::{Inventory, New, Now, node::Health};
use api::EventKind;
use control::{NodeId, Role};
use std::collections::BTreeMap;

/// Those who are accused, and whether they have been asked already.
#[derive(Debug, Default)]
pub(super) struct Accused(BTreeMap<NodeId, bool>);

impl Inventory {
    /// Somebody could not reach `id`, or has a stream that it owns. Passed over unless it is an origin
    /// that seems to live and no other controller hears it.
    pub fn accuse(&mut self, id: &NodeId) {
        let Some(node) = self.nodes.get(id) else {
            return;
        };
        let seems_to_live = node.health == Health::Alive
            && node.identity.role == Role::Origin
            && node.is_ours_to_judge();
        if seems_to_live && !self.accused.0.contains_key(id) {
            self.accused.0.insert(id.clone(), false);
            self.effects.accused = true;
        }
    }

    /// Those who have not been asked.
    pub fn take_accused(&mut self) -> Vec<NodeId> {
        let unasked = self.accused.0.iter_mut().filter(|(_, asked)| !**asked);
        let ask = |(id, asked): (&NodeId, &mut bool)| {
            *asked = true;
            id.clone()
        };
        unasked.map(ask).collect()
    }

    /// An accused origin has answered, or has not: then it is suspect.
    pub fn judged(&mut self, id: &NodeId, answer: Result<(), String>, now: Now) {
        self.accused.0.remove(id);
        // What was held back for its sake is to be said.
        self.effects.all_nodes = true;
        let alive = self.nodes.get_mut(id);
        let alive = alive.filter(|node| node.health == Health::Alive && node.is_ours_to_judge());
        let (Some(node), Err(why)) = (alive, answer) else {
            return;
        };
        let reason = format!("it was accused, and does not answer: {why}");
        let event = New::node(EventKind::NodeSuspect, id, &*reason);
        node.became(Health::Suspect, Some(reason), now);
        self.effects.events.push(event);
        self.post_node(id);
        self.owner_changed(id);
    }

    pub(super) fn is_accused(&self, id: &NodeId) -> bool {
        self.accused.0.contains_key(id)
    }
}
