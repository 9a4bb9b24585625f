//! A file played round and round on one timeline that never goes back and has no seam.
//!
//! Each round begins where the one before ends: after its last frame, plus the mean distance of that
//! kind's frames. What players have already (sequence headers and metadata, unless they changed) is
//! not sent again, and the file's end-of-sequence marks are left out, for nothing ends.

use bytes::Bytes;
use media::{Frame, Kind, MediaTime, Role};

/// How far apart the first and the last frame of a round may seem to be: a file whose times jump is
/// not followed into the far future.
const ROUND_MS_MAX: i64 = 7 * 24 * 3_600_000;

/// The rounds' timeline.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// Where this round begins on the timeline.
    begin: MediaTime,
    /// The file's time of this round's first sound or picture. Headers have none of their own: those
    /// that a server sends to a late joiner often say zero.
    base: Option<MediaTime>,
    video: Track,
    audio: Track,
    /// What the receiver has: kind, track and body of each header.
    headers: Vec<(Kind, u8, Role, Bytes)>,
}

/// One kind's frames in this round.
#[derive(Debug, Default, Clone, Copy)]
struct Track {
    first: Option<MediaTime>,
    last: Option<MediaTime>,
    frames: u32,
}

impl Rounds {
    /// Where a frame of the file goes on the timeline; `None` if it is not to be sent.
    pub(crate) fn place(&mut self, frame: &Frame) -> Option<MediaTime> {
        if frame.is_header() {
            let placed = self.on_timeline(frame.dts);
            return self.is_new(frame).then_some(placed);
        }
        if frame.kind == Kind::Data {
            return Some(self.on_timeline(frame.dts));
        }
        if frame.kind == Kind::Video && frame.role == Role::Other {
            return None;
        }
        self.base.get_or_insert(frame.dts);
        let placed = self.on_timeline(frame.dts);
        let track = match frame.kind {
            Kind::Video => &mut self.video,
            _ => &mut self.audio,
        };
        track.first.get_or_insert(placed);
        track.last = track.last.max(Some(placed));
        track.frames = track.frames.saturating_add(1);
        Some(placed)
    }

    /// The file begins again. Says whether the round that ended held anything.
    pub(crate) fn next_round(&mut self) -> bool {
        let end = self.video.end().max(self.audio.end());
        self.begin = end.unwrap_or(self.begin);
        self.base = None;
        self.video = Track::default();
        self.audio = Track::default();
        end.is_some()
    }

    /// The receiver is another one, or has forgotten: headers are sent again.
    pub(crate) fn forget_headers(&mut self) {
        self.headers.clear();
    }

    /// A moment of the file; all before its first sound or picture is the round's begin.
    fn on_timeline(&self, dts: MediaTime) -> MediaTime {
        let after_begin = self.base.map_or(0, |base| dts.millis_since(base));
        self.begin.plus_millis(after_begin.clamp(0, ROUND_MS_MAX))
    }

    fn is_new(&mut self, frame: &Frame) -> bool {
        let same_place = |header: &&mut (Kind, u8, Role, Bytes)| {
            (header.0, header.1, header.2) == (frame.kind, frame.track, frame.role)
        };
        match self.headers.iter_mut().find(same_place) {
            Some(header) if header.3 == frame.body => false,
            Some(header) => {
                header.3 = frame.body.clone();
                true
            }
            None => {
                self.headers
                    .push((frame.kind, frame.track, frame.role, frame.body.clone()));
                true
            }
        }
    }
}

