//! What a checked player demands of what it receives.
//!
//! ```text
//!  headers ─▶ key frame ─▶ frames, each the next one, whole, in order ──▶ …
//!                 ▲                        │ some are missing
//!                 └── and here it goes on ─┘ (else the gap is torn: a decoder would show rubbish)
//! ```
//!
//! Every promise that is broken is a [`Fault`], counted. A gap that goes on at a key frame is what a
//! server should do to a player that is too slow for its stream; it is a fault all the same, because
//! nobody in a run is slow unless told to be, and those are not checked.

use crate::{
    clock::Moment,
    histogram::Histogram,
    stamp::{self, Found, Stamp},
};
use bytes::Bytes;
use media::{Kind, MediaTime, Role};
use serde::Serialize;

/// What can be wrong with what a player receives, each counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Players whose first frame came before the sequence headers.
    pub starts_without_headers: u64,
    /// Players whose first picture was no key frame.
    pub starts_without_key: u64,
    /// Gaps in the frames' numbers.
    pub gaps: u64,
    /// Frames missing in those gaps.
    pub frames_lost: u64,
    /// Gaps after which the stream went on in mid-GOP.
    pub torn_gaps: u64,
    /// Frames that came again, or after later ones.
    pub out_of_order: u64,
    /// Times that went back.
    pub timestamps_back: u64,
    /// Frames whose checksum was wrong, or whose stamp was gone.
    pub corrupt: u64,
    /// Connections on which something was no whole tag, message or frame.
    pub broken_framing: u64,
}

impl Faults {
    /// All of them together; a gap counts once, however many frames it cost.
    pub fn total(&self) -> u64 {
        self.starts_without_headers
            + self.starts_without_key
            + self.gaps
            + self.out_of_order
            + self.timestamps_back
            + self.corrupt
            + self.broken_framing
    }

    /// Each with its name, for people.
    pub fn each(&self) -> [(&'static str, u64); 9] {
        [
            ("start without headers", self.starts_without_headers),
            ("start without key frame", self.starts_without_key),
            ("gaps", self.gaps),
            ("frames lost in gaps", self.frames_lost),
            ("gaps that go on in mid-GOP", self.torn_gaps),
            ("frames repeated or late", self.out_of_order),
            ("timestamps back", self.timestamps_back),
            ("corrupt frames", self.corrupt),
            ("broken framing", self.broken_framing),
        ]
    }

    fn add(&mut self, other: &Self) {
        self.starts_without_headers += other.starts_without_headers;
        self.starts_without_key += other.starts_without_key;
        self.gaps += other.gaps;
        self.frames_lost += other.frames_lost;
        self.torn_gaps += other.torn_gaps;
        self.out_of_order += other.out_of_order;
        self.timestamps_back += other.timestamps_back;
        self.corrupt += other.corrupt;
        self.broken_framing += other.broken_framing;
    }
}

/// What all checked players of a thread have seen.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// What was wrong.
    pub faults: Faults,
    /// Frames received.
    pub frames: u64,
    /// Frames that carried our stamp.
    pub stamped: u64,
    /// From the publisher's socket to the player, of frames sent after the player asked to play.
    pub latency: Histogram,
    /// From `connect` to the first whole key frame.
    pub first_key: Histogram,
}

impl Findings {
    /// Adds what another thread has found.
    pub fn merge(&mut self, other: &Self) {
        self.faults.add(&other.faults);
        self.frames += other.frames;
        self.stamped += other.stamped;
        self.latency.merge(&other.latency);
        self.first_key.merge(&other.first_key);
    }
}

/// One checked player's memory of its stream.
#[derive(Debug)]
pub struct Checker {
    joined: Moment,
    demands_stamps: bool,
    has_headers: bool,
    has_started: bool,
    has_key: bool,
    last: Option<Stamp>,
    time: Option<MediaTime>,
}

impl Checker {
    /// A player that began to connect at `joined`. It demands our stamps if `demands_stamps`, else
    /// it judges them where they are: the stream may be another program's.
    pub fn new(joined: Moment, demands_stamps: bool) -> Self {
        Self {
            joined,
            demands_stamps,
            has_headers: false,
            has_started: false,
            has_key: false,
            last: None,
            time: None,
        }
    }

