//! What a process has taken of the machine, as Linux tells it.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// One look at a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Toll {
    /// Resident memory now.
    pub(super) resident_bytes: u64,
    /// The most that was ever resident.
    pub(super) resident_bytes_max: u64,
    /// Open descriptors.
    pub(super) descriptors: usize,
}

impl Toll {
    /// Looks at the process `pid`.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let status = std::fs::read_to_string(folder.join("status"))
            .with_context(|| format!("process {pid} is gone"))?;
        Ok(Self {
            resident_bytes: bytes(&status, "VmRSS:")?,
            resident_bytes_max: bytes(&status, "VmHWM:")?,
            descriptors: std::fs::read_dir(folder.join("fd"))?.count(),
        })
    }
}

fn bytes(status: &str, key: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes
        .map(|kibibytes| kibibytes << 10)
        .with_context(|| format!("no {key} in\n{status}"))
}

/// For people: mebibytes.
pub(super) fn mib(bytes: u64) -> u64 {
    bytes >> 20
}
