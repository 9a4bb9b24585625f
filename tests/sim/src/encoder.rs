//! Encoders: each wants one stream on air, and publishes it again wherever it can when it is cut off.
//! Some publish to an origin, some to an edge, which asks where the stream belongs.

use crate::{
    node::{self, Published},
    world::{Machine, World, node_id},
};
use control::NodeId;
use media::StreamPath;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How often an encoder looks whether it is still on air.
const LOOKS: Duration = Duration::from_millis(250);

/// How long it waits for a server that does not take its bytes.
const PATIENCE: Duration = Duration::from_secs(3);

/// The pause before it tries again.
const RETRY: Duration = Duration::from_secs(1);

/// One encoder.
pub struct Encoder {
    /// What it publishes.
    pub path: StreamPath,
    /// It publishes to an edge.
    pub by_edge: bool,
    /// It is to be on air.
    pub wants: bool,
    /// Where it is.
    at: Option<At>,
    /// Publishes that it has given up and that their origins have not noticed.
    orphans: Vec<(NodeId, u64)>,
    avoid: Vec<NodeId>,
    next_try: Instant,
}

#[derive(Clone)]
struct At {
    node: NodeId,
    session: u64,
    stuck_since: Option<Instant>,
}

impl Encoder {
    /// An encoder that has not begun.
    pub fn new(path: StreamPath, by_edge: bool, wants: bool) -> Self {
        Self {
            path,
            by_edge,
            wants,
            at: None,
            orphans: Vec::new(),
            avoid: Vec::new(),
            next_try: Instant::now(),
        }
    }

    /// Where it publishes, as it believes.
    pub fn on_air_at(&self) -> Option<&NodeId> {
        self.at.as_ref().map(|at| &at.node)
    }
}

/// Runs an encoder to the end of the simulation.
pub async fn run(world: Arc<World>, number: usize) {
    loop {
        look(&world, number);
        if let Some(path) = wants_to_publish(&world, number) {
            publish(&world, number, &path).await;
        }
        tokio::time::sleep(LOOKS).await;
    }
}

/// Notices what has become of its publish.
fn look(world: &World, number: usize) {
    let mut state = world.state();
    let state = &mut *state;
    let Some(encoder) = state.encoders.get_mut(number) else {
        return;
    };
    let path = encoder.path.clone();
    if let Some(mut at) = encoder.at.take() {
        let there = state.nodes.get(&at.node);
        let is_there = there
            .and_then(|node| node.published.get(&path))
            .is_some_and(|it| it.session == at.session);
        let stuck = there.is_some_and(|node| !node.serves());
        let now = Instant::now();
        at.stuck_since = stuck.then(|| at.stuck_since.unwrap_or(now));
        let too_long = at
            .stuck_since
            .is_some_and(|since| since.elapsed() >= PATIENCE);
        if !is_there || too_long || !encoder.wants {
            if is_there {
                encoder.orphans.push((at.node.clone(), at.session));
            }
            encoder.avoid = vec![at.node];
            encoder.next_try = now + RETRY;
        } else {
            encoder.at = Some(at);
        }
    }
    // An origin that is stopped sees that its publisher has gone once it goes on.
    encoder.orphans.retain(|(node, session)| {
        let Some(node) = state.nodes.get_mut(node) else {
            return false;
        };
        let is_there = node
            .published
            .get(&path)
            .is_some_and(|it| it.session == *session);
        if is_there && node.serves() {
            node.published.remove(&path);
            node.news.notify_one();
            return false;
        }
        is_there
    });
}

fn wants_to_publish(world: &World, number: usize) -> Option<StreamPath> {
    let state = world.state();
    let encoder = state.encoders.get(number)?;
    let due = encoder.wants && encoder.at.is_none() && encoder.next_try <= Instant::now();
    due.then(|| encoder.path.clone())
}

async fn publish(world: &World, number: usize, path: &StreamPath) {
    let (by_edge, avoid, server) = {
        let mut state = world.state();
        let edges = world.size.edges;
        let origins = world.size.origins;
        let Some(by_edge) = state.encoders.get(number).map(|it| it.by_edge) else {
            return;
        };
        let server = match by_edge {
            true => Machine::Edge(state.chance.usize(0..edges)),
            false => Machine::Origin(state.chance.usize(0..origins)),
        };
        let avoid = state
            .encoders
            .get_mut(number)
            .map(|it| std::mem::take(&mut it.avoid));
        (by_edge, avoid.unwrap_or_default(), node_id(server))
    };
    let origin = match by_edge {
        false => Some(server),
        true => {
            let serves = world
                .state()
                .nodes
                .get(&server)
                .is_some_and(|it| it.serves());
            match serves {
                true => node::place(world, &server, path, avoid)
                    .await
                    .map(|it| it.node),
                false => None,
            }
        }
    };
    let unix_ms = world.unix_ms();
    let mut state = world.state();
    let state = &mut *state;
    let session = state.history.next_session();
    let Some(encoder) = state.encoders.get_mut(number) else {
        return;
    };
    encoder.next_try = Instant::now() + RETRY;
    let Some((id, node)) = origin.and_then(|id| Some((id.clone(), state.nodes.get_mut(&id)?)))
    else {
        return;
    };
    if !node.serves() || node.published.contains_key(path) {
        encoder.avoid = vec![id];
        return;
    }
    let published = Published {
        since_unix_ms: unix_ms.saturating_add_signed(node.skew_ms),
        session,
    };
    node.published.insert(path.clone(), published);
    node.news.notify_one();
    encoder.at = Some(At {
        node: id,
        session,
        stuck_since: None,
    });
}
