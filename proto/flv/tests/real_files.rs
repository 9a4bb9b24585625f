//! Files of real programs, from `tests/data/flv`, named after the program that wrote them.

use flv::{Event, FileHeader, Limits, Metadata, Reader, composition_time, tag};
use media::{Codec, Frame, Kind, MediaTime, Role};

/// Two pictures of 32 x 32 and 0.4 s of sound at 8 kHz: ffmpeg 5.1 with libx264 and its own AAC.
const FFMPEG: &[u8] = include_bytes!("../../../tests/data/flv/ffmpeg-5.1-h264-aac.flv");

fn events(file: &[u8], piece: usize) -> Vec<Event> {
    let mut reader = Reader::new(Limits::default());
    let mut events = Vec::new();
    for bytes in file.chunks(piece) {
        reader.input(bytes);
        while let Some(event) = reader.poll().expect("a good file") {
            events.push(event);
        }
    }
    events
}

fn frames(file: &[u8]) -> Vec<Frame> {
    let mut now = MediaTime::ZERO;
    let tags = events(file, file.len())
        .into_iter()
        .filter_map(|event| match event {
            Event::Header(_) => None,
            Event::Tag(tag) => Some(tag),
        });
    tags.map(|tag| {
        now = now.unwrap_wire(tag.timestamp);
        flv::frame(tag.kind, now, tag.body).expect("a whole header")
    })
    .collect()
}

#[test]
fn a_file_of_ffmpeg_tells_what_it_holds() {
    let frames = frames(FFMPEG);
    let roles = |kind| {
        let of_kind = frames.iter().filter(move |frame| frame.kind == kind);
        of_kind.map(|frame| frame.role).collect::<Vec<_>>()
    };
    // ffmpeg ends a file with an end of sequence, at the time of the last picture
    assert_eq!(
        roles(Kind::Video),
        [Role::Config, Role::Key, Role::Inter, Role::Other]
    );
    assert_eq!(roles(Kind::Data), [Role::Metadata]);
    let (first_sound, coded_sound) = roles(Kind::Audio).split_first().map_or_else(
        || panic!("the file has sound"),
        |(first, rest)| (*first, rest.to_vec()),
    );
    assert_eq!(first_sound, Role::Config);
    assert!(coded_sound.iter().all(|role| *role == Role::Inter) && !coded_sound.is_empty());
    let media = frames.iter().filter(|frame| frame.role != Role::Other);
    assert!(media.is_sorted_by_key(|frame| frame.dts));
    assert!(frames.iter().all(|frame| composition_time(frame) == 0));
}

#[test]
fn metadata_and_set_up_of_a_file_agree() {
    let frames = frames(FFMPEG);
    let metadata = frames
        .iter()
        .find(|frame| frame.role == Role::Metadata)
        .expect("metadata");
    let metadata = Metadata::read(&metadata.body)
        .expect("AMF0")
        .expect("onMetaData");
    let configs: Vec<_> = frames
        .iter()
        .filter_map(|frame| flv::codec_config(frame).expect("a good record"))
        .collect();
    let [video, audio] = configs.as_slice() else {
        panic!("a record of each kind, not {configs:?}");
    };
    assert_eq!((video.codec, audio.codec), (Codec::Avc, Codec::Aac));
    assert_eq!(
        (metadata.video_codec, metadata.audio_codec),
        (Some(Codec::Avc), Some(Codec::Aac))
    );
    assert_eq!((video.width, video.height), (Some(32), Some(32)));
    assert_eq!((metadata.width, metadata.height), (Some(32), Some(32)));
    assert_eq!(
        (video.frame_rate, metadata.frame_rate),
        (Some(5.0), Some(5.0))
    );
    assert_eq!(
        (audio.sample_rate, metadata.sample_rate),
        (Some(8_000), Some(8_000))
    );
    assert_eq!((audio.channels, metadata.channels), (Some(1), Some(1)));
}

#[test]
fn a_file_that_is_read_and_written_is_the_same_file() {
    for piece in [1, 7, 100, FFMPEG.len()] {
        let mut out = bytes::BytesMut::new();
        for event in events(FFMPEG, piece) {
            match event {
                Event::Header(header) => {
                    assert_eq!(
                        header,
                        FileHeader {
                            has_audio: true,
                            has_video: true
                        }
                    );
                    header.write(&mut out);
                }
                Event::Tag(found) => {
                    tag::write_tag(found.kind, found.timestamp, &found.body, &mut out)
                        .expect("it was read from 24 bits of length");
                }
            }
        }
        assert_eq!(out, FFMPEG, "in pieces of {piece}");
    }
}
