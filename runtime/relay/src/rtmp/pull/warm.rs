//! What a stand-by has sent lately: enough for players to go on from it without a gap.
//!
//! It must reach back to the newest frame that players have, which the other upstream may have sent a
//! little earlier or later; a key frame may have come in between. So two GOPs are kept.

use crate::{hub::headers::Headers, limits};
use media::Frame;
use std::{collections::VecDeque, time::Duration};

/// GOPs that are kept, the one that is under way included.
const GOPS: usize = 2;

/// How much of a stream without pictures is kept: longer than any two origins are apart.
const SOUND: Duration = Duration::from_secs(4);

/// The newest frames, and the headers that held before the first of them. Bounded by
/// [`limits::GOP_FRAMES_MAX`] and [`limits::GOP_BYTES_MAX`]: past them the oldest are let go.
#[derive(Debug, Default)]
pub(super) struct Warm {
    headers: Headers,
    frames: VecDeque<Frame>,
    keys: usize,
    bytes: usize,
}

impl Warm {
    /// Takes the next frame in.
    pub(super) fn push(&mut self, frame: Frame) {
        self.keys += usize::from(frame.is_key());
        self.bytes += frame.body.len();
        self.frames.push_back(frame);
        while self.is_long() && self.frames.len() > 1 {
            self.let_go();
        }
    }

    /// Everything that is kept, headers first.
    pub(super) fn into_frames(self) -> impl Iterator<Item = Frame> {
        let headers: Vec<Frame> = self.headers.iter().cloned().collect();
        headers.into_iter().chain(self.frames)
    }

    fn is_long(&self) -> bool {
        let first_is_key = self.frames.front().is_some_and(Frame::is_key);
        let gops = self.keys > GOPS || (self.keys == GOPS && !first_is_key);
        gops || self.frames.len() > limits::GOP_FRAMES_MAX
            || self.bytes > limits::GOP_BYTES_MAX
            || (self.keys == 0 && self.span() > SOUND)
    }

    fn span(&self) -> Duration {
        let ends = self.frames.front().zip(self.frames.back());
        ends.map_or(Duration::ZERO, |(oldest, newest)| {
            let step = newest.dts.wire().wrapping_sub(oldest.dts.wire());
            Duration::from_millis(u64::from(step))
        })
    }

    fn let_go(&mut self) {
        let Some(frame) = self.frames.pop_front() else {
            return;
        };
        self.keys -= usize::from(frame.is_key());
        self.bytes -= frame.body.len();
        if frame.is_header() {
            self.headers.keep(&frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{frames, words};

    fn kept(script: &str) -> String {
        let mut warm = Warm::default();
        frames(script).for_each(|frame| warm.push(frame));
        let frames: Vec<Frame> = warm.into_frames().collect();
        words(frames.iter().map(|frame| &frame.body))
    }

    #[test]
    fn two_gops_are_kept_with_the_headers_that_held_before_them() {
        for (name, script, expected) in [
            ("nothing", "", ""),
            ("from the beginning", "m v a k1 s1 p1", "m v a k1 s1 p1"),
            ("two", "v a k1 p1 k2 s2", "k1 p1 k2 s2"),
            ("three", "v a k1 p1 k2 s2 v2 k3 p3", "v a k2 s2 v2 k3 p3"),
            ("old sound", "a s1@0 s2@3000 s3@5000", "a s2 s3"),
        ] {
            let expected = match name {
                "two" => format!("v a {expected}"),
                _ => expected.to_owned(),
            };
            assert_eq!(kept(script), expected, "{name}");
        }
    }

    #[test]
    fn a_gop_without_end_is_kept_in_part() {
        let mut warm = Warm::default();
        for frame in frames("v k").chain(frames(&"p ".repeat(2 * limits::GOP_FRAMES_MAX))) {
            warm.push(frame);
        }
        assert_eq!(warm.frames.len(), limits::GOP_FRAMES_MAX);
        let first = warm.into_frames().next().expect("some are kept");
        assert!(first.is_header(), "what set the codec up is still there");
    }
}
