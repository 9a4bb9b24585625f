//! Delay or throughput, by how busy a shard is.
//!
//! One `write` of 40 kB costs a fraction of ten of 4 kB, and a packet less is a fifth of a short write's
//! cost. So there are three ways to send:
//!
//! 1. With time to spare each frame leaves at once (`TCP_NODELAY`).
//! 2. From [`NAGLE_ABOVE`] on the kernel may hold a short frame back until the player has acknowledged the
//!    one before: some milliseconds of delay, often none.
//! 3. From [`BUSY_ABOVE`] on the shard gathers frames, longer the shorter of time it is, up to
//!    `play.merge_write`. What is gathered longer costs less, so the busy share falls, until it lies
//!    between [`BUSY_BELOW`] and [`BUSY_ABOVE`]: there the time stays as it is. Meanwhile its publishers'
//!    frames gather in the kernel, and are read as seldom as they are sent.

use metrics::{Counter, Gauge, counter, gauge};
use std::{cell::Cell, time::Duration};
use tokio::{runtime::Handle, time};

/// How often a shard looks how busy it is.
const LOOK: Duration = Duration::from_millis(100);

/// Above this share of its time a shard lets the kernel hold frames back.
const NAGLE_ABOVE: f64 = 0.10;

/// Below this share it no longer does. Well below the other: to switch costs a system call a player.
const NAGLE_BELOW: f64 = 0.05;

/// Above this share of its time a shard gathers longer.
const BUSY_ABOVE: f64 = 0.75;

/// Below this share it gathers less long. One step must not lead from above one bound to below the
/// other: gathering half as long again saves a third of the work at most.
const BUSY_BELOW: f64 = 0.45;

/// The first step above sending at once: less than this gathers next to nothing, because 25 pictures and
/// 47 sounds a second come 14 ms apart.
const SHORTEST: Duration = Duration::from_millis(20);

/// Between which times a shard may choose.
#[derive(Debug, Clone, Copy)]
pub struct MergeWrite {
    /// While it has time to spare.
    pub min: Duration,
    /// However busy it is. Not below `min`.
    pub max: Duration,
}

impl MergeWrite {
    /// The next time to gather for, after `window`, in which the shard was busy for `busy` of its time.
    fn next(self, window: Duration, busy: f64) -> Duration {
        let wanted = if busy > BUSY_ABOVE {
            (window + window / 2).max(SHORTEST)
        } else if busy < BUSY_BELOW {
            let shorter = window - window / 8;
            if shorter < SHORTEST {
                Duration::ZERO
            } else {
                shorter
            }
        } else {
            window
        };
        wanted.max(self.min).min(self.max)
    }
}

/// When a frame may be held back by the kernel until the player has acknowledged the one before
/// (Nagle's algorithm, RFC 896).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NoDelay {
    /// Held back while the shard is busy for more than a tenth of its time.
    #[default]
    Auto,
    /// Never held back.
    Always,
    /// Held back however much time there is to spare.
    Never,
}

impl NoDelay {
    fn next(self, now: bool, busy: f64) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if busy > NAGLE_ABOVE => false,
            Self::Auto if busy < NAGLE_BELOW => true,
            Self::Auto => now,
        }
    }
}

/// A shard's choice.
#[derive(Debug)]
pub(crate) struct Pace {
    merge_write: MergeWrite,
    window: Cell<Duration>,
    rule: NoDelay,
    nodelay: Cell<bool>,
    /// Calls that wrote to players, and what they wrote.
    writes: Cell<u64>,
    written_bytes: Cell<u64>,
}

impl Pace {
    pub(crate) fn new(merge_write: MergeWrite, rule: NoDelay) -> Self {
        Self {
            merge_write,
            window: Cell::new(merge_write.min),
            rule,
            nodelay: Cell::new(rule != NoDelay::Never),
            writes: Cell::new(0),
            written_bytes: Cell::new(0),
        }
    }

    /// Whether frames are to leave at once, `TCP_NODELAY`.
    pub(crate) fn nodelay(&self) -> bool {
        self.nodelay.get()
    }

    /// Whether the shard is so busy that a frame may wait for some milliseconds where that saves work.
    pub(crate) fn may_hold_back(&self) -> bool {
        !self.nodelay.get()
    }

