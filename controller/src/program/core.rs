//! What a controller does all the time, without its listeners: it learns what the store holds, then has
//! duties, each a future for somebody to run.
//!
//! Here is everything that decides. Store, hands and clock are given, so that a program runs it on real
//! machines and a simulation on its own; neither can do anything else with it.

use super::{Parts, now};
use crate::{
    Config,
    grpc::{Greeting, attend},
    limits::{AWAY_SAID_EVERY, SENDING_MESSAGES_MAX, STORE_RETRY},
    metrics::{NODES, PLAYERS, STORE_UP, STREAMS},
    model::{
        Model,
        events::New,
        inventory::{Health, Inventory},
    },
    reconcile::{self, history},
    replica,
    restart::{self, Hands, Supervisor},
    store::{Change, Store, StoreError, Watch, keys},
};
use ::metrics::gauge;
use api::EventKind;
use control::{
    Role,
    wire::{FromNode, ToNode},
};
use service::Throttle;
use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

/// The shortest time between two looks at the clock: what any config may ask for costs little.
const STEP_MIN: Duration = Duration::from_millis(10);

/// The longest: what an operator sees as a delay.
const STEP_MAX: Duration = Duration::from_secs(1);

/// A controller that knows what its store holds, and does nothing yet.
pub struct Knowing {
    model: Arc<Model>,
    store: Arc<dyn Store>,
    watch: Box<dyn Watch>,
}

/// A controller without its listeners.
pub struct Core {
    pub(crate) parts: Parts,
    greeting: Greeting,
}

