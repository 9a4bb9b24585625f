//! What must hold after every step, whatever has failed: owners, epochs, writers, restarts, placings.
//!
//! All of it is judged by what is true in the world, not by what a controller believes.

use crate::{
    controllers::config,
    mutant::Mutant,
    node::NodeState,
    world::{State, World},
};
use control::{Epoch, Generation, Incarnation, NodeId, Role, Upstream};
use controller::{
    plan::Placement,
    store::{
        Entry, Revision, Write,
        keys::{self, Record},
    },
};
use media::StreamPath;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// A node that was down for so long is known to be by every controller that hears the store: its
/// connections broke within five seconds, and the word went round.
const DOWN_IS_KNOWN: Duration = Duration::from_secs(9);

/// Who was heard for so long, by controllers and store that had no trouble for as long, is alive for all.
const HEARD: Duration = Duration::from_secs(15);

/// Moves are limited for each minute of wall clocks, of which two may differ by ten seconds.
const MOVES_WITHIN: Duration = Duration::from_secs(50);

/// What the checks remember.
#[derive(Default)]
pub struct History {
    /// Who served a stream at an epoch.
    owners: BTreeMap<(StreamPath, Epoch), (NodeId, Incarnation)>,
    /// What the store has held.
    placements: BTreeMap<StreamPath, Placement>,
    generations: BTreeMap<NodeId, Generation>,
    /// When streams went from one origin to another, by what the store took.
    moves: BTreeMap<StreamPath, (NodeId, Vec<Instant>)>,
    restarts: Vec<Restart>,
    sessions: u64,
    /// When the store lost its history, first to last.
    losses: Vec<Loss>,
    /// When controllers, store or network were last in trouble.
    pub trouble: Option<Instant>,
    /// How many restarts there were, moves of owners, placings, steps that were checked.
    pub counts: Counts,
}

/// What was seen, so that a run in which nothing happened is not held for a good one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Checks of all owners.
    pub steps: u64,
    /// Changes of owner in the store.
    pub changes: u64,
    /// Restarts by controllers.
    pub restarts: u64,
    /// Placings that were answered.
    pub placed: u64,
}

/// A loss of what the store knew.
#[derive(Debug, Clone, Copy)]
struct Loss {
    at: Instant,
    /// Controllers had started so often before. Those that start later know of nobody but who has
    /// registered since.
    runs_before: u64,
}

/// The store's losses, as one start of a controller has seen them.
#[derive(Debug, Clone, Copy)]
pub struct Lost {
    /// The last.
    at: Instant,
    /// The last before it started.
    before: Option<Instant>,
}

struct Restart {
    at: Instant,
    node: NodeId,
    by: u64,
    /// The node has started or registered since, or the driver could not do it.
    over: bool,
}

impl History {
    /// A number for a publish.
    pub fn next_session(&mut self) -> u64 {
        self.sessions += 1;
        self.sessions
    }

    /// The epoch at which the store has a stream.
    pub fn epoch(&self, path: &StreamPath) -> Option<Epoch> {
        self.placements.get(path).map(|placement| placement.epoch)
    }

    /// The store has lost what it knew: epochs begin where nodes say.
    pub fn store_lost(&mut self, runs: u64) {
        self.placements.clear();
        self.moves.clear();
        self.losses.push(Loss {
            at: Instant::now(),
            runs_before: runs,
        });
    }

    /// Something begins or ends that may keep controllers from knowing what is.
    pub fn troubled(&mut self) {
        self.trouble = Some(Instant::now());
    }

    /// A node has started or registered, or a driver could not do that.
    pub fn restart_is_over(&mut self, node: &NodeId) {
        let last = self.restarts.iter_mut().rev().find(|it| it.node == *node);
        if let Some(last) = last {
            last.over = true;
        }
    }

    /// What one start of a controller may not know because the store lost its history.
    fn lost_for(&self, run: u64) -> Option<Lost> {
        let unseen = |it: &&Loss| run > it.runs_before;
        self.losses.last().map(|last| Lost {
            at: last.at,
            before: self.losses.iter().rfind(unseen).map(|it| it.at),
        })
    }

    /// A stream has this owner now. Returns how often it has moved lately.
    fn moved(&mut self, path: &StreamPath, to: &NodeId) -> usize {
        let (owner, at) = self
            .moves
            .entry(path.clone())
            .or_insert_with(|| (to.clone(), Vec::new()));
        if owner != to {
            owner.clone_from(to);
            at.push(Instant::now());
        }
        at.retain(|at| at.elapsed() < MOVES_WITHIN);
        at.len()
    }

    fn quiet_for(&self, time: Duration) -> bool {
        self.trouble.is_none_or(|at| at.elapsed() >= time)
    }
}

/// What an edge pulls now: from the origin where it believes the stream to be, if that has it.
pub fn pulled(state: &State, edge: &NodeId) -> Vec<(StreamPath, NodeId)> {
    served(state, edge)
        .map(|(path, _, origin)| (path.clone(), origin.node.clone()))
        .collect()
}

