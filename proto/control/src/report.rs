//! What a node sees of itself: a whole report each time, in which what is not named is gone.

use crate::{
    ContractError, Epoch, NodeId,
    error::{at_most, path, text},
    limits::STREAMS_MAX,
    wire,
};
use media::StreamPath;
use std::collections::HashSet;

/// The whole observed state of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Its work as a whole.
    pub load: Load,
    /// Every live stream, each path once.
    pub streams: Vec<StreamReport>,
}

/// A node's work as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Open connections of all protocols.
    pub connections: u32,
    /// Publishers of all streams.
    pub publishers: u32,
    /// Players of all streams.
    pub players: u32,
    /// Received since the process started.
    pub bytes_in: u64,
    /// Sent since the process started.
    pub bytes_out: u64,
    /// Received now.
    pub bits_in_per_second: u64,
    /// Sent now.
    pub bits_out_per_second: u64,
    /// Share of all cores that the process may use, 0 to 1000.
    pub cpu_permille: u32,
    /// Memory held; 0 if unknown.
    pub resident_bytes: u64,
}

/// How a stream came to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// Somebody publishes it here (encoder, push, forward, ingest); at an origin, a claim to own it.
    Published,
    /// The node fetches it from upstream.
    Pulled,
}

impl Arrival {
    /// `published` or `pulled`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Pulled => "pulled",
        }
    }
}

/// The picture; a number that is not known is 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Video {
    /// `h264`, `h265`, `av1`, …
    pub codec: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Frames in a thousand seconds: 29970 for NTSC.
    pub fps_milli: u32,
}

/// The sound; a number that is not known is 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audio {
    /// `aac`, `opus`, `mp3`, …
    pub codec: String,
    /// In hertz.
    pub sample_rate: u32,
    /// 1 for mono, 2 for stereo.
    pub channels: u32,
}

/// One live stream on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamReport {
    /// Its name.
    pub path: StreamPath,
    /// How it came here.
    pub arrival: Arrival,
    /// The ownership epoch that the node believes in; [`Epoch::NONE`] if it was told none.
    pub epoch: Epoch,
    /// When it began here, in milliseconds since the Unix epoch.
    pub since_unix_ms: u64,
    /// Players here, of all protocols.
    pub players: u32,
    /// Received since it began here.
    pub bytes_in: u64,
    /// Sent since it began here.
    pub bytes_out: u64,
    /// Of the media as it comes in.
    pub bits_per_second: u64,
    /// The picture, once known.
    pub video: Option<Video>,
    /// The sound, once known.
    pub audio: Option<Audio>,
    /// For pulled ones: the node or `host:port` that it comes from; empty if unknown.
    pub upstream: String,
    /// For published ones: the publisher says that another, elsewhere, sends the same.
    pub backup: bool,
    /// For published ones that a node pushes here: which, and by which connection.
    pub pushed: Option<Pushed>,
}

/// How a node pushes on what was published to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The node.
    pub by: NodeId,
    /// Greater with each connection that it begins for the stream: the greatest is where it goes on.
    pub turn: u64,
}

impl StreamReport {
    /// A stream that just began: nothing counted, nothing known of its media yet.
    pub fn new(path: StreamPath, arrival: Arrival, since_unix_ms: u64) -> Self {
        Self {
            path,
            arrival,
            epoch: Epoch::NONE,
            since_unix_ms,
            players: 0,
            bytes_in: 0,
            bytes_out: 0,
            bits_per_second: 0,
            video: None,
            audio: None,
            upstream: String::new(),
            pushed: None,
            backup: false,
        }
    }
}

