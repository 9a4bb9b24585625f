//! Any bytes as AMF3: no panic, errors inside the input, and what was read can be written and read.
#![no_main]

use amf::{Limits, amf3};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    match amf3::read_all(input, &Limits::default()) {
        Ok(values) => {
            let mut written = bytes::BytesMut::new();
            values.iter().for_each(|value| amf3::write(value, &mut written));
            // references were resolved to copies, so the elements may pass the limit now
            let generous =
                Limits { elements_max: usize::MAX, string_bytes_max: usize::MAX, ..Limits::default() };
            let again = amf3::read_all(&written, &generous).expect("what we wrote is AMF3");
            assert_eq!(values.len(), again.len());
        }
        Err(error) => assert!(error.offset() <= input.len()),
    }
});
