//! What a stream keeps for late joiners: the frames since its last key frame, and the headers that
//! held when that key frame came. While nodes read, the GOPs before that one are kept for a while, too, for
//! those that come back: an edge whose upstream has died wants to go on with the frame after its last.

use super::headers::Headers;
use crate::{limits, trail::Trail};
use bytes::Bytes;
use media::{Frame, Kind, MediaTime};
use std::{collections::VecDeque, mem, time::Duration};

/// The frames from which a late joiner starts. Invariant: empty, or beginning with a key frame, or of
/// a stream without pictures.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// The headers that held before the first frame here.
    headers: Headers,
    /// Numbered as the stream numbers them, without gaps.
    frames: VecDeque<(u64, Frame)>,
    bytes: usize,
    /// The GOPs before, the oldest first; `past_bytes` together.
    past: VecDeque<Gop>,
    past_bytes: usize,
    keeps_past: bool,
    has_video: bool,
    /// The GOP outgrew its bounds: nothing is kept until the next key frame.
    overflowed: bool,
}

/// A whole GOP, and the headers that held before it.
#[derive(Debug)]
struct Gop {
    headers: Headers,
    frames: VecDeque<(u64, Frame)>,
    bytes: usize,
}

impl Gop {
    fn began(&self) -> Option<MediaTime> {
        self.frames.front().map(|(_, frame)| frame.dts)
    }
}

impl Backlog {
    /// Takes the next frame in, but for its body: that follows by [`Backlog::fill`]. `headers` are those that
    /// hold now, this frame's included. Returns whether the GOP has just outgrown its bounds.
    pub(crate) fn push(&mut self, seq: u64, frame: &Frame, headers: &Headers) -> bool {
        if frame.kind == Kind::Video && !self.has_video {
            self.has_video = true;
            self.clear_frames();
        }
        if frame.is_key() {
            self.put_by(frame.dts);
            self.overflowed = false;
            self.headers = headers.clone();
        } else if self.has_video && (self.frames.is_empty() || self.overflowed) {
            return false;
        } else if !self.has_video && self.frames.is_empty() {
            if frame.is_header() {
                return false;
            }
            self.headers = headers.clone();
        }
        self.bytes += frame.body.len();
        let place = Frame {
            body: Bytes::new(),
            kind: frame.kind,
            role: frame.role,
            codec: frame.codec,
            track: frame.track,
            dts: frame.dts,
        };
        self.frames.push_back((seq, place));
        if !self.has_video {
            self.forget_old_sound();
        }
        if self.frames.len() > limits::GOP_FRAMES_MAX || self.bytes > limits::GOP_BYTES_MAX {
            self.overflowed = true;
            self.clear_frames();
            self.past.clear();
            self.past_bytes = 0;
            return true;
        }
        false
    }

    /// Whether GOPs that are over are kept for nodes, from the next key frame on.
    pub(crate) fn keep_past(&mut self, keep: bool) {
        self.keeps_past = keep;
    }

    /// The body of frame `seq`, which was just taken in, if it is kept: wherever its bytes are to stay.
    pub(crate) fn fill(&mut self, seq: u64, body: Bytes) {
        if let Some((newest, frame)) = self.frames.back_mut()
            && *newest == seq
        {
            frame.body = body;
        }
    }

    /// Notes what the next frame needs of it.
    pub(crate) fn note(&self, trail: &mut Trail) {
        trail.note_behind(self.frames.back());
    }

    /// Forgets the frames: the publisher has gone, or another has come.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The headers that held before the first frame.
    pub(crate) fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Whether a player may start at `frame`, which was pushed: a key frame, or anything but a header of
    /// a stream without pictures.
    pub(crate) fn may_start(&self, frame: &Frame) -> bool {
        frame.is_key() || (!self.has_video && !frame.is_header())
    }

    /// The number of the first frame.
    pub(crate) fn first_seq(&self) -> Option<u64> {
        // Told from the last: the first was not touched for so long that it has left the core's cache.
        let (newest, _) = self.frames.back()?;
        Some(newest + 1 - self.frames.len() as u64)
    }

