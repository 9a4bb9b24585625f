//! What the node's program holds of its agent.

use crate::{
    Config, Locating, PlaceError, Source,
    dialogue::{self, Asked},
    epochs::Epochs,
    limits::{ANSWER_PATIENCE, MEMORY_WRITE_GAP, PLACING_MAX},
    locations::Locations,
    memory::{self, Memory},
    metrics, placing,
};
use control::{Desired, Epoch, Identity, Incarnation, NodeId, Upstream, wire};
use media::StreamPath;
use parking_lot::Mutex;
use service::config::ClientTls;
use std::{path::PathBuf, sync::Arc};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The node's agent; cheap to clone, and usable from any thread and runtime.
#[derive(Clone)]
pub struct Agent {
    shared: Arc<Shared>,
    asks: mpsc::Sender<Asked>,
    tasks: TaskTracker,
}

/// What the agent's tasks and its handles see.
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) controllers: Vec<String>,
    pub(crate) token: Option<crate::config::Token>,
    pub(crate) tls: ClientTls,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) desired: watch::Sender<Desired>,
    pub(crate) epochs: Mutex<Epochs>,
    pub(crate) connected: watch::Sender<bool>,
    pub(crate) locations: Arc<Locations>,
    /// The node has something new to report.
    pub(crate) news: Notify,
    /// Something was learnt that belongs on disk.
    pub(crate) learnt: Notify,
    pub(crate) cancel: CancellationToken,
}

impl Agent {
    /// Starts the agent on the current runtime; it talks until `cancel` says stop, then says
    /// goodbye and writes down what it knows.
    ///
    /// What was kept in `config.state_dir` is known at once. Without controllers nothing is started.
    pub fn spawn(
        config: &Config,
        mut identity: Identity,
        source: Arc<dyn Source>,
        cancel: CancellationToken,
    ) -> Self {
        service::metrics::describe(&metrics::METRICS);
        let dir = config.state_dir.as_deref();
        let file = dir.map(|dir| memory::file(dir, &identity.node));
        let known = file
            .as_deref()
            .map(|file| memory::read(file, &identity.node));
        let known = known.unwrap_or_default();
        // A clock that was set back must not make this process older than the last one.
        let next = Incarnation(known.incarnation.0.saturating_add(1));
        identity.incarnation = identity.incarnation.max(next);

        let locations = Arc::new(Locations::default());
        locations.recall(known.locations);
        let trimmed = |url: &String| url.trim_end_matches('/').to_owned();
        let shared = Arc::new(Shared {
            identity,
            controllers: config.controllers.iter().map(trimmed).collect(),
            token: config.token.clone(),
            tls: config.tls.clone(),
            source,
            desired: watch::Sender::new(of_next_process(known.desired)),
            epochs: Mutex::default(),
            connected: watch::Sender::new(false),
            locations,
            news: Notify::new(),
            learnt: Notify::new(),
            cancel,
        });
        let (asks, asked) = mpsc::channel(PLACING_MAX);
        let tasks = TaskTracker::new();
        if !shared.controllers.is_empty() {
            tasks.spawn(dialogue::keep_talking(Arc::clone(&shared), asked));
            if let Some(file) = file {
                shared.learnt.notify_one();
                tasks.spawn(keep_memory(Arc::clone(&shared), file));
            }
        }
        tasks.close();
        Self {
            shared,
            asks,
            tasks,
        }
    }

    /// Who this node says that it is.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Whether the node has a controller at all, reached or not.
    pub fn has_controllers(&self) -> bool {
        !self.shared.controllers.is_empty()
    }

    /// The node has something new to report, a stream that began or ended: it is told within
    /// milliseconds. Cheap; many calls in a row make one report.
    pub fn nudge(&self) {
        self.shared.news.notify_one();
    }

    /// Follows where a stream is, until the subscription is dropped. What is known is known at once;
    /// the controller's answer comes by [`Locating::answer`] and [`Locating::changed`].
    pub fn locate(&self, path: &StreamPath) -> Locating {
        self.shared
            .locations
            .watch(path, self.shared.connected.subscribe())
    }

    /// At which epoch this node owns `path`, by the last word on it while it was published here;
    /// [`Epoch::NONE`] if it was told none.
    pub fn owned_at(&self, path: &StreamPath) -> Epoch {
        self.shared.epochs.lock().of(path)
    }

    /// Which origin a publish that came to this node is to be pushed to; `avoid` names origins that
    /// just failed.
    ///
    /// Without a controller, or if it does not answer within [`ANSWER_PATIENCE`], the node chooses
    /// among the origins that it heard of, as every other node would.
    ///
    /// # Errors
    /// If the controller refuses, or no origin was ever heard of. Trying again later is safe.
    pub async fn place(
        &self,
        path: &StreamPath,
        avoid: &[NodeId],
        backup: bool,
    ) -> Result<Upstream, PlaceError> {
        match self.ask_place(path, avoid, backup).await {
            Some(Ok(origin)) => Ok(origin),
            Some(Err(reason)) => Err(PlaceError::Refused {
                path: path.clone(),
                reason,
            }),
            None => placing::choose(path, &self.shared.desired.borrow().origins, avoid)
                .ok_or_else(|| PlaceError::NoOrigin { path: path.clone() }),
        }
    }

    async fn ask_place(
        &self,
        path: &StreamPath,
        avoid: &[NodeId],
        backup: bool,
    ) -> Option<Result<Upstream, String>> {
        if !*self.shared.connected.borrow() {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        let avoid = avoid
            .iter()
            .take(control::limits::AVOID_MAX)
            .map(NodeId::to_string)
            .collect();
        let place = wire::Place {
            request: 0,
            path: path.to_string(),
            avoid,
            backup,
        };
        self.asks.try_send(Asked { place, answer }).ok()?;
        tokio::time::timeout(ANSWER_PATIENCE, answered)
            .await
            .ok()?
            .ok()
    }

    /// What the controller wants of this node: the last that it said, maybe before a restart.
    pub fn desired(&self) -> watch::Receiver<Desired> {
        self.shared.desired.subscribe()
    }

    /// Whether a controller answers now.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.shared.connected.subscribe()
    }

    /// Waits until the agent has ended, after its token was cancelled: goodbye said, memory
    /// written. Returns at once without controllers.
    pub async fn ended(&self) {
        self.tasks.wait().await;
    }
}

/// What a desired state still says after its process has ended: which streams that process owned or
/// had to leave is over.
fn of_next_process(desired: Desired) -> Desired {
    Desired {
        owned: Vec::new(),
        leave: Vec::new(),
        ..desired
    }
}

/// Writes down what was learnt, at most once a [`MEMORY_WRITE_GAP`], and a last time at the end.
async fn keep_memory(shared: Arc<Shared>, file: PathBuf) {
    loop {
        let ends = tokio::select! {
            () = shared.learnt.notified() => false,
            () = shared.cancel.cancelled() => true,
        };
        let memory = Memory {
            incarnation: shared.identity.incarnation,
            desired: shared.desired.borrow().clone(),
            locations: shared.locations.known(),
        };
        let (to, node) = (file.clone(), shared.identity.node.clone());
        let written = tokio::task::spawn_blocking(move || memory::write(&to, &node, memory)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(file = %file.display(), %error, "what was learnt cannot be kept");
            }
            Err(error) => tracing::warn!(%error, "what was learnt cannot be kept"),
        }
        if ends {
            return;
        }
        let _ = tokio::time::timeout(MEMORY_WRITE_GAP, shared.cancel.cancelled()).await;
    }
}
