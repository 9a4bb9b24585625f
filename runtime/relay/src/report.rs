//! What a node tells about its streams: to the controller, and to whoever asks.
//!
//! Rates are taken between two reports, so that nothing is computed while nobody asks.

use crate::hub::{Hub, PublisherInfo, Stream, stats::TotalsNow};
use media::{Kind, StreamPath, codec::CodecConfig};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Rates over less than this say nothing.
const RATE_INTERVAL_MIN: Duration = Duration::from_millis(500);

/// One stream as it stands.
#[derive(Debug, Clone)]
pub struct StreamReport {
    /// Its name.
    pub path: StreamPath,
    /// Who publishes it; `None` while players wait for a publisher.
    pub publisher: Option<PublisherInfo>,
    /// Programs that play it here; other nodes that pull are not counted.
    pub players: u32,
    /// Totals since it began here.
    pub totals: TotalsNow,
    /// Media received, in bits per second.
    pub bits_per_second: u64,
    /// Pictures received per second.
    pub frames_per_second: f64,
    /// The picture's codec set-up, where it could be read.
    pub video: Option<CodecConfig>,
    /// The sound's codec set-up, where it could be read.
    pub audio: Option<CodecConfig>,
}

/// Makes reports, and remembers the last one's totals for the rates.
pub struct Reporter {
    hub: Arc<Hub>,
    samples: Mutex<HashMap<StreamPath, Sample>>,
}

#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    totals: TotalsNow,
    bits_per_second: u64,
    frames_per_second: f64,
}

impl Reporter {
    /// Reports on the streams of `hub`.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            samples: Mutex::default(),
        }
    }

    /// Every stream that somebody publishes or reads, sorted by name.
    pub fn streams(&self) -> Vec<StreamReport> {
        self.streams_at(Instant::now())
    }

    fn streams_at(&self, now: Instant) -> Vec<StreamReport> {
        let mut streams = self.hub.streams();
        streams.sort_unstable_by(|a, b| a.path().cmp(b.path()));
        let mut samples = self.samples.lock();
        let mut current = HashMap::with_capacity(streams.len());
        let reports = streams
            .iter()
            .map(|stream| {
                let totals = stream.totals().now();
                let sample = Sample::next(samples.get(stream.path()), totals, now);
                current.insert(stream.path().clone(), sample);
                report(stream, sample)
            })
            .collect();
        *samples = current;
        reports
    }
}

impl Sample {
    fn next(last: Option<&Self>, totals: TotalsNow, now: Instant) -> Self {
        let begun = Self {
            at: now,
            totals,
            bits_per_second: 0,
            frames_per_second: 0.0,
        };
        // Totals that shrink are another stream's of the same name.
        let Some(last) = last.filter(|last| last.totals.bytes_in <= totals.bytes_in) else {
            return begun;
        };
        let elapsed = now.saturating_duration_since(last.at);
        if elapsed < RATE_INTERVAL_MIN {
            return Self { ..*last };
        }
        let per_second = |amount: u64| amount as f64 / elapsed.as_secs_f64();
        Self {
            bits_per_second: per_second((totals.bytes_in - last.totals.bytes_in) * 8) as u64,
            frames_per_second: per_second(
                totals.video_frames.saturating_sub(last.totals.video_frames),
            ),
            ..begun
        }
    }
}

fn report(stream: &Arc<Stream>, sample: Sample) -> StreamReport {
    let headers = stream.headers();
    let config = |kind: Kind| {
        let header = headers.iter().find(|header| header.kind == kind)?;
        flv::codec_config(header).ok().flatten()
    };
    StreamReport {
        path: stream.path().clone(),
        publisher: stream.publisher(),
        players: stream.readers().borrow().players,
        totals: stream.totals().now(),
        bits_per_second: sample.bits_per_second,
        frames_per_second: sample.frames_per_second,
        video: config(Kind::Video),
        audio: config(Kind::Audio),
    }
}
