//! What a stream keeps for late joiners: the frames since its last key frame, and the headers that
//! held when that key frame came.

use super::headers::Headers;
use crate::limits;
use bytes::Bytes;
use media::{Frame, Kind};
use std::collections::VecDeque;

/// The frames from which a late joiner starts. Invariant: empty, or beginning with a key frame, or of
/// a stream without pictures.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// The headers that held before the first frame here.
    headers: Headers,
    /// Numbered as the stream numbers them, without gaps.
    frames: VecDeque<(u64, Frame)>,
    bytes: usize,
    has_video: bool,
    /// The GOP outgrew its bounds: nothing is kept until the next key frame.
    overflowed: bool,
}

impl Backlog {
    /// Takes the next frame in; `headers` are those that hold now, this frame's included.
    /// Returns whether the GOP has just outgrown its bounds.
    pub(crate) fn push(&mut self, seq: u64, frame: &Frame, headers: &Headers) -> bool {
        if frame.kind == Kind::Video && !self.has_video {
            self.has_video = true;
            self.clear_frames();
        }
        if frame.is_key() {
            self.clear_frames();
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
        self.frames.push_back((seq, frame.clone()));
        if !self.has_video {
            self.forget_old_sound();
        }
        if self.frames.len() > limits::GOP_FRAMES_MAX || self.bytes > limits::GOP_BYTES_MAX {
            self.overflowed = true;
            self.clear_frames();
            return true;
        }
        false
    }

    /// Keeps frame `seq`, if it is kept and the newest, as `body`: the same bytes in another place.
    pub(crate) fn share(&mut self, seq: u64, body: Bytes) {
        if let Some((newest, frame)) = self.frames.back_mut()
            && *newest == seq
        {
            debug_assert_eq!(frame.body, body);
            frame.body = body;
        }
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
        self.frames.front().map(|(seq, _)| *seq)
    }

    /// The frames from the last key frame on, with their numbers.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (u64, &Frame)> {
        self.frames.iter().map(|(seq, frame)| (*seq, frame))
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
