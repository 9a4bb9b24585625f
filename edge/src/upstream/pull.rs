//! One stream's pull, from its first player to the grace after its last.

use super::{
    Config, Running,
    race::race,
    sources::{Source, sources},
    standby::Feeding,
};
use agent::Locating;
use node::Node;
use relay::{
    hub::{Epoch, Reading, Stream},
    rtmp::pull::{Feed, PullError},
    shard::Shard,
};
use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time;

/// How long to rest after nobody had the stream; doubles up to [`REST_MAX`].
const REST_MIN: Duration = Duration::from_millis(100);

/// The longest rest: an origin that comes up is found within this, where no controller tells of it.
const REST_MAX: Duration = Duration::from_secs(1);

pub(super) struct Pull {
    /// Where it runs.
    pub(super) shard: Rc<Shard>,
    pub(super) config: Arc<Config>,
    pub(super) node: Node,
    pub(super) running: Arc<Running>,
    /// Keeps the stream, so that whoever comes meanwhile is counted at the same one.
    pub(super) reading: Reading,
}

impl Pull {
    /// Keeps the stream coming until nobody plays it, or somebody publishes it here.
    pub(super) async fn run(self) {
        let stream = self.reading.stream();
        let path = stream.path();
        let mut locating = self.node.agent.locate(path);
        locating.answer().await;
        let mut rest = REST_MIN;
        // What was never to be had is not asked for once nobody waits: names that strangers invent.
        let mut grace = Duration::ZERO;
        // Goes on while upstreams are asked, however often.
        let mut idle = Box::pin(idle(stream, grace));
        loop {
            let found = self.sources(&locating);
            let epoch = Epoch(locating.current().epoch.0);
            let now = Instant::now();
            let last = stream
                .quiet_for(now)
                .and_then(|quiet| now.checked_sub(quiet));
            let won = tokio::select! {
                won = race(&self.node.dialler, path, &found, self.config.silence.get(), epoch, last), if !found.is_empty() => won,
                _ = locating.changed() => { rest = REST_MIN; continue }
                () = &mut idle => {
                    if self.running.may_end_idle(stream) { return }
                    idle.set(self::idle(stream, grace));
                    continue
                }
            };
            let Some((source, pulled)) = won else {
                tracing::debug!(stream = %path, asked = found.len(), "no upstream has the stream");
                tokio::select! {
                    () = time::sleep(rest) => rest = (rest * 2).min(REST_MAX),
                    _ = locating.changed() => rest = REST_MIN,
                    () = &mut idle => {
                        if self.running.may_end_idle(stream) { return }
                        idle.set(self::idle(stream, grace));
                    }
                }
                continue;
            };
            if grace.is_zero() {
                grace = self.config.grace.get();
                idle.set(self::idle(stream, grace));
            }
            rest = REST_MIN;
            tracing::info!(stream = %path, upstream = %source.name, "pull began");
            let began = Instant::now();
            let begun = Feed::begin(pulled, &self.shard, path, source.name.clone());
            let mut upstream = source.name.clone();
            let ended = match begun {
                Err(error) => Err(error),
                Ok(feed) => {
                    let (config, dialler) = (&self.config, &self.node.dialler);
                    let mut feeding = Feeding::new(config, dialler, stream, feed, source);
                    let ended = tokio::select! {
                        ended = Box::pin(feeding.run(&mut locating)) => ended.map(|()| "the stream has moved"),
                        () = &mut idle => {
                            idle.set(self::idle(stream, grace));
                            Ok("nobody plays")
                        }
                    };
                    upstream = feeding.active.name.clone();
                    ended
                }
            };
            let seconds = began.elapsed().as_secs();
            match ended {
                Ok(reason) => {
                    tracing::info!(stream = %path, %upstream, reason, seconds, "pull ended");
                }
                Err(PullError::Busy(_) | PullError::TakenOver) => {
                    let reason = "the stream is published here";
                    tracing::info!(stream = %path, %upstream, reason, seconds, "pull ended");
                    if self.running.may_end_published(stream) {
                        return;
                    }
                }
                Err(error) => {
                    metrics::counter!("weir_pull_failures_total").increment(1);
                    tracing::warn!(stream = %path, %upstream, %error, seconds, "pull broke; players stay");
                }
            }
            if self.running.may_end_idle(stream) {
                return;
            }
        }
    }

    fn sources(&self, locating: &Locating) -> Vec<Source> {
        let origins = self.node.agent.desired();
        let origins = origins.borrow();
        sources(&locating.current(), &self.config.origins, &origins.origins)
    }
}

/// Resolves when nobody has played for `grace`.
async fn idle(stream: &Stream, grace: Duration) {
    let mut readers = stream.readers();
    loop {
        // The sender lives in the stream, which the pull holds.
        let _ = readers.wait_for(|readers| !readers.play()).await;
        let back = readers.wait_for(|readers| readers.play());
        if time::timeout(grace, back).await.is_err() {
            return;
        }
    }
}