    /// One call wrote `bytes` to a player.
    pub(crate) fn wrote(&self, bytes: u64) {
        self.writes.set(self.writes.get() + 1);
        self.written_bytes.set(self.written_bytes.get() + bytes);
    }

    /// How long to gather now.
    pub(crate) fn window(&self) -> Duration {
        self.window.get()
    }

    /// Looks again and again how busy the thread of this runtime is; has no end.
    pub(crate) async fn keep(&self, shard: usize) -> std::convert::Infallible {
        let shard = shard.to_string();
        let busy_gauge: Gauge = gauge!("weir_shard_busy_ratio", "shard" => shard.clone());
        let window_gauge: Gauge =
            gauge!("weir_shard_merge_write_seconds", "shard" => shard.clone());
        let writes: Counter = counter!("weir_shard_writes_total", "shard" => shard.clone());
        let written_bytes: Counter = counter!("weir_shard_written_bytes_total", "shard" => shard);
        let metrics = Handle::current().metrics();
        let mut looked = (time::Instant::now(), metrics.worker_total_busy_duration(0));
        loop {
            time::sleep(LOOK).await;
            let now = (time::Instant::now(), metrics.worker_total_busy_duration(0));
            let busy = (now.1 - looked.1).as_secs_f64() / (now.0 - looked.0).as_secs_f64();
            looked = now;
            self.window
                .set(self.merge_write.next(self.window.get(), busy));
            self.nodelay.set(self.rule.next(self.nodelay.get(), busy));
            busy_gauge.set(busy);
            window_gauge.set(self.window.get().as_secs_f64());
            writes.absolute(self.writes.get());
            written_bytes.absolute(self.written_bytes.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MERGE_WRITE: MergeWrite = MergeWrite {
        min: Duration::ZERO,
        max: Duration::from_millis(350),
    };

    #[test]
    fn a_busy_shard_gathers_longer_and_one_with_time_to_spare_sends_at_once() {
        for (name, window, busy, expected) in [
            ("time to spare", 0, 0.2, 0),
            ("busy for the first time", 0, 0.8, 20),
            ("busy still", 100, 0.8, 150),
            ("as long as it may", 300, 1.0, 350),
            ("just right", 100, 0.6, 100),
            ("less busy", 80, 0.3, 70),
            ("hardly busy", 20, 0.1, 0),
        ] {
            let next = MERGE_WRITE.next(Duration::from_millis(window), busy);
            assert_eq!(next, Duration::from_millis(expected), "{name}");
        }
    }

    #[test]
    fn the_kernel_may_hold_frames_back_when_time_runs_short() {
        use NoDelay::{Always, Auto, Never};
        for (rule, now, busy, expected) in [
            (Auto, true, 0.03, true),
            (Auto, true, 0.08, true),
            (Auto, true, 0.15, false),
            (Auto, false, 0.08, false),
            (Auto, false, 0.03, true),
            (Always, true, 1.0, true),
            (Never, false, 0.0, false),
        ] {
            assert_eq!(rule.next(now, busy), expected, "{rule:?} {now} {busy}");
        }
    }

    #[test]
    fn the_bounds_are_the_operators() {
        let fixed = MergeWrite {
            min: Duration::from_millis(100),
            max: Duration::from_millis(100),
        };
        let never = MergeWrite {
            min: Duration::ZERO,
            max: Duration::ZERO,
        };
        for busy in [0.0, 0.6, 1.0] {
            assert_eq!(fixed.next(fixed.min, busy), fixed.min);
            assert_eq!(never.next(Duration::ZERO, busy), Duration::ZERO);
        }
    }

    #[test]
    fn it_settles_whatever_the_load_is() {
        // Work a second: a part that gathering does not change, and one for each write.
        for (fixed, per_write) in [(0.1, 0.002), (0.3, 0.01), (0.05, 0.1), (0.5, 0.5)] {
            let frames_a_second = 70.0_f64;
            let busy = |window: Duration| {
                let writes = (1.0 / window.as_secs_f64().max(1e-9)).min(frames_a_second);
                (fixed + per_write * writes).min(1.0)
            };
            let mut window = Duration::ZERO;
            for _ in 0..100 {
                window = MERGE_WRITE.next(window, busy(window));
            }
            let settled = window;
            for _ in 0..20 {
                window = MERGE_WRITE.next(window, busy(window));
                assert_eq!(window, settled, "{fixed} + {per_write} a write");
            }
        }
    }
}