    /// Judges a tag that came whole at `now`.
    pub fn see(
        &mut self,
        kind: Kind,
        timestamp: u32,
        body: Bytes,
        now: Moment,
        findings: &mut Findings,
    ) {
        let Ok(frame) = flv::frame(kind, MediaTime::ZERO, body) else {
            findings.faults.corrupt += 1;
            return;
        };
        match frame.role {
            Role::Config => {
                self.has_headers = true;
                return;
            }
            Role::Metadata | Role::Other => return,
            Role::Key | Role::Inter => {}
        }
        findings.frames += 1;
        self.judge_time(timestamp, findings);
        self.judge_start(frame.is_key(), kind, now, findings);
        match stamp::find(kind, &frame.body) {
            Found::Whole(stamp) => {
                findings.stamped += 1;
                self.judge_number(stamp, frame.is_key(), findings);
                if stamp.clock >= self.joined {
                    findings.latency.record(now.since(stamp.clock));
                }
            }
            Found::Changed => findings.faults.corrupt += 1,
            Found::Nothing if self.demands_stamps || self.last.is_some() => {
                findings.faults.corrupt += 1;
            }
            Found::Nothing => {}
        }
    }

    fn judge_time(&mut self, timestamp: u32, findings: &mut Findings) {
        let before = self.time.unwrap_or_default();
        let time = before.unwrap_wire(timestamp);
        if self.time.is_some() && time < before {
            findings.faults.timestamps_back += 1;
        }
        self.time = Some(time);
    }

    fn judge_start(&mut self, is_key: bool, kind: Kind, now: Moment, findings: &mut Findings) {
        if !self.has_started {
            self.has_started = true;
            if !self.has_headers {
                findings.faults.starts_without_headers += 1;
            }
        }
        if self.has_key || kind != Kind::Video {
            return;
        }
        if is_key {
            findings.first_key.record(now.since(self.joined));
        } else {
            findings.faults.starts_without_key += 1;
        }
        self.has_key = true;
    }

