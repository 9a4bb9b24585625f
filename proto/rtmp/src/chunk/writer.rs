//! Messages to chunks. The hot path of everything that we send: one reservation, then copies.

use super::{
    MessageHeader,
    header::{EXTENDED, HeaderBytes},
};
use crate::limits::PAYLOAD_BYTES_MAX;
use bytes::{BufMut, BytesMut};

/// Appends one whole message as chunks: a type 0 header, then type 3 headers, with the extended
/// timestamp on all of them where the timestamp needs it.
///
/// `chunk_stream_id` is 2 to 65599 (others are reserved) and `chunk_size` at least 1.
///
/// # Panics
/// If `payload` is longer than [`PAYLOAD_BYTES_MAX`]; nothing that came over RTMP or FLV is.
pub fn write_message(
    out: &mut BytesMut,
    chunk_stream_id: u32,
    header: &MessageHeader,
    payload: &[u8],
    chunk_size: usize,
) {
    assert!(
        payload.len() <= PAYLOAD_BYTES_MAX,
        "a message of {} bytes",
        payload.len()
    );
    debug_assert!(
        (2..=65_599).contains(&chunk_stream_id),
        "chunk stream {chunk_stream_id}"
    );
    let chunk_size = chunk_size.max(1);
    let mut chunks = payload.chunks(chunk_size);
    let first = chunks.next().unwrap_or_default();

    // The header of all chunks but the first.
    let mut continued = HeaderBytes::new(3, chunk_stream_id);
    let mut opening = HeaderBytes::new(0, chunk_stream_id);
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    let [_, timestamp @ ..] = header.timestamp.min(EXTENDED).to_be_bytes();
    opening.put(&timestamp);
    opening.put(&length);
    opening.put(&[header.type_id]);
    opening.put(&header.message_stream_id.to_le_bytes());
    if header.timestamp >= EXTENDED {
        opening.put(&header.timestamp.to_be_bytes());
        continued.put(&header.timestamp.to_be_bytes());
    }

    out.reserve(opening.len + payload.len() + chunks.len() * continued.len);
    out.put_slice(opening.as_slice());
    out.put_slice(first);
    for chunk in chunks {
        out.put_slice(continued.as_slice());
        out.put_slice(chunk);
    }
}
