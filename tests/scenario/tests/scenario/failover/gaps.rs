//! How long players had nothing new: the longest pause between two frames, one for each player and fault.

use crate::faults;
use std::time::Duration;

/// Upper bounds of the table's rows, in milliseconds.
const BOUNDS: [u128; 9] = [50, 100, 200, 400, 800, 1_200, 1_500, 2_000, 3_000];

/// The pauses, in no order.
#[derive(Debug, Default)]
pub(super) struct Gaps(Vec<Duration>);

impl Gaps {
    pub(super) fn extend(&mut self, gaps: impl IntoIterator<Item = Duration>) {
        self.0.extend(gaps);
    }

    pub(super) fn longest(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }

    pub(super) fn show(&self, what: &str) {
        eprintln!("{}", faults::table(what, &self.0, &BOUNDS));
    }
}
