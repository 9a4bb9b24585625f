//! What must be so when nothing has failed for a while: everybody is there, knows the same, and every
//! stream is where its encoder is.

use crate::world::{State, World, path};
use control::{NodeId, Role};
use controller::{
    model::inventory::{Health, Inventory},
    plan::{Placement, Policy},
    store::{
        Store,
        keys::{self, Record},
    },
};
use std::collections::BTreeMap;

/// The first thing that is not as it should be.
///
/// # Errors
/// Says what.
pub async fn converged(world: &World) -> Result<(), String> {
    let listing = world.memory.list(keys::ALL).await;
    let listing = listing.map_err(|error| error.to_string())?;
    let mut stored = Stored::default();
    for entry in &listing.entries {
        match keys::read(entry) {
            Ok(Record::Stream(path, placement, _)) => {
                drop(stored.placements.insert(path.to_string(), placement));
            }
            Ok(Record::Leader(leader)) => stored.leader = Some(leader.run),
            Ok(_) => {}
            Err(error) => return Err(format!("{} cannot be read: {error}", entry.key)),
        }
    }
    let state = world.state();
    nodes(&state)?;
    let runs: Vec<u64> = state.controllers.values().map(|it| it.run).collect();
    let leader = stored.leader.ok_or("nobody decides")?;
    if !runs.contains(&leader) {
        return Err(format!("run {leader} decides, which is gone"));
    }
    for (number, running) in &state.controllers {
        let core = running.core.as_ref();
        let core = core.ok_or(format!("c{number} has not begun"))?;
        if core.decides() != (running.run == leader) {
            return Err(format!("c{number} is wrong about whether it decides"));
        }
        core.model()
            .read(|inventory| knows(&state, inventory, &stored))
            .map_err(|why| format!("c{number}: {why}"))?;
    }
    for number in 0..world.size.streams {
        on_air(&state, number, &stored)?;
    }
    Ok(())
}

/// What the store holds.
#[derive(Default)]
struct Stored {
    leader: Option<u64>,
    placements: BTreeMap<String, Placement>,
}

fn nodes(state: &State) -> Result<(), String> {
    for (id, node) in &state.nodes {
        if node.process.is_none() {
            return Err(format!("{id} is down"));
        }
        if node.talks.is_none() {
            return Err(format!("{id} talks with nobody"));
        }
    }
    Ok(())
}

/// A controller knows what is.
fn knows(state: &State, inventory: &Inventory, stored: &Stored) -> Result<(), String> {
    for (id, node) in &state.nodes {
        let known = inventory.nodes().get(id);
        let known = known.ok_or(format!("{id} is not known"))?;
        if known.health != Health::Alive || !known.talks() {
            return Err(format!("{id} is held for {:?}", known.health));
        }
        if known.identity.incarnation != node.incarnation {
            return Err(format!("{id} is known by an old process"));
        }
        let published: Vec<&str> = node.published.keys().map(|path| path.as_str()).collect();
        let reported: Vec<&str> = known
            .streams
            .values()
            .filter(|it| it.arrival == control::Arrival::Published)
            .map(|it| it.path.as_str())
            .collect();
        if published != reported {
            return Err(format!(
                "{id} has {published:?}, and is held to have {reported:?}"
            ));
        }
    }
    for number in 0..state.encoders.len() / 2 {
        let path = path(number);
        let placement = stored.placements.get(path.as_str());
        let owner = placement.and_then(|it| it.owner.as_ref().map(|owner| owner.node.clone()));
        if inventory.owner(&path) != owner {
            let known = inventory.owner(&path);
            return Err(format!("{path} is {known:?}'s, in the store {owner:?}'s"));
        }
        let (epoch, known) = (
            placement.map_or(Default::default(), |it| it.epoch),
            inventory.location(&path, &Policy::default()).epoch,
        );
        if known < epoch {
            return Err(format!(
                "{path} is known at epoch {known}, in the store at {epoch}"
            ));
        }
    }
    Ok(())
}

/// A stream has one owner, where its encoder is, and edges pull it there.
fn on_air(state: &State, number: usize, stored: &Stored) -> Result<(), String> {
    let path = path(number);
    let publishers: Vec<&NodeId> = state
        .nodes
        .iter()
        .filter(|(_, node)| node.published.contains_key(&path))
        .map(|(id, _)| id)
        .collect();
    let [origin] = publishers[..] else {
        return Err(format!("{path} is published at {publishers:?}"));
    };
    let encoder = state.encoders.get(number);
    if encoder.and_then(|encoder| encoder.on_air_at()) != Some(origin) {
        return Err(format!("{path} is not where its encoder is"));
    }
    let placement = stored.placements.get(path.as_str());
    let placement = placement.ok_or(format!("{path} has no placement"))?;
    let owner = placement.owner.as_ref();
    let owner = owner.ok_or(format!("{path} has no owner"))?;
    let node = state.nodes.get(origin);
    let node = node.ok_or(format!("{origin} is gone"))?;
    if owner.node != *origin || owner.incarnation != node.incarnation {
        return Err(format!(
            "{path} is published at {origin} and {}'s",
            owner.node
        ));
    }
    let owned = node.desired.owned.iter().find(|it| it.path == path);
    if owned.map(|it| it.epoch) != Some(placement.epoch) {
        return Err(format!(
            "{origin} does not know that it owns {path} at {}",
            placement.epoch
        ));
    }
    let edges = state.nodes.iter().filter(|(_, it)| it.role == Role::Edge);
    for (edge, node) in edges.filter(|(_, it)| it.played.contains(&path)) {
        let at = node.locations.get(&path);
        let at = at.ok_or(format!("{edge} does not know where {path} is"))?;
        let source = at.sources.first().map(|source| &source.node);
        if at.epoch != placement.epoch || source != Some(origin) {
            return Err(format!(
                "{edge} believes {path} at {source:?}@{}, it is at {origin}@{}",
                at.epoch, placement.epoch
            ));
        }
    }
    Ok(())
}