fn served<'a>(
    state: &'a State,
    edge: &NodeId,
) -> impl Iterator<Item = (&'a StreamPath, Epoch, &'a Upstream)> {
    let node = state.nodes.get(edge).filter(|node| node.serves());
    let plays = |node: &'a NodeState| {
        let located = node.played.iter();
        located.filter_map(|path| Some((path, node.locations.get(path)?)))
    };
    node.into_iter().flat_map(plays).filter_map(|(path, at)| {
        let source = at.sources.first()?;
        let origin = state.nodes.get(&source.node)?;
        let has = origin.serves() && origin.published.contains_key(path);
        (has && origin.incarnation == source.incarnation).then_some((path, at.epoch, source))
    })
}

/// At the newest epoch that anybody serves a stream at, there is one owner; and an epoch has the same
/// owner for ever, unless the store has lost its history: then nobody may be left who knows the epoch.
pub fn check(world: &World) {
    let mut broken = Vec::new();
    {
        let mut state = world.state();
        state.history.counts.steps += 1;
        let mut holders: Vec<(StreamPath, Epoch, NodeId, Incarnation)> = Vec::new();
        for (id, node) in state.nodes.iter().filter(|(_, node)| node.serves()) {
            let owned = node.desired.owned.iter();
            let owned = owned.filter(|it| node.published.contains_key(&it.path));
            holders
                .extend(owned.map(|it| (it.path.clone(), it.epoch, id.clone(), node.incarnation)));
            holders.extend(
                served(&state, id).map(|(path, epoch, at)| {
                    (path.clone(), epoch, at.node.clone(), at.incarnation)
                }),
            );
        }
        let mut newest: BTreeMap<&StreamPath, (Epoch, &NodeId, Incarnation)> = BTreeMap::new();
        holders.sort();
        for (path, epoch, node, incarnation) in holders.iter().rev() {
            let known = newest.entry(path).or_insert((*epoch, node, *incarnation));
            if known.0 == *epoch && (known.1, known.2) != (node, *incarnation) {
                broken.push(format!(
                    "two owners of {path} are served at epoch {epoch}: {} and {node}",
                    known.1
                ));
            }
        }
        for (path, epoch, node, incarnation) in holders {
            let owner = (node, incarnation);
            let history = &mut state.history;
            let known = history
                .owners
                .entry((path.clone(), epoch))
                .or_insert_with(|| owner.clone());
            if *known != owner && history.losses.is_empty() {
                broken.push(format!(
                    "epoch {epoch} of {path} was {}'s and is {}'s",
                    known.0, owner.0
                ));
            }
        }
    }
    for what in broken {
        world.broken(what);
    }
}

/// A transaction is done: only who decides writes owners, and epochs rise with them.
pub fn committed(
    world: &World,
    (controller, run): (usize, u64),
    leader: Option<&Entry>,
    revision: Revision,
    writes: &[Write],
) {
    let leads = leader.is_some_and(
        |entry| matches!(keys::read(entry), Ok(Record::Leader(leader)) if leader.run == run),
    );
    for write in writes {
        let Write::Put { key, value, lease } = write else {
            continue;
        };
        let entry = Entry {
            key: key.clone(),
            value: value.clone(),
            revision,
            lease: *lease,
        };
        match keys::read(&entry) {
            Ok(Record::Stream(path, placement, reason)) => {
                let owner = placement.owner.as_ref();
                let owner = owner.map_or_else(|| "nobody".into(), |it| it.node.to_string());
                world.log(format_args!(
                    "c{controller} gives {path} to {owner}@{}: {reason}",
                    placement.epoch
                ));
                if !leads {
                    world.broken(format_args!(
                        "c{controller} wrote who owns {path} and does not decide"
                    ));
                }
                follows(world, path, placement);
            }
            Ok(Record::Leader(leader)) => {
                world.log(format_args!("{} is elected", leader.controller));
            }
            Ok(_) => {}
            Err(error) => world.broken(format_args!("{key} cannot be read: {error}")),
        }
    }
}

/// A placement follows the one before it.
fn follows(world: &World, path: StreamPath, placement: Placement) {
    let epoch = placement.epoch;
    let mut state = world.state();
    let owned = placement.owner.clone();
    let before = state.history.placements.insert(path.clone(), placement);
    state.history.counts.changes += 1;
    let moves = owned
        .as_ref()
        .map_or(0, |owner| state.history.moved(&path, &owner.node));
    drop(state);
    let most = config(None).streams.moves_per_minute;
    if moves > most as usize {
        world.broken(format_args!(
            "{path} has moved {moves} times within {} s",
            MOVES_WITHIN.as_secs()
        ));
    }
    let Some(before) = before else { return };
    if epoch < before.epoch {
        world.broken(format_args!(
            "the epoch of {path} fell from {} to {epoch}",
            before.epoch
        ));
    }
    if owned.is_some() && owned != before.owner && epoch <= before.epoch {
        world.broken(format_args!(
            "{path} has a new owner at the old epoch {epoch}"
        ));
    }
}

