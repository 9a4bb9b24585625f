//! One stream's push: from one origin to the next, until its encoder has gone.

use super::origins::{Avoided, Origin, choose};
use media::StreamPath;
use node::Node;
use relay::{
    Target,
    hub::Epoch,
    rtmp::{
        introduction::Introduction,
        push::{Destination, Push, PushError},
    },
    shard::Shard,
};
use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::time;
use tokio_util::sync::CancellationToken;

/// How long to rest after every origin has failed; doubles up to [`REST_MAX`].
const REST_MIN: Duration = Duration::from_millis(100);

/// The longest rest: an origin that comes up gets its streams within this.
const REST_MAX: Duration = Duration::from_secs(1);

/// A connection that stood for this long was good: the next failure is a new one.
const GOOD_AFTER: Duration = Duration::from_secs(5);

/// How long origins may refuse because the stream has another publisher: longer than an origin takes to
/// notice that an encoder, which has come to us meanwhile, is gone from another edge. Then our encoder
/// is the second one, and is told so.
const REFUSED_MAX: Duration = Duration::from_secs(15);

pub(super) struct Task {
    pub(super) path: StreamPath,
    /// The encoder says that another one, elsewhere, sends the same.
    pub(super) backup: bool,
    /// How long an origin may acknowledge nothing.
    pub(super) silence: Duration,
    pub(super) listed: Arc<[Target]>,
    pub(super) node: Node,
}

/// What has gone wrong so far.
struct Failures {
    avoided: Avoided,
    rest: Duration,
    /// Why there was no origin the last time; said once.
    unplaced: Option<String>,
    refused_since: Option<Instant>,
}

impl Task {
    /// Pushes until `ended`: the encoder has gone.
    pub(super) async fn run(self, shard: &Rc<Shard>, ended: CancellationToken) {
        metrics::gauge!("weir_pushes").increment(1.0);
        self.keep_pushing(shard, &ended).await;
        metrics::gauge!("weir_pushes").decrement(1.0);
    }

    async fn keep_pushing(&self, shard: &Rc<Shard>, ended: &CancellationToken) {
        let mut push = Push::new(shard, &self.path);
        // Followed all the while, so that the newest epoch is known.
        let locating = self.node.agent.locate(&self.path);
        let mut failures = Failures {
            avoided: Avoided::default(),
            rest: REST_MIN,
            unplaced: None,
            refused_since: None,
        };
        let mut turn = 0;
        while !ended.is_cancelled() {
            let choosing = choose(
                &self.node.agent,
                &self.listed,
                &self.path,
                self.backup,
                &failures.avoided,
            );
            let origin = tokio::select! {
                origin = push.keep(choosing) => origin,
                () = ended.cancelled() => return,
            };
            let origin = match origin {
                Ok(origin) => origin,
                Err(error) => {
                    if failures.unplaced.as_ref() != Some(&error) {
                        tracing::warn!(stream = %self.path, %error, "no origin to push to; the encoder stays");
                        failures.unplaced = Some(error);
                    }
                    failures.rest(&mut push, ended).await;
                    continue;
                }
            };
            failures.unplaced = None;
            turn = next_turn(turn);
            let introduction = Introduction::push(
                self.node.agent.identity().node.to_string(),
                turn,
                Epoch(locating.current().epoch.0),
                self.node.relay.secret(),
            );
            let began = Instant::now();
            let pushed = self.push_to(&mut push, &origin, introduction, ended).await;
            if began.elapsed() > GOOD_AFTER {
                (failures.rest, failures.refused_since) = (REST_MIN, None);
            }
            let (to, seconds) = (&origin.name, began.elapsed().as_secs());
            let Err(error) = pushed else {
                tracing::info!(stream = %self.path, %to, seconds, "push ended with its stream");
                return;
            };
            metrics::counter!("weir_push_failures_total").increment(1);
            let is_known = error.is_refusal() && failures.refused_since.is_some();
            if !is_known {
                tracing::warn!(stream = %self.path, %to, %error, seconds, "push broke; the encoder stays");
            }
            if error.is_refusal() {
                let since = *failures.refused_since.get_or_insert(Instant::now());
                // A backup waits for as long as the other is there.
                if since.elapsed() > REFUSED_MAX && !self.backup {
                    tracing::warn!(stream = %self.path, %to, "the stream has another publisher: ours is closed");
                    self.node.relay.hub().evict(&self.path);
                    return;
                }
                failures.rest(&mut push, ended).await;
                continue;
            }
            let now = Instant::now();
            // The next one at once; only when that has failed before, after a rest.
            let has_failed_before = failures.avoided.has(&origin.name, now);
            failures.avoided.add(&origin.name, now);
            if has_failed_before {
                failures.rest(&mut push, ended).await;
            }
        }
    }

    async fn push_to(
        &self,
        push: &mut Push,
        origin: &Origin,
        introduction: Introduction,
        ended: &CancellationToken,
    ) -> Result<(), PushError> {
        let mut url = origin.target.url(&self.path)?;
        if self.backup {
            let query = url.query.map_or_else(String::new, |query| query + "&");
            url.query = Some(query + "backup=1");
        }
        tracing::info!(stream = %self.path, to = %origin.name, turn = introduction.turn, "push begins");
        let destination = Destination {
            url,
            introduction,
            silence_max: self.silence,
            answers: origin.is_ours,
        };
        push.run(&self.node.dialler, &destination, ended.cancelled())
            .await
    }
}

impl Failures {
    /// Rests, each time longer, while the push keeps what is published.
    async fn rest(&mut self, push: &mut Push, ended: &CancellationToken) {
        tokio::select! {
            () = push.keep(time::sleep(self.rest)) => {}
            () = ended.cancelled() => {}
        }
        self.rest = (self.rest * 2).min(REST_MAX);
    }
}

/// Greater than the one before, and than all of an earlier process of this node: the time, in
/// microseconds.
fn next_turn(before: u64) -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    now.max(before.saturating_add(1))
}
