//! Any messages, in every form that the specification allows: they are read as they were meant.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

/// A sender that takes every liberty: the shortest header that the last one allows, chunks of
/// several messages interleaved, the chunk size changed between any two chunks.
#[derive(Debug, Default)]
struct Liberal {
    out: Vec<u8>,
    /// Whole messages, in the order in which they end.
    sent: Vec<Message>,
    chunk_size: usize,
    streams: Vec<LiberalStream>,
}

#[derive(Debug)]
struct LiberalStream {
    waiting: VecDeque<Message>,
    /// How many payload bytes of the first in `waiting` are out.
    progress: usize,
    begun: bool,
    last: Option<Message>,
    delta: u32,
    extended: Option<u32>,
}

impl Liberal {
    fn new(messages: Vec<Message>) -> Self {
        let mut sender = Self {
            chunk_size: 128,
            ..Self::default()
        };
        for message in messages {
            let id = message.chunk_stream_id;
            let of_id = |stream: &&mut LiberalStream| stream.waiting[0].chunk_stream_id == id;
            match sender.streams.iter_mut().find(of_id) {
                Some(stream) => stream.waiting.push_back(message),
                None => sender.streams.push(LiberalStream {
                    waiting: [message].into(),
                    progress: 0,
                    begun: false,
                    last: None,
                    delta: 0,
                    extended: None,
                }),
            }
        }
        sender
    }

    fn set_chunk_size(&mut self, size: u32) {
        let header = MessageHeader {
            timestamp: 0,
            type_id: 1,
            message_stream_id: 0,
        };
        let mut out = BytesMut::new();
        write_message(&mut out, 2, &header, &size.to_be_bytes(), self.chunk_size);
        self.out.extend_from_slice(&out);
        self.sent.push(message(2, 0, 1, &size.to_be_bytes()));
        self.chunk_size = size as usize;
    }

    /// Sends one chunk of one of the streams that still have something to send.
    fn send_chunk(&mut self, choice: usize) -> bool {
        if self.streams.is_empty() {
            return false;
        }
        let at = choice % self.streams.len();
        let stream = &mut self.streams[at];
        let message = stream.waiting[0].clone();
        let header_type = match stream.begun {
            // Now and then a message goes on under a whole header.
            true if choice % 7 == 6 => 0,
            true => 3,
            false => stream.header_type(&message),
        };
        let basic = header_type << 6;
        match message.chunk_stream_id {
            id @ ..=63 => self.out.push(basic | id as u8),
            id @ ..=319 => self.out.extend_from_slice(&[basic, (id - 64) as u8]),
            id => {
                let [low, high] = ((id - 64) as u16).to_le_bytes();
                self.out.extend_from_slice(&[basic | 1, low, high]);
            }
        }
        if header_type < 3 {
            let last = stream.last.as_ref().map_or(0, |last| last.timestamp);
            let field = if header_type == 0 {
                message.timestamp
            } else {
                message.timestamp.wrapping_sub(last)
            };
            if !stream.begun {
                stream.delta = field;
            }
            stream.extended = (field >= EXTENDED).then_some(field);
            self.out
                .extend_from_slice(&field.min(EXTENDED).to_be_bytes()[1..]);
        }
        if header_type < 2 {
            self.out
                .extend_from_slice(&(message.payload.len() as u32).to_be_bytes()[1..]);
            self.out.push(message.type_id);
        }
        if header_type == 0 {
            self.out
                .extend_from_slice(&message.message_stream_id.to_le_bytes());
        }
        if let Some(extended) = stream.extended {
            self.out.extend_from_slice(&extended.to_be_bytes());
        }
        let end = message.payload.len().min(stream.progress + self.chunk_size);
        self.out
            .extend_from_slice(&message.payload[stream.progress..end]);
        stream.progress = end;
        stream.begun = end < message.payload.len();
        if !stream.begun {
            stream.progress = 0;
            stream.last = stream.waiting.pop_front();
            if stream.waiting.is_empty() {
                self.streams.remove(at);
            }
            self.sent.push(message);
        }
        true
    }
}

