//! Frames as words: `k1@40` is a key frame of 40 ms that is called `k1`.
//!
//! `m` is metadata, `v` and `a` are sequence headers (AVC, AAC), `k` and `p` a key frame and another
//! picture, `s` a sound, `x` a sound in MP3, which has no sequence header, `c` a cue point. `*` goes
//! before a size in bytes for frames that have to be long: `k1@40*50000`.

use bytes::{BufMut, Bytes, BytesMut};
use media::Kind;

/// What goes before a frame's name in its FLV tag body.
const FRONTS: [(char, Kind, &[u8]); 8] = [
    ('m', Kind::Data, b"\x02\x00\x0aonMetaData\x02\x00"),
    ('c', Kind::Data, b"\x02\x00\x0aonCuePoint\x02\x00"),
    ('v', Kind::Video, b"\x17\x00\x00\x00\x00"),
    ('k', Kind::Video, b"\x17\x01\x00\x00\x00"),
    ('p', Kind::Video, b"\x27\x01\x00\x00\x00"),
    ('a', Kind::Audio, b"\xaf\x00"),
    ('s', Kind::Audio, b"\xaf\x01"),
    ('x', Kind::Audio, b"\x2f"),
];

/// A frame to send.
pub(crate) struct Spoken {
    pub(crate) kind: Kind,
    pub(crate) timestamp: u32,
    pub(crate) body: Bytes,
}

/// The frame that `word` means.
pub(crate) fn speak(word: &str) -> Spoken {
    let (word, size) = word.split_once('*').unwrap_or((word, "0"));
    let (name, time) = word.split_once('@').unwrap_or((word, "0"));
    let front = FRONTS.iter().find(|(letter, ..)| name.starts_with(*letter));
    let Some((_, kind, front)) = front else {
        panic!("{word:?} means no frame")
    };
    let mut body = BytesMut::from(*front);
    if *kind == Kind::Data {
        body.put_u8(u8::try_from(name.len()).expect("a short name"));
    }
    body.put_slice(name.as_bytes());
    let size: usize = size.parse().expect("a size");
    if body.len() < size {
        body.resize(size, 0);
    }
    Spoken {
        kind: *kind,
        timestamp: time.parse().expect("a time"),
        body: body.freeze(),
    }
}

/// The word of a frame that was received, without its size.
pub(crate) fn hear(kind: Kind, timestamp: u32, body: &[u8]) -> String {
    let front = FRONTS
        .iter()
        .find(|(_, front_kind, front)| *front_kind == kind && body.starts_with(front));
    let Some((_, _, front)) = front else {
        panic!("{kind:?} {body:02x?} is nothing that was sent")
    };
    let skip = front.len() + usize::from(kind == Kind::Data);
    let name = body[skip..].split(|byte| *byte == 0).next();
    let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
    format!("{name}@{timestamp}")
}

/// A word's frame's name.
pub(crate) fn name(word: &str) -> &str {
    word.split_once('@').map_or(word, |(name, _)| name)
}

/// The names of words, in order.
pub(crate) fn names(words: &str) -> String {
    let names: Vec<_> = words.split_whitespace().map(name).collect();
    names.join(" ")
}

/// Whether it is metadata or a sequence header.
pub(crate) fn is_header(word: &str) -> bool {
    word.starts_with(['m', 'v', 'a'])
}
