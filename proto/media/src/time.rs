//! The stream's own clock: signed milliseconds that never wrap.
//!
//! RTMP and FLV count milliseconds in 32 bits and wrap after 49.7 days; a channel runs for a year.
//! So the wire's `u32` is unwrapped once, at the boundary, and inside time only goes on.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A moment on a stream's timeline, in milliseconds; the zero is the stream's own.
///
/// Arithmetic saturates: a hostile timestamp can be absurd, but it cannot panic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(i64);

impl MediaTime {
    /// The stream's zero.
    pub const ZERO: Self = Self(0);

    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// What RTMP and FLV carry: the low 32 bits, which wrap every 49.7 days.
    pub const fn wire(self) -> u32 {
        self.0 as u32
    }

    /// The moment whose low 32 bits are `wire` and that lies nearest to `self`.
    ///
    /// Serial number arithmetic (RFC 1982): right while two moments in a row are less than
    /// 24.8 days apart.
    pub const fn unwrap_wire(self, wire: u32) -> Self {
        let step = wire.wrapping_sub(self.0 as u32) as i32;
        Self(self.0.saturating_add(step as i64))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The signed distance to `other` in milliseconds: positive if `self` is later.
    pub const fn millis_since(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }

    /// This moment, `millis` later (or earlier, if negative).
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl Add<Duration> for MediaTime {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        self.plus_millis(i64::try_from(later.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Sub<Duration> for MediaTime {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        self.plus_millis(i64::try_from(earlier.as_millis()).map_or(i64::MIN, |millis| -millis))
    }
}

impl fmt::Debug for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_unwraps_to_the_nearest_moment() {
        let day_50 = MediaTime::from_millis(50 * 86_400_000);
        for step in [-90_000, -1, 0, 1, 33, 90_000] {
            let next = day_50.plus_millis(step);
            assert_eq!(day_50.unwrap_wire(next.wire()), next);
        }
        let before_the_wrap = MediaTime::from_millis(i64::from(u32::MAX));
        assert_eq!(
            before_the_wrap.unwrap_wire(9),
            MediaTime::from_millis((1 << 32) + 9)
        );
    }

    #[test]
    fn arithmetic_saturates() {
        let end = MediaTime::from_millis(i64::MAX);
        assert_eq!(end.plus_millis(1), end);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(MediaTime::ZERO.since(end), Duration::ZERO);
    }
}
