//! What time it is. On a real machine its clocks say so; whoever runs several controllers in one process
//! gives each a wall clock of its own, which may be wrong, as those of real machines are.
//!
//! Only the wall clock can be given: what measures is the runtime's clock, which never jumps.

use crate::model::inventory::Now;
use std::{
    cell::Cell,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

thread_local! {
    static GIVEN: Cell<Option<Wall>> = const { Cell::new(None) };
}

/// A wall clock that runs as the runtime's clock does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wall {
    /// At this moment …
    pub at: Instant,
    /// … it showed this, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

impl Wall {
    /// What it shows now.
    pub fn unix_ms(self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.at);
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.unix_ms.saturating_add(since)
    }

    /// Does something with this clock on the wall.
    pub fn hangs_for<T>(self, work: impl FnOnce() -> T) -> T {
        let before = GIVEN.replace(Some(self));
        let done = work();
        GIVEN.set(before);
        done
    }
}

/// This moment.
pub fn now() -> Now {
    let instant = tokio::time::Instant::now().into_std();
    let unix_ms = match GIVEN.get() {
        Some(wall) => wall.unix_ms(instant),
        None => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
        }
    };
    Now { instant, unix_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_given_clock_hangs_for_its_work_only() {
        let at = Instant::now();
        let wall = Wall { at, unix_ms: 5 };
        assert_eq!(wall.unix_ms(at + Duration::from_secs(2)), 2_005);
        let shown = wall.hangs_for(|| now().unix_ms);
        assert!(shown < 1_000_000, "{shown} is what a real clock shows");
        assert!(now().unix_ms > 1_000_000, "the real clock is back");
    }
}
