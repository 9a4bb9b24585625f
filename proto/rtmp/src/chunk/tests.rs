//! The chunk layer's promises: each header form by the byte; in [`properties`], any message under
//! any liberty that a sender may take.

mod properties;

use super::{MessageHeader, Reader, header::EXTENDED, write_message};
use crate::{Error, Limits, message::Message};
use bytes::{Bytes, BytesMut};

fn message(chunk_stream_id: u32, timestamp: u32, type_id: u8, payload: &[u8]) -> Message {
    Message {
        chunk_stream_id,
        timestamp,
        type_id,
        message_stream_id: if chunk_stream_id == 2 { 0 } else { 1 },
        payload: Bytes::copy_from_slice(payload),
    }
}

/// Reads `pieces` one after the other.
fn read_all<'a>(
    reader: &mut Reader,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::new();
    for mut piece in pieces {
        while let Some(message) = reader.read(&mut piece)? {
            messages.push(message);
        }
        assert!(piece.is_empty(), "all of a piece is taken");
    }
    Ok(messages)
}

/// The same, where messages may be parts of what was read.
fn read_all_shared<'a>(
    reader: &mut Reader,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::new();
    for piece in pieces {
        let whole = Bytes::copy_from_slice(piece);
        let mut rest = &whole[..];
        while let Some(message) = reader.read_of(&mut rest, Some(&whole))? {
            messages.push(message);
        }
        assert!(rest.is_empty(), "all of a piece is taken");
    }
    Ok(messages)
}

fn read(bytes: &[u8]) -> Result<Vec<Message>, Error> {
    let whole = read_all(&mut Reader::new(&Limits::default()), [bytes]);
    let by_byte = read_all(&mut Reader::new(&Limits::default()), bytes.chunks(1));
    assert_eq!(whole, by_byte, "the split must not matter");
    let shared = read_all_shared(&mut Reader::new(&Limits::default()), [bytes]);
    assert_eq!(whole, shared, "nor must it, whether messages are copied");
    whole
}

#[test]
fn a_message_that_is_all_there_is_shared_and_one_in_parts_is_put_together() -> Result<(), Error> {
    let mut out = BytesMut::new();
    for timestamp in [0, 40] {
        write(&mut out, &message(4, timestamp, 9, &[7; 100]), 128);
    }
    let lies_in = |payload: &Bytes, whole: &Bytes| {
        let (payload, whole) = (payload.as_ptr_range(), whole.as_ptr_range());
        whole.start <= payload.start && payload.end <= whole.end
    };
    let sent = out.freeze();
    let (first, second) = (sent.slice(..200), sent.slice(200..));
    let mut reader = Reader::new(&Limits::default());
    let mut rest = &first[..];
    let shared = reader.read_of(&mut rest, Some(&first))?;
    assert!(shared.is_some_and(|message| lies_in(&message.payload, &first)));
    assert_eq!(reader.read_of(&mut rest, Some(&first))?, None);
    let mut rest = &second[..];
    let copied = reader.read_of(&mut rest, Some(&second))?;
    assert!(copied.is_some_and(|message| !lies_in(&message.payload, &sent)));
    Ok(())
}

