//! Aggregate messages (RTMP 1.0, 7.1.6): several FLV tags in one message, taken apart.
//!
//! The tags' timestamps are on the sender's own scale; the aggregate's timestamp says where the
//! first of them lies on the stream's. Flash Media Server and its encoders send them.

use super::{Message, type_id};
use crate::Error;
use bytes::{Buf, Bytes};

/// An FLV tag's header: type, length, timestamp, stream id.
const TAG_HEADER_BYTES: usize = 11;
/// The tag's size once more, behind it.
const BACK_POINTER_BYTES: usize = 4;

/// The messages inside `aggregate`, in order, on its message stream and its timeline.
///
/// Payloads share the aggregate's buffer. After an error the iterator ends.
pub fn split(aggregate: &Message) -> Split {
    Split {
        chunk_stream_id: aggregate.chunk_stream_id,
        message_stream_id: aggregate.message_stream_id,
        timestamp: aggregate.timestamp,
        first_tag_timestamp: None,
        rest: aggregate.payload.clone(),
        bytes: aggregate.payload.len(),
    }
}

/// Iterator over an aggregate's messages; see [`split`].
#[derive(Debug)]
pub struct Split {
    chunk_stream_id: u32,
    message_stream_id: u32,
    timestamp: u32,
    first_tag_timestamp: Option<u32>,
    rest: Bytes,
    bytes: usize,
}

impl Split {
    fn malformed(&mut self) -> Error {
        self.rest.clear();
        Error::Malformed {
            message: "Aggregate",
            bytes: self.bytes,
        }
    }
}

impl Iterator for Split {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(&[type_id, l2, l1, l0, t2, t1, t0, t3, ..]) =
            self.rest.first_chunk::<TAG_HEADER_BYTES>()
        else {
            return Some(Err(self.malformed()));
        };
        let length = u32::from_be_bytes([0, l2, l1, l0]) as usize;
        let tag_timestamp = u32::from_be_bytes([t3, t2, t1, t0]);
        if type_id == type_id::AGGREGATE || self.rest.len() < TAG_HEADER_BYTES + length {
            return Some(Err(self.malformed()));
        }
        self.rest.advance(TAG_HEADER_BYTES);
        let payload = self.rest.split_to(length);
        // The last tag's back pointer is left out by some senders.
        self.rest.advance(BACK_POINTER_BYTES.min(self.rest.len()));

        let first = *self.first_tag_timestamp.get_or_insert(tag_timestamp);
        Some(Ok(Message {
            chunk_stream_id: self.chunk_stream_id,
            timestamp: self
                .timestamp
                .wrapping_add(tag_timestamp.wrapping_sub(first)),
            type_id,
            message_stream_id: self.message_stream_id,
            payload,
        }))
    }
}
