//! Headers of every generation as one table; what real programs send; cuts at every byte.

use super::*;
use proptest::prelude::*;

/// Role, packet, codec, track, cts, and the packet's bytes.
type Read = (Role, Packet, Option<Codec>, u8, i32, &'static [u8]);

fn table() -> Vec<(&'static str, Kind, &'static [u8], Read)> {
    use Codec::{Aac, Ac3, Av1, Avc, Flac, G711A, H263, Hevc, Mp3, Opus, Pcm, Speex, Vp6, Vp9};
    use Kind::{Audio, Data, Video};
    use Packet::{
        Coded, Command, Metadata, Mpeg2TsSequenceStart, MultichannelConfig, Script, SequenceEnd,
        SequenceStart, Unknown,
    };
    use Role::{Config, Inter, Key, Other};
    vec![
        // legacy pictures
        (
            "AVC header",
            Video,
            b"\x17\0\0\0\0R",
            (Config, SequenceStart, Some(Avc), 0, 0, b"R"),
        ),
        (
            "AVC key",
            Video,
            b"\x17\x01\0\0\x50R",
            (Key, Coded, Some(Avc), 0, 80, b"R"),
        ),
        (
            "AVC inter",
            Video,
            b"\x27\x01\xff\xff\xffR",
            (Inter, Coded, Some(Avc), 0, -1, b"R"),
        ),
        (
            "AVC end",
            Video,
            b"\x17\x02\0\0\0",
            (Other, SequenceEnd, Some(Avc), 0, 0, b""),
        ),
        (
            "AVC end, short",
            Video,
            b"\x17\x02",
            (Other, SequenceEnd, Some(Avc), 0, 0, b""),
        ),
        (
            "AVC header, empty",
            Video,
            b"\x17\0\0\0\0",
            (Other, SequenceStart, Some(Avc), 0, 0, b""),
        ),
        (
            "AVC unknown",
            Video,
            b"\x17\x09",
            (Other, Unknown(9), Some(Avc), 0, 0, b""),
        ),
        (
            "HEVC as 12",
            Video,
            b"\x1c\0\0\0\0R",
            (Config, SequenceStart, Some(Hevc), 0, 0, b"R"),
        ),
        (
            "HEVC as 12, key",
            Video,
            b"\x1c\x01\0\0\0R",
            (Key, Coded, Some(Hevc), 0, 0, b"R"),
        ),
        (
            "AV1 as 13",
            Video,
            b"\x2d\x01\0\0\0R",
            (Inter, Coded, Some(Av1), 0, 0, b"R"),
        ),
        (
            "H.263 key",
            Video,
            b"\x12R",
            (Key, Coded, Some(H263), 0, 0, b"R"),
        ),
        (
            "H.263 disposable",
            Video,
            b"\x32R",
            (Inter, Coded, Some(H263), 0, 0, b"R"),
        ),
        ("VP6", Video, b"\x14R", (Key, Coded, Some(Vp6), 0, 0, b"R")),
        (
            "unknown codec",
            Video,
            b"\x1f",
            (Key, Coded, None, 0, 0, b""),
        ),
        (
            "seek begins",
            Video,
            b"\x57\0",
            (Other, Command, Some(Avc), 0, 0, b"\0"),
        ),
        // legacy sound
        (
            "AAC header",
            Audio,
            b"\xaf\0R",
            (Config, SequenceStart, Some(Aac), 0, 0, b"R"),
        ),
        (
            "AAC header, empty",
            Audio,
            b"\xaf\0",
            (Other, SequenceStart, Some(Aac), 0, 0, b""),
        ),
        (
            "AAC",
            Audio,
            b"\xaf\x01R",
            (Inter, Coded, Some(Aac), 0, 0, b"R"),
        ),
        (
            "AAC unknown",
            Audio,
            b"\xaf\x05R",
            (Other, Unknown(5), Some(Aac), 0, 0, b"R"),
        ),
        (
            "MP3",
            Audio,
            b"\x2fR",
            (Inter, Coded, Some(Mp3), 0, 0, b"R"),
        ),
        (
            "MP3 at 8 kHz",
            Audio,
            b"\xe2R",
            (Inter, Coded, Some(Mp3), 0, 0, b"R"),
        ),
        (
            "G.711",
            Audio,
            b"\x72R",
            (Inter, Coded, Some(G711A), 0, 0, b"R"),
        ),
        (
            "Speex",
            Audio,
            b"\xb2R",
            (Inter, Coded, Some(Speex), 0, 0, b"R"),
        ),
        (
            "PCM",
            Audio,
            b"\x3fR",
            (Inter, Coded, Some(Pcm), 0, 0, b"R"),
        ),
        (
            "unknown format",
            Audio,
            b"\xff",
            (Inter, Coded, None, 0, 0, b""),
        ),
        // enhanced pictures
        (
            "HEVC start",
            Video,
            b"\x90hvc1R",
            (Config, SequenceStart, Some(Hevc), 0, 0, b"R"),
        ),
        (
            "HEVC",
            Video,
            b"\x91hvc1\0\0\x28R",
            (Key, Coded, Some(Hevc), 0, 40, b"R"),
        ),
        (
            "HEVC without cts",
            Video,
            b"\xa3hvc1R",
            (Inter, Coded, Some(Hevc), 0, 0, b"R"),
        ),
        (
            "HEVC end",
            Video,
            b"\x92hvc1",
            (Other, SequenceEnd, Some(Hevc), 0, 0, b""),
        ),
        (
            "AV1 has no cts",
            Video,
            b"\x91av01R",
            (Key, Coded, Some(Av1), 0, 0, b"R"),
        ),
        (
            "AV1 in TS",
            Video,
            b"\x95av01R",
            (Config, Mpeg2TsSequenceStart, Some(Av1), 0, 0, b"R"),
        ),
        (
            "VP9",
            Video,
            b"\xa1vp09R",
            (Inter, Coded, Some(Vp9), 0, 0, b"R"),
        ),
        (
            "colours",
            Video,
            b"\xd4hvc1R",
            (Other, Metadata, Some(Hevc), 0, 0, b"R"),
        ),
        (
            "seek ends",
            Video,
            b"\xd1\x01",
            (Other, Command, None, 0, 0, b""),
        ),
        (
            "unknown FourCC",
            Video,
            b"\x91zzzzR",
            (Key, Coded, None, 0, 0, b"R"),
        ),
        (
            "unknown packet",
            Video,
            b"\x9fhvc1R",
            (Other, Unknown(15), Some(Hevc), 0, 0, b"R"),
        ),
        // enhanced sound
        (
            "Opus start",
            Audio,
            b"\x90OpusR",
            (Config, SequenceStart, Some(Opus), 0, 0, b"R"),
        ),
        (
            "Opus",
            Audio,
            b"\x91OpusR",
            (Inter, Coded, Some(Opus), 0, 0, b"R"),
        ),
        (
            "AC-3",
            Audio,
            b"\x91ac-3R",
            (Inter, Coded, Some(Ac3), 0, 0, b"R"),
        ),
        (
            "FLAC end",
            Audio,
            b"\x92fLaC",
            (Other, SequenceEnd, Some(Flac), 0, 0, b""),
        ),
        (
            "order",
            Audio,
            b"\x94mp4aR",
            (Other, MultichannelConfig, Some(Aac), 0, 0, b"R"),
        ),
        (
            "sound unknown",
            Audio,
            b"\x9eOpus",
            (Other, Unknown(14), Some(Opus), 0, 0, b""),
        ),
        // several tracks
        (
            "one track",
            Video,
            b"\x96\x01hvc1\x03\0\0\x28R",
            (Key, Coded, Some(Hevc), 3, 40, b"R"),
        ),
        (
            "two tracks of one codec",
            Video,
            b"\x96\x11avc1\x00\0\0\x05\0\0\0ab\x01\0\0\x04\0\0\0c",
            (Key, Coded, Some(Avc), 0, 0, b"ab"),
        ),
        (
            "two tracks of two codecs",
            Audio,
            b"\x95\x20Opus\x01\0\0\x01afLaC\x02\0\0\x01b",
            (Config, SequenceStart, Some(Opus), 1, 0, b"a"),
        ),
        (
            "tracks in tracks",
            Audio,
            b"\x95\x05Opus\x01R",
            (Other, Unknown(5), Some(Opus), 1, 0, b"R"),
        ),
        // modifiers
        (
            "nanoseconds",
            Video,
            b"\x97\x02\0\0\x01\x01hvc1\0\0\0R",
            (Key, Coded, Some(Hevc), 0, 0, b"R"),
        ),
        (
            "two modifiers, the second in the long form, then a track",
            Audio,
            b"\x97\x00x\x07\xff\0\x01yy\x05\x01Opus\x09R",
            (Inter, Coded, Some(Opus), 9, 0, b"R"),
        ),
        // data
        (
            "metadata",
            Data,
            b"\x02\0\x0aonMetaData\x05",
            (
                Role::Metadata,
                Script,
                None,
                0,
                0,
                b"\x02\0\x0aonMetaData\x05",
            ),
        ),
        (
            "cue point",
            Data,
            b"\x02\0\x01x",
            (Other, Script, None, 0, 0, b"\x02\0\x01x"),
        ),
    ]
}

#[test]
fn every_header_reads_as_the_table_says() {
    for (name, kind, body, (role, packet, codec, track, cts, rest)) in table() {
        let header = Header::read(kind, body).expect(name);
        assert_eq!((header.role, header.packet), (role, packet), "{name}");
        assert_eq!((header.codec, header.track), (codec, track), "{name}");
        assert_eq!(header.composition_millis, cts, "{name}");
        assert_eq!(body.get(header.start..header.end), Some(rest), "{name}");
    }
}

#[test]
fn a_body_that_ends_inside_its_header_is_refused() {
    for kind in [Kind::Audio, Kind::Video, Kind::Data] {
        assert_eq!(Header::read(kind, b""), Err(BodyError::Empty { kind }));
    }
    for (kind, body) in [
        (Kind::Video, &b"\x17"[..]),
        (Kind::Video, b"\x17\x00\0\0"),
        (Kind::Video, b"\x17\x01\0"),
        (Kind::Video, b"\x91hvc"),
        (Kind::Video, b"\x91hvc1\0\0"),
        (Kind::Video, b"\xd1"),
        (Kind::Video, b"\x97\x02\0\0"),
        (Kind::Video, b"\x96\x11avc1\x00\0\0\x05\0\0\0a"),
        (Kind::Video, b"\x96\x11avc1\x00\0\0\x02\0\0\0a"),
        (Kind::Audio, b"\xaf"),
        (Kind::Audio, b"\x91Opu"),
        (Kind::Audio, b"\x95\x00Opus"),
    ] {
        let bytes = body.len();
        assert_eq!(
            Header::read(kind, body),
            Err(BodyError::Truncated { kind, bytes }),
            "{body:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_and_a_packet_lies_inside_its_body(
        body in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        for kind in [Kind::Audio, Kind::Video, Kind::Data] {
            if let Ok(header) = Header::read(kind, &body) {
                prop_assert!(body.get(header.start..header.end).is_some());
            }
        }
    }
}
