//! Watches over nodes: probes the silent ones, declares the dead dead, has them restarted.
//!
//! What is to be done is decided by [`Supervision`]; here it is done. In reading order:
//!
//! * [`config`]: what an operator can set.
//! * `probe`: asks a node itself whether it lives; `accused`: who has to be asked at once.
//! * `process`, `command`, `kubernetes`: the drivers, each of which restarts one node.
//! * [`template`]: how a node's name gets into a command.
//!
//! Of several controllers each sees for itself who is dead; the one that decides restarts.
//!
//! One task does it all, so that decisions never cross; probes and restarts run beside it, and each
//! comes to an end by itself. Every restart is an event when it begins and another when it has
//! succeeded or failed.

pub(crate) mod accused;
mod command;
pub mod config;
mod kubernetes;
mod probe;
mod process;
pub mod template;

use crate::{
    Config,
    limits::{PROBES_AT_ONCE_MAX, STORE_ASKED_EVERY, STORE_PATIENCE},
    metrics::{FROZEN, PROBES, RESTARTS, RESTARTS_IN_FLIGHT},
    model::{
        Model,
        events::New,
        inventory::{Health, Inventory, Node, Now},
    },
    plan::supervision::{
        Action, Cause, Counts, Frozen, Order, OrderError, Presence, Rules, Seen, Supervision,
    },
    program::{Parts, now},
    replica::{self, standing},
    store::Store,
};
use ::metrics::{counter, gauge};
use api::EventKind;
use config::DriverKind;
use control::{Identity, NodeId};
use kubernetes::Pods;
use parking_lot::Mutex;
use std::{path::PathBuf, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinSet,
};

/// Restarts that operators have ordered and that have not begun; one begins in microseconds.
const ORDERS_WAITING_MAX: usize = 64;

/// What can be done to a node from outside: real machines, or those of a simulation.
pub trait Hands: Send + Sync {
    /// By what nodes are restarted; `none` if they are not.
    fn kind(&self) -> DriverKind;

    /// Asks a node whether it lives. An error says what it did instead, for people.
    fn probe(&self, node: Identity) -> Touch<'_, ()>;

    /// Starts a node again. Answers what was done, or why it could not be, for people.
    fn restart(&self, node: Identity) -> Touch<'_, String>;
}

/// What comes of it.
pub type Touch<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// What restarts a node.
enum Driver {
    None,
    Process(PathBuf),
    Command(config::Command),
    Kubernetes(Box<Pods>),
}

/// The hands on real machines: HTTP to ask, a driver to restart.
pub(crate) struct Machines {
    driver: Driver,
    probe_patience: Duration,
}

impl Machines {
    /// # Errors
    /// If the driver cannot be had.
    pub(crate) async fn of(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            driver: Driver::of(&config.restart).await?,
            probe_patience: config.nodes.probe_patience.get(),
        })
    }
}

impl Driver {
    async fn of(config: &config::Config) -> anyhow::Result<Self> {
        Ok(match (config.driver, &config.process.socket) {
            (DriverKind::Process, Some(socket)) => Self::Process(socket.clone()),
            // The config is not valid without one.
            (DriverKind::Process, None) | (DriverKind::None, _) => Self::None,
            (DriverKind::Command, _) => Self::Command(config.command.clone()),
            (DriverKind::Kubernetes, _) => {
                Self::Kubernetes(Box::new(Pods::find(&config.kubernetes).await?))
            }
        })
    }
}

impl Hands for Machines {
    fn kind(&self) -> DriverKind {
        match self.driver {
            Driver::None => DriverKind::None,
            Driver::Process(_) => DriverKind::Process,
            Driver::Command(_) => DriverKind::Command,
            Driver::Kubernetes(_) => DriverKind::Kubernetes,
        }
    }