/// What we send, by the byte; read back it is what was sent.
#[test]
fn one_full_header_then_type_3() {
    struct Row {
        name: &'static str,
        chunk_size: usize,
        value: Message,
        bytes: &'static [u8],
    }
    let table = [
        Row {
            name: "a message in one chunk",
            chunk_size: 128,
            value: message(4, 0x01_0203, 8, b"\xAF\x01x"),
            bytes: b"\x04\x01\x02\x03\0\0\x03\x08\x01\0\0\0\xAF\x01x",
        },
        Row {
            name: "an empty message",
            chunk_size: 128,
            value: message(5, 0, 18, b""),
            bytes: b"\x05\0\0\0\0\0\0\x12\x01\0\0\0",
        },
        Row {
            name: "two bytes of chunk stream id",
            chunk_size: 128,
            value: message(64, 1, 8, b"a"),
            bytes: b"\x00\x00\0\0\x01\0\0\x01\x08\x01\0\0\0a",
        },
        Row {
            name: "the largest id in two bytes",
            chunk_size: 128,
            value: message(319, 1, 8, b"a"),
            bytes: b"\x00\xFF\0\0\x01\0\0\x01\x08\x01\0\0\0a",
        },
        Row {
            name: "three bytes of chunk stream id, low byte first",
            chunk_size: 128,
            value: message(320, 1, 8, b"a"),
            bytes: b"\x01\x00\x01\0\0\x01\0\0\x01\x08\x01\0\0\0a",
        },
        Row {
            name: "the largest id there is",
            chunk_size: 128,
            value: message(65_599, 1, 8, b"a"),
            bytes: b"\x01\xFF\xFF\0\0\x01\0\0\x01\x08\x01\0\0\0a",
        },
        Row {
            name: "the last plain timestamp",
            chunk_size: 128,
            value: message(6, EXTENDED - 1, 9, b"a"),
            bytes: b"\x06\xFF\xFF\xFE\0\0\x01\x09\x01\0\0\0a",
        },
        Row {
            name: "the first extended timestamp",
            chunk_size: 128,
            value: message(6, EXTENDED, 9, b"a"),
            bytes: b"\x06\xFF\xFF\xFF\0\0\x01\x09\x01\0\0\0\0\xFF\xFF\xFFa",
        },
    ];
    for Row {
        name,
        chunk_size,
        value,
        bytes,
    } in table
    {
        let mut written = BytesMut::new();
        write(&mut written, &value, chunk_size);
        assert_eq!(written, bytes, "{name}");
        assert_eq!(read(bytes), Ok(vec![value]), "{name}");
    }
}

#[test]
fn a_long_message_goes_on_in_type_3_chunks() {
    let payload: Vec<u8> = (0..=129).collect();
    for (timestamp, extended) in [(7, &b""[..]), (0x0200_0001, &b"\x02\0\0\x01"[..])] {
        let value = message(70, timestamp, 9, &payload);
        let field: &[u8] = if extended.is_empty() {
            b"\0\0\x07"
        } else {
            b"\xFF\xFF\xFF"
        };
        let opening = [b"\x00\x06", field, b"\0\0\x82\x09\x01\0\0\0", extended].concat();
        let bytes = [
            &opening[..],
            &payload[..128],
            b"\xC0\x06",
            extended,
            &payload[128..],
        ]
        .concat();
        let mut written = BytesMut::new();
        write(&mut written, &value, 128);
        assert_eq!(written, bytes);
        assert_eq!(read(&bytes), Ok(vec![value]));
    }
}

/// Header forms that we understand and never send.
#[test]
fn shorter_headers_take_the_rest_from_the_one_before() {
    struct Row {
        name: &'static str,
        bytes: &'static [&'static [u8]],
        value: Vec<Message>,
    }
    const FULL: &[u8] = b"\x04\0\0\x0A\0\0\x01\x08\x01\0\0\0a";
    let table = [
        Row {
            name: "type 1: same message stream",
            bytes: &[FULL, b"\x44\0\0\x05\0\0\x02\x12bc"],
            value: vec![message(4, 10, 8, b"a"), message(4, 15, 18, b"bc")],
        },
        Row {
            name: "type 2: same length and type too",
            bytes: &[FULL, b"\x84\0\0\x05b"],
            value: vec![message(4, 10, 8, b"a"), message(4, 15, 8, b"b")],
        },
        Row {
            name: "type 3 after type 2: same delta too",
            bytes: &[FULL, b"\x84\0\0\x05b", b"\xC4c", b"\xC4d"],
            value: vec![
                message(4, 10, 8, b"a"),
                message(4, 15, 8, b"b"),
                message(4, 20, 8, b"c"),
                message(4, 25, 8, b"d"),
            ],
        },
        Row {
            name: "type 3 after type 0: the delta is its timestamp (5.3.1.2.4)",
            bytes: &[FULL, b"\xC4b"],
            value: vec![message(4, 10, 8, b"a"), message(4, 20, 8, b"b")],
        },
        Row {
            name: "a delta that does not fit in 24 bits, and again by type 3",
            bytes: &[FULL, b"\x84\xFF\xFF\xFF\x01\0\0\0b", b"\xC4\x01\0\0\0c"],
            value: vec![
                message(4, 10, 8, b"a"),
                message(4, 0x0100_000A, 8, b"b"),
                message(4, 0x0200_000A, 8, b"c"),
            ],
        },
        Row {
            name: "time wraps at 32 bits",
            bytes: &[
                b"\x04\xFF\xFF\xFF\0\0\x01\x08\x01\0\0\0\xFF\xFF\xFF\xFEa",
                b"\x84\0\0\x05b",
            ],
            value: vec![message(4, 0xFFFF_FFFE, 8, b"a"), message(4, 3, 8, b"b")],
        },
        Row {
            name: "type 0 may go back in time",
            bytes: &[FULL, b"\x04\0\0\x03\0\0\x01\x08\x01\0\0\0b"],
            value: vec![message(4, 10, 8, b"a"), message(4, 3, 8, b"b")],
        },
        Row {
            name: "each chunk stream remembers its own",
            bytes: &[
                FULL,
                b"\x06\0\0\x0B\0\0\x01\x09\x01\0\0\0v",
                b"\x84\0\0\x05b",
                b"\x86\0\0\x07w",
            ],
            value: vec![
                message(4, 10, 8, b"a"),
                message(6, 11, 9, b"v"),
                message(4, 15, 8, b"b"),
                message(6, 18, 9, b"w"),
            ],
        },
        Row {
            name: "a long form of a small id is the same chunk stream",
            bytes: &[
                b"\x00\x01\0\0\x0A\0\0\x01\x08\x01\0\0\0a",
                b"\x81\x01\0\0\0\x05b",
            ],
            value: vec![message(65, 10, 8, b"a"), message(65, 15, 8, b"b")],
        },
        Row {
            name: "librtmp's ping opens chunk stream 2 with type 1",
            bytes: &[b"\x42\0\0\0\0\0\x06\x04\0\x07\0\0\0\x2A"],
            value: vec![message(2, 0, 4, b"\0\x07\0\0\0\x2A")],
        },
    ];
    for Row { name, bytes, value } in table {
        assert_eq!(read(&bytes.concat()), Ok(value), "{name}");
    }
}

