//! A bar on the terminal while a run goes on; nothing where there is no terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use load::run::{Glance, Stage, Watcher};
use std::time::{Duration, Instant};

/// Steps of a bar.
const STEPS: u64 = 1_000;

/// Between two looks from which the rate is taken.
const RATE_INTERVAL: Duration = Duration::from_secs(1);

/// Shows how a run goes.
pub(crate) struct Bar {
    bar: ProgressBar,
    prefix: String,
    looked: Instant,
    bytes: u64,
    rate: f64,
}

impl Bar {
    /// A bar, or none.
    pub(crate) fn new(shown: bool) -> Self {
        let bar = ProgressBar::new(STEPS);
        if !shown {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{prefix}{msg:<13} [{bar:25}] {elapsed:>4} ")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        Self {
            bar,
            prefix: String::new(),
            looked: Instant::now(),
            bytes: 0,
            rate: 0.0,
        }
    }

    /// What stands before the stage from now on.
    pub(crate) fn titled(mut self, title: &str) -> Self {
        self.prefix = format!("{title}: ");
        self
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watcher for Bar {
    fn see(&mut self, stage: Stage, done: f64, glance: Glance) {
        let passed = self.looked.elapsed();
        if passed >= RATE_INTERVAL {
            let bytes = glance.bytes.saturating_sub(self.bytes);
            self.rate = bytes as f64 * 8.0 / 1e9 / passed.as_secs_f64();
            self.looked = Instant::now();
            self.bytes = glance.bytes;
        }
        let name = match stage {
            Stage::Publishing => "publishing",
            Stage::Settling => "settling",
            Stage::Joining => "joining",
            Stage::WarmingUp => "warming up",
            Stage::Measuring => "measuring",
        };
        let Glance {
            publishing,
            playing,
            lost,
            faults,
            ..
        } = glance;
        let rate = self.rate;
        self.bar.set_prefix(format!(
            "{}{publishing} publish, {playing} play, {rate:.2} Gbit/s, {lost} lost, {faults} faults  ",
            self.prefix
        ));
        self.bar.set_message(name);
        self.bar.set_position((done * STEPS as f64) as u64);
    }
}
