//! How long players had nothing new: the longest pause between two frames, one for each player and fault.

use std::{fmt::Write, time::Duration};

/// Upper bounds of the table's rows, in milliseconds.
const BUCKETS: [u128; 9] = [50, 100, 200, 400, 800, 1_200, 1_500, 2_000, 3_000];

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

    /// Prints them as a Markdown table.
    pub(super) fn show(&self, what: &str) {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |permille: usize| {
            let place = sorted.len().saturating_sub(1) * permille / 1_000;
            sorted.get(place).map_or(0, Duration::as_millis)
        };
        let mut table = format!(
            "\n{what}: {} gaps; min {} ms, p50 {} ms, p95 {} ms, max {} ms\n\n| gap | players |\n| --- | --- |\n",
            sorted.len(),
            at(0),
            at(500),
            at(950),
            at(1_000)
        );
        let mut below = 0;
        for bucket in BUCKETS {
            let count = sorted.iter().filter(|gap| gap.as_millis() < bucket).count();
            let _ = writeln!(table, "| under {bucket} ms | {} |", count - below);
            below = count;
        }
        let _ = writeln!(table, "| longer | {} |", sorted.len() - below);
        eprintln!("{table}");
    }
}