#[test]
fn chunks_of_several_messages_may_interleave() {
    let picture = [b'v'; 300];
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"\x06\0\0\0\0\x01\x2C\x09\x01\0\0\0");
    bytes.extend_from_slice(&picture[..128]);
    bytes.extend_from_slice(b"\x04\0\0\0\0\0\x01\x08\x01\0\0\0a");
    bytes.extend_from_slice(b"\xC6");
    bytes.extend_from_slice(&picture[..128]);
    bytes.extend_from_slice(b"\xC4b\xC6");
    bytes.extend_from_slice(&picture[..44]);
    let value = vec![
        message(4, 0, 8, b"a"),
        message(4, 0, 8, b"b"),
        message(6, 0, 9, &picture),
    ];
    assert_eq!(read(&bytes), Ok(value));
}

/// The specification only says that type 3 should do it.
#[test]
fn a_message_may_go_on_under_any_header_that_describes_it() {
    for header in [
        &b"\xC6"[..],
        b"\x86\0\0\0",
        b"\x46\0\0\0\0\0\x85\x09",
        b"\x06\0\0\x05\0\0\x85\x09\x01\0\0\0",
    ] {
        let opening = b"\x06\0\0\x05\0\0\x85\x09\x01\0\0\0";
        let bytes = [&opening[..], &[b'v'; 128], header, b"wwwww"].concat();
        let payload = [&[b'v'; 128][..], b"wwwww"].concat();
        assert_eq!(read(&bytes), Ok(vec![message(6, 5, 9, &payload)]));
    }
}

#[test]
fn a_new_chunk_size_holds_from_the_next_chunk_on() {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"\x06\0\0\0\0\0\x85\x09\x01\0\0\0");
    bytes.extend_from_slice(&[b'v'; 128]);
    bytes.extend_from_slice(b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\x03");
    bytes.extend_from_slice(b"\xC6vvv\xC6vv");
    let value = vec![
        message(2, 0, 1, b"\0\0\0\x03"),
        message(6, 0, 9, &[b'v'; 133]),
    ];
    assert_eq!(read(&bytes), Ok(value));
}

#[test]
fn an_aborted_message_is_forgotten() {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"\x06\0\0\x05\0\0\x85\x09\x01\0\0\0");
    bytes.extend_from_slice(&[b'v'; 128]);
    bytes.extend_from_slice(b"\x02\0\0\0\0\0\x04\x02\0\0\0\0\0\0\0\x06");
    bytes.extend_from_slice(b"\x46\0\0\x05\0\0\x01\x09w");
    let mut reader = Reader::new(&Limits::default());
    let messages = read_all(&mut reader, [&bytes[..]]);
    assert_eq!(
        messages,
        Ok(vec![
            message(2, 0, 2, b"\0\0\0\x06"),
            message(6, 10, 9, b"w")
        ])
    );
    assert_eq!(reader.partial_bytes, 0);
}

