//! FLV on the wire: plain for HTTP, and with a WebSocket frame around each tag.

use crate::tape::{Format, Packed};
use bytes::{BufMut, BytesMut};
use media::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

/// FLV tags, as in a file that is tailed.
pub(crate) const FLV: Format = Format {
    name: "flv",
    writer: || Packed::boxed(append_tag),
};

/// FLV tags, each a binary WebSocket message (RFC 6455 §5.2; a server's frames are not masked, so they
/// are the same for every player).
pub(crate) const FLV_OVER_WEBSOCKET: Format = Format {
    name: "ws-flv",
    writer: || Packed::boxed(append_message),
};

/// What an FLV tag adds to its body: an 11-byte header before, its size after.
const TAG_FRAMING_BYTES: usize = 11 + TAG_SIZE_BYTES;

/// The tag's size, behind its body.
const TAG_SIZE_BYTES: usize = 4;

fn append_tag(frame: &Frame, out: &mut BytesMut) -> Option<usize> {
    flv::tag::write_tag(frame.kind, frame.dts.wire(), &frame.body, out).expect(
        "a frame's body fits in a tag: it was an FLV tag's or an RTMP message's, of 24 bits",
    );
    Some(TAG_SIZE_BYTES)
}

fn append_message(frame: &Frame, out: &mut BytesMut) -> Option<usize> {
    append_message_header(frame.body.len() + TAG_FRAMING_BYTES, out);
    append_tag(frame, out)
}

/// The header of a binary message of `length` bytes.
pub(crate) fn append_message_header(length: usize, out: &mut BytesMut) {
    let header = FrameHeader {
        opcode: OpCode::Data(Data::Binary),
        ..FrameHeader::default()
    };
    if header
        .format(length as u64, &mut (&mut *out).writer())
        .is_err()
    {
        unreachable!("writing to memory does not fail");
    }
}
