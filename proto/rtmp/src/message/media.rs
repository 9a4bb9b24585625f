//! Sound, picture and data as messages: the three kinds that a tape is made of.
//!
//! Each kind has its own chunk stream, so that a long picture could be interleaved with sound; we
//! write whole messages, one after the other, with full headers and absolute timestamps, so that
//! the same bytes serve every player of a stream and a player may start at any of them.

use super::type_id;
use crate::chunk::{self, MessageHeader};
use bytes::{Bytes, BytesMut};
use media::Kind;

/// One media message as both sessions speak of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Sound, picture or data.
    pub kind: Kind,
    /// Absolute, in milliseconds, as on the wire: wraps after 49.7 days.
    pub timestamp: u32,
    /// The message stream that it belongs to.
    pub message_stream_id: u32,
    /// An FLV tag body. Data is AMF0 and starts at `"onMetaData"` or the like: `@setDataFrame` is
    /// already taken off.
    pub body: Bytes,
}

/// The chunk stream on which we send this kind: sound 4, data 5, picture 6.
pub const fn chunk_stream_id(kind: Kind) -> u32 {
    match kind {
        Kind::Audio => 4,
        Kind::Data => 5,
        Kind::Video => 6,
    }
}

/// The message type of this kind; data is sent as AMF0.
pub const fn media_type_id(kind: Kind) -> u8 {
    match kind {
        Kind::Audio => type_id::AUDIO,
        Kind::Data => type_id::DATA_AMF0,
        Kind::Video => type_id::VIDEO,
    }
}

/// Appends one media message in chunks of at most `chunk_size` payload bytes.
///
/// # Panics
/// If `body` is longer than [`crate::limits::PAYLOAD_BYTES_MAX`]; no FLV tag body is.
pub fn write_media(
    out: &mut BytesMut,
    kind: Kind,
    timestamp: u32,
    message_stream_id: u32,
    body: &[u8],
    chunk_size: usize,
) {
    let header = MessageHeader {
        timestamp,
        type_id: media_type_id(kind),
        message_stream_id,
    };
    chunk::write_message(out, chunk_stream_id(kind), &header, body, chunk_size);
}