    /// The frames from the last key frame on, with their numbers.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (u64, &Frame)> {
        self.frames.iter().map(|(seq, frame)| (*seq, frame))
    }

    /// What a node missed that has had nothing for `back`: the headers to begin with, and the frames from
    /// a key frame on up to the one numbered `until`, as far as they are kept.
    pub(crate) fn before(&self, until: u64, back: Duration) -> Option<(&Headers, Vec<&Frame>)> {
        let newest = self.frames.back().map(|(_, frame)| frame.dts)?;
        let has_all = |began: Option<MediaTime>| {
            began.is_some_and(|began| newest.since(began) >= back.min(limits::REJOIN_MAX))
        };
        let began = self.frames.front().map(|(_, frame)| frame.dts);
        let present = usize::from(!has_all(began));
        let from = self.past.iter().rposition(|gop| has_all(gop.began()));
        // Nothing reaches back so far: all that there is.
        let from = from.unwrap_or(0);
        let gops = self
            .past
            .range(if present == 0 { self.past.len() } else { from }..);
        let headers = gops
            .clone()
            .next()
            .map_or(&self.headers, |gop| &gop.headers);
        let past = gops.flat_map(|gop| gop.frames.iter());
        let frames: Vec<&Frame> = past
            .chain(&self.frames)
            .take_while(|(seq, _)| *seq < until)
            .map(|(_, frame)| frame)
            .collect();
        (!frames.is_empty()).then_some((headers, frames))
    }

    /// The GOP is over, for a key frame has come at `now`: keeps it beside the ones before, and forgets
    /// those that nobody can want any more.
    fn put_by(&mut self, now: MediaTime) {
        if !self.keeps_past {
            self.clear_frames();
            self.past.clear();
            self.past_bytes = 0;
        } else if !self.frames.is_empty() {
            // The next GOP is as long as this one, most likely.
            let room = VecDeque::with_capacity(self.frames.len());
            let bytes = mem::take(&mut self.bytes);
            self.past_bytes += bytes;
            self.past.push_back(Gop {
                headers: self.headers.clone(),
                frames: mem::replace(&mut self.frames, room),
                bytes,
            });
        }
        // The present GOP may grow as large again.
        while self.past_bytes > limits::GOP_BYTES_MAX
            || self.past.get(1).is_some_and(|gop| {
                gop.began()
                    .is_none_or(|began| now.since(began) >= limits::REJOIN_MAX)
            })
        {
            let Some(oldest) = self.past.pop_front() else {
                return;
            };
            self.past_bytes -= oldest.bytes;
        }
    }

    fn clear_frames(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }

    fn forget_old_sound(&mut self) {
        let Some(newest) = self.frames.back().map(|(_, frame)| frame.dts) else {
            return;
        };
        while let Some((_, oldest)) = self.frames.front() {
            if newest.since(oldest.dts) <= limits::AUDIO_BACKLOG {
                break;
            }
            self.bytes -= oldest.body.len();
            if oldest.is_header() {
                self.headers.keep(oldest);
            }
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{frames, words};

    /// What a late joiner would get: `headers | frames`.
    fn kept(backlog: &Backlog) -> String {
        let ahead = words(backlog.headers().iter().map(|header| &header.body));
        let frames = words(backlog.frames().map(|(_, frame)| &frame.body));
        format!("{ahead} | {frames}")
    }

    fn push_all(backlog: &mut Backlog, headers: &mut Headers, from: u64, script: &str) -> bool {
        let mut overflowed = false;
        for (seq, frame) in (from..).zip(frames(script)) {
            if frame.is_header() {
                headers.keep(&frame);
            } else {
                headers.settle();
            }
            overflowed |= backlog.push(seq, &frame, headers);
            backlog.fill(seq, frame.body);
        }
        overflowed
    }

    #[test]
    fn a_late_joiner_gets_what_held_when_its_first_frame_came() {
        for (name, script, expected) in [
            ("nothing yet", "", " | "),
            ("headers alone", "m v a", " | "),
            ("no key frame yet", "m v a p s", " | "),
            ("one GOP", "m v a k1 s1 p1", "m v a | k1 s1 p1"),
            ("the last of two", "m v a k1 s1 p1 k2 s2", "m v a | k2 s2"),
            (
                "a header within the GOP",
                "m v1 k1 p1 v2 p2",
                "m v1 | k1 p1 v2 p2",
            ),
            ("a header before the next", "v1 k1 v2 k2 p2", "v2 | k2 p2"),
            (
                "metadata within the GOP",
                "m1 v k1 m2 p1",
                "m1 v | k1 m2 p1",
            ),
            ("sound before the picture", "a s1 s2 v k1 s3", "v a | k1 s3"),
            ("sound alone", "m a s1@0 s2@23", "m a | s1 s2"),
            ("a second of sound", "a s1@0 s2@600 s3@1200", "a | s2 s3"),
            (
                "new sound, its old forgotten",
                "a1 s1@0 a2@600 s2@1200 s3@1700",
                "a2 | s2 s3",
            ),
            (
                "new sound, its old kept",
                "a1 s1@0 s2@600 a2@700 s3@800",
                "a1 | s1 s2 a2 s3",
            ),
            (
                "new metadata, its old forgotten",
                "m1 a s1@0 m2@10 s2@1500",
                "m2 a | s2",
            ),
            (
                "two changes, one forgotten",
                "a1 s1@0 a2@10 s2@900 a3@950 s3@1100",
                "a2 | s2 a3 s3",
            ),
        ] {
            let (mut backlog, mut headers) = (Backlog::default(), Headers::default());
            push_all(&mut backlog, &mut headers, 0, script);
            assert_eq!(kept(&backlog), expected, "{name}");
        }
    }

    /// What a node would get that had nothing for `millis` and starts at `until`.
    fn missed(backlog: &Backlog, until: u64, millis: u64) -> Option<String> {
        let (headers, frames) = backlog.before(until, Duration::from_millis(millis))?;
        let headers = words(headers.iter().map(|frame| &frame.body));
        Some(format!(
            "{headers} | {}",
            words(frames.iter().map(|frame| &frame.body))
        ))
    }

    #[test]
    fn a_node_that_comes_back_gets_the_gops_that_it_missed() {
        let (mut backlog, mut headers) = (Backlog::default(), Headers::default());
        backlog.keep_past(true);
        let script = "v1 k1@0 p1@1000 k2@2000 p2@3000 v2@4000 k3@4000 p3@5000 k4@6000 p4@6100";
        push_all(&mut backlog, &mut headers, 0, script);
        for (name, millis, expected) in [
            ("just now", 50, None),
            ("a moment", 200, Some("v2 | k3 p3")),
            ("a GOP", 2_500, Some("v1 | k2 p2 v2 k3 p3")),
            (
                "longer than anything is kept",
                60_000,
                Some("v1 | k2 p2 v2 k3 p3"),
            ),
        ] {
            // 8 is the number of the newest key frame, where everybody else starts.
            assert_eq!(missed(&backlog, 8, millis).as_deref(), expected, "{name}");
        }
        assert_eq!(kept(&backlog), "v2 | k4 p4", "who joins late starts there");
        backlog.keep_past(false);
        push_all(&mut backlog, &mut headers, 11, "k5@8000 p5@8100");
        assert_eq!(
            missed(&backlog, 11, 2_500),
            None,
            "nobody is expected any more"
        );
        backlog.clear();
        assert_eq!(missed(&backlog, 8, 200), None);
    }

    #[test]
    fn a_gop_without_end_is_given_up_until_the_next_key_frame() {
        let (mut backlog, mut headers) = (Backlog::default(), Headers::default());
        push_all(&mut backlog, &mut headers, 0, "v k1");
        let mut overflows = 0;
        for seq in 2..2 * limits::GOP_FRAMES_MAX as u64 {
            overflows += u32::from(push_all(&mut backlog, &mut headers, seq, "p"));
        }
        assert_eq!((kept(&backlog).as_str(), overflows), ("v | ", 1));
        assert_eq!(backlog.first_seq(), None);
        push_all(&mut backlog, &mut headers, 9_000, "k2 p2");
        assert_eq!(kept(&backlog), "v | k2 p2");
        assert_eq!(backlog.first_seq(), Some(9_000));
    }

    #[test]
    fn a_gop_is_bounded_in_bytes_too() {
        let (mut backlog, headers) = (Backlog::default(), Headers::default());
        let picture = |word: &str| Frame {
            body: vec![0; 8 << 20].into(),
            ..crate::frames::frame(word)
        };
        assert!(!backlog.push(0, &picture("k"), &headers));
        for seq in 1..4 {
            assert!(!backlog.push(seq, &picture("p"), &headers));
        }
        assert!(backlog.push(4, &picture("p"), &headers));
        assert_eq!(backlog.frames().count(), 0);
    }

    #[test]
    fn a_stream_of_sound_follows_a_stream_of_pictures() {
        let (mut backlog, mut headers) = (Backlog::default(), Headers::default());
        push_all(&mut backlog, &mut headers, 0, "m1 v a k1 s1");
        backlog.clear();
        headers.succeed();
        push_all(&mut backlog, &mut headers, 5, "m2 a s2");
        assert_eq!(kept(&backlog), "m2 a | s2");
    }
}
