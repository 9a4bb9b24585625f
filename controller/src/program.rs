//! Puts the controller together: store, model, the tasks that keep them true, two listeners.

use crate::{
    Config, grpc,
    limits::{AWAY_SAID_EVERY, STORE_RETRY},
    metrics::{NODES, PLAYERS, STORE_UP, STREAMS},
    model::{
        Model,
        events::New,
        inventory::{Health, Inventory, Now},
    },
    reconcile, replica, rest,
    restart::{self, Supervisor},
    store::{Change, Store, StoreError, Watch, config::Kind, embedded::Embedded, etcd::Etcd, keys},
};
use ::metrics::gauge;
use anyhow::Context;
use api::EventKind;
use control::Role;
use service::Throttle;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The shortest time between two looks at the clock: what any config may ask for costs little.
const STEP_MIN: Duration = Duration::from_millis(10);

/// The longest: what an operator sees as a delay.
const STEP_MAX: Duration = Duration::from_secs(1);

/// A running controller.
pub struct Controller {
    model: Arc<Model>,
    grpc: SocketAddr,
    rest: SocketAddr,
    tasks: TaskTracker,
    /// Everything ends.
    cancel: CancellationToken,
    /// A task that must not end has ended.
    broken: tokio::sync::Mutex<mpsc::Receiver<anyhow::Error>>,
}

/// What all parts of a running controller share.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) model: Arc<Model>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) name: Arc<str>,
    pub(crate) cancel: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) supervisor: Arc<Supervisor>,
}

impl Controller {
    /// Opens the store, learns what it holds, and listens. When this returns, nodes and operators
    /// are answered.
    ///
    /// # Errors
    /// If the store cannot be opened or a listener's address cannot be had.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let store: Arc<dyn Store> = match config.store.kind {
            Kind::Embedded => Arc::new(Embedded::open(&config.store.path)?),
            Kind::Etcd => Arc::new(Etcd::open(&config.store)?),
        };
        let model = Arc::new(Model::new(config.policy(), config.timing(), now()));
        if store.is_shared() {
            // Its name is not known before it listens, and is for people only.
            model.board(now(), |inventory| inventory.share(replica::new_run(), ""));
        }
        let mut watch = store.watch(keys::ALL).await?;
        reconcile::learn(&model, &first(&mut *watch).await?, now());

        let token = config.rest.secret()?;
        let (supervisor, orders) = Supervisor::new(config).await?;
        let grpc = listen(config.grpc.listen)
            .await
            .context("the nodes' gRPC port")?;
        let rest = listen(config.rest.listen).await.context("the REST port")?;
        let (grpc_address, rest_address) = (grpc.local_addr()?, rest.local_addr()?);
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let name = format!("{host}:{}", grpc_address.port());
        let parts = Parts {
            model: Arc::clone(&model),
            store: Arc::clone(&store),
            name: name.as_str().into(),
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

        let (breaks, broken) = mpsc::channel(1);
        let Parts { cancel, tasks, .. } = parts.clone();
        tasks.spawn(follow(Arc::clone(&model), watch, cancel.clone()));
        if let Some(run) = model.read(Inventory::run) {
            model.board(now(), |inventory| inventory.share(run, &name));
            let shared = || (Arc::clone(&model), Arc::clone(&store), cancel.clone());
            let (to, at, until) = shared();
            tasks.spawn(replica::lease::hold(to, at, until));
            let (to, at, until) = shared();
            tasks.spawn(replica::election::stand(to, at, until));
            let (to, at, until) = shared();
            tasks.spawn(replica::posting::run(to, at, until));
        }
        tasks.spawn(reconcile::run(
            Arc::clone(&model),
            Arc::clone(&store),
            cancel.clone(),
        ));
        let (suspect_after, probe_interval) = (
            config.nodes.suspect_after.get(),
            config.nodes.probe_interval.get(),
        );
        let step = (suspect_after / 10).clamp(STEP_MIN, STEP_MAX);
        tasks.spawn(keep_time(parts.clone(), step));
        let step = step.min(probe_interval / 2).max(STEP_MIN);
        let supervising = restart::run(parts.clone(), Arc::clone(&supervisor), orders, step);
        tasks.spawn(supervising);
        tasks.spawn(restart::watch_store(parts.clone(), supervisor));
        tasks.spawn(ending(
            breaks.clone(),
            "REST",
            rest::serve(parts.clone(), token, rest),
        ));
        tasks.spawn(ending(
            breaks,
            "gRPC",
            grpc::serve(parts, config.clone(), grpc),
        ));
        tracing::info!(grpc = %grpc_address, rest = %rest_address, "controller listens");
        Ok(Self {
            model,
            grpc: grpc_address,
            rest: rest_address,
            tasks,
            cancel,
            broken: tokio::sync::Mutex::new(broken),
        })
    }

    /// Where nodes register, with the port that the system chose.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc
    }

    /// Where operators ask, with the port that the system chose.
    pub fn rest_address(&self) -> SocketAddr {
        self.rest
    }

    /// What it knows.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Whether it decides, and not another controller that shares its store.
    pub fn decides(&self) -> bool {
        replica::standing(&self.model).decides()
    }

    /// Waits until a part fails that the controller cannot be without. Cancel-safe.
    pub async fn failed(&self) -> anyhow::Error {
        match self.broken.lock().await.recv().await {
            Some(error) => error,
            // Both listeners have ended as they were told to.
            None => std::future::pending().await,
        }
    }

    /// Ends all dialogues (nodes go on with what they know), answers what is being asked, and closes
    /// the store.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn listen(at: service::config::Listen) -> std::io::Result<TcpListener> {
    TcpListener::bind(&*at.addresses()).await
}

async fn ending(
    breaks: mpsc::Sender<anyhow::Error>,
    what: &'static str,
    serving: impl Future<Output = anyhow::Result<()>>,
) {
    if let Err(error) = serving.await {
        // One reason to stop is enough.
        let _ = breaks.try_send(error.context(format!("{what} has failed")));
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
async fn follow(model: Arc<Model>, mut watch: Box<dyn Watch>, cancel: CancellationToken) {
    let mut away = false;
    gauge!(STORE_UP).set(1);
    loop {
        let change = tokio::select! {
            () = cancel.cancelled() => return,
            change = watch.next() => change,
        };
        match change {
            Ok(change) => {
                if std::mem::take(&mut away) {
                    gauge!(STORE_UP).set(1);
                    tracing::info!("the store answers again");
                }
                reconcile::learn(&model, &change, now());
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

/// This moment.
pub fn now() -> Now {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        instant: Instant::now(),
        unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    }
}
