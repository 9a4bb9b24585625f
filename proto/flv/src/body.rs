//! What stands at the front of a tag body.
//!
//! Two generations share one layout of the first byte. *Legacy* (Adobe, "Video File Format
//! Specification", version 10.1, annex E.4) has a frame type or sound format and a codec id;
//! *enhanced* (Veovera, "Enhanced RTMP", versions 1 and 2) has a packet type and a FourCC, and may
//! carry several tracks in one body.
//!
//! Leniency is the rule, because bodies are passed on anyway: an unknown codec, packet type or
//! frame type is read as far as it goes. Only a body that ends inside its header is an error.

mod audio;
mod enhanced;
mod video;

use media::{Codec, Kind, Role};

/// The front of a tag body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What the body means to somebody who joins in the middle.
    pub role: Role,
    /// What kind of packet follows.
    pub packet: Packet,
    /// The codec, if it is one that we know.
    pub codec: Option<Codec>,
    /// The track; the first one, if the body holds several; 0 without multitrack.
    pub track: u8,
    /// Presentation time minus decode time in milliseconds.
    pub composition_millis: i32,
    /// Where in the body the packet begins: coded data, or a set-up record.
    pub start: usize,
    /// Where it ends: the body's end, but for the first of several tracks.
    pub end: usize,
}

/// What follows the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    /// A codec's set-up record.
    SequenceStart,
    /// A codec's set-up as an MPEG-2 TS descriptor (AV1 only).
    Mpeg2TsSequenceStart,
    /// Coded pictures or sound.
    Coded,
    /// Nothing: the sequence ended.
    SequenceEnd,
    /// AMF values about the picture, such as `colorInfo`.
    Metadata,
    /// The order of the channels.
    MultichannelConfig,
    /// The beginning or end of a seek, from a server.
    Command,
    /// AMF values by name: all of a data tag.
    Script,
    /// A packet type that no version of the specification defines.
    Unknown(u8),
}

/// Why a tag body cannot be classified. The publisher's fault; the body is of no use to a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// There is no first byte.
    #[error("{kind:?} tag body is empty")]
    Empty {
        /// Sound, pictures or data.
        kind: Kind,
    },
    /// The body ends inside its header.
    #[error("{kind:?} tag body of {bytes} bytes ends inside its header")]
    Truncated {
        /// Sound, pictures or data.
        kind: Kind,
        /// All that there is.
        bytes: usize,
    },
}

impl Header {
    /// Reads the front of a body.
    ///
    /// # Errors
    /// If the body is empty or ends inside its header.
    pub fn read(kind: Kind, body: &[u8]) -> Result<Self, BodyError> {
        if body.is_empty() {
            return Err(BodyError::Empty { kind });
        }
        let header = match kind {
            Kind::Audio => audio::read(body),
            Kind::Video => video::read(body),
            Kind::Data => Some(script(body)),
        };
        header.ok_or(BodyError::Truncated {
            kind,
            bytes: body.len(),
        })
    }
}

/// A data tag: an AMF0 string, then values. Only `onMetaData` matters here.
fn script(body: &[u8]) -> Header {
    const ON_META_DATA: &[u8] = b"\x02\0\x0aonMetaData";
    let is_metadata = body.starts_with(ON_META_DATA);
    Header {
        role: if is_metadata {
            Role::Metadata
        } else {
            Role::Other
        },
        packet: Packet::Script,
        codec: None,
        track: 0,
        composition_millis: 0,
        start: 0,
        end: body.len(),
    }
}

/// A place in a body; every step says `None` at the end.
struct Front<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Front<'a> {
    /// At the first byte.
    fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = *self.body.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        let left = self.body.len().checked_sub(self.at)?;
        (bytes <= left).then(|| self.at += bytes)
    }

    /// `SI24`.
    fn signed_24(&mut self) -> Option<i32> {
        let [a, b, c] = self.array()?;
        Some(i32::from_be_bytes([a, b, c, 0]) >> 8)
    }

    /// `UI24`.
    fn unsigned_24(&mut self) -> Option<usize> {
        let [a, b, c] = self.array()?;
        usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()
    }

    /// The header, with the packet from here to the end of the body.
    fn header(&self, role: Role, packet: Packet, codec: Option<Codec>) -> Header {
        Header {
            role,
            packet,
            codec,
            track: 0,
            composition_millis: 0,
            start: self.at,
            end: self.body.len(),
        }
    }
}

#[cfg(test)]
mod tests;
