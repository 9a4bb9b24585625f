//! How long players had nothing before a fault and after it, and how long the machine itself is late.

use crate::faults;
use anyhow::{Result, ensure};
use harness::{Player, player::Heard};
use std::time::{Duration, Instant};

/// What is promised, beside what the machine itself delays: one frame and 100 ms.
const GAP_MAX: Duration = Duration::from_millis(140);

/// How long before and after a fault gaps are looked for.
pub(super) const AROUND: Duration = Duration::from_millis(1_500);

/// How often it is looked whether the machine lets a task run in time.
const TICK: Duration = Duration::from_millis(5);

/// Upper bounds of the table's rows, in milliseconds.
const BOUNDS: [u128; 7] = [40, 60, 80, 100, 140, 200, 500];

/// What players had to wait, and what the machine made them wait before anything was done to it.
#[derive(Default)]
pub(super) struct Gaps {
    after: Vec<Duration>,
    before: Vec<Duration>,
    /// The latest that the machine let a task run after a fault.
    late: Duration,
}

impl Gaps {
    pub(super) async fn measure(&mut self, players: &[Player], fault: impl FnOnce()) {
        tokio::time::sleep(AROUND).await;
        let at = Instant::now();
        let watched = tokio::spawn(latest(at + AROUND));
        fault();
        tokio::time::sleep(AROUND).await;
        self.late = self.late.max(watched.await.unwrap_or_default());
        for player in players {
            let frames = player.frames();
            self.before.push(longest_gap(&frames, at - AROUND, at));
            self.after.push(longest_gap(&frames, at, at + AROUND));
        }
    }

    pub(super) fn show(&self, what: &str) {
        for (when, gaps) in [("before", &self.before), ("after", &self.after)] {
            let what = format!("{what}, longest gap {when}");
            eprintln!("{}", faults::table(&what, gaps, &BOUNDS));
        }
    }

    /// Fails if players had to wait longer than promised, and not because the machine was slow.
    pub(super) fn ensure_short(&self) -> Result<()> {
        let longest = |gaps: &[Duration]| gaps.iter().max().copied().unwrap_or_default();
        let (after, before) = (longest(&self.after), longest(&self.before));
        let allowed = GAP_MAX.max(before * 2) + self.late;
        let late = self.late;
        eprintln!("longest gap {after:?}, allowed {allowed:?}: tasks were up to {late:?} late");
        ensure!(after <= allowed, "{after:?}, {before:?} without a fault");
        Ok(())
    }
}

/// The longest time within the window in which nothing came.
fn longest_gap(frames: &[Heard], from: Instant, to: Instant) -> Duration {
    let mut last = from;
    let mut longest = Duration::ZERO;
    for frame in frames
        .iter()
        .filter(|frame| frame.at >= from && frame.at <= to)
    {
        longest = longest.max(frame.at - last);
        last = frame.at;
    }
    longest.max(to.saturating_duration_since(last))
}

/// How much later than it asked to be woken a task was, at most, until `until`.
async fn latest(until: Instant) -> Duration {
    let mut latest = Duration::ZERO;
    while Instant::now() < until {
        let due = Instant::now() + TICK;
        tokio::time::sleep_until(due.into()).await;
        latest = latest.max(Instant::now().saturating_duration_since(due));
    }
    latest
}
