//! Protocol control messages (RTMP 1.0, 5.4): they tune the connection, not a stream.
//!
//! They travel on chunk stream 2 and message stream 0 and take effect at once. Set Chunk Size and
//! Abort concern the chunk layer: the chunk reader obeys them by itself and still hands them on.

use super::{Message, UserControl, type_id};
use crate::{
    Error,
    chunk::{self, MessageHeader},
    limits::CHUNK_SIZE_MAX,
};
use bytes::{BufMut, BytesMut};

/// The chunk stream of everything that is about the connection (5.4).
const CONTROL_CHUNK_STREAM_ID: u32 = 2;

/// A protocol control message, user control included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// The sender's chunks after this one carry at most so many payload bytes;
    /// 1 to [`CHUNK_SIZE_MAX`].
    SetChunkSize(u32),
    /// The sender will not finish the message under way on this chunk stream.
    Abort {
        /// Which chunk stream.
        chunk_stream_id: u32,
    },
    /// So many bytes have arrived since the connection opened; wraps.
    Acknowledgement(u32),
    /// The sender wants an acknowledgement each time so many bytes have arrived.
    WindowAckSize(u32),
    /// The receiver is to keep at most so many bytes unacknowledged.
    SetPeerBandwidth {
        /// In bytes, as a window acknowledgement size.
        window: u32,
        /// How firmly it is meant.
        limit: BandwidthLimit,
    },
    /// About a stream, a player's buffer or the round trip.
    User(UserControl),
}

/// How firmly Set Peer Bandwidth is meant (5.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandwidthLimit {
    /// Exactly this window.
    Hard,
    /// This window or the one in force, whichever is smaller.
    Soft,
    /// As hard, if the last one was hard; else nothing.
    Dynamic,
}

impl Control {
    /// Reads the control message with this type id and payload; `None` if it is no control message.
    ///
    /// Bytes after the last field are ignored.
    ///
    /// # Errors
    /// If the payload ends before its fields do, or names a chunk size that cannot be.
    pub fn parse(type_id: u8, payload: &[u8]) -> Result<Option<Self>, Error> {
        let number = |message| match *payload {
            [a, b, c, d, ..] => Ok(u32::from_be_bytes([a, b, c, d])),
            _ => Err(Error::Malformed {
                message,
                bytes: payload.len(),
            }),
        };
        Ok(Some(match type_id {
            type_id::SET_CHUNK_SIZE => match number("Set Chunk Size")? {
                size @ 1..=CHUNK_SIZE_MAX => Self::SetChunkSize(size),
                size => return Err(Error::ChunkSize { size }),
            },
            type_id::ABORT => Self::Abort {
                chunk_stream_id: number("Abort")?,
            },
            type_id::ACKNOWLEDGEMENT => Self::Acknowledgement(number("Acknowledgement")?),
            type_id::WINDOW_ACK_SIZE => Self::WindowAckSize(number("Window Acknowledgement Size")?),
            type_id::SET_PEER_BANDWIDTH => Self::SetPeerBandwidth {
                window: number("Set Peer Bandwidth")?,
                limit: match payload.get(4) {
                    Some(0) => BandwidthLimit::Hard,
                    Some(1) => BandwidthLimit::Soft,
                    // Some servers leave the byte out; the mildest reading is safe.
                    Some(_) | None => BandwidthLimit::Dynamic,
                },
            },
            type_id::USER_CONTROL => Self::User(UserControl::parse(payload)?),
            _ => return Ok(None),
        }))
    }

    /// As [`parse`](Self::parse), for the two that concern the chunk layer; `None` for all others,
    /// malformed ones included.
    pub(crate) fn parse_chunk_control(message: &Message) -> Result<Option<Self>, Error> {
        match message.type_id {
            type_id::SET_CHUNK_SIZE | type_id::ABORT => {
                Self::parse(message.type_id, &message.payload)
            }
            _ => Ok(None),
        }
    }

    /// Appends the message in chunks. `chunk_size` is the one in force before this message.
    pub fn write(&self, out: &mut BytesMut, chunk_size: usize) {
        let mut payload = BytesMut::with_capacity(16);
        let type_id = match self {
            Self::SetChunkSize(size) => {
                payload.put_u32(*size);
                type_id::SET_CHUNK_SIZE
            }
            Self::Abort { chunk_stream_id } => {
                payload.put_u32(*chunk_stream_id);
                type_id::ABORT
            }
            Self::Acknowledgement(sequence) => {
                payload.put_u32(*sequence);
                type_id::ACKNOWLEDGEMENT
            }
            Self::WindowAckSize(window) => {
                payload.put_u32(*window);
                type_id::WINDOW_ACK_SIZE
            }
            Self::SetPeerBandwidth { window, limit } => {
                payload.put_u32(*window);
                payload.put_u8(match limit {
                    BandwidthLimit::Hard => 0,
                    BandwidthLimit::Soft => 1,
                    BandwidthLimit::Dynamic => 2,
                });
                type_id::SET_PEER_BANDWIDTH
            }
            Self::User(event) => {
                event.write_payload(&mut payload);
                type_id::USER_CONTROL
            }
        };
        let header = MessageHeader {
            timestamp: 0,
            type_id,
            message_stream_id: 0,
        };
        chunk::write_message(out, CONTROL_CHUNK_STREAM_ID, &header, &payload, chunk_size);
    }
}
