//! Feeds one stream, and keeps a second source warm where the controller names one.

use super::{
    Config,
    race::race,
    sources::{Source, sources, standbys},
};
use agent::{Locating, Location};
use relay::{
    dial::Dialler,
    hub::{Epoch, Stream},
    rtmp::pull::{Change, Feed, PullError, Pulled},
};
use std::time::Duration;
use tokio::time::{self, Instant};

/// How long to rest after a stand-by was not to be had; doubles up to [`REST_MAX`].
const REST_MIN: Duration = Duration::from_millis(250);

/// The longest rest: its encoder may have gone for good, or come back in a second.
const REST_MAX: Duration = Duration::from_secs(5);

/// A stream that is fed.
pub(super) struct Feeding<'a> {
    pub(super) config: &'a Config,
    pub(super) dialler: &'a Dialler,
    pub(super) stream: &'a Stream,
    pub(super) feed: Feed,
    /// Whom players are fed from.
    pub(super) active: Source,
    held: Option<Source>,
    rest: Duration,
    /// When another stand-by may be asked for.
    again: Instant,
}

impl<'a> Feeding<'a> {
    pub(super) fn new(
        config: &'a Config,
        dialler: &'a Dialler,
        stream: &'a Stream,
        feed: Feed,
        active: Source,
    ) -> Self {
        Self {
            config,
            dialler,
            stream,
            feed,
            active,
            held: None,
            rest: REST_MIN,
            again: Instant::now(),
        }
    }

    /// Feeds until no source is left, or the controller names others. Cancel safe.
    ///
    /// # Errors
    /// Why the last source was given up.
    pub(super) async fn run(&mut self, locating: &mut Locating) -> Result<(), PullError> {
        loop {
            let wanted = match (&self.held, self.config.standby) {
                (None, true) => standbys(&locating.current(), &self.active),
                _ => Vec::new(),
            };
            let asks = !wanted.is_empty();
            let again = self.again;
            let found = async {
                time::sleep_until(again).await;
                let silence = self.config.silence.get();
                // It does not own the stream: the epoch is not its own.
                race(
                    self.dialler,
                    self.stream.path(),
                    &wanted,
                    silence,
                    Epoch::NONE,
                    None,
                )
                .await
            };
            tokio::select! {
                change = self.feed.run() => self.changed(change?),
                found = found, if asks => self.hold(found),
                location = locating.changed() => if self.has_moved(&location) {
                    return Ok(());
                },
            }
        }
    }

    fn hold(&mut self, found: Option<(Source, Pulled)>) {
        let Some((source, pulled)) = found else {
            return self.rest();
        };
        tracing::info!(stream = %self.stream.path(), standby = %source.name, upstream = %self.active.name, "stand-by held");
        self.feed.hold(pulled, source.name.clone());
        self.held = Some(source);
        self.rest = REST_MIN;
    }

    fn changed(&mut self, change: Change) {
        let Some(held) = self.held.take() else {
            return;
        };
        match change {
            Change::Cut(error) => {
                metrics::counter!("weir_pull_cuts_total").increment(1);
                tracing::warn!(stream = %self.stream.path(), from = %self.active.name, to = %held.name, %error,
                    "cut over to the stand-by; players stay");
                self.active = held;
            }
            Change::StandbyLost(error) => {
                tracing::info!(stream = %self.stream.path(), standby = %held.name, %error, "stand-by lost");
            }
        }
        self.rest();
    }

    fn rest(&mut self) {
        self.again = Instant::now() + self.rest;
        self.rest = (self.rest * 2).min(REST_MAX);
    }

    /// Whether the controller names sources, and whom players are fed from is none of them, or an edge of
    /// its tree is the best of them and another. A stand-by
    /// that is none of them any more is hung up on.
    fn has_moved(&mut self, location: &Location) -> bool {
        let named = sources(location, &self.config.origins, &[]);
        if self.held.as_ref().is_some_and(|held| !named.contains(held)) {
            self.feed.let_go();
            self.held = None;
        }
        // The same source, after a change of owner and back: what is older is another's.
        self.stream.believe(Epoch(location.epoch.0));
        let parent = named.first().filter(|first| first.is_edge);
        let is_another = |parent: &Source| *parent != self.active;
        !location.sources.is_empty()
            && (!named.contains(&self.active) || parent.is_some_and(is_another))
    }
}
