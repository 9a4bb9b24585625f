//! Any bytes as a tag body of each kind: no panic, and every later question has an answer.
#![no_main]

use bytes::Bytes;
use media::{Kind, MediaTime};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for kind in [Kind::Audio, Kind::Video, Kind::Data] {
        let body = Bytes::copy_from_slice(input);
        if let Ok(frame) = flv::frame(kind, MediaTime::ZERO, body) {
            assert_eq!(frame.body, input);
            assert!(!frame.is_key() || kind == Kind::Video);
            let _millis = flv::composition_time(&frame);
            let _either = flv::codec_config(&frame);
            let _either = flv::Metadata::read(&frame.body);
        }
    }
});
