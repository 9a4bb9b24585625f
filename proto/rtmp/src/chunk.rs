//! The chunk layer (RTMP 1.0, 5.3): messages cut into chunks and put together again.
//!
//! [`Reader`] understands all that a peer may send: every header type, any interleaving. What
//! [`write_message`] sends is the plainest form: one full header, then type 3, nothing between.
//!
//! ```text
//!  basic header   message header   extended timestamp   payload
//!  1, 2 or 3 B    11, 7, 3 or 0 B  0 or 4 B             at most the chunk size
//! ```

mod header;
mod reader;
mod writer;

pub use reader::Reader;
pub(crate) use reader::STREAM_STATE_BYTES;
pub use writer::write_message;

/// What a full (type 0) header says of a message; its length is the payload's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHeader {
    /// Absolute, in milliseconds; wraps after 49.7 days.
    pub timestamp: u32,
    /// What the message is; see [`crate::message::type_id`].
    pub type_id: u8,
    /// Which message stream it belongs to; 0 is the connection itself.
    pub message_stream_id: u32,
}

#[cfg(test)]
mod tests;