/// A node applied a desired state.
pub fn generation(world: &World, node: &NodeId) {
    let mut state = world.state();
    let Some(now) = state.nodes.get(node).map(|it| it.desired.generation) else {
        return;
    };
    let before = state.history.generations.insert(node.clone(), now);
    drop(state);
    if let Some(before) = before.filter(|before| *before > now) {
        world.broken(format_args!(
            "{node} went back from generation {before} to {now}"
        ));
    }
}

/// A node learnt where a stream is.
pub fn located(world: &World, node: &NodeId, path: &StreamPath, known: Option<Epoch>, is: Epoch) {
    if let Some(known) = known.filter(|known| *known > is) {
        world.broken(format_args!(
            "{node} went back from epoch {known} of {path} to {is}"
        ));
    }
}

/// A publish was placed: not at a node that everybody knows to be down.
pub fn placed(
    world: &World,
    by: &NodeId,
    path: &StreamPath,
    origin: Option<Upstream>,
) -> Option<Upstream> {
    let mut origin = origin?;
    if world.has(Mutant::DeadOriginPlaced) {
        let state = world.state();
        let origins = state.nodes.iter().filter(|(_, it)| it.role == Role::Origin);
        let down = origins.filter_map(|(id, it)| Some((it.down_since?, id)));
        if let Some((_, longest)) = down.min() {
            origin.node = longest.clone();
        }
    }
    let down = {
        let mut state = world.state();
        state.history.counts.placed += 1;
        let node = state.nodes.get(&origin.node);
        let down = node.and_then(|node| node.down_since);
        let known = down.filter(|since| since.elapsed() >= DOWN_IS_KNOWN);
        known.filter(|_| state.history.quiet_for(DOWN_IS_KNOWN))
    };
    if let Some(since) = down {
        world.broken(format_args!(
            "{by} was told to push {path} to {}, down for {:.1} s",
            origin.node,
            since.elapsed().as_secs_f64()
        ));
    }
    Some(origin)
}

/// A controller has a node restarted.
pub fn restarts(world: &World, (controller, run): (usize, u64), node: &NodeId) {
    let mut broken = Vec::new();
    {
        let rules = config(None).supervision();
        let mut state = world.state();
        let state = &mut *state;
        state.history.counts.restarts += 1;
        if is_heard(state, node) {
            broken.push(format!(
                "c{controller} restarts {node}, which serves and is heard"
            ));
        }
        let restarts = &state.history.restarts;
        let again = restarts
            .iter()
            .rev()
            .find(|it| it.node == *node && it.by == run)
            .filter(|it| it.at.elapsed() < rules.wait_first);
        if let Some(again) = again {
            broken.push(format!(
                "c{controller} restarts {node} twice within {:.1} s",
                again.at.elapsed().as_secs_f64()
            ));
        }
        let flies = |it: &&Restart| it.by == run && !it.over && it.at.elapsed() < rules.patience;
        let flying = restarts.iter().filter(flies).count();
        if flying >= rules.in_flight_max {
            broken.push(format!(
                "c{controller} has {} restarts under way",
                flying + 1
            ));
        }
        if let Some(role) = state.nodes.get(node).map(|it| it.role)
            && let Some(share) =
                too_many_down(state, role, DOWN_IS_KNOWN, state.history.lost_for(run))
        {
            broken.push(format!(
                "c{controller} restarts {node} while {share} {role}s are down"
            ));
        }
        state.history.restarts.push(Restart {
            at: Instant::now(),
            node: node.clone(),
            by: run,
            over: false,
        });
    }
    for what in broken {
        world.broken(what);
    }
}

/// Whether a node has talked with a controller for long, and nothing was in the way of that.
fn is_heard(state: &State, node: &NodeId) -> bool {
    let Some(it) = state.nodes.get(node).filter(|it| it.serves()) else {
        return false;
    };
    let talks = it.talks.is_some_and(|(controller, since)| {
        state.controllers.contains_key(&controller) && since.elapsed() >= HEARD
    });
    let serves = it.up_since.is_some_and(|since| since.elapsed() >= HEARD);
    talks && serves && state.history.quiet_for(HEARD)
}

/// How many of a role's nodes went down at least so long ago, and are known to have, if that has to freeze.
pub fn too_many_down(
    state: &State,
    role: Role,
    ago: Duration,
    lost: Option<Lost>,
) -> Option<String> {
    let rules = config(None).supervision();
    let of_role = || state.nodes.values().filter(|node| node.role == role);
    let is_known = |node: &NodeState, down: Instant| {
        lost.is_none_or(|lost| {
            let has_registered = |since| node.welcome.is_some_and(|at| at > since);
            down > lost.at && lost.before.is_none_or(has_registered)
        })
    };
    let is_down = |node: &&NodeState| {
        node.down_since
            .is_some_and(|since| since.elapsed() >= ago && is_known(node, since))
    };
    let down = of_role().filter(is_down).count();
    let of = of_role().count();
    let many =
        down >= rules.freeze_nodes_min && down * 100 > usize::from(rules.freeze_percent) * of;
    many.then(|| format!("{down} of {of}"))
}
