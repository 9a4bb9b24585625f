//! Any bytes as chunks: no panic, no split that matters, never more memory than the limits say;
//! and what was read is read again from what our writer makes of it.
#![no_main]

use bytes::BytesMut;
use rtmp::{
    Error, Limits, Message,
    chunk::{MessageHeader, Reader, write_message},
    message::{Control, aggregate},
};

fn limits() -> Limits {
    Limits {
        message_bytes_max: 200_000,
        chunk_streams_max: 6,
        partial_bytes_max: 300_000,
        ..Limits::default()
    }
}

fn read(bytes: &[u8], piece: usize) -> (Vec<Message>, Result<(), Error>) {
    let limits = limits();
    let mut reader = Reader::new(&limits);
    let mut messages = Vec::new();
    for mut rest in bytes.chunks(piece) {
        loop {
            match reader.read(&mut rest) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
            assert!(reader.held_bytes() <= limits.held_bytes_max());
        }
        assert!(rest.is_empty());
        assert!(reader.held_bytes() <= limits.held_bytes_max());
    }
    (messages, Ok(()))
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&first, bytes)) = input.split_first() else {
        return;
    };
    let (messages, ended) = read(bytes, usize::MAX);
    let in_pieces = read(bytes, usize::from(first) + 1);
    assert_eq!((&messages, &ended), (&in_pieces.0, &in_pieces.1));

    let mut written = BytesMut::new();
    let mut chunk_size = 128;
    let mut once = Vec::new();
    for message in messages {
        for part in aggregate::split(&message).flatten() {
            assert!(part.payload.len() < message.payload.len());
        }
        let control = Control::parse(message.type_id, &message.payload);
        // the one message that takes back what another chunk stream has begun: here nothing is
        if matches!(control, Ok(Some(Control::Abort { .. }))) {
            continue;
        }
        let header = MessageHeader {
            timestamp: message.timestamp,
            type_id: message.type_id,
            message_stream_id: message.message_stream_id,
        };
        write_message(
            &mut written,
            message.chunk_stream_id,
            &header,
            &message.payload,
            chunk_size,
        );
        if let Ok(Some(Control::SetChunkSize(size))) = control {
            chunk_size = size as usize;
        }
        once.push(message);
    }
    assert_eq!(read(&written, usize::MAX), (once, Ok(())));
});
