//! The machine's monotonic clock, as frames carry it.
//!
//! Counted from the machine's start, so two processes of one machine agree on it: a publisher's
//! stamp can be read by a player in another process. Between machines it means nothing.

use rustix::time::{ClockId, clock_gettime};
use std::{
    ops::{Add, Sub},
    time::Duration,
};

/// A moment in microseconds since the machine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(u64);

impl Moment {
    /// The present.
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
        Self(seconds * 1_000_000 + nanos / 1_000)
    }

    /// From microseconds since the machine's start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// In microseconds since the machine's start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is before it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        let micros = u64::try_from(later.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        let micros = u64::try_from(earlier.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_never_below_zero() {
        let then = Moment::now();
        let later = then + Duration::from_millis(3);
        assert_eq!(later.since(then), Duration::from_millis(3));
        assert_eq!(then.since(later), Duration::ZERO);
        assert!(Moment::now() >= then);
    }
}
