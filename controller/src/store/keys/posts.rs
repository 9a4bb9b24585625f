//! How the entries are written by which controllers tell each other what their nodes say.
//!
//! All of them hang on the lease of the controller that wrote them.

use super::{BadEntry, json};
use crate::model::{
    board::{Attended, Attending, Leader, Site},
    inventory::Health,
};
use bytes::Bytes;
use control::{Arrival, Audio, Epoch, Incarnation, Load, NodeId, Pushed, StreamReport, Video};
use media::StreamPath;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct LeaderRecord {
    run: u64,
    controller: String,
}

#[derive(Serialize, Deserialize)]
struct AttendedRecord {
    run: u64,
    dialogue: u64,
    controller: String,
    incarnation: u64,
    talks: bool,
    health: HealthRecord,
    reason: Option<String>,
    reported: bool,
    registered_unix_ms: Option<u64>,
    load: LoadRecord,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HealthRecord {
    Alive,
    Suspect,
    Dead,
}

#[derive(Serialize, Deserialize)]
struct LoadRecord {
    connections: u32,
    publishers: u32,
    players: u32,
    bytes_in: u64,
    bytes_out: u64,
    bits_in_per_second: u64,
    bits_out_per_second: u64,
    cpu_permille: u32,
    resident_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct SiteRecord {
    run: u64,
    dialogue: u64,
    arrival: ArrivalRecord,
    epoch: u64,
    since_unix_ms: u64,
    players: u32,
    bytes_in: u64,
    bytes_out: u64,
    bits_per_second: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    video: Option<VideoRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio: Option<AudioRecord>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    upstream: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    backup: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pushed: Option<PushedRecord>,
}

#[derive(Serialize, Deserialize)]
struct PushedRecord {
    by: String,
    turn: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ArrivalRecord {
    Published,
    Pulled,
}

#[derive(Serialize, Deserialize)]
struct VideoRecord {
    codec: String,
    width: u32,
    height: u32,
    fps_milli: u32,
}

#[derive(Serialize, Deserialize)]
struct AudioRecord {
    codec: String,
    sample_rate: u32,
    channels: u32,
}

#[derive(Serialize, Deserialize)]
struct SeenRecord {
    epoch: u64,
}

/// Who decides.
pub fn leader_value(leader: &Leader) -> Bytes {
    json(&LeaderRecord {
        run: leader.run,
        controller: leader.controller.clone(),
    })
}

pub(super) fn leader(value: &[u8]) -> Result<Leader, BadEntry> {
    let LeaderRecord { run, controller } = serde_json::from_slice(value)?;
    Ok(Leader { run, controller })
}

/// Who attends a node, and how that is.
pub fn attended_value(attended: &Attended) -> Bytes {
    let load = &attended.load;
    json(&AttendedRecord {
        run: attended.by.run,
        dialogue: attended.by.dialogue,
        controller: attended.controller.clone(),
        incarnation: attended.incarnation.0,
        talks: attended.talks,
        health: match attended.health {
            Health::Alive => HealthRecord::Alive,
            Health::Suspect => HealthRecord::Suspect,
            Health::Dead => HealthRecord::Dead,
        },
        reason: attended.reason.clone(),
        reported: attended.reported,
        registered_unix_ms: attended.registered_unix_ms,
        load: LoadRecord {
            connections: load.connections,
            publishers: load.publishers,
            players: load.players,
            bytes_in: load.bytes_in,
            bytes_out: load.bytes_out,
            bits_in_per_second: load.bits_in_per_second,
            bits_out_per_second: load.bits_out_per_second,
            cpu_permille: load.cpu_permille,
            resident_bytes: load.resident_bytes,
        },
    })
}

pub(super) fn attended(value: &[u8]) -> Result<Attended, BadEntry> {
    let record: AttendedRecord = serde_json::from_slice(value)?;
    let load = record.load;
    Ok(Attended {
        by: Attending {
            run: record.run,
            dialogue: record.dialogue,
        },
        controller: record.controller,
        incarnation: Incarnation(record.incarnation),
        talks: record.talks,
        health: match record.health {
            HealthRecord::Alive => Health::Alive,
            HealthRecord::Suspect => Health::Suspect,
            HealthRecord::Dead => Health::Dead,
        },
        reason: record.reason,
        reported: record.reported,
        registered_unix_ms: record.registered_unix_ms,
        load: Load {
            connections: load.connections,
            publishers: load.publishers,
            players: load.players,
            bytes_in: load.bytes_in,
            bytes_out: load.bytes_out,
            bits_in_per_second: load.bits_in_per_second,
            bits_out_per_second: load.bits_out_per_second,
            cpu_permille: load.cpu_permille,
            resident_bytes: load.resident_bytes,
        },
    })
}

/// A stream on a node.
pub fn site_value(site: &Site) -> Bytes {
    let report = &site.report;
    json(&SiteRecord {
        run: site.by.run,
        dialogue: site.by.dialogue,
        arrival: match report.arrival {
            Arrival::Published => ArrivalRecord::Published,
            Arrival::Pulled => ArrivalRecord::Pulled,
        },
        epoch: report.epoch.0,
        since_unix_ms: report.since_unix_ms,
        players: report.players,
        bytes_in: report.bytes_in,
        bytes_out: report.bytes_out,
        bits_per_second: report.bits_per_second,
        video: report.video.as_ref().map(|video| VideoRecord {
            codec: video.codec.clone(),
            width: video.width,
            height: video.height,
            fps_milli: video.fps_milli,
        }),
        audio: report.audio.as_ref().map(|audio| AudioRecord {
            codec: audio.codec.clone(),
            sample_rate: audio.sample_rate,
            channels: audio.channels,
        }),
        upstream: report.upstream.clone(),
        pushed: report.pushed.as_ref().map(|pushed| PushedRecord {
            by: pushed.by.to_string(),
            turn: pushed.turn,
        }),
        backup: report.backup,
    })
}

pub(super) fn site(path: StreamPath, value: &[u8]) -> Result<Site, BadEntry> {
    let record: SiteRecord = serde_json::from_slice(value)?;
    let pushed = match record.pushed {
        None => None,
        Some(pushed) => Some(Pushed {
            by: NodeId::new(&pushed.by)?,
            turn: pushed.turn,
        }),
    };
    Ok(Site {
        by: Attending {
            run: record.run,
            dialogue: record.dialogue,
        },
        report: StreamReport {
            path,
            arrival: match record.arrival {
                ArrivalRecord::Published => Arrival::Published,
                ArrivalRecord::Pulled => Arrival::Pulled,
            },
            epoch: Epoch(record.epoch),
            since_unix_ms: record.since_unix_ms,
            players: record.players,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            bits_per_second: record.bits_per_second,
            video: record.video.map(|video| Video {
                codec: video.codec,
                width: video.width,
                height: video.height,
                fps_milli: video.fps_milli,
            }),
            audio: record.audio.map(|audio| Audio {
                codec: audio.codec,
                sample_rate: audio.sample_rate,
                channels: audio.channels,
            }),
            upstream: record.upstream,
            pushed,
            backup: record.backup,
        },
    })
}

/// An epoch that a node was seen with.
pub fn seen_value(epoch: Epoch) -> Bytes {
    json(&SeenRecord { epoch: epoch.0 })
}

pub(super) fn seen(value: &[u8]) -> Result<Epoch, BadEntry> {
    let SeenRecord { epoch } = serde_json::from_slice(value)?;
    Ok(Epoch(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_are_read_as_they_were_written() {
        let by = Attending {
            run: u64::MAX,
            dialogue: 7,
        };
        for (health, reason) in [
            (Health::Alive, None),
            (Health::Suspect, Some("silent".to_owned())),
            (Health::Dead, None),
        ] {
            let written = Attended {
                by,
                controller: "host:7100".into(),
                incarnation: Incarnation(3),
                talks: health == Health::Alive,
                health,
                reason,
                reported: true,
                registered_unix_ms: Some(5),
                load: Load {
                    players: 9,
                    ..Load::default()
                },
            };
            let read = attended(&attended_value(&written)).expect("written by us");
            assert_eq!(read, written);
        }
        let path: StreamPath = "h/live/a/b".parse().expect("a good path");
        let mut report = StreamReport::new(path.clone(), Arrival::Pulled, 4);
        let mut written = Site { by, report };
        assert_eq!(
            site(path.clone(), &site_value(&written)).expect("ours"),
            written
        );
        report = StreamReport::new(path.clone(), Arrival::Published, 4);
        report.video = Some(Video::default());
        report.audio = Some(Audio::default());
        report.upstream = "origin-1".into();
        report.pushed = Some(Pushed {
            by: NodeId::new("edge-1").expect("a good id"),
            turn: u64::MAX,
        });
        report.backup = true;
        written.report = report;
        assert_eq!(site(path, &site_value(&written)).expect("ours"), written);
        assert_eq!(seen(&seen_value(Epoch(8))).expect("ours"), Epoch(8));
        let decides = Leader {
            run: 1,
            controller: "c".into(),
        };
        assert_eq!(leader(&leader_value(&decides)).expect("ours"), decides);
    }
}
