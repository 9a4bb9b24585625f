//! From a signal to a clean end: take nothing new, finish the old, by a deadline.
//!
//! ```text
//! running ── SIGTERM, SIGINT or start() ──▶ draining ── deadline, later signal or stop() ──▶ stopping
//! ```
//!
//! Draining: listeners close, readiness fails, what runs goes on. Stopping: everything closes at
//! once. The state only moves to the right. A program that has finished need not wait for stopping.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::limits;

/// The process's way from running to its end; cheap to clone, every clone is the same drain.
#[derive(Debug, Clone)]
pub struct Drain {
    draining: CancellationToken,
    stopping: CancellationToken,
    started: Arc<OnceLock<(Instant, &'static str)>>,
    time: Duration,
}

impl Drain {
    /// A drain that may take `time` from its start.
    pub fn new(time: Duration) -> Self {
        Self {
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
            started: Arc::default(),
            time,
        }
    }

    /// Starts to drain; `reason` is logged. Does nothing if the drain has started.
    pub fn start(&self, reason: &'static str) {
        if self.started.set((Instant::now(), reason)).is_ok() {
            tracing::info!(reason, deadline_s = self.time.as_secs_f64(), "draining");
            self.draining.cancel();
        }
    }

    /// Stops now: no more waiting for what runs. Drains first if nobody did.
    pub fn stop(&self, reason: &'static str) {
        self.start(reason);
        if !self.stopping.is_cancelled() {
            tracing::warn!(reason, "stopping now");
            self.stopping.cancel();
        }
    }

    /// Whether the drain has started.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until the drain starts. Cancel-safe.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Waits until everything must close. Cancel-safe.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// A token that is cancelled when the drain starts, for tasks that take one.
    pub fn draining_token(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// A token that is cancelled when everything must close.
    pub fn stopping_token(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// How long what runs may still run; `None` before the drain has started.
    pub fn remaining(&self) -> Option<Duration> {
        let (start, _) = self.started.get()?;
        Some(self.time.saturating_sub(start.elapsed()))
    }

    /// Why the drain started; `None` before it has.
    pub fn reason(&self) -> Option<&'static str> {
        self.started.get().map(|(_, reason)| *reason)
    }

    /// Moves the drain along: on a signal to draining, on a second one or at the deadline to
    /// stopping. Ends with stopping; [`run`](crate::run()) awaits it beside the program.
    pub(crate) async fn supervise(&self, mut signals: Signals) {
        tokio::select! {
            reason = signals.next() => self.start(reason),
            () = self.draining() => {}
        }
        tokio::select! {
            () = self.second_signal(&mut signals) => self.stop("second signal"),
            () = tokio::time::sleep(self.remaining().unwrap_or_default()) => {
                self.stop("drain deadline");
            }
            () = self.stopping() => {}
        }
    }

    /// Waits for a signal that is not an echo of the first.
    async fn second_signal(&self, signals: &mut Signals) {
        loop {
            signals.next().await;
            let since_start = self.started.get().map(|(start, _)| start.elapsed());
            if since_start > Some(limits::SAME_SIGNAL_WITHIN) {
                return;
            }
        }
    }
}

/// SIGTERM and SIGINT, caught from the moment that this exists.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_drain_stops_at_its_deadline_and_says_what_time_is_left() {
        let drain = Drain::new(Duration::from_millis(20));
        assert_eq!((drain.is_draining(), drain.remaining()), (false, None));
        drain.start("test");
        assert!(drain.is_draining() && drain.remaining() <= Some(Duration::from_millis(20)));
        drain.supervise(Signals::catch().expect("signals")).await;
        drain.stopping().await;
        assert_eq!(drain.remaining(), Some(Duration::ZERO));
    }

    #[tokio::test]
    async fn the_first_reason_is_kept_and_a_stop_drains_too() {
        let drain = Drain::new(HOUR);
        drain.stop("first");
        drain.start("second");
        drain.draining().await;
        drain.stopping().await;
        assert_eq!(drain.reason(), Some("first"));
    }
}
