//! A whole RTMP message, and what the type ids mean.
//!
//! In reading order: [`Message`] is what the chunk reader assembles; [`Control`] and
//! [`UserControl`] are the messages by which two ends tune the connection; [`aggregate`] takes an
//! aggregate message apart; [`Media`] is sound, picture and data as sessions speak of them.
//! Commands are not here: they are AMF, see the crate's `command` module.

pub mod aggregate;
mod control;
mod media;
mod user_control;

pub use control::{BandwidthLimit, Control};
pub use media::{Media, chunk_stream_id, media_type_id, write_media};
pub use user_control::UserControl;

use bytes::Bytes;

/// Message type ids (RTMP 1.0, 5.4 and 7.1).
pub mod type_id {
    /// Set Chunk Size.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Abort Message.
    pub const ABORT: u8 = 2;
    /// Acknowledgement.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// User Control Message.
    pub const USER_CONTROL: u8 = 4;
    /// Window Acknowledgement Size.
    pub const WINDOW_ACK_SIZE: u8 = 5;
    /// Set Peer Bandwidth.
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// Sound: an FLV audio tag's body.
    pub const AUDIO: u8 = 8;
    /// Picture: an FLV video tag's body.
    pub const VIDEO: u8 = 9;
    /// Data in AMF3: one byte 0, then as [`DATA_AMF0`].
    pub const DATA_AMF3: u8 = 15;
    /// Shared object in AMF3; nobody who streams uses it.
    pub const SHARED_OBJECT_AMF3: u8 = 16;
    /// Command in AMF3: one byte 0, then as [`COMMAND_AMF0`].
    pub const COMMAND_AMF3: u8 = 17;
    /// Data in AMF0: `@setDataFrame`, `onMetaData`, cue points.
    pub const DATA_AMF0: u8 = 18;
    /// Shared object in AMF0; nobody who streams uses it.
    pub const SHARED_OBJECT_AMF0: u8 = 19;
    /// Command in AMF0: `connect`, `publish`, `onStatus`, …
    pub const COMMAND_AMF0: u8 = 20;
    /// Several messages in one.
    pub const AGGREGATE: u8 = 22;
}

/// One whole message, as the chunk reader assembles it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The chunk stream that carried it; says nothing about its meaning.
    pub chunk_stream_id: u32,
    /// Absolute, in milliseconds; wraps after 49.7 days.
    pub timestamp: u32,
    /// What it is; see [`type_id`].
    pub type_id: u8,
    /// Which message stream it belongs to; 0 is the connection itself.
    pub message_stream_id: u32,
    /// The body.
    pub payload: Bytes,
}

#[cfg(test)]
mod tests;
