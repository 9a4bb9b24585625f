//! A stream as a file: the header, then tags, each followed by its size (annex E.2 to E.4.1).

use crate::limits::BODY_BYTES_MAX;
use bytes::{BufMut, Bytes, BytesMut};
use media::Kind;

/// Length of a tag's header.
pub const TAG_HEADER_BYTES: usize = 11;

/// Length of a file's header as we write it, without the first `PreviousTagSize`.
pub const FILE_HEADER_BYTES: usize = 9;

/// Length of the size after each tag, and after the file's header.
pub const PREVIOUS_TAG_SIZE_BYTES: usize = 4;

/// The first nine bytes of a file.
///
/// What it announces is a hint: encoders announce both and send one, or the reverse; ffmpeg waits
/// for what is announced, flv.js believes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHeader {
    /// Whether sound is announced.
    pub has_audio: bool,
    /// Whether pictures are announced.
    pub has_video: bool,
}

impl FileHeader {
    /// The bits of the fifth byte.
    const AUDIO: u8 = 0b100;
    const VIDEO: u8 = 0b001;

    /// From the fifth byte.
    pub(crate) fn of_flags(flags: u8) -> Self {
        Self {
            has_audio: flags & Self::AUDIO != 0,
            has_video: flags & Self::VIDEO != 0,
        }
    }

    /// Appends the header and the size of the tag before the first, which is zero.
    pub fn write(self, out: &mut BytesMut) {
        out.put_slice(&file_header(self.has_audio, self.has_video));
    }
}

/// The header of a file and the size of the tag before the first: all that stands before the tags.
pub const fn file_header(
    has_audio: bool,
    has_video: bool,
) -> [u8; FILE_HEADER_BYTES + PREVIOUS_TAG_SIZE_BYTES] {
    let audio = if has_audio { FileHeader::AUDIO } else { 0 };
    let video = if has_video { FileHeader::VIDEO } else { 0 };
    let bytes = FILE_HEADER_BYTES as u8;
    [
        b'F',
        b'L',
        b'V',
        1,
        audio | video,
        0,
        0,
        0,
        bytes,
        0,
        0,
        0,
        0,
    ]
}

/// A tag as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Sound, pictures or data.
    pub kind: Kind,
    /// Decode time in milliseconds as the file has it: 32 bits that wrap.
    pub timestamp: u32,
    /// The body; never empty.
    pub body: Bytes,
}

/// A body has more bytes than a tag, or an RTMP message, can say. None that came from either has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a body of {bytes} bytes fits no FLV tag, which has at most {BODY_BYTES_MAX}")]
pub struct TooLong {
    /// The body's length.
    pub bytes: usize,
}

/// Appends a tag and its size. `timestamp` is [`media::MediaTime::wire`].
///
/// # Errors
/// If the body is longer than 24 bits can say; nothing is written then.
pub fn write_tag(
    kind: Kind,
    timestamp: u32,
    body: &[u8],
    out: &mut BytesMut,
) -> Result<(), TooLong> {
    let header = tag_header(kind, timestamp, body.len())?;
    out.reserve(TAG_HEADER_BYTES + body.len() + PREVIOUS_TAG_SIZE_BYTES);
    out.put_slice(&header);
    out.put_slice(body);
    // at most 24 bits and 11
    out.put_u32((TAG_HEADER_BYTES + body.len()) as u32);
    Ok(())
}

/// The bytes before a body of `body_bytes`; for writers that do not copy the body.
///
/// # Errors
/// If the body is longer than 24 bits can say.
pub fn tag_header(
    kind: Kind,
    timestamp: u32,
    body_bytes: usize,
) -> Result<[u8; TAG_HEADER_BYTES], TooLong> {
    if body_bytes > BODY_BYTES_MAX {
        return Err(TooLong { bytes: body_bytes });
    }
    let [_, size_a, size_b, size_c] = (body_bytes as u32).to_be_bytes();
    // the highest byte of the time stands last: it was added to the format later
    let [high, time_a, time_b, time_c] = timestamp.to_be_bytes();
    Ok([
        tag_type(kind),
        size_a,
        size_b,
        size_c,
        time_a,
        time_b,
        time_c,
        high,
        0,
        0,
        0,
    ])
}

/// The tag type of FLV and the message type of RTMP.
pub const fn tag_type(kind: Kind) -> u8 {
    match kind {
        Kind::Audio => 8,
        Kind::Video => 9,
        Kind::Data => 18,
    }
}

/// The kind of a tag type; `None` for types that FLV does not define.
pub const fn kind_of(tag_type: u8) -> Option<Kind> {
    match tag_type {
        8 => Some(Kind::Audio),
        9 => Some(Kind::Video),
        18 => Some(Kind::Data),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_eleven_bytes_a_body_and_their_size() {
        let mut out = BytesMut::new();
        write_tag(Kind::Video, 0x0102_0304, b"ab", &mut out).expect("short");
        assert_eq!(out, &b"\x09\0\0\x02\x02\x03\x04\x01\0\0\0ab\0\0\0\x0d"[..]);
    }

    #[test]
    fn a_file_header_announces_what_follows() {
        assert_eq!(&file_header(true, true), b"FLV\x01\x05\0\0\0\x09\0\0\0\0");
        assert_eq!(&file_header(true, false), b"FLV\x01\x04\0\0\0\x09\0\0\0\0");
        assert_eq!(&file_header(false, true), b"FLV\x01\x01\0\0\0\x09\0\0\0\0");
    }

    #[test]
    fn a_body_above_24_bits_is_refused() {
        let bytes = BODY_BYTES_MAX + 1;
        assert_eq!(tag_header(Kind::Audio, 0, bytes), Err(TooLong { bytes }));
        assert!(tag_header(Kind::Audio, 0, BODY_BYTES_MAX).is_ok());
    }
}
