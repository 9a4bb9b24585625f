//! The machine on which something was measured: figures without it mean little.

use serde::Serialize;
use std::{fmt, fs};

/// What a reader wants to know of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that we may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// How the kernel paces TCP, and so what a write costs: `cubic`, `bbr`, ….
    pub congestion_control: String,
    /// Processes that ran or wanted to run in the minute before: near zero on a machine that is
    /// ours alone.
    pub load_average: f64,
}

impl Machine {
    /// This machine, now.
    pub fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let processor = value(&processor, "model name").unwrap_or("unknown");
        let memory = read("/proc/meminfo");
        let kilobytes =
            value(&memory, "MemTotal").and_then(|value| value.split(' ').next()?.parse().ok());
        let average = read("/proc/loadavg");
        let average = average
            .split(' ')
            .next()
            .and_then(|value| value.parse().ok());
        Self {
            processor: processor.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kilobytes.unwrap_or(0_u64) * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control")
                .trim()
                .to_owned(),
            load_average: average.unwrap_or(0.0),
        }
    }
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.trim_start_matches([' ', '\t', ':']).trim())
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            kernel,
            congestion_control,
            load_average,
            ..
        } = self;
        let gigabytes = self.memory_bytes >> 30;
        write!(
            f,
            "{processor}, {cores} cores, {gigabytes} GiB, Linux {kernel}, TCP {congestion_control}; load average before {load_average:.2}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_memory_and_a_kernel() {
        let machine = Machine::look();
        assert!(machine.cores > 0 && machine.memory_bytes > 1 << 20 && !machine.kernel.is_empty());
        assert_eq!(value("model name\t: X 1\n", "model name"), Some("X 1"));
    }
}
