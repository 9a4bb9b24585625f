//! What the relay sees, said in the controller's words.

use agent::{Agent, Arrival, Audio, Load, NodeId, Pushed, Report, StreamReport, Video};
use media::codec::CodecConfig;
use parking_lot::Mutex;
use relay::{
    Relay,
    hub::{Observer, PassedOn, PublisherKind, Stream, stats::TotalsNow},
    report::{self, Reporter},
};
use std::{
    sync::{Arc, OnceLock},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Reports the relay's streams and load.
pub(crate) struct Telling {
    relay: Relay,
    reporter: Reporter,
    last: Mutex<Option<(Instant, TotalsNow, f64)>>,
}

impl Telling {
    pub(crate) fn new(relay: Relay) -> Self {
        let reporter = Reporter::new(relay.hub().clone());
        Self {
            relay,
            reporter,
            last: Mutex::default(),
        }
    }

    fn load(&self, streams: &[report::StreamReport]) -> Load {
        let totals = self.relay.hub().totals();
        let process = metrics_process::collector::collect();
        let cpu_seconds = process.cpu_seconds_total.unwrap_or_default();
        let now = Instant::now();
        let last = self.last.lock().replace((now, totals, cpu_seconds));
        let (mut bits_in, mut bits_out, mut cpu_permille) = (0, 0, 0);
        if let Some((then, before, cpu_before)) = last {
            let seconds = now.saturating_duration_since(then).as_secs_f64().max(0.001);
            let rate =
                |now: u64, before: u64| (now.saturating_sub(before) as f64 * 8.0 / seconds) as u64;
            bits_in = rate(totals.bytes_in, before.bytes_in);
            bits_out = rate(totals.bytes_out, before.bytes_out);
            let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
            cpu_permille = ((cpu_seconds - cpu_before) / seconds / cores * 1_000.0) as u32;
        }
        let published = streams
            .iter()
            .filter(|stream| stream.publisher.is_some())
            .count();
        Load {
            connections: self.relay.connections(),
            publishers: u32::try_from(published).unwrap_or(u32::MAX),
            players: streams.iter().map(|stream| stream.players).sum(),
            bytes_in: totals.bytes_in,
            bytes_out: totals.bytes_out,
            bits_in_per_second: bits_in,
            bits_out_per_second: bits_out,
            cpu_permille,
            resident_bytes: process.resident_memory_bytes.unwrap_or_default(),
        }
    }
}

impl agent::Source for Telling {
    fn report(&self) -> Report {
        let streams = self.reporter.streams();
        let load = self.load(&streams);
        Report {
            load,
            streams: streams.into_iter().filter_map(stream).collect(),
        }
    }
}

/// `None` for what players wait for and nobody publishes.
fn stream(seen: report::StreamReport) -> Option<StreamReport> {
    let publisher = seen.publisher?;
    let arrival = match publisher.origin {
        PublisherKind::Publish => Arrival::Published,
        PublisherKind::Pull => Arrival::Pulled,
    };
    let frames_per_second = seen.frames_per_second;
    Some(StreamReport {
        players: seen.players,
        bytes_in: seen.totals.bytes_in,
        bytes_out: seen.totals.bytes_out,
        bits_per_second: seen.bits_per_second,
        video: seen.video.map(|config| video(&config, frames_per_second)),
        audio: seen.audio.map(|config| audio(&config)),
        pushed: publisher.passed_on.as_deref().and_then(pushed),
        backup: publisher.backup,
        upstream: publisher.upstream.as_deref().unwrap_or_default().to_owned(),
        ..StreamReport::new(seen.path, arrival, unix_millis(publisher.since))
    })
}

/// `None` for a forward, whose node says no name.
fn pushed(passed_on: &PassedOn) -> Option<Pushed> {
    let by = NodeId::new(&passed_on.node).ok()?;
    let turn = passed_on.turn;
    Some(Pushed { by, turn })
}

fn video(config: &CodecConfig, frames_per_second: f64) -> Video {
    Video {
        codec: config.codec.name().to_owned(),
        width: config.width.unwrap_or_default(),
        height: config.height.unwrap_or_default(),
        fps_milli: (frames_per_second * 1_000.0) as u32,
    }
}

fn audio(config: &CodecConfig) -> Audio {
    Audio {
        codec: config.codec.name().to_owned(),
        sample_rate: config.sample_rate.unwrap_or_default(),
        channels: config.channels.map_or(0, u32::from),
    }
}

fn unix_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Makes the agent report at once when a stream begins or ends.
#[derive(Default)]
pub(crate) struct Nudging {
    agent: OnceLock<Agent>,
}

impl Nudging {
    pub(crate) fn new(agent: Agent) -> Self {
        Self {
            agent: OnceLock::from(agent),
        }
    }

    fn nudge(&self) {
        if let Some(agent) = self.agent.get() {
            agent.nudge();
        }
    }
}

impl Observer for Nudging {
    fn published(&self, _stream: &Arc<Stream>) {
        self.nudge();
    }

    fn unpublished(&self, _stream: &Arc<Stream>) {
        self.nudge();
    }
}