    fn probe(&self, node: Identity) -> Touch<'_, ()> {
        Box::pin(async move { probe::ask(&probe::addresses(&node), self.probe_patience).await })
    }

    fn restart(&self, node: Identity) -> Touch<'_, String> {
        Box::pin(async move {
            match &self.driver {
                Driver::None => Err("there is no driver".into()),
                Driver::Process(socket) => process::restart(socket, &node.node).await,
                Driver::Command(config) => command::restart(config, &node).await,
                Driver::Kubernetes(pods) => pods.restart(&node).await,
            }
        })
    }
}

/// Why an operator's order is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing could restart a node.
    #[error("restart.driver is none: nothing here can restart a node")]
    NoDriver,
    /// See [`OrderError`].
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Too many are ordered at once.
    #[error("too many restarts are ordered at once")]
    Busy,
}

/// The handle on the supervision of nodes: for operators' orders and for showing how it stands.
pub struct Supervisor {
    supervision: Mutex<Supervision>,
    hands: Arc<dyn Hands>,
    orders: mpsc::Sender<Order>,
    changed: Notify,
}

/// How restarts stand.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What restarts nodes.
    pub driver: DriverKind,
    /// Why nobody is restarted, if so.
    pub frozen: Option<Frozen>,
    /// How many restarts there are.
    pub counts: Counts,
}

/// Orders on their way to the task.
pub(crate) struct Orders(mpsc::Receiver<Order>);

impl Supervisor {
    /// Begins to watch; nothing happens until [`run`].
    pub(crate) fn new(config: &Config, hands: Arc<dyn Hands>) -> (Arc<Self>, Orders) {
        let (orders, ordered) = mpsc::channel(ORDERS_WAITING_MAX);
        let supervision = Supervision::new(config.supervision(), now().instant);
        let supervisor = Self {
            supervision: Mutex::new(supervision),
            hands,
            orders,
            changed: Notify::new(),
        };
        (Arc::new(supervisor), Orders(ordered))
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let supervision = self.supervision.lock();
        Standing {
            driver: self.hands.kind(),
            frozen: supervision.frozen().cloned(),
            counts: supervision.counts(),
        }
    }

    /// An operator wants a node restarted.
    ///
    /// # Errors
    /// If it cannot be, or need not be any more.
    pub fn order(&self, node: &NodeId, reason: &str) -> Result<Order, Refusal> {
        if self.hands.kind() == DriverKind::None {
            return Err(Refusal::NoDriver);
        }
        let place = self.orders.try_reserve().map_err(|_| Refusal::Busy)?;
        let order = self.supervision.lock().order(node, reason, now().instant)?;
        place.send(order.clone());
        Ok(order)
    }

    /// An operator freezes the cluster: nobody is declared dead or restarted.
    pub fn freeze(&self, reason: String) {
        self.supervision.lock().operator_froze(Some(reason));
        self.changed.notify_one();
    }

    /// An operator ends every freeze that an operator can end.
    pub fn thaw(&self) {
        self.supervision.lock().thaw();
        self.changed.notify_one();
    }
}

impl Config {
    /// The rules of supervision.
    pub fn supervision(&self) -> Rules {
        let (restart, freeze) = (&self.restart, &self.freeze);
        Rules {
            dead_after: self.nodes.dead_after.get(),
            probe_interval: self.nodes.probe_interval.get(),
            restarts: restart.driver != DriverKind::None,
            in_flight_max: restart.in_flight_max as usize,
            patience: restart.patience.get(),
            wait_first: restart.wait_first.get(),
            wait_max: restart.wait_max.get(),
            forgiven_after: restart.forgiven_after.get(),
            held_for: restart.held_for.get(),
            freeze_percent: freeze.percent,
            freeze_nodes_min: freeze.nodes_min as usize,
            freeze_within: freeze.within.get(),
        }
    }
}

/// What runs beside the task.
#[derive(Default)]
struct Running {
    probes: JoinSet<(NodeId, Result<(), String>)>,
    restarts: JoinSet<(NodeId, Result<String, String>)>,
}