/// ffmpeg and librtmp did so until 2015; encoders with their old copies still do.
#[test]
fn a_peer_may_leave_extended_timestamps_out_of_type_3_chunks() {
    let payload: Vec<u8> = (0..=255).chain(0..=44).collect();
    let opening = b"\x06\xFF\xFF\xFF\0\x01\x2D\x09\x01\0\0\0\x01\0\0\0";
    for extended in [&b"\x01\0\0\0"[..], b""] {
        let mut once = opening.to_vec();
        once.extend_from_slice(&payload[..128]);
        for chunk in payload[128..].chunks(128) {
            once.extend_from_slice(b"\xC6");
            once.extend_from_slice(extended);
            once.extend_from_slice(chunk);
        }
        let value = message(6, 0x0100_0000, 9, &payload);
        assert_eq!(read(&once.repeat(3)), Ok(vec![value; 3]));
    }
}

#[test]
fn what_a_peer_must_not_do_is_refused_by_name() {
    let open = [&b"\x06\0\0\0\0\0\x85\x09\x01\0\0\0"[..], &[b'v'; 128]].concat();
    let inside = |header_type| Error::HeaderInsideMessage {
        chunk_stream_id: 6,
        header_type,
        missing: 5,
        offset: 140,
    };
    let earlier = |header_type| Error::NoEarlierHeader {
        chunk_stream_id: 3,
        header_type,
        offset: 0,
    };
    let chunk_size =
        |size: u32| [&b"\x02\0\0\0\0\0\x04\x01\0\0\0\0"[..], &size.to_be_bytes()].concat();
    let malformed = |message| Error::Malformed { message, bytes: 3 };
    for (bytes, error) in [
        (
            [&open[..], b"\x06\0\0\0\0\0\x01\x09\x01\0\0\0"].concat(),
            inside(0),
        ),
        ([&open[..], b"\x46\0\0\0\0\0\x01\x09"].concat(), inside(1)),
        (b"\x83\0\0\0".to_vec(), earlier(2)),
        (b"\xC3".to_vec(), earlier(3)),
        (chunk_size(0), Error::ChunkSize { size: 0 }),
        (
            chunk_size(0x8000_0000),
            Error::ChunkSize { size: 0x8000_0000 },
        ),
        (
            b"\x02\0\0\0\0\0\x03\x01\0\0\0\0abc".to_vec(),
            malformed("Set Chunk Size"),
        ),
        (
            b"\x02\0\0\0\0\0\x03\x02\0\0\0\0abc".to_vec(),
            malformed("Abort"),
        ),
        (
            b"\x03\0\0\0\xFF\xFF\xFF\x14\0\0\0\0".to_vec(),
            Error::MessageTooLong {
                type_id: 20,
                bytes: 0xFF_FFFF,
                max: 8 << 20,
                offset: 0,
            },
        ),
    ] {
        assert_eq!(read(&bytes), Err(error));
    }
}

#[test]
fn the_longest_message_may_be_set_as_the_session_goes() {
    let mut reader = Reader::new(&Limits::default());
    reader.set_message_bytes_max(2);
    let refused = read_all(&mut reader, [&b"\x04\0\0\0\0\0\x03\x08\x01\0\0\0abc"[..]]);
    let error = Error::MessageTooLong {
        type_id: 8,
        bytes: 3,
        max: 2,
        offset: 0,
    };
    assert_eq!(refused, Err(error));
    reader = Reader::new(&Limits::default());
    reader.set_message_bytes_max(2);
    reader.set_message_bytes_max(3);
    let read = read_all(&mut reader, [&b"\x04\0\0\0\0\0\x03\x08\x01\0\0\0abc"[..]]);
    assert_eq!(read, Ok(vec![message(4, 0, 8, b"abc")]));
}

fn write(out: &mut BytesMut, message: &Message, chunk_size: usize) {
    let header = MessageHeader {
        timestamp: message.timestamp,
        type_id: message.type_id,
        message_stream_id: message.message_stream_id,
    };
    write_message(
        out,
        message.chunk_stream_id,
        &header,
        &message.payload,
        chunk_size,
    );
}
