//! User control messages (RTMP 1.0, 7.1.7): what happens to a stream, how much a player buffers,
//! and the ping.
//!
//! Events that we do not know are kept with their bytes, so that whoever logs or passes them on
//! loses nothing.

use crate::Error;
use bytes::{BufMut, Bytes, BytesMut};

/// One user control event. Stream ids are message stream ids; times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserControl {
    /// The stream has become usable.
    StreamBegin(u32),
    /// There is no more to come on the stream.
    StreamEof(u32),
    /// There is nothing to send on the stream at the moment.
    StreamDry(u32),
    /// A player tells how much it buffers.
    SetBufferLength {
        /// Which message stream.
        message_stream_id: u32,
        /// In milliseconds.
        millis: u32,
    },
    /// The stream is a recording.
    StreamIsRecorded(u32),
    /// A server asks for an answer with this timestamp in it.
    PingRequest(u32),
    /// A client's answer, with the request's timestamp.
    PingResponse(u32),
    /// Anything else, as it came. Flash Player sends 26 (SWF verification), FMS 31 and 32
    /// (buffer empty, buffer ready).
    Other {
        /// The event type.
        event: u16,
        /// What follows it.
        data: Bytes,
    },
}

impl UserControl {
    /// Reads a user control message's payload.
    ///
    /// # Errors
    /// If it ends before its fields do.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let malformed = Error::Malformed {
            message: "User Control",
            bytes: payload.len(),
        };
        let Some((&[high, low], data)) = payload.split_first_chunk::<2>() else {
            return Err(malformed);
        };
        let number = || match *data {
            [a, b, c, d, ..] => Ok(u32::from_be_bytes([a, b, c, d])),
            _ => Err(malformed.clone()),
        };
        Ok(match u16::from_be_bytes([high, low]) {
            0 => Self::StreamBegin(number()?),
            1 => Self::StreamEof(number()?),
            2 => Self::StreamDry(number()?),
            3 => Self::SetBufferLength {
                message_stream_id: number()?,
                millis: match *data {
                    [_, _, _, _, a, b, c, d, ..] => u32::from_be_bytes([a, b, c, d]),
                    _ => return Err(malformed),
                },
            },
            4 => Self::StreamIsRecorded(number()?),
            6 => Self::PingRequest(number()?),
            7 => Self::PingResponse(number()?),
            event => Self::Other {
                event,
                data: Bytes::copy_from_slice(data),
            },
        })
    }

    /// Appends the payload, event type first.
    pub(super) fn write_payload(&self, out: &mut BytesMut) {
        let (event, number) = match self {
            Self::StreamBegin(id) => (0, *id),
            Self::StreamEof(id) => (1, *id),
            Self::StreamDry(id) => (2, *id),
            Self::SetBufferLength {
                message_stream_id, ..
            } => (3, *message_stream_id),
            Self::StreamIsRecorded(id) => (4, *id),
            Self::PingRequest(time) => (6, *time),
            Self::PingResponse(time) => (7, *time),
            Self::Other { event, data } => {
                out.put_u16(*event);
                out.put_slice(data);
                return;
            }
        };
        out.put_u16(event);
        out.put_u32(number);
        if let Self::SetBufferLength { millis, .. } = self {
            out.put_u32(*millis);
        }
    }
}