/// Watches over nodes until the controller ends. What runs then is abandoned: a command is killed, a
/// probe forgotten.
pub(crate) async fn run(
    parts: Parts,
    supervisor: Arc<Supervisor>,
    mut orders: Orders,
    step: Duration,
) {
    let Parts { model, cancel, .. } = &parts;
    let mut ticks = tokio::time::interval(step);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let at_once = Arc::new(Semaphore::new(PROBES_AT_ONCE_MAX));
    let mut running = Running::default();
    let mut freeze = model.freeze();
    freeze.mark_changed();
    let mut stood = standing(model);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _ = ticks.tick() => {}
            () = supervisor.changed.notified() => {}
            Ok(()) = freeze.changed() => {
                let said = freeze.borrow_and_update().clone();
                match said.map(|said| said.reason) {
                    Some(Some(reason)) => supervisor.supervision.lock().operator_froze(Some(reason)),
                    Some(None) => supervisor.supervision.lock().thaw(),
                    None => {}
                }
            }
            Some(order) = orders.0.recv() => {
                running.begin(&supervisor, model, order);
                continue;
            }
            Some(Ok((node, answer))) = running.probes.join_next() => {
                let outcome = if answer.is_ok() { "answered" } else { "failed" };
                counter!(PROBES, "outcome" => outcome).increment(1);
                supervisor.supervision.lock().probed(&node, answer);
            }
            Some(Ok((node, done))) = running.restarts.join_next() => {
                supervisor.driven(model, &node, done);
            }
        }
        let seen = model.read(|inventory| seen(inventory, now()));
        let stands = standing(model);
        let restarts = supervisor.hands.kind() != DriverKind::None && stands.decides();
        // Who has lost the store for a while, or slept, may not have heard yet that another decides.
        let elected = matches!(stands, replica::Standing::Leads(..));
        let doubtful = elected && !model.read(|it| it.leads_surely(now().instant));
        let elected_anew = stood != stands;
        stood = stands;
        let actions = {
            let mut supervision = supervisor.supervision.lock();
            if elected_anew && restarts {
                // Perhaps after another, though that was never seen.
                supervision.begins(now().instant);
            }
            supervision.restarts(restarts, now().instant);
            supervision.election_is_doubtful(doubtful);
            supervision.step(&seen, now().instant)
        };
        for action in actions {
            running.act(&supervisor, model, &at_once, action);
        }
        supervisor.show();
    }
}

impl Running {
    fn act(
        &mut self,
        supervisor: &Arc<Supervisor>,
        model: &Model,
        at_once: &Arc<Semaphore>,
        action: Action,
    ) {
        let happened = |kind, node: Option<&NodeId>, reason: String| {
            let event = New {
                kind,
                node: node.cloned(),
                stream: None,
                reason,
            };
            model.happened(event, now());
        };
        match action {
            Action::Probe(node) => {
                let known = identity(model, &node);
                let hands = Arc::clone(&supervisor.hands);
                let at_once = Arc::clone(at_once);
                self.probes.spawn(async move {
                    // Closed never.
                    let _place = at_once.acquire_owned().await;
                    let answer = match known {
                        Some(known) => hands.probe(known).await,
                        None => Err("it is no longer known".into()),
                    };
                    (node, answer)
                });
            }
            Action::CutOff(node) => happened(
                EventKind::NodeCutOff,
                Some(&node),
                "silent, and answers when it is asked: it serves, and is left alone".into(),
            ),
            Action::Dead { node, reason } => model.died(&node, reason, now()),
            Action::Restart(order) => self.begin(supervisor, model, order),
            Action::Restarted { node, took } => {
                counter!(RESTARTS, "outcome" => "done").increment(1);
                let reason = format!("a new process registered {:.1} s after", took.as_secs_f64());
                happened(EventKind::NodeRestartDone, Some(&node), reason);
            }
            Action::RestartFailed { node, reason } => failed(model, &node, reason),
            Action::Froze(Frozen { cause, reason }) => {
                let reason = match cause {
                    Cause::Operator => format!("by an operator: {reason}"),
                    Cause::TooMany | Cause::StoreLost | Cause::Held => reason,
                };
                happened(EventKind::ClusterFrozen, None, reason);
            }
            Action::Thawed { reason } => happened(EventKind::ClusterUnfrozen, None, reason),
        }
    }

