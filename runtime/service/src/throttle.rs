//! Lets one log line through an interval and counts those that it held back.
//!
//! For places that a hostile or broken peer can reach a thousand times a second. Not a rate limiter
//! for work: what is held back is only not told.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// One place in the code that speaks at most once an interval.
///
/// ```
/// use std::time::{Duration, Instant};
/// use service::Throttle;
///
/// static REFUSED: Throttle = Throttle::new(Duration::from_secs(1));
///
/// if let Some(held_back) = REFUSED.permit(Instant::now()) {
///     tracing::warn!(held_back, "connection refused: too many from this address");
/// }
/// ```
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    last: Mutex<Option<Instant>>,
    held_back: AtomicU64,
}

impl Throttle {
    /// One line every `interval`; usable for a `static`.
    pub const fn new(interval: Duration) -> Self {
        Self {
            interval,
            last: Mutex::new(None),
            held_back: AtomicU64::new(0),
        }
    }

    /// Whether to speak at `now`: then the number of times that it was silent since it last spoke.
    pub fn permit(&self, now: Instant) -> Option<u64> {
        let mut last = self.last.lock();
        if last.is_some_and(|last| now.saturating_duration_since(last) < self.interval) {
            self.held_back.fetch_add(1, Relaxed);
            return None;
        }
        *last = Some(now);
        Some(self.held_back.swap(0, Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_speaks_once_an_interval_and_says_how_often_it_was_silent() {
        let throttle = Throttle::new(Duration::from_secs(1));
        let start = Instant::now();
        let at = |ms| throttle.permit(start + Duration::from_millis(ms));
        assert_eq!(at(0), Some(0));
        assert_eq!((at(10), at(999)), (None, None));
        assert_eq!(at(1000), Some(2));
        assert_eq!(at(2000), Some(0));
    }
}
