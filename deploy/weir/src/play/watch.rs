//! What a player sees of a stream, judged: does it start as it should, do its times go on, how late is
//! it, how much of it is there. Pure: frames and the times of their arrival go in, a [`Report`] comes out.
//!
//! It judges the stream, not its picture: nothing is decoded.

use crate::plural::counted;
use media::{Codec, Frame, Kind, MediaTime, Role, codec::CodecConfig};
use serde::Serialize;
use std::{collections::VecDeque, time::Duration};

/// Two frames of one kind further apart than this have a gap between them, unless the stream's frames
/// always are (see [`GAP_INTERVALS`]). Half a second is what a viewer calls a hang.
const GAP_MIN_MS: i64 = 500;

/// A stream of one frame in two seconds has no gap after two seconds: this many of its mean intervals
/// must pass.
const GAP_INTERVALS: i64 = 4;

/// A frame is late if it comes this much later than the earliest so far promised: what a player's
/// buffer of a second still hides, and a viewer of a low-latency player begins to see.
const LATE_MIN: Duration = Duration::from_millis(250);

/// What the live line averages over: long enough for a GOP's ups and downs to even out a little, short
/// enough to see a stall.
const WINDOW: Duration = Duration::from_secs(2);

/// Watches one stream from its first frame on.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    video: Track,
    audio: Track,
    metadata_seen: bool,
    body_bytes: u64,
    /// Since the player asked: first frame of any kind, first key frame, last frame.
    first_frame_at: Option<Duration>,
    first_key_at: Option<Duration>,
    last_frame_at: Option<Duration>,
    /// The earliest arrival seen so far, as arrival minus media time in milliseconds.
    earliest: Option<i64>,
    late_frames: u64,
    lateness_max_ms: i64,
    /// Arrivals of the last [`WINDOW`]: when, how many bytes, whether a picture.
    recent: VecDeque<(Duration, usize, bool)>,
}

#[derive(Debug, Default)]
struct Track {
    codec: Option<Codec>,
    config: Option<CodecConfig>,
    config_seen: bool,
    frames: u64,
    key_frames: u64,
    body_bytes: u64,
    /// Whether the first coded frame may be played from, and found its sequence header before it.
    first_is_key: Option<bool>,
    first_has_config: Option<bool>,
    times: Option<(MediaTime, MediaTime)>,
    backward: u64,
    gaps: u64,
    gap_max_ms: i64,
}

/// Everything that was seen, for people and programs. A number that is not known is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// From the first frame to the last, as they arrived.
    pub(crate) watched_ms: u64,
    /// From asking to the first frame of any kind, and to the first key frame.
    pub(crate) first_frame_ms: Option<u64>,
    pub(crate) join_ms: Option<u64>,
    /// Whether all that is wanted of a start was there: sequence headers first, then a key frame.
    pub(crate) good_start: Option<bool>,
    /// `onMetaData` came.
    pub(crate) metadata: bool,
    pub(crate) video: Option<TrackReport>,
    pub(crate) audio: Option<TrackReport>,
    pub(crate) body_bytes: u64,
    /// Of the media, on its own clock.
    pub(crate) bits_per_second: Option<u64>,
    /// Frames that came more than 250 ms after their time, and the worst of them.
    pub(crate) late_frames: u64,
    pub(crate) lateness_max_ms: i64,
    /// What is wrong, one sentence each; empty for a good stream.
    pub(crate) faults: Vec<String>,
}

/// One kind of media.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TrackReport {
    /// `h264`, `aac`, …; absent for a codec that we do not know.
    pub(crate) codec: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample_rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channels: Option<u8>,
    pub(crate) frames: u64,
    pub(crate) frames_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_frames: Option<u64>,
    pub(crate) body_bytes: u64,
    /// Decode times of the first and the last frame.
    pub(crate) first_dts_ms: i64,
    pub(crate) last_dts_ms: i64,
    /// Frames whose decode time is before the frame's before them.
    pub(crate) backward: u64,
    /// Steps of decode time that are a gap, and the longest step of all.
    pub(crate) gaps: u64,
    pub(crate) step_max_ms: i64,
}

