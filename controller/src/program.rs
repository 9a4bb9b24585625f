//! Puts the controller together: store, model, the duties that keep them true, two listeners.

mod clock;
mod core;

pub use self::core::{Core, Duty, Knowing};
pub use clock::{Wall, now};

use crate::{
    Config, grpc,
    model::Model,
    replica, rest,
    restart::{Machines, Supervisor},
    store::{Store, config::Kind, embedded::Embedded, etcd::Etcd},
};
use anyhow::Context;
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

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
        let core = Core::learn(config, store, replica::new_run()).await?;
        let token = config.rest.secret()?;
        let certificates = grpc::Certificates::open(&config.grpc.tls).context("grpc.tls")?;
        let machines = Arc::new(Machines::of(config).await?);
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
        let (core, duties) = core.begin(config, &name, machines);
        let parts = core.parts.clone();
        let Parts {
            model,
            cancel,
            tasks,
            ..
        } = parts.clone();
        for duty in duties {
            tasks.spawn(duty.work);
        }
        let (breaks, broken) = mpsc::channel(1);
        tasks.spawn(ending(
            breaks.clone(),
            "REST",
            rest::serve(parts.clone(), token, rest),
        ));
        tasks.spawn(ending(
            breaks,
            "gRPC",
            grpc::serve(parts, config.clone(), certificates, grpc),
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