impl LiberalStream {
    fn header_type(&self, next: &Message) -> u8 {
        let Some(last) = &self.last else { return 0 };
        let delta = next.timestamp.wrapping_sub(last.timestamp);
        match () {
            () if last.message_stream_id != next.message_stream_id => 0,
            () if last.payload.len() != next.payload.len() || last.type_id != next.type_id => 1,
            () if delta != self.delta => 2,
            () => 3,
        }
    }
}

/// Moments where the wire's form changes: near 0xFFFFFF, near the wrap, and everywhere else.
fn timestamps() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..100u32,
        EXTENDED - 50..EXTENDED + 50,
        Just(EXTENDED),
        u32::MAX - 50..=u32::MAX,
        any::<u32>(),
    ]
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let ids = prop_oneof![
        3..8u32,
        Just(63),
        Just(64),
        Just(319),
        Just(320),
        Just(65_599)
    ];
    let types = prop_oneof![Just(8u8), Just(9), Just(18), Just(20)];
    let payload = (
        prop_oneof![Just(3usize), 0..20usize, 100..400usize],
        any::<u8>(),
    );
    let one = (ids, timestamps(), types, 0..3u32, payload);
    prop::collection::vec(one, 1..12).prop_map(|rows| {
        rows.into_iter()
            .map(
                |(chunk_stream_id, timestamp, type_id, message_stream_id, (len, seed))| Message {
                    chunk_stream_id,
                    timestamp,
                    type_id,
                    message_stream_id,
                    payload: (0..len).map(|at| seed.wrapping_add(at as u8)).collect(),
                },
            )
            .collect()
    })
}

/// Pieces of the lengths given, again and again.
fn split<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_under_any_split_and_chunk_size(
        messages in messages(),
        chunk_size in prop_oneof![1..10u32, 60..300u32, Just(60_000)],
        splits in prop::collection::vec(1..200usize, 1..8),
    ) {
        let mut out = BytesMut::new();
        let size = chunk_size.to_be_bytes();
        write(&mut out, &message(2, 0, 1, &size), 128);
        for message in &messages {
            write(&mut out, message, chunk_size as usize);
        }
        let mut reader = Reader::new(&Limits::default());
        let read = read_all(&mut reader, split(&out, &splits))?;
        let mut sharing = Reader::new(&Limits::default());
        prop_assert_eq!(&read_all_shared(&mut sharing, split(&out, &splits))?, &read);
        prop_assert_eq!(&read[1..], &messages[..]);
        prop_assert_eq!(reader.partial_bytes, 0);
        prop_assert_eq!(reader.offset, out.len() as u64);
    }

    #[test]
    fn every_liberty_of_a_sender_is_understood(
        messages in messages(),
        choices in prop::collection::vec((any::<usize>(), prop::option::weighted(0.1, 1..400u32)), 1..60),
        splits in prop::collection::vec(1..200usize, 1..8),
    ) {
        let mut sender = Liberal::new(messages);
        for (choice, chunk_size) in choices.iter().cycle() {
            if let Some(size) = chunk_size {
                sender.set_chunk_size(*size);
            }
            if !sender.send_chunk(*choice) {
                break;
            }
        }
        let mut reader = Reader::new(&Limits::default());
        let read = read_all(&mut reader, split(&sender.out, &splits))?;
        prop_assert_eq!(read, sender.sent);
        prop_assert_eq!(reader.partial_bytes, 0);
    }

    #[test]
    fn no_bytes_make_a_reader_panic_or_hold_more_than_its_limits(
        bytes in prop::collection::vec(
            prop_oneof![Just(0u8), Just(0xC6), Just(0x06), Just(0xFF), any::<u8>()], 0..600
        ),
    ) {
        let limits = Limits { partial_bytes_max: 70_000, chunk_streams_max: 4, ..Limits::default() };
        let mut reader = Reader::new(&limits);
        for mut byte in bytes.chunks(1) {
            if reader.read(&mut byte).is_err() {
                break;
            }
            prop_assert!(reader.held_bytes() <= limits.held_bytes_max());
        }
    }
}