impl Watch {
    /// Takes a frame that arrived `at` this time after the player asked for the stream. `config` is
    /// what a sequence header says, where it could be read.
    pub(crate) fn take(&mut self, at: Duration, frame: &Frame, config: Option<CodecConfig>) {
        self.first_frame_at.get_or_insert(at);
        self.last_frame_at = Some(at);
        self.body_bytes = self.body_bytes.saturating_add(frame.body.len() as u64);
        self.recent
            .push_back((at, frame.body.len(), is_coded(frame, Kind::Video)));
        while self
            .recent
            .front()
            .is_some_and(|(then, ..)| *then + WINDOW < at)
        {
            self.recent.pop_front();
        }
        let track = match frame.kind {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
            Kind::Data => {
                self.metadata_seen |= frame.role == Role::Metadata;
                return;
            }
        };
        match frame.role {
            Role::Config => {
                track.config_seen = true;
                track.codec = frame.codec;
                track.config = config;
            }
            Role::Key | Role::Inter => {
                track.coded(frame);
                if frame.is_key() {
                    self.first_key_at.get_or_insert(at);
                }
                self.judge_lateness(at, frame.dts);
            }
            Role::Metadata | Role::Other => {}
        }
    }

    /// A GOP that was kept for a late joiner arrives all at once: each of its frames is earlier than
    /// the one before, so none of them counts as late.
    fn judge_lateness(&mut self, at: Duration, dts: MediaTime) {
        let lag = millis(at).saturating_sub(dts.as_millis());
        let earliest = self.earliest.map_or(lag, |earliest| earliest.min(lag));
        self.earliest = Some(earliest);
        let late_ms = lag.saturating_sub(earliest);
        self.lateness_max_ms = self.lateness_max_ms.max(late_ms);
        if late_ms > millis(LATE_MIN) {
            self.late_frames += 1;
        }
    }

    /// Whether anything has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        self.first_frame_at.is_some()
    }

    /// One line about the last two seconds, for somebody who looks on.
    pub(crate) fn line(&self, now: Duration) -> String {
        let recent = self.recent.iter().filter(|(at, ..)| *at + WINDOW >= now);
        let (bytes, pictures) = recent.fold((0, 0), |(bytes, pictures), (_, more, picture)| {
            (bytes + more, pictures + u64::from(*picture))
        });
        let since_first = self
            .first_frame_at
            .map_or(WINDOW, |first| now.saturating_sub(first));
        let seconds = WINDOW.min(since_first).as_secs_f64().max(0.001);
        let mut parts = vec![
            format!("{:.1} s", now.as_secs_f64()),
            format!("{:.0} kbit/s", bytes as f64 * 8.0 / 1000.0 / seconds),
        ];
        if self.video.frames > 0 {
            parts.push(format!("{:.1} fps", pictures as f64 / seconds));
            parts.push(self.video.describe());
        }
        if self.audio.frames > 0 {
            parts.push(self.audio.describe());
        }
        if let Some(join) = self.first_key_at {
            parts.push(format!("join {} ms", join.as_millis()));
        }
        parts.push(format!("late {}", self.late_frames));
        parts.push(format!("gaps {}", self.video.gaps + self.audio.gaps));
        parts.join("  ")
    }

    /// Everything so far.
    pub(crate) fn report(&self) -> Report {
        let millis_of = |at: Duration| u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let watched = match (self.first_frame_at, self.last_frame_at) {
            (Some(first), Some(last)) => last.saturating_sub(first),
            _ => Duration::ZERO,
        };
        let span_ms = self.video.span_ms().max(self.audio.span_ms());
        let bits = self.body_bytes.saturating_mul(8).saturating_mul(1000);
        let starts: Vec<bool> = [self.video.good_start(), self.audio.good_start()]
            .into_iter()
            .flatten()
            .collect();
        Report {
            watched_ms: millis_of(watched),
            first_frame_ms: self.first_frame_at.map(millis_of),
            join_ms: self.first_key_at.map(millis_of),
            good_start: (!starts.is_empty()).then(|| starts.iter().all(|good| *good)),
            metadata: self.metadata_seen,
            video: self.video.report(Kind::Video),
            audio: self.audio.report(Kind::Audio),
            body_bytes: self.body_bytes,
            bits_per_second: u64::try_from(span_ms)
                .ok()
                .filter(|ms| *ms > 0)
                .map(|ms| bits / ms),
            late_frames: self.late_frames,
            lateness_max_ms: self.lateness_max_ms,
            faults: self.faults(),
        }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.video.frames + self.audio.frames == 0 {
            faults.push("no sound and no picture came".to_owned());
        }
        for (what, track) in [("the picture", &self.video), ("the sound", &self.audio)] {
            if track.first_is_key == Some(false) {
                faults.push(format!("{what} does not start at a key frame"));
            }
            if track.first_has_config == Some(false) {
                faults.push(format!("{what} starts before its sequence header"));
            }
            if track.backward > 0 {
                faults.push(format!(
                    "{what}'s time goes back {}",
                    counted(track.backward, "time")
                ));
            }
            if track.gaps > 0 {
                let longest = track.gap_max_ms;
                faults.push(format!(
                    "{what} has {}, the longest {longest} ms",
                    counted(track.gaps, "gap")
                ));
            }
        }
        faults
    }
}

