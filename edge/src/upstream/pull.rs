//! One stream's pull, from its first player to the grace after its last.

use super::{
    Config, Running,
    race::race,
    sources::{Source, sources},
};
use agent::Locating;
use node::Node;
use relay::{hub::Stream, rtmp::pull::PullError};
use std::{sync::Arc, time::Duration};
use tokio::time;

/// How long to rest after nobody had the stream; doubles up to [`REST_MAX`].
const REST_MIN: Duration = Duration::from_millis(100);

/// The longest rest: an origin that comes up is found within this, where no controller tells of it.
const REST_MAX: Duration = Duration::from_secs(1);

pub(super) struct Pull {
    pub(super) config: Arc<Config>,
    pub(super) node: Node,
    pub(super) running: Arc<Running>,
    pub(super) stream: Arc<Stream>,
}

impl Pull {
    /// Keeps the stream coming until nobody plays it, or somebody publishes it here.
    pub(super) async fn run(self) {
        let path = self.stream.path();
        let mut locating = self.node.agent.locate(path);
        locating.answer().await;
        let mut rest = REST_MIN;
        loop {
            let found = self.sources(&locating);
            let idle = self.idle();
            tokio::pin!(idle);
            let won = tokio::select! {
                won = race(&self.node.dialler, path, &found, self.config.silence.get()), if !found.is_empty() => won,
                _ = locating.changed() => { rest = REST_MIN; continue }
                () = &mut idle => {
                    if self.running.may_end_idle(&self.stream) { return }
                    continue
                }
            };
            let Some((source, pulled)) = won else {
                tracing::debug!(stream = %path, asked = found.len(), "no upstream has the stream");
                tokio::select! {
                    () = time::sleep(rest) => rest = (rest * 2).min(REST_MAX),
                    _ = locating.changed() => rest = REST_MIN,
                }
                continue;
            };
            rest = REST_MIN;
            tracing::info!(stream = %path, upstream = %source.name, "pull began");
            let ended = tokio::select! {
                ended = Box::pin(pulled.run(self.node.relay.hub(), path, source.name.clone())) => match ended {
                    Ok(never) => match never {},
                    Err(error) => Some(error),
                },
                () = self.moved(&mut locating, &source) => {
                    tracing::info!(stream = %path, upstream = %source.name, "the stream has moved");
                    None
                }
                () = &mut idle => {
                    tracing::info!(stream = %path, upstream = %source.name, "pull ended: nobody plays");
                    None
                }
            };
            match ended {
                None => {}
                Some(PullError::Busy(_) | PullError::TakenOver) => {
                    tracing::info!(stream = %path, "pull ended: the stream is published here");
                    if self.running.may_end_published(&self.stream) {
                        return;
                    }
                }
                Some(error) => {
                    metrics::counter!("weir_pull_failures_total").increment(1);
                    tracing::warn!(stream = %path, upstream = %source.name, %error, "pull broke; players stay");
                }
            }
            if self.is_idle() && self.running.may_end_idle(&self.stream) {
                return;
            }
        }
    }

    fn sources(&self, locating: &Locating) -> Vec<Source> {
        let origins = self.node.agent.desired();
        let origins = origins.borrow();
        sources(&locating.current(), &self.config.origins, &origins.origins)
    }

    /// Resolves when the controller names sources and `source` is none of them any more.
    async fn moved(&self, locating: &mut Locating, source: &Source) {
        loop {
            let location = locating.changed().await;
            let named = !location.sources.is_empty();
            if named && !self.sources(locating).contains(source) {
                return;
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.stream.readers().borrow().players == 0
    }

    /// Resolves when nobody has played for the grace.
    async fn idle(&self) {
        let mut readers = self.stream.readers();
        loop {
            // The sender lives in the stream, which this pull holds.
            let _ = readers.wait_for(|readers| readers.players == 0).await;
            let back = readers.wait_for(|readers| readers.players > 0);
            if time::timeout(self.config.grace.get(), back).await.is_err() {
                return;
            }
        }
    }
}
