//! Any bytes as an FLV file: the same tags whatever the split, and writing them gives them back.
#![no_main]

use bytes::BytesMut;
use flv::{Event, Limits, Reader, tag};

/// Tags until the end or an error, the input given in pieces of `piece` bytes.
fn tags(input: &[u8], piece: usize) -> (Vec<Event>, bool) {
    let mut reader = Reader::new(Limits { tag_bytes_max: 4096, ..Limits::default() });
    let mut events = Vec::new();
    for bytes in input.chunks(piece.max(1)) {
        reader.input(bytes);
        loop {
            match reader.poll() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return (events, true),
            }
        }
    }
    (events, false)
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((piece, file)) = input.split_first() else {
        return;
    };
    let (events, failed) = tags(file, file.len());
    assert_eq!((&events, failed), (&tags(file, usize::from(*piece)).0, tags(file, 1).1));

    let mut written = BytesMut::new();
    for event in &events {
        match event {
            Event::Header(header) => header.write(&mut written),
            Event::Tag(found) => {
                tag::write_tag(found.kind, found.timestamp, &found.body, &mut written)
                    .expect("it was read from 24 bits of length");
            }
        }
    }
    assert_eq!(tags(&written, 7), (events, false));
});
