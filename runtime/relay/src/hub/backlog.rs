//! What a stream keeps for late joiners: the frames since its last key frame, and the headers that
//! held when that key frame came.

use super::headers::Headers;
use crate::limits;
use media::{Frame, Kind, Role};
use std::collections::VecDeque;

/// The frames from which a late joiner starts. Invariant: empty, or beginning with a key frame, or of
/// a stream without pictures.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// The headers that held before the first frame here.
    headers: Headers<Frame>,
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
    pub(crate) fn push(&mut self, seq: u64, frame: &Frame, headers: &Headers<Frame>) -> bool {
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
            self.forget_old_sound(headers);
        }
        if self.frames.len() > limits::GOP_FRAMES_MAX || self.bytes > limits::GOP_BYTES_MAX {
            self.overflowed = true;
            self.clear_frames();
            return true;
        }
        false
    }

    /// Forgets the frames: the publisher has gone, or another has come.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The headers before the first frame; none if there is no frame.
    pub(crate) fn headers(&self) -> Option<&Headers<Frame>> {
        (!self.frames.is_empty()).then_some(&self.headers)
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

    fn forget_old_sound(&mut self, headers: &Headers<Frame>) {
        let Some(newest) = self.frames.back().map(|(_, frame)| frame.dts) else {
            return;
        };
        while let Some((_, oldest)) = self.frames.front() {
            if newest.since(oldest.dts) <= limits::AUDIO_BACKLOG {
                break;
            }
            self.bytes -= oldest.body.len();
            if oldest.role == Role::Config {
                self.headers = headers.clone();
            }
            self.frames.pop_front();
        }
    }
}