/// Something that a controller does until it ends.
pub struct Duty {
    /// What, for people.
    pub name: &'static str,
    /// To be run to its end; dropping it is the controller's crash.
    pub work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Core {
    /// Learns what the store holds. `run` is a number that no other start of a controller has.
    ///
    /// # Errors
    /// If the store fails for good; one that is shared and does not answer is waited for.
    pub async fn learn(
        config: &Config,
        store: Arc<dyn Store>,
        run: u64,
    ) -> Result<Knowing, StoreError> {
        let model = Arc::new(Model::new(config.policy(), config.timing(), now()));
        if store.is_shared() {
            // Its name is not known before it listens, and is for people only.
            model.board(now(), |inventory| inventory.share(run, ""));
        }
        let mut watch = store.watch(keys::ALL).await?;
        reconcile::learn(&model, &first(&mut *watch).await?, now());
        Ok(Knowing {
            model,
            store,
            watch,
        })
    }

    /// What it knows.
    pub fn model(&self) -> &Model {
        &self.parts.model
    }

    /// Whether it decides, and not another controller that shares its store.
    pub fn decides(&self) -> bool {
        replica::standing(&self.parts.model).decides()
    }

    /// Who is restarted, and why not.
    pub fn supervisor(&self) -> &Supervisor {
        &self.parts.supervisor
    }

    /// Attends a node that says `inward`, to the end. Dropping it is a crash.
    pub fn attend<I>(
        &self,
        inward: I,
    ) -> (
        mpsc::Receiver<Result<ToNode, Status>>,
        impl Future<Output = ()> + Send + 'static,
    )
    where
        I: Stream<Item = Result<FromNode, Status>> + Unpin + Send + 'static,
    {
        let (outward, said) = mpsc::channel(SENDING_MESSAGES_MAX);
        let newcomer = attend::Newcomer {
            parts: self.parts.clone(),
            leave: attend::Leave::default(),
            greeting: self.greeting,
            peer: None,
            inward,
            outward,
        };
        (said, newcomer.attend())
    }

    /// Tells it to end: nodes go on with what they know, and who decides gives way.
    pub fn cancel(&self) {
        self.parts.cancel.cancel();
    }
}

impl Knowing {
    /// Begins to be a controller called `name`, which touches nodes with `hands`.
    pub fn begin(self, config: &Config, name: &str, hands: Arc<dyn Hands>) -> (Core, Vec<Duty>) {
        let Self {
            model,
            store,
            watch,
        } = self;
        let (supervisor, orders) = Supervisor::new(config, hands);
        let parts = Parts {
            model: Arc::clone(&model),
            store: Arc::clone(&store),
            name: name.into(),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            supervisor: Arc::clone(&supervisor),
        };
        let started = New {
            kind: EventKind::ControllerStarted,
            node: None,
            stream: None,
            reason: format!("version {} on {name}", service::build::VERSION),
        };
        model.happened(started, now());

        let shared = || (Arc::clone(&model), Arc::clone(&store), parts.cancel.clone());
        let mut duties = Vec::new();
        let mut duty = |name, work| duties.push(Duty { name, work });
        let (to, at, until) = shared();
        duty(
            "watch",
            Box::pin(follow(to, at, watch, until)) as Pin<Box<_>>,
        );
        if let Some(run) = model.read(Inventory::run) {
            model.board(now(), |inventory| inventory.share(run, name));
            let (to, at, until) = shared();
            duty("lease", Box::pin(replica::lease::hold(to, at, until)));
            let (to, at, until) = shared();
            duty(
                "election",
                Box::pin(replica::election::stand(to, at, until)),
            );
            let (to, at, until) = shared();
            duty("posting", Box::pin(replica::posting::run(to, at, until)));
        }
        let (to, at, until) = shared();
        duty("reconcile", Box::pin(reconcile::run(to, at, until)));
        let (suspect_after, probe_interval) = (
            config.nodes.suspect_after.get(),
            config.nodes.probe_interval.get(),
        );
        let step = (suspect_after / 10).clamp(STEP_MIN, STEP_MAX);
        duty("time", Box::pin(keep_time(parts.clone(), step)));
        let step = step.min(probe_interval / 2).max(STEP_MIN);
        let supervising = restart::run(parts.clone(), Arc::clone(&supervisor), orders, step);
        duty("supervision", Box::pin(supervising));
        let asking = restart::watch_store(parts.clone(), supervisor);
        duty("store", Box::pin(asking));
        let asking = restart::accused::run(parts.clone());
        duty("accusations", Box::pin(asking));
        let core = Core {
            parts,
            greeting: Greeting::of(config),
        };
        (core, duties)
    }
}

/// Says that the store is away; an outage lasts hours.
static AWAY: Throttle = Throttle::new(AWAY_SAID_EVERY);

/// All that the store holds. One that is shared is waited for: it may come back.
async fn first(watch: &mut dyn Watch) -> Result<Change, StoreError> {
    loop {
        match watch.next().await {
            Err(error @ StoreError::Etcd { .. }) => {
                if let Some(held_back) = AWAY.permit(Instant::now()) {
                    tracing::error!(%error, held_back, "the store is waited for");
                }
                tokio::time::sleep(STORE_RETRY).await;
            }
            answered => return answered,
        }
    }
}

/// Brings the store's changes into the model. While the store is away the model stays as it is.
async fn follow(
    model: Arc<Model>,
    store: Arc<dyn Store>,
    mut watch: Box<dyn Watch>,
    cancel: CancellationToken,
) {
    let mut away = false;
    let mut doubted: Option<Pin<Box<dyn Future<Output = bool> + Send + '_>>> = None;
    gauge!(STORE_UP).set(1);
    loop {
        let change = tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            change = watch.next() => change,
            lost = async { doubted.as_mut().expect("checked").await }, if doubted.is_some() => {
                doubted = None;
                if lost {
                    model.history_is_lost();
                    match store.watch(keys::ALL).await {
                        Ok(anew) => watch = anew,
                        Err(error) => tracing::error!(%error, "the store cannot be watched anew"),
                    }
                }
                continue;
            }
        };
        match change {
            Ok(change) => {
                if std::mem::take(&mut away) {
                    gauge!(STORE_UP).set(1);
                    tracing::info!("the store answers again");
                }
                reconcile::learn(&model, &change, now());
                if matches!(change, Change::Init(_)) && store.is_shared() {
                    doubted = Some(Box::pin(history::is_lost(&model, &*store)));
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    gauge!(STORE_UP).set(0);
                    tracing::error!(%error, "the store does not answer, going on from memory");
                }
                let _ = tokio::time::timeout(STORE_RETRY, cancel.cancelled()).await;
            }
        }
    }
}

/// Lets time pass in the model, and shows its numbers.
async fn keep_time(parts: Parts, step: Duration) {
    let mut ticks = tokio::time::interval(step);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = parts.cancel.cancelled() => return,
            _ = ticks.tick() => {}
        }
        for node in parts.model.tick(now()) {
            reconcile::forget_node(&*parts.store, &node).await;
        }
        show(&parts.model);
    }
}

fn show(model: &Model) {
    let mut counts = [[0_u32; 3]; 2];
    let (mut players, mut streams) = (0_u64, 0);
    model.read(|inventory| {
        for node in inventory.nodes().values() {
            let role = usize::from(node.identity.role == Role::Edge);
            counts[role][node.health as usize] += 1;
            players += u64::from(node.load.players);
        }
        streams = inventory.owned_streams();
    });
    for (role, counts) in [Role::Origin, Role::Edge].into_iter().zip(counts) {
        for (health, count) in [Health::Alive, Health::Suspect, Health::Dead]
            .into_iter()
            .zip(counts)
        {
            let state = match health {
                Health::Alive => "alive",
                Health::Suspect => "suspect",
                Health::Dead => "dead",
            };
            gauge!(NODES, "role" => role.as_str(), "state" => state).set(count);
        }
    }
    gauge!(STREAMS).set(streams as f64);
    gauge!(PLAYERS).set(players as f64);
}
