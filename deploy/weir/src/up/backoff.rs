//! How long to wait before a program that died is started again.
//!
//! The first death costs nothing: players wait. Deaths in a row wait longer each, so that a program
//! that cannot live does not burn the machine; one that has lived a while is forgiven.

use std::time::Duration;

/// The second death in a row waits this long; each further one twice as long. Short enough that a
/// node killed twice is back within the second that its players allow.
const FIRST: Duration = Duration::from_millis(250);

/// The longest wait: an operator who has mended the cause should not wait longer for us to notice.
const LONGEST: Duration = Duration::from_secs(10);

/// A program that lived this long did not die of its start.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10);

/// The memory of one program's deaths.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    deaths_in_a_row: u32,
}

impl Backoff {
    /// How long to wait, after a life of `lived`, before the next start.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= FORGIVEN_AFTER {
            self.deaths_in_a_row = 0;
        }
        self.deaths_in_a_row = self.deaths_in_a_row.saturating_add(1);
        match self.deaths_in_a_row {
            1 => Duration::ZERO,
            n => FIRST.saturating_mul(1 << (n - 2).min(16)).min(LONGEST),
        }
    }

    /// How many times it has died without a long life in between.
    pub(crate) fn deaths_in_a_row(&self) -> u32 {
        self.deaths_in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_at_once_and_later_ones_wait_ever_longer() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9)
            .map(|_| backoff.after(Duration::from_millis(20)).as_millis())
            .collect();
        assert_eq!(waits, [0, 250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(backoff.deaths_in_a_row(), 9);
    }

    #[test]
    fn a_long_life_is_forgiven() {
        let mut backoff = Backoff::default();
        backoff.after(Duration::ZERO);
        backoff.after(Duration::ZERO);
        assert_eq!(backoff.after(Duration::from_secs(60)), Duration::ZERO);
    }
}