impl Track {
    fn coded(&mut self, frame: &Frame) {
        self.codec = frame.codec.or(self.codec);
        self.frames += 1;
        self.key_frames += u64::from(frame.is_key());
        self.body_bytes = self.body_bytes.saturating_add(frame.body.len() as u64);
        if frame.kind == Kind::Video {
            self.first_is_key.get_or_insert(frame.is_key());
        }
        if needs_config(frame.codec) {
            self.first_has_config.get_or_insert(self.config_seen);
        }
        let Some((first, last)) = self.times else {
            self.times = Some((frame.dts, frame.dts));
            return;
        };
        let step = frame.dts.millis_since(last);
        self.backward += u64::from(step < 0);
        // The first step is not judged: nothing is known yet of how far apart the frames are.
        let intervals = i64::try_from(self.frames)
            .unwrap_or(i64::MAX)
            .saturating_sub(2);
        if let Some(mean) = last.millis_since(first).checked_div(intervals)
            && step > GAP_MIN_MS.max(mean.saturating_mul(GAP_INTERVALS))
        {
            self.gaps += 1;
        }
        self.gap_max_ms = self.gap_max_ms.max(step);
        self.times = Some((first, frame.dts));
    }

    fn span_ms(&self) -> i64 {
        self.times
            .map_or(0, |(first, last)| last.millis_since(first))
    }

    fn good_start(&self) -> Option<bool> {
        (self.frames > 0)
            .then(|| self.first_is_key.unwrap_or(true) && self.first_has_config.unwrap_or(true))
    }

    /// `h264 640x360`, `aac 48000 Hz x1`.
    fn describe(&self) -> String {
        let mut text = self.codec.map_or("unknown codec", Codec::name).to_owned();
        let config = self.config.as_ref();
        if let Some((width, height)) = config.and_then(|config| config.width.zip(config.height)) {
            text += &format!(" {width}x{height}");
        }
        if let Some((rate, channels)) = config.and_then(|c| c.sample_rate.zip(c.channels)) {
            text += &format!(" {rate} Hz x{channels}");
        }
        text
    }

    fn report(&self, kind: Kind) -> Option<TrackReport> {
        let (first, last) = self.times?;
        let span = self.span_ms();
        let intervals = self.frames.saturating_sub(1) as f64;
        let config = self.config.as_ref();
        let thousandths = |value: f64| (value * 1000.0).round() / 1000.0;
        Some(TrackReport {
            codec: self.codec.map(Codec::name),
            profile: config.and_then(|config| config.profile).map(str::to_owned),
            width: config.and_then(|config| config.width),
            height: config.and_then(|config| config.height),
            sample_rate: config.and_then(|config| config.sample_rate),
            channels: config.and_then(|config| config.channels),
            frames: self.frames,
            frames_per_second: (span > 0).then(|| thousandths(intervals * 1000.0 / span as f64)),
            key_frames: (kind == Kind::Video).then_some(self.key_frames),
            body_bytes: self.body_bytes,
            first_dts_ms: first.as_millis(),
            last_dts_ms: last.as_millis(),
            backward: self.backward,
            gaps: self.gaps,
            step_max_ms: self.gap_max_ms,
        })
    }
}

/// Whether a player needs a set-up record before the first frame of this codec. Others carry what is
/// needed in each frame, or we do not know.
fn needs_config(codec: Option<Codec>) -> bool {
    matches!(
        codec,
        Some(Codec::Avc | Codec::Hevc | Codec::Av1 | Codec::Aac)
    )
}