impl Track {
    /// When the next frame would come, by the mean distance of those that came.
    fn end(&self) -> Option<MediaTime> {
        let (first, last) = (self.first?, self.last?);
        let intervals = i64::from(self.frames.saturating_sub(1));
        let span = last.millis_since(first);
        // Rounded to the nearest millisecond; a single frame lasts as long as one of 25 a second.
        let mean = (span + intervals / 2).checked_div(intervals).unwrap_or(40);
        Some(last.plus_millis(mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: Kind, role: Role, dts_ms: i64, body: &'static str) -> Frame {
        let dts = MediaTime::from_millis(dts_ms);
        Frame {
            kind,
            role,
            codec: None,
            track: 0,
            dts,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    /// 16 s as the demo clip has them: 400 pictures of 40 ms, 750 sounds of 21⅓ ms.
    fn clip() -> Vec<Frame> {
        let mut frames = vec![
            frame(Kind::Data, Role::Metadata, 0, "metadata"),
            frame(Kind::Video, Role::Config, 0, "avcC"),
            frame(Kind::Audio, Role::Config, 0, "asc"),
        ];
        let pictures = (0..400).map(|n| frame(Kind::Video, Role::Inter, n * 40, "picture"));
        let sounds = (0..750).map(|n| frame(Kind::Audio, Role::Inter, n * 64 / 3, "sound"));
        let mut coded: Vec<_> = pictures.chain(sounds).collect();
        coded.sort_by_key(|frame| frame.dts);
        frames.extend(coded);
        frames.push(frame(Kind::Video, Role::Other, 15_960, "end of sequence"));
        frames
    }

    #[test]
    fn rounds_follow_each_other_without_a_seam() {
        let (mut rounds, clip) = (Rounds::default(), clip());
        let mut pictures = Vec::new();
        for _ in 0..3 {
            for frame in &clip {
                let placed = rounds.place(frame);
                if frame.kind == Kind::Video && frame.role == Role::Inter {
                    pictures.extend(placed);
                }
            }
            assert!(rounds.next_round());
        }
        assert_eq!(pictures.len(), 1200);
        let steps: std::collections::BTreeSet<_> = pictures
            .windows(2)
            .map(|pair| pair[1].millis_since(pair[0]))
            .collect();
        assert_eq!(steps, [40].into());
    }

    #[test]
    fn headers_are_sent_once_and_again_to_somebody_else_or_when_they_change() {
        let (mut rounds, clip) = (Rounds::default(), clip());
        let sent = |rounds: &mut Rounds| {
            let sent = clip
                .iter()
                .filter(|frame| rounds.place(frame).is_some())
                .count();
            rounds.next_round();
            sent
        };
        assert_eq!((sent(&mut rounds), sent(&mut rounds)), (3 + 1150, 1150));
        rounds.forget_headers();
        assert_eq!(sent(&mut rounds), 3 + 1150);
        assert!(
            rounds
                .place(&frame(Kind::Video, Role::Config, 0, "another avcC"))
                .is_some()
        );
    }

    #[test]
    fn times_that_jump_in_a_file_never_go_back_behind_the_round() {
        let mut rounds = Rounds::default();
        for dts in [5000, 0, i64::MAX, 5040] {
            let placed = rounds.place(&frame(Kind::Video, Role::Inter, dts, "picture"));
            assert!(placed >= Some(MediaTime::ZERO), "{dts}");
        }
        assert!(rounds.next_round());
    }

    #[test]
    fn a_file_recorded_in_mid_stream_begins_at_once() {
        let mut rounds = Rounds::default();
        let mut placed = |kind, role, dts_ms| {
            let placed = rounds.place(&frame(kind, role, dts_ms, "it"));
            placed.expect("all of it is sent").as_millis()
        };
        assert_eq!(placed(Kind::Data, Role::Metadata, 0), 0);
        assert_eq!(placed(Kind::Video, Role::Config, 0), 0);
        assert_eq!(placed(Kind::Audio, Role::Config, 0), 0);
        assert_eq!(placed(Kind::Video, Role::Key, 88_000), 0);
        assert_eq!(placed(Kind::Audio, Role::Inter, 88_010), 10);
        assert_eq!(placed(Kind::Video, Role::Inter, 88_040), 40);
    }

    #[test]
    fn an_empty_file_has_no_rounds() {
        let mut rounds = Rounds::default();
        rounds.place(&frame(Kind::Data, Role::Metadata, 0, "metadata"));
        assert!(!rounds.next_round());
    }
}
