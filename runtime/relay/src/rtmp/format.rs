//! RTMP on the wire: one tape for every player of a stream.
//!
//! The bytes are the same for all of them because every player gets absolute timestamps, the same
//! message stream id, and the same chunk size, which our server announces to each.

use crate::tape::{Format, Packed};
use bytes::BytesMut;
use media::Frame;

/// The chunk size that we announce and write, in bytes: SRS's default; nearly every frame is one chunk.
pub(crate) const CHUNK_SIZE: u32 = 60_000;

/// The one message stream id that our server gives out.
pub(crate) const MESSAGE_STREAM_ID: u32 = 1;

/// Chunked RTMP messages.
pub(crate) const RTMP: Format = Format {
    name: "rtmp",
    writer: || Packed::boxed(append_message),
};

fn append_message(frame: &Frame, out: &mut BytesMut) -> Option<usize> {
    let time = frame.dts.wire();
    rtmp::write_media(
        out,
        frame.kind,
        time,
        MESSAGE_STREAM_ID,
        &frame.body,
        CHUNK_SIZE as usize,
    );
    // A longer one is in chunks, with headers between them.
    (frame.body.len() <= CHUNK_SIZE as usize).then_some(0)
}
