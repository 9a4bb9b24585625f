//! Any bytes as AMF0: no panic, errors inside the input, and what was read survives a round trip.
#![no_main]

use amf::{Limits, amf0};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let limits = Limits::default();
    match amf0::read_all(input, &limits) {
        Ok(values) => {
            let mut written = bytes::BytesMut::new();
            values.iter().for_each(|value| amf0::write(value, &mut written));
            // a byte that was not UTF-8 is written as three, so the sum may pass the limit now
            let generous = Limits { string_bytes_max: usize::MAX, ..limits };
            let again = amf0::read_all(&written, &generous).expect("what we wrote is AMF0");
            // compared as text: NaN is not equal to itself
            assert_eq!(format!("{values:?}"), format!("{again:?}"));
        }
        Err(error) => assert!(error.offset() <= input.len()),
    }
});
