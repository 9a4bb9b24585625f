//! The process's one Prometheus registry, rendered by the admin port.
//!
//! Every metric has its help text: [`describe`] before the first sample, or `promtool check metrics`
//! and [`without_help`] find it. Names are `weir_<noun>_<unit>[_total]`; label sets are bounded: a
//! stream or a player is never a label.

use std::convert::Infallible;

use ::metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use crate::{build::BUILD, limits};

/// Bucket bounds for `…_seconds`: 100 µs, where a hop within one machine lies, to half a minute,
/// where every timeout of ours has struck.
const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0, 30.0,
];

/// Bucket bounds for `…_bytes`: from one small audio frame to a large group of pictures.
const BYTES: [f64; 10] = [
    256.0, 1024.0, 4096.0, 16384.0, 32768.0, 65536.0, 131072.0, 262144.0, 1048576.0, 8388608.0,
];

/// One metric's words: its name, its kind and what it counts.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    kind: Kind,
    name: &'static str,
    help: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    /// Something that only grows; its name ends in `_total`.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self {
            kind: Kind::Counter,
            name,

            help,
        }
    }

    /// Something that grows and shrinks.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self {
            kind: Kind::Gauge,
            name,

            help,
        }
    }

    /// A distribution; its name ends in `_seconds` or `_bytes`, which choose its buckets.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self {
            kind: Kind::Histogram,
            name,

            help,
        }
    }

    /// Its name as it is scraped.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it counts.
    pub const fn help(&self) -> &'static str {
        self.help
    }
}

/// Gives metrics their help text; to be called after [`install`] and before the first sample.
/// Describing a name again replaces its text.
pub fn describe(metrics: &[Metric]) {
    for &Metric { kind, name, help } in metrics {
        match kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram => describe_histogram!(name, help),
        }
    }
}

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
#[error("the metrics could not be set up")]
pub struct InstallError(#[from] metrics_exporter_prometheus::BuildError);

/// The registry's text; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    prometheus: PrometheusHandle,
    process: Collector,
}

/// Installs the process's registry, with `weir_build_info` and the process's own metrics.
///
/// Somebody has to await [`Handle::upkeep`]; [`run`](crate::run()) does.
///
/// # Errors
/// If the process has a registry.
pub fn install(role: &'static str) -> Result<Handle, InstallError> {
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &BYTES)?
        .install_recorder()?;
    let process = Collector::new("");
    process.describe();
    describe(&[Metric::gauge(
        "weir_build_info",
        "Always 1; what this program was built from.",
    )]);
    gauge!("weir_build_info", "version" => BUILD.version, "commit" => BUILD.commit, "role" => role)
        .set(1.0);
    Ok(Handle {
        prometheus,
        process,
    })
}

impl Handle {
    /// Everything, in Prometheus's text format.
    pub fn render(&self) -> String {
        self.process.collect();
        self.prometheus.render()
    }

    /// Folds histograms for ever, so that samples do not pile up between scrapes.
    pub async fn upkeep(&self) -> Infallible {
        let mut tick = tokio::time::interval(limits::METRICS_UPKEEP_INTERVAL);
        loop {
            tick.tick().await;
            self.prometheus.run_upkeep();
        }
    }
}

/// The metrics in a scraped `text` that have no help; a test of each program expects none.
pub fn without_help(text: &str) -> Vec<&str> {
    let named = |line: &'_ str, word: &str| -> Option<usize> {
        line.strip_prefix(word).map(|rest| line.len() - rest.len())
    };
    let names = |word: &'static str| {
        text.lines().filter_map(move |line| {
            let start = named(line, word)?;
            line.get(start..)?.split(' ').next()
        })
    };
    names("# TYPE ")
        .filter(|name| names("# HELP ").all(|helped| helped != *name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_without_help_is_found() {
        let text = "# HELP a A.\n# TYPE a gauge\na 1\n# TYPE b counter\nb 1\n";
        assert_eq!(without_help(text), ["b"]);
    }
}
