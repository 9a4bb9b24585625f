//! The hub's currency: one access unit or audio frame as an FLV tag body, with its decode time.
//!
//! RTMP and FLV pass through untouched, codecs that we do not know included; other formats convert
//! at the boundary. What the hub must know to start a player at the right place (is it a key frame,
//! a sequence header, metadata?) was read from the body once, by the `flv` crate, and stands here.

use crate::{Codec, MediaTime};
use bytes::Bytes;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Sound; FLV tag type 8.
    Audio,
    /// Pictures; FLV tag type 9.
    Video,
    /// Metadata and cue points as AMF0; FLV tag type 18.
    Data,
}

/// What a frame means to somebody who joins in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// `onMetaData`: kept for late joiners.
    Metadata,
    /// A sequence header (codec set-up record): kept for late joiners, replaced by the next.
    Config,
    /// A picture that needs no other: where a player may start.
    Key,
    /// A picture that needs earlier ones, or any coded sound.
    Inter,
    /// Everything else (end of sequence, command frames, cue points): passed on, never kept.
    Other,
}

/// One FLV tag body's worth of media. Cheap to clone: the body is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Sound, picture or data.
    pub kind: Kind,
    /// What it means to a late joiner.
    pub role: Role,
    /// The codec, where the body names one that we know.
    pub codec: Option<Codec>,
    /// Enhanced RTMP's track id; 0 for everything that is not multitrack.
    pub track: u8,
    /// Decode time on the stream's timeline.
    pub dts: MediaTime,
    /// The FLV tag body: never empty for sound and pictures.
    pub body: Bytes,
}

impl Frame {
    /// Whether a player may start here: a key frame of the picture.
    pub fn is_key(&self) -> bool {
        self.kind == Kind::Video && self.role == Role::Key
    }

    /// Whether it is kept for late joiners and sent ahead of everything: metadata or set-up.
    pub fn is_header(&self) -> bool {
        matches!(self.role, Role::Metadata | Role::Config)
    }

    /// The same frame at another time; the body is shared, not copied.
    pub fn at(&self, dts: MediaTime) -> Self {
        Self {
            dts,
            ..self.clone()
        }
    }

    /// Has the body in memory of its own. To be called before a frame is kept: a short body may be part of
    /// a long read buffer, all of which would be kept with it.
    pub fn detach(&mut self) {
        if !self.body.is_unique() {
            self.body = Bytes::copy_from_slice(&self.body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_keeps_nothing_else() {
        let buffer = Bytes::from(vec![7; 64]);
        let mut frame = Frame {
            kind: Kind::Audio,
            role: Role::Inter,
            codec: None,
            track: 0,
            dts: MediaTime::from_millis(0),
            body: buffer.slice(8..16),
        };
        frame.detach();
        assert_eq!(frame.body, vec![7; 8]);
        assert!(buffer.is_unique(), "the frame still keeps it");
        let own = frame.body.as_ptr();
        frame.detach();
        assert_eq!(frame.body.as_ptr(), own, "it had memory of its own already");
    }
}
