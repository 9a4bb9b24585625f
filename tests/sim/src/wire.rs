//! A connection between a node and a controller, as TCP and HTTP/2 make it: what is said arrives in order
//! or the connection breaks; one whose far end cannot be heard breaks after a while.

use crate::world::{Machine, World};
use control::wire::{FromNode, ToNode, from_node, to_node};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// How often a quiet connection is looked at; both sides do so.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// A far end that was not heard for so long is given up.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);

/// How long a node waits for a controller that does not answer.
const WELCOME_PATIENCE: Duration = Duration::from_secs(2);

/// Messages on their way in one direction: more than anybody says in the time after which a connection
/// that does not move breaks.
const MESSAGES_MAX: usize = 1_024;

/// A node's side of a connection.
pub struct Connection {
    /// What the node says.
    pub outward: mpsc::Sender<FromNode>,
    /// What it hears; ends when the connection does.
    pub inward: mpsc::Receiver<ToNode>,
}

/// Connects a node to a controller; `None` if that cannot be had.
pub async fn connect(world: &Arc<World>, node: Machine, controller: usize) -> Option<Connection> {
    let far = Machine::Controller(controller);
    let opens = async {
        world.open(node, far).await;
        tokio::time::sleep(world.latency(node, far)).await;
        world.open(far, node).await;
    };
    tokio::time::timeout(WELCOME_PATIENCE, opens).await.ok()?;
    let (core, process) = {
        let state = world.state();
        let running = state.controllers.get(&controller)?;
        (running.core.clone()?, running.process.clone())
    };
    let (outward, says) = mpsc::channel(MESSAGES_MAX);
    let (tells, told) = mpsc::channel(MESSAGES_MAX);
    let (hears, inward) = mpsc::channel(MESSAGES_MAX);
    let (heard, attend) = core.attend(ReceiverStream::new(told));
    process.spawn(attend);
    let broken = CancellationToken::new();
    let lasts = Arc::new(());
    let there = Pump {
        world: Arc::clone(world),
        from: node,
        to: far,
        broken: broken.clone(),
        _lasts: Arc::clone(&lasts),
    };
    let back = Pump {
        from: far,
        to: node,
        ..there.clone()
    };
    tokio::spawn(there.upward(says, tells));
    tokio::spawn(back.downward(heard, hears));
    tokio::spawn(watch_over(
        Arc::clone(world),
        node,
        controller,
        broken,
        lasts,
    ));
    Some(Connection { outward, inward })
}

/// Breaks the connection when an end cannot be heard, and ends with it.
async fn watch_over(
    world: Arc<World>,
    node: Machine,
    controller: usize,
    broken: CancellationToken,
    lasts: Arc<()>,
) {
    let far = Machine::Controller(controller);
    let mut heard = Instant::now();
    // Both directions hold it; when they have ended the connection has.
    while !broken.is_cancelled() && Arc::strong_count(&lasts) > 1 {
        tokio::time::sleep(PROBE_INTERVAL).await;
        let open = world.is_open(node, far) && world.is_open(far, node);
        let answers = {
            let state = world.state();
            let controller = state.controllers.get(&controller);
            let node = state.nodes.get(&crate::world::node_id(node));
            let node = node.and_then(|node| node.process.as_ref());
            controller.is_some_and(|it| !it.process.is_paused())
                && node.is_some_and(|it| !it.is_paused())
        };
        match open && answers {
            true => heard = Instant::now(),
            false if heard.elapsed() >= PROBE_PATIENCE => {
                broken.cancel();
            }
            false => {}
        }
    }
}

/// One direction.
#[derive(Clone)]
struct Pump {
    world: Arc<World>,
    from: Machine,
    to: Machine,
    broken: CancellationToken,
    /// Held for as long as it lasts.
    _lasts: Arc<()>,
}

impl Pump {
    /// A message on its way; `false` if it did not arrive.
    async fn carry(&mut self) -> bool {
        let Self {
            world,
            from,
            to,
            broken,
            ..
        } = self;
        let passes = async {
            tokio::time::sleep(world.latency(*from, *to)).await;
            world.open(*from, *to).await;
        };
        let arrived = tokio::select! {
            biased;
            () = broken.cancelled() => false,
            () = passes => true,
        };
        let unreliable = self.world.state().unreliable;
        if arrived && unreliable && self.world.happens(2) {
            self.world.log(format_args!(
                "lost {} to {}: the connection breaks",
                self.from, self.to
            ));
            self.broken.cancel();
            return false;
        }
        arrived
    }

    async fn upward(
        mut self,
        mut says: mpsc::Receiver<FromNode>,
        tells: mpsc::Sender<Result<FromNode, Status>>,
    ) {
        loop {
            let said = tokio::select! {
                biased;
                () = self.broken.cancelled() => None,
                said = says.recv() => said,
                () = tells.closed() => return,
            };
            if !self.carry().await {
                // Whoever is gone hears nothing.
                let _ = tells
                    .send(Err(Status::unavailable("the connection broke")))
                    .await;
                return;
            }
            let Some(said) = said else { return };
            let again = may_be_said_twice(&said) && self.repeats();
            if again {
                let _ = tells.send(Ok(said.clone())).await;
            }
            let _ = tells.send(Ok(said)).await;
        }
    }

    async fn downward(
        mut self,
        mut said: mpsc::Receiver<Result<ToNode, Status>>,
        hears: mpsc::Sender<ToNode>,
    ) {
        // What was said long ago and comes again; and the epochs at which streams were told since.
        let mut late: Option<ToNode> = None;
        let mut told: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            let message = tokio::select! {
                biased;
                () = self.broken.cancelled() => None,
                message = said.recv() => message,
                () = hears.closed() => return,
            };
            if !self.carry().await {
                return;
            }
            let Some(Ok(message)) = message else { return };
            let may = match &message.message {
                Some(to_node::Message::Desired(_)) => true,
                Some(to_node::Message::Located(located)) => {
                    told.insert(located.path.clone(), located.epoch);
                    true
                }
                _ => false,
            };
            let old = match may && self.repeats() {
                true => late.replace(message.clone()),
                false => None,
            };
            let _ = hears.send(message).await;
            // The contract promises order: only what its numbers show to be old may come again.
            let shown = old.filter(|old| match &old.message {
                Some(to_node::Message::Located(old)) => {
                    told.get(&old.path).is_none_or(|newest| old.epoch < *newest)
                }
                _ => true,
            });
            if let Some(old) = shown {
                self.world
                    .log(format_args!("late {} to {}", self.from, self.to));
                let _ = hears.send(old).await;
            }
        }
    }

    fn repeats(&self) -> bool {
        let unreliable = self.world.state().unreliable;
        unreliable && self.world.happens(100)
    }
}

fn may_be_said_twice(said: &FromNode) -> bool {
    matches!(
        said.message,
        Some(from_node::Message::Report(_) | from_node::Message::Locate(_))
    )
}
