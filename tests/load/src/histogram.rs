//! How often which duration was seen: small, exact to 3%, merged across threads.
//!
//! Buckets grow with the value, 32 to each doubling, so that microseconds and minutes fit in a few
//! kilobytes and a quantile is never wrong by more than its bucket.

use serde::Serialize;
use std::time::Duration;

/// Buckets to each doubling.
const STEPS: usize = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Values up to 2^36 µs, which is 19 hours; above counts as that.
const DOUBLINGS: usize = 32;

/// Durations by how often they were seen.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

/// What is told of a histogram, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many durations were seen.
    pub count: u64,
    /// Half were below.
    pub p50_ms: f64,
    /// All but one in twenty were below.
    pub p95_ms: f64,
    /// All but one in a hundred were below.
    pub p99_ms: f64,
    /// The longest, exactly.
    pub max_ms: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; STEPS * (DOUBLINGS + 1)],
            total: 0,
            max: 0,
        }
    }
}

impl Histogram {
    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let last = self.counts.len() - 1;
        if let Some(count) = self.counts.get_mut(bucket(micros).min(last)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(micros);
    }

    /// Counts all that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The duration that `share` (0 to 1) of all were not above, to the end of its bucket; `None`
    /// if nothing was seen.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        let rank = ((share * self.total as f64).ceil() as u64).clamp(1, self.total);
        let mut below = 0;
        for (index, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank {
                return Some(Duration::from_micros(bucket_end(index).min(self.max)));
            }
        }
        Some(Duration::from_micros(self.max))
    }

    /// The usual ones; `None` if nothing was seen.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let millis = |share| Some(self.quantile(share)?.as_secs_f64() * 1e3);
        Some(Quantiles {
            count: self.total,
            p50_ms: millis(0.5)?,
            p95_ms: millis(0.95)?,
            p99_ms: millis(0.99)?,
            max_ms: self.max as f64 / 1e3,
        })
    }
}

fn bucket(micros: u64) -> usize {
    if micros < STEPS as u64 {
        return micros as usize;
    }
    let doubling = micros.ilog2() - STEP_BITS;
    let step = (micros >> doubling) as usize - STEPS;
    (doubling as usize + 1) * STEPS + step
}

/// The largest value of a bucket.
fn bucket_end(index: usize) -> u64 {
    let (doubling, step) = (index / STEPS, index % STEPS);
    match doubling.checked_sub(1) {
        None => step as u64,
        Some(doubling) => (((STEPS + step + 1) as u64) << doubling) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_buckets_are_narrow() {
        for micros in (0..5_000).chain((1..30).map(|bit| (1 << bit) + 7)) {
            let index = bucket(micros);
            let end = bucket_end(index);
            assert!(end >= micros, "{micros} > {end}");
            assert!(end as f64 <= micros as f64 * 1.04 + 1.0, "{micros} ≪ {end}");
            assert_eq!(bucket(end), index);
            assert_eq!(bucket(end + 1), index + 1);
        }
    }

    #[test]
    fn quantiles_are_of_all_that_was_merged() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        for millis in 1..=50 {
            low.record(Duration::from_millis(millis));
            high.record(Duration::from_millis(50 + millis));
        }
        low.merge(&high);
        let quantiles = low.quantiles().expect("a hundred values");
        assert_eq!(quantiles.count, 100);
        assert!((quantiles.p50_ms - 50.0).abs() < 2.0, "{quantiles:?}");
        assert!((quantiles.p99_ms - 99.0).abs() < 3.5, "{quantiles:?}");
        assert_eq!(quantiles.max_ms, 100.0);
        assert_eq!(Histogram::default().quantiles(), None);
    }

    #[test]
    fn absurd_durations_count_as_the_longest() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert!(histogram.quantile(0.5).is_some());
    }
}
