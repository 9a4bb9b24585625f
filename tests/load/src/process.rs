//! What a server process costs, as `/proc` tells it: CPU time, memory, descriptors, writes.

use serde::Serialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A process's costs at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Cost {
    /// CPU seconds since its start, of all its threads. By the scheduler's own clock, where it tells:
    /// the other two count ticks, of 10 ms most often.
    pub cpu_seconds: f64,
    /// Of them in user space.
    pub user_seconds: f64,
    /// Of them in the kernel.
    pub system_seconds: f64,
    /// Resident memory in bytes, shared pages of programs and libraries included.
    pub resident_bytes: u64,
    /// Resident memory that is its own: heap and stacks.
    pub anonymous_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Calls of `write` and `writev` since its start. `send` is not among them.
    pub write_calls: u64,
    /// Bytes written by those.
    pub written_bytes: u64,
}

/// The costs of all `pids` together.
///
/// # Errors
/// If one of them is gone, or may not be looked at.
pub fn cost_of(pids: &[u32]) -> io::Result<Cost> {
    let mut sum = Cost::default();
    for pid in pids {
        let cost = read(*pid)
            .map_err(|error| io::Error::new(error.kind(), format!("process {pid}: {error}")))?;
        sum.cpu_seconds += cost.cpu_seconds;
        sum.user_seconds += cost.user_seconds;
        sum.system_seconds += cost.system_seconds;
        sum.resident_bytes += cost.resident_bytes;
        sum.anonymous_bytes += cost.anonymous_bytes;
        sum.descriptors += cost.descriptors;
        sum.write_calls += cost.write_calls;
        sum.written_bytes += cost.written_bytes;
    }
    Ok(sum)
}

/// `pid` and all processes that come of it, by their parents.
///
/// # Errors
/// If it is gone, or `/proc` cannot be read.
pub fn family(pid: u32) -> io::Result<Vec<u32>> {
    fs::metadata(format!("/proc/{pid}"))?;
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // Whoever ends while we look is no child any more.
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        if let Some(parent) = parent(&stat) {
            parents.push((parent, child));
        }
    }
    let mut family: Vec<u32> = vec![pid];
    let mut known = 0;
    while let Some(elder) = family.get(known).copied() {
        known += 1;
        let children = parents.iter().filter(|(parent, _)| *parent == elder);
        family.extend(children.map(|(_, child)| *child));
    }
    Ok(family)
}

fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn read(pid: u32) -> io::Result<Cost> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let stat = fs::read_to_string(folder.join("stat"))?;
    let (user_ticks, system_ticks) = cpu_ticks(&stat).ok_or(io::ErrorKind::InvalidData)?;
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    let status = fs::read_to_string(folder.join("status"))?;
    let kilobytes = |name| field(&status, name).unwrap_or(0) * 1024;
    // Only the process's owner and root may look at the rest; without them it counts as zero.
    let io = fs::read_to_string(folder.join("io")).unwrap_or_default();
    let descriptors = fs::read_dir(folder.join("fd")).map_or(0, Iterator::count);
    let (user_seconds, system_seconds) = (
        user_ticks as f64 / ticks_per_second,
        system_ticks as f64 / ticks_per_second,
    );
    Ok(Cost {
        // Threads that have ended are missing in what the scheduler tells.
        cpu_seconds: scheduled_seconds(&folder).max(user_seconds + system_seconds),
        user_seconds,
        system_seconds,
        resident_bytes: kilobytes("VmRSS:"),
        anonymous_bytes: kilobytes("RssAnon:"),
        descriptors: descriptors as u64,
        write_calls: field(&io, "syscw:").unwrap_or(0),
        written_bytes: field(&io, "wchar:").unwrap_or(0),
    })
}

/// What the threads that live have run: `schedstat` of each begins with it, in nanoseconds. 0 where the
/// kernel does not tell.
fn scheduled_seconds(folder: &Path) -> f64 {
    let Ok(threads) = fs::read_dir(folder.join("task")) else {
        return 0.0;
    };
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let told = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        told.split_whitespace().next()?.parse::<u64>().ok()
    });
    nanoseconds.sum::<u64>() as f64 / 1e9
}

/// `utime` and `stime` (proc_pid_stat(5)); the program's name, which may hold anything, is passed over.
fn cpu_ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_does_not_confuse() {
        let stat = "12 (a) 1 (b) S 1 2 3 4 5 6 7 8 9 10 111 222 0 0";
        assert_eq!(cpu_ticks(stat), Some((111, 222)));
        assert_eq!(cpu_ticks("12 (x"), None);
        assert_eq!(parent("12 (a) 1 (b) S 77 2 3"), Some(77));
    }

    #[test]
    fn this_process_costs_something() {
        let cost = cost_of(&[std::process::id()]).expect("we are there");
        assert!(cost.resident_bytes > 100_000 && cost.descriptors > 2);
        let by_ticks = cost.user_seconds + cost.system_seconds;
        assert!(cost.cpu_seconds > 0.0 && cost.cpu_seconds >= by_ticks);
        assert!(cost_of(&[u32::MAX]).is_err());
    }
}