    fn begin(&mut self, supervisor: &Arc<Supervisor>, model: &Model, order: Order) {
        let Order {
            node,
            reason,
            attempt,
            ..
        } = order;
        let driver = supervisor.hands.kind().as_str();
        let said = format!("{reason}; by the driver {driver}, attempt {attempt}");
        let event = New::node(EventKind::NodeRestarting, &node, said);
        model.happened(event, now());
        let supervisor = Arc::clone(supervisor);
        let known = identity(model, &node);
        self.restarts.spawn(async move {
            let done = match known {
                Some(known) => supervisor.hands.restart(known).await,
                None => Err("it is no longer known".into()),
            };
            (node, done)
        });
    }
}

impl Supervisor {
    /// A driver has done its part, or could not.
    fn driven(&self, model: &Model, node: &NodeId, done: Result<String, String>) {
        if let Ok(what) = &done {
            tracing::info!(%node, what, "restarted by its driver, now to register");
        }
        let mut supervision = self.supervision.lock();
        let action = supervision.driven(node, done.map(|_| ()), now().instant);
        drop(supervision);
        if let Some(Action::RestartFailed { node, reason }) = action {
            failed(model, &node, reason);
        }
    }

    fn show(&self) {
        let Standing { frozen, counts, .. } = self.standing();
        gauge!(RESTARTS_IN_FLIGHT).set(u32::try_from(counts.in_flight).unwrap_or(u32::MAX));
        let cause = frozen.map(|frozen| frozen.cause);
        for (each, name) in [
            (Cause::TooMany, "too_many"),
            (Cause::Operator, "operator"),
            (Cause::StoreLost, "store_lost"),
            (Cause::Held, "held"),
        ] {
            let is = u8::from(cause == Some(each));
            gauge!(FROZEN, "cause" => name).set(is);
        }
    }
}

fn failed(model: &Model, node: &NodeId, reason: String) {
    counter!(RESTARTS, "outcome" => "failed").increment(1);
    model.happened(New::node(EventKind::NodeRestartFailed, node, reason), now());
}

fn identity(model: &Model, node: &NodeId) -> Option<Identity> {
    model.read(|inventory| {
        let node = inventory.nodes().get(node)?;
        Some(node.identity.clone())
    })
}

/// Notices when the store no longer answers, until the controller ends.
pub(crate) async fn watch_store(parts: Parts, supervisor: Arc<Supervisor>) {
    let mut ticks = tokio::time::interval(STORE_ASKED_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = parts.cancel.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let lost = !answers(&*parts.store).await;
        supervisor.supervision.lock().store_is_lost(lost);
    }
}

async fn answers(store: &dyn Store) -> bool {
    // Nothing is there: an empty listing costs least.
    let asked = tokio::time::timeout(STORE_PATIENCE, store.list("weir/none")).await;
    matches!(asked, Ok(Ok(_)))
}

/// All nodes, as supervision wants to see them.
fn seen(inventory: &Inventory, now: Now) -> Vec<Seen> {
    let seen = |(id, node): (&NodeId, &Node)| Seen {
        node: id.clone(),
        role: node.identity.role,
        incarnation: node.identity.incarnation,
        presence: match node.health {
            Health::Alive => Presence::Alive,
            Health::Suspect => Presence::Suspect,
            Health::Dead => Presence::Dead,
        },
        silent_for: node.silent_for(now),
        has_address: node.health == Health::Alive || !probe::addresses(&node.identity).is_empty(),
    };
    inventory.nodes().iter().map(seen).collect()
}
