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

/// One FLV tag body's worth of media. Immutable; shared as `Arc<Frame>`.
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
}
