//! Between tag bodies and [`media::Frame`]s.

use crate::body::{BodyError, Header, Packet};
use bytes::Bytes;
use media::{CodecConfig, Frame, Kind, MediaTime, codec::RecordError};

/// Makes a frame of a tag body: reads its header once, and keeps the body as it is.
///
/// A body of several tracks has the role that its packet type gives to all of them, and the codec
/// and id of the first. Codecs and packet types that we do not know pass through.
///
/// # Errors
/// If the body is empty or ends inside its header; such a body is of no use to a player.
pub fn frame(kind: Kind, dts: MediaTime, body: Bytes) -> Result<Frame, BodyError> {
    let header = Header::read(kind, &body)?;
    Ok(Frame {
        kind,
        role: header.role,
        codec: header.codec,
        track: header.track,
        dts,
        body,
    })
}

/// Presentation time minus decode time, in milliseconds: the `cts`. Zero for everything but
/// pictures that are sent out of order; negative from encoders that shift their `dts`.
pub fn composition_time(frame: &Frame) -> i32 {
    Header::read(frame.kind, &frame.body).map_or(0, |header| header.composition_millis)
}

/// What the set-up record in a sequence header says; `None` if the frame is no sequence header, or
/// one of a codec whose record we do not read.
///
/// # Errors
/// If the record is broken. The frame is passed on to players all the same: they may be wiser.
pub fn codec_config(frame: &Frame) -> Result<Option<CodecConfig>, RecordError> {
    let Ok(header) = Header::read(frame.kind, &frame.body) else {
        return Ok(None);
    };
    match (
        header.packet,
        header.codec,
        frame.body.get(header.start..header.end),
    ) {
        (Packet::SequenceStart, Some(codec), Some(record)) if !record.is_empty() => {
            CodecConfig::read(codec, record)
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Codec, Role};

    fn video(body: &'static [u8]) -> Frame {
        frame(Kind::Video, MediaTime::ZERO, Bytes::from_static(body)).expect("a whole header")
    }

    #[test]
    fn the_body_is_kept_as_it_came() {
        let frame = video(b"\x27\x01\xff\xff\xd8data");
        assert_eq!(frame.body, &b"\x27\x01\xff\xff\xd8data"[..]);
        assert_eq!(composition_time(&frame), -40);
    }

    #[test]
    fn the_second_generation_tells_the_same_set_up_as_the_first() {
        let legacy = video(b"\x17\x00\0\0\0\x01\x4d\x40\x1f\xff\xe0\x00");
        let enhanced = video(b"\x90avc1\x01\x4d\x40\x1f\xff\xe0\x00");
        let track = video(b"\x96\x00avc1\x05\x01\x4d\x40\x1f\xff\xe0\x00");
        for frame in [legacy, enhanced, track] {
            let config = codec_config(&frame)
                .expect("a good record")
                .expect("a record");
            assert_eq!(config.codec, Codec::Avc);
            assert_eq!(config.rfc6381, "avc1.4d401f");
        }
    }

    #[test]
    fn only_sequence_headers_have_set_up() {
        for body in [
            &b"\x17\x01\0\0\0\x01\x4d\x40\x1f"[..],
            b"\x17\x00\0\0\0",
            b"\x12data",
        ] {
            assert_eq!(codec_config(&video(body)), Ok(None), "{body:?}");
        }
        let broken = video(b"\x17\x00\0\0\0\x01\x4d");
        assert_eq!(broken.role, Role::Config);
        assert!(codec_config(&broken).is_err());
    }
}