fn is_coded(frame: &Frame, kind: Kind) -> bool {
    frame.kind == kind && matches!(frame.role, Role::Key | Role::Inter)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn frame(kind: Kind, role: Role, dts_ms: i64) -> Frame {
        let codec = match kind {
            Kind::Video => Some(Codec::Avc),
            Kind::Audio => Some(Codec::Aac),
            Kind::Data => None,
        };
        let dts = MediaTime::from_millis(dts_ms);
        Frame {
            kind,
            role,
            codec,
            track: 0,
            dts,
            body: Bytes::from_static(&[0; 100]),
        }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Headers, then pictures of 40 ms whose first is a key frame, with the given arrival for each.
    fn watched(arrival: impl Fn(i64) -> u64, dts: impl Iterator<Item = i64>) -> Report {
        let mut watch = Watch::default();
        watch.take(at(arrival(0)), &frame(Kind::Video, Role::Config, 0), None);
        for (n, dts) in dts.enumerate() {
            let role = if n % 50 == 0 { Role::Key } else { Role::Inter };
            watch.take(at(arrival(dts)), &frame(Kind::Video, role, dts), None);
        }
        watch.report()
    }

    #[test]
    fn a_good_stream_has_no_fault() {
        let report = watched(|dts| 20 + dts.unsigned_abs(), (0..100).map(|n| n * 40));
        assert_eq!(report.faults, Vec::<String>::new());
        assert_eq!((report.join_ms, report.good_start), (Some(20), Some(true)));
        assert_eq!(
            report.bits_per_second,
            Some(101 * 100 * 8 * 1000 / (99 * 40))
        );
        let video = report.video.expect("pictures");
        assert_eq!((video.frames, video.key_frames), (100, Some(2)));
        assert_eq!(video.frames_per_second, Some(25.0));
        assert_eq!((video.first_dts_ms, video.last_dts_ms), (0, 3960));
    }

    #[test]
    fn a_start_in_the_middle_is_a_fault() {
        let mut watch = Watch::default();
        watch.take(at(1), &frame(Kind::Video, Role::Inter, 0), None);
        watch.take(at(1), &frame(Kind::Audio, Role::Inter, 0), None);
        let report = watch.report();
        assert_eq!(report.good_start, Some(false));
        assert_eq!(
            report.faults,
            [
                "the picture does not start at a key frame",
                "the picture starts before its sequence header",
                "the sound starts before its sequence header",
            ]
        );
    }

    #[test]
    fn time_that_goes_back_and_gaps_are_faults() {
        let report = watched(
            |dts| dts.unsigned_abs(),
            [0, 40, 80, 60, 100, 900].into_iter(),
        );
        assert_eq!(
            report.faults,
            [
                "the picture's time goes back 1 time",
                "the picture has 1 gap, the longest 800 ms"
            ]
        );
    }

    #[test]
    fn a_slow_stream_has_no_gaps() {
        let report = watched(|dts| dts.unsigned_abs(), (0..10).map(|n| n * 2000));
        let gaps = report.video.expect("pictures").gaps;
        assert_eq!(gaps, 0);
    }

    #[test]
    fn a_kept_gop_that_comes_at_once_is_not_late_but_a_stall_is() {
        let burst = watched(|_| 10, (0..50).map(|n| n * 40));
        assert_eq!((burst.late_frames, burst.lateness_max_ms), (0, 0));
        // One second in, everything hangs for 600 ms and then catches up.
        let stall = |dts: i64| dts.unsigned_abs().max(if dts > 1000 { 1600 } else { 0 });
        let stalled = watched(stall, (0..100).map(|n| n * 40));
        assert_eq!(stalled.lateness_max_ms, 560);
        assert_eq!(stalled.late_frames, 8);
    }

    #[test]
    fn nothing_at_all_is_a_fault() {
        let report = Watch::default().report();
        assert_eq!(report.faults, ["no sound and no picture came"]);
        assert_eq!((report.good_start, report.video), (None, None));
    }

    #[test]
    fn the_line_tells_of_the_last_seconds() {
        let mut watch = Watch::default();
        watch.take(at(30), &frame(Kind::Video, Role::Config, 0), None);
        for n in 0..100_u64 {
            let role = if n == 0 { Role::Key } else { Role::Inter };
            let dts = i64::try_from(n * 40).expect("small");
            watch.take(at(30 + n * 40), &frame(Kind::Video, role, dts), None);
        }
        assert_eq!(
            watch.line(at(30 + 99 * 40)),
            "4.0 s  20 kbit/s  25.5 fps  h264  join 30 ms  late 0  gaps 0"
        );
    }
}