    fn judge_number(&mut self, stamp: Stamp, is_key: bool, findings: &mut Findings) {
        let last = self.last.replace(stamp);
        let Some(last) = last.filter(|last| last.publisher == stamp.publisher) else {
            return;
        };
        let faults = &mut findings.faults;
        match stamp.number.checked_sub(last.number) {
            Some(1) => {}
            Some(step) if step > 1 => {
                faults.gaps += 1;
                faults.frames_lost += step - 1;
                if !is_key {
                    faults.torn_gaps += 1;
                }
            }
            _ => {
                faults.out_of_order += 1;
                // What comes next is judged by the latest that was seen.
                self.last = Some(last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::{Footage, Reel};
    use std::time::Duration;

    const START: Moment = Moment::from_micros(1_000_000);

    struct Stream(Vec<(Kind, u32, Bytes)>);

    /// Headers, then `count` frames, sent 40 ms after each other.
    fn stream(count: u64) -> Stream {
        let footage = Footage {
            gop_pictures: 5,
            ..Footage::default()
        };
        let mut reel = Reel::new(footage, 9);
        let mut tags: Vec<_> = reel
            .headers()
            .into_iter()
            .map(|(kind, body)| (kind, 0, Bytes::from(body)))
            .collect();
        for number in 0..count {
            let mut body = Vec::new();
            let sent = START + Duration::from_millis(40 * number);
            let next = reel.write(number, sent, &mut body);
            tags.push((next.kind, 40 * number as u32, body.into()));
        }
        Stream(tags)
    }

    impl Stream {
        fn seen(self) -> Findings {
            let mut findings = Findings::default();
            let mut checker = Checker::new(START, true);
            for (kind, timestamp, body) in self.0 {
                let now = START + Duration::from_millis(u64::from(timestamp) + 7);
                checker.see(kind, timestamp, body, now, &mut findings);
            }
            findings
        }
    }

    #[test]
    fn a_good_stream_has_no_faults() {
        let findings = stream(20).seen();
        assert_eq!(findings.faults, Faults::default());
        assert_eq!((findings.frames, findings.stamped), (20, 20));
        let latency = findings.latency.quantiles().expect("frames were timed");
        assert!((latency.p50_ms - 7.0).abs() < 0.3, "{latency:?}");
        let first = findings.first_key.quantiles().expect("a key frame");
        assert!((first.max_ms - 7.0).abs() < 0.3, "{first:?}");
    }

    /// What is done to a stream, and the one fault that it makes.
    type Case = (&'static str, fn(&mut Stream), Faults);

    /// The index of the first frame: behind metadata and one sequence header.
    const FIRST: usize = 2;

    #[test]
    fn every_fault_is_caught() {
        let none = Faults::default();
        let cases: [Case; 9] = [
            (
                "no headers",
                |s| drop(s.0.remove(1)),
                Faults {
                    starts_without_headers: 1,
                    ..none
                },
            ),
            (
                "no key frame",
                |s| drop(s.0.remove(FIRST)),
                Faults {
                    starts_without_key: 1,
                    ..none
                },
            ),
            (
                "a frame dropped",
                |s| drop(s.0.remove(FIRST + 3)),
                Faults {
                    gaps: 1,
                    frames_lost: 1,
                    torn_gaps: 1,
                    ..none
                },
            ),
            (
                "a skip to a key frame",
                |s| drop(s.0.drain(FIRST + 2..FIRST + 5)),
                Faults {
                    gaps: 1,
                    frames_lost: 3,
                    ..none
                },
            ),
            (
                "a frame twice",
                |s| s.0.insert(FIRST + 3, s.0[FIRST + 2].clone()),
                Faults {
                    out_of_order: 1,
                    ..none
                },
            ),
            (
                "frames exchanged",
                |s| s.0.swap(FIRST + 2, FIRST + 3),
                Faults {
                    gaps: 1,
                    frames_lost: 1,
                    torn_gaps: 1,
                    out_of_order: 1,
                    timestamps_back: 1,
                    ..none
                },
            ),
            (
                "time back",
                |s| s.0[FIRST + 3].1 = 10,
                Faults {
                    timestamps_back: 1,
                    ..none
                },
            ),
            (
                "a changed byte",
                |s| {
                    let mut body = s.0[FIRST + 3].2.to_vec();
                    body[100] ^= 1;
                    s.0[FIRST + 3].2 = body.into();
                },
                Faults {
                    corrupt: 1,
                    gaps: 1,
                    frames_lost: 1,
                    torn_gaps: 1,
                    ..none
                },
            ),
            (
                "a frame of nothing",
                |s| s.0.last_mut().expect("frames").2 = Bytes::from_static(b"\x27"),
                Faults { corrupt: 1, ..none },
            ),
        ];
        for (what, harm, faults) in cases {
            let mut stream = stream(20);
            harm(&mut stream);
            assert_eq!(stream.seen().faults, faults, "{what}");
            assert!(faults.total() > 0);
        }
    }

    #[test]
    fn a_stream_of_another_program_is_judged_without_stamps() {
        let mut findings = Findings::default();
        let mut checker = Checker::new(START, false);
        let config = Bytes::from_static(b"\x17\0\0\0\0\x01\x42\xc0\x1f\xff\xe0\0");
        checker.see(Kind::Video, 0, config, START, &mut findings);
        let key = Bytes::from_static(b"\x17\x01\0\0\0\0\0\0\x01\x65");
        checker.see(Kind::Video, 0, key, START, &mut findings);
        assert_eq!((findings.faults.total(), findings.stamped), (0, 0));
        assert_eq!(findings.frames, 1);
    }

    #[test]
    fn a_new_publisher_counts_from_anew() {
        let mut findings = Findings::default();
        let mut checker = Checker::new(START, true);
        for publisher in [1, 2] {
            let mut reel = Reel::new(Footage::default(), publisher);
            for (kind, body) in reel.headers() {
                checker.see(kind, 0, body.into(), START, &mut findings);
            }
            let mut body = Vec::new();
            reel.write(0, START, &mut body);
            checker.see(Kind::Video, 0, body.into(), START, &mut findings);
        }
        assert_eq!(findings.faults.total(), 0);
    }
}