impl From<Report> for wire::Report {
    fn from(report: Report) -> Self {
        let load = report.load;
        Self {
            load: Some(wire::Load {
                connections: load.connections,
                publishers: load.publishers,
                players: load.players,
                bytes_in: load.bytes_in,
                bytes_out: load.bytes_out,
                bits_in_per_second: load.bits_in_per_second,
                bits_out_per_second: load.bits_out_per_second,
                cpu_permille: load.cpu_permille,
                resident_bytes: load.resident_bytes,
            }),
            streams: report.streams.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<StreamReport> for wire::StreamReport {
    fn from(stream: StreamReport) -> Self {
        let arrival = match stream.arrival {
            Arrival::Published => wire::Arrival::Published,
            Arrival::Pulled => wire::Arrival::Pulled,
        };
        let (pushed_by, push_turn) = match stream.pushed {
            Some(pushed) => (pushed.by.to_string(), pushed.turn),
            None => (String::new(), 0),
        };
        Self {
            path: stream.path.to_string(),
            arrival: arrival.into(),
            epoch: stream.epoch.0,
            since_unix_ms: stream.since_unix_ms,
            players: stream.players,
            bytes_in: stream.bytes_in,
            bytes_out: stream.bytes_out,
            bits_per_second: stream.bits_per_second,
            video: stream.video.map(|v| wire::Video {
                codec: v.codec,
                width: v.width,
                height: v.height,
                fps_milli: v.fps_milli,
            }),
            audio: stream.audio.map(|a| wire::Audio {
                codec: a.codec,
                sample_rate: a.sample_rate,
                channels: a.channels,
            }),
            upstream: stream.upstream,
            pushed_by,
            push_turn,
            backup: stream.backup,
        }
    }
}

impl TryFrom<wire::Report> for Report {
    type Error = ContractError;

    fn try_from(sent: wire::Report) -> Result<Self, ContractError> {
        at_most("Report.streams", sent.streams.len(), STREAMS_MAX)?;
        let load = sent.load.unwrap_or_default();
        let mut seen = HashSet::with_capacity(sent.streams.len());
        let mut streams = Vec::with_capacity(sent.streams.len());
        for stream in sent.streams {
            let stream = StreamReport::try_from(stream)?;
            if !seen.insert(stream.path.clone()) {
                let text = stream.path.to_string();
                return Err(ContractError::Twice {
                    field: "Report.streams",
                    text,
                });
            }
            streams.push(stream);
        }
        Ok(Self {
            load: Load {
                connections: load.connections,
                publishers: load.publishers,
                players: load.players,
                bytes_in: load.bytes_in,
                bytes_out: load.bytes_out,
                bits_in_per_second: load.bits_in_per_second,
                bits_out_per_second: load.bits_out_per_second,
                cpu_permille: load.cpu_permille.min(1000),
                resident_bytes: load.resident_bytes,
            },
            streams,
        })
    }
}

impl TryFrom<wire::StreamReport> for StreamReport {
    type Error = ContractError;

    fn try_from(sent: wire::StreamReport) -> Result<Self, ContractError> {
        let arrival = match wire::Arrival::try_from(sent.arrival) {
            Ok(wire::Arrival::Published) => Arrival::Published,
            Ok(wire::Arrival::Pulled) => Arrival::Pulled,
            Ok(wire::Arrival::Unspecified) | Err(_) => {
                let value = sent.arrival;
                return Err(ContractError::Unknown {
                    field: "StreamReport.arrival",
                    value,
                });
            }
        };
        let video = match sent.video {
            None => None,
            Some(v) => Some(Video {
                codec: text("Video.codec", v.codec)?,
                width: v.width,
                height: v.height,
                fps_milli: v.fps_milli,
            }),
        };
        let audio = match sent.audio {
            None => None,
            Some(a) => Some(Audio {
                codec: text("Audio.codec", a.codec)?,
                sample_rate: a.sample_rate,
                channels: a.channels,
            }),
        };
        let pushed = match sent.pushed_by.as_str() {
            "" => None,
            by => Some(Pushed {
                by: NodeId::new(by)?,
                turn: sent.push_turn,
            }),
        };
        Ok(Self {
            path: path(&sent.path)?,
            arrival,
            epoch: Epoch(sent.epoch),
            since_unix_ms: sent.since_unix_ms,
            players: sent.players,
            bytes_in: sent.bytes_in,
            bytes_out: sent.bytes_out,
            bits_per_second: sent.bits_per_second,
            video,
            audio,
            upstream: text("StreamReport.upstream", sent.upstream)?,
            pushed,
            backup: sent.backup,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(path: &str) -> StreamReport {
        StreamReport {
            epoch: Epoch(4),
            players: 3,
            bits_per_second: 600_000,
            video: Some(Video {
                codec: "h264".into(),
                width: 1280,
                height: 720,
                fps_milli: 29_970,
            }),
            audio: Some(Audio {
                codec: "aac".into(),
                sample_rate: 44_100,
                channels: 2,
            }),
            upstream: "origin-1".into(),
            pushed: Some(Pushed {
                by: NodeId::new("edge-1").expect("a good id"),
                turn: u64::MAX,
            }),
            backup: true,
            ..StreamReport::new(
                path.parse().expect("a good path"),
                Arrival::Pulled,
                1_700_000,
            )
        }
    }

    #[test]
    fn a_report_survives_the_wire() {
        let load = Load {
            players: 5,
            bytes_out: 1 << 40,
            cpu_permille: 250,
            ..Load::default()
        };
        let report = Report {
            load,
            streams: vec![stream("h/live/a"), stream("h/live/b/c")],
        };
        assert_eq!(
            Report::try_from(wire::Report::from(report.clone())),
            Ok(report)
        );
    }

    #[test]
    fn a_report_names_each_stream_once() {
        let report = Report {
            load: Load::default(),
            streams: vec![stream("h/live/a"), stream("h/live/a")],
        };
        let refused = Report::try_from(wire::Report::from(report)).expect_err("named twice");
        assert_eq!(
            refused.to_string(),
            "Report.streams names \"h/live/a\" twice"
        );
    }

    #[test]
    fn a_report_with_a_climbing_path_is_refused() {
        let mut sent = wire::StreamReport::from(stream("h/live/a"));
        sent.path = "h/live/../x".into();
        assert!(matches!(
            StreamReport::try_from(sent),
            Err(ContractError::Path { .. })
        ));
    }
}
