//! What a run found, as numbers with units: for people a [`table`], for programs JSON.

pub mod table;

use crate::{
    check::Faults,
    crowd::Harvest,
    histogram::Quantiles,
    plan::Plan,
    run::{Costs, Measured},
    target::{Protocol, Target},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A run's result.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was asked for.
    pub asked: Asked,
    /// How long was measured.
    pub seconds: f64,
    /// Players.
    pub players: Players,
    /// Publishers; absent if the run had none.
    pub publishers: Option<Publishers>,
    /// What checked players found; absent if nobody checked.
    pub checks: Option<Checks>,
    /// The server's processes; absent if none was named.
    pub server: Option<Server>,
    /// What the generator itself used, and whether it kept up.
    pub generator: Generator,
}

/// What was asked for, as far as results depend on it.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// Where players played.
    pub play: Vec<String>,
    /// Where publishers published.
    pub publish: Option<String>,
    /// Players.
    pub players: u32,
    /// Streams.
    pub streams: u32,
    /// Joins in a second.
    pub join_rate: f64,
    /// Leaves and joins in a second, later.
    pub churn_rate: f64,
    /// Share of stalled players.
    pub stalled: f64,
    /// Share of slow players.
    pub slow: f64,
    /// Popularity's exponent.
    pub zipf: f64,
    /// What was published.
    pub footage: crate::footage::Footage,
}

/// What players had.
#[derive(Debug, Clone, Serialize)]
pub struct Players {
    /// Playing when the measured time began.
    pub playing_at_begin: u32,
    /// Playing when it ended.
    pub playing_at_end: u32,
    /// Times that a player began to play.
    pub joined: u64,
    /// Received by all in the measured time.
    pub bytes: u64,
    /// The same as a rate.
    pub gbit_per_second: f64,
    /// That rate as a share of what players should have received: well below 1 the server did not
    /// keep up, above it caught up with what it owed. Absent where streams are not ours, or players
    /// stall or are slow.
    pub share_of_due: Option<f64>,
    /// Of those who were there all the time and wanted all; absent if there are none.
    pub bytes_of_each: Option<Spread>,
    /// Those who were closed or could not join, by reason.
    pub lost: BTreeMap<String, u64>,
    /// The same of those who were told to stall or to be slow.
    pub idlers_lost: BTreeMap<String, u64>,
}

/// How evenly something is spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// The least.
    pub min: u64,
    /// The one in the middle.
    pub median: u64,
    /// The most.
    pub max: u64,
}

impl Spread {
    /// Of all `values`; `None` if there are none.
    pub fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        Some(Self {
            count: values.len(),
            min: *values.first()?,
            median: *values.get(values.len() / 2)?,
            max: *values.last()?,
        })
    }

    /// The least as a share of the median.
    pub fn slowest_share(&self) -> f64 {
        self.min as f64 / self.median.max(1) as f64
    }
}

/// What publishers did.
#[derive(Debug, Clone, Serialize)]
pub struct Publishers {
    /// Publishing at the end.
    pub publishing_at_end: u32,
    /// Frames sent, from the beginning.
    pub frames_sent: u64,
    /// Frames that were left out because the server took none.
    pub frames_left_out: u64,
    /// Those who were closed, by reason.
    pub lost: BTreeMap<String, u64>,
}

/// What checked players found.
#[derive(Debug, Clone, Serialize)]
pub struct Checks {
    /// How many checked.
    pub players: u32,
    /// Frames that they received.
    pub frames: u64,
    /// Frames that carried our stamp; without it there is no latency, no gap and no checksum.
    pub stamped_frames: u64,
    /// What was wrong.
    pub faults: Faults,
    /// All faults together.
    pub faults_total: u64,
    /// From the publisher's socket to the player, in the measured time.
    pub latency: Option<Quantiles>,
    /// From `connect` to the first whole key frame, of all joins.
    pub first_key: Option<Quantiles>,
}

/// What the server's processes used.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    /// Which they are.
    pub pids: Vec<u32>,
    /// CPU seconds in the measured time.
    pub cpu_seconds: f64,
    /// Of them in user space.
    pub user_seconds: f64,
    /// Of them in the kernel.
    pub system_seconds: f64,
    /// Cores in use: CPU seconds in a second.
    pub busy: f64,
    /// Gbit that players received for each CPU second.
    pub gbit_per_cpu_second: Option<f64>,
    /// Mean length of a `write`, where the server uses that call, or is a Weir node that tells.
    pub bytes_per_write: Option<f64>,
    /// Resident memory before anybody came.
    pub resident_idle_bytes: u64,
    /// With publishers, without players.
    pub resident_published_bytes: u64,
    /// When the measured time began.
    pub resident_begin_bytes: u64,
    /// When it ended.
    pub resident_end_bytes: u64,
    /// What each player added to resident memory, from no player to the end.
    pub resident_bytes_per_player: Option<f64>,
    /// What each published stream added.
    pub resident_bytes_per_stream: Option<f64>,
    /// Descriptors before, at the measured time's begin and at its end.
    pub descriptors: [u64; 3],
}

/// What the generator used.
#[derive(Debug, Clone, Serialize)]
pub struct Generator {
    /// CPU seconds in the measured time.
    pub cpu_seconds: f64,
    /// How late frames were handed to publishers' sockets. Where this is long, the machine is too
    /// small for both, and latencies are the generator's.
    pub lateness: Option<Quantiles>,
}

impl Report {
    pub(crate) fn new(plan: &Plan, harvest: Harvest, costs: &Costs, measured: &Measured) -> Self {
        let gbit = harvest.bytes as f64 * 8.0 / 1e9;
        let findings = &harvest.findings;
        Self {
            asked: Asked {
                play: plan.play.iter().map(ToString::to_string).collect(),
                publish: plan.publish.as_ref().map(ToString::to_string),
                players: plan.players,
                streams: plan.streams,
                join_rate: plan.join_rate,
                churn_rate: plan.churn_rate,
                stalled: plan.stalled,
                slow: plan.slow,
                zipf: plan.zipf,
                footage: plan.footage,
            },
            seconds: measured.seconds,
            players: Players {
                playing_at_begin: measured.playing.0,
                playing_at_end: measured.playing.1,
                joined: measured.joined,
                bytes: harvest.bytes,
                gbit_per_second: gbit / measured.seconds.max(1e-9),
                share_of_due: share_of_due(plan, gbit, measured),
                bytes_of_each: Spread::of(harvest.bytes_of_each),
                lost: harvest.players_lost.0,
                idlers_lost: harvest.idlers_lost.0,
            },
            publishers: plan.publish.as_ref().map(|_| Publishers {
                publishing_at_end: measured.publishing,
                frames_sent: harvest.frames_sent,
                frames_left_out: harvest.frames_left_out,
                lost: harvest.publishers_lost.0,
            }),
            checks: (plan.check > 0).then(|| Checks {
                players: plan.check.min(plan.players),
                frames: findings.frames,
                stamped_frames: findings.stamped,
                faults: findings.faults,
                faults_total: findings.faults.total(),
                latency: findings.latency.quantiles(),
                first_key: findings.first_key.quantiles(),
            }),
            server: (!plan.pids.is_empty()).then(|| Server::new(plan, gbit, costs, measured)),
            generator: Generator {
                cpu_seconds: measured.own_cpu_seconds,
                lateness: harvest.lateness.quantiles(),
            },
        }
    }

    /// As JSON, for programs.
    ///
    /// # Panics
    /// Never: it holds only what JSON can hold.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers, texts and maps of them")
    }

    /// Whether nobody found a fault, nobody was lost who wanted to stay, and those who checked saw
    /// anything at all.
    pub fn is_clean(&self) -> bool {
        let unchecked = self
            .checks
            .as_ref()
            .is_some_and(|checks| checks.frames == 0);
        let faults = self.checks.as_ref().map_or(0, |checks| checks.faults_total);
        let publishers_lost = self
            .publishers
            .as_ref()
            .is_some_and(|of| !of.lost.is_empty());
        faults == 0 && !unchecked && self.players.lost.is_empty() && !publishers_lost
    }
}

fn share_of_due(plan: &Plan, gbit: f64, measured: &Measured) -> Option<f64> {
    let is_raw = |target: &Target| target.protocol() == Protocol::Raw;
    let is_ours = plan.publish.is_some() || plan.play.iter().any(is_raw);
    if !is_ours || plan.stalled + plan.slow > 0.0 {
        return None;
    }
    let (begin, end) = measured.playing;
    let players = f64::midpoint(begin.into(), end.into());
    let due = players * plan.footage.bits_per_second_in_all() * measured.seconds / 1e9;
    (due > 0.0).then(|| gbit / due)
}

impl Server {
    fn new(plan: &Plan, gbit: f64, costs: &Costs, measured: &Measured) -> Self {
        let Costs {
            idle,
            published,
            begin,
            end,
        } = costs;
        let cpu_seconds = end.cpu_seconds - begin.cpu_seconds;
        let written = end.written_bytes.saturating_sub(begin.written_bytes) as f64;
        let writes = end.write_calls.saturating_sub(begin.write_calls) as f64;
        // A server that sends by another call writes only its log by this one.
        let writes_media = written * 8.0 / 1e9 > gbit * 0.8 && writes > 0.0;
        let each = |more: u64, less: u64, count: u32| {
            (count > 0).then(|| (more as f64 - less as f64) / f64::from(count))
        };
        let streams = plan.publish.as_ref().map_or(0, |_| plan.streams);
        Self {
            pids: plan.pids.clone(),
            cpu_seconds,
            user_seconds: end.user_seconds - begin.user_seconds,
            system_seconds: end.system_seconds - begin.system_seconds,
            busy: cpu_seconds / measured.seconds.max(1e-9),
            gbit_per_cpu_second: (cpu_seconds > 0.0 && gbit > 0.0).then(|| gbit / cpu_seconds),
            bytes_per_write: (writes_media && plan.players > 0).then(|| written / writes),
            resident_idle_bytes: idle.resident_bytes,
            resident_published_bytes: published.resident_bytes,
            resident_begin_bytes: begin.resident_bytes,
            resident_end_bytes: end.resident_bytes,
            resident_bytes_per_player: each(
                end.resident_bytes,
                published.resident_bytes,
                measured.playing.1,
            ),
            resident_bytes_per_stream: each(published.resident_bytes, idle.resident_bytes, streams),
            descriptors: [idle.descriptors, begin.descriptors, end.descriptors],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_all_values() {
        let spread = Spread::of(vec![5, 1, 3, 4, 2]).expect("values");
        assert_eq!((spread.min, spread.median, spread.max), (1, 3, 5));
        assert!((spread.slowest_share() - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
