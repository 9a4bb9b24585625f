//! Frames for unit tests, written as words, so that a test reads as what is sent and what is received.
//!
//! `m` is metadata, `v` and `a` are the sequence headers of picture and sound, `k` is a key frame, `p`
//! another picture, `s` a sound, `c` a cue point. What follows the letter makes words differ, and `@`
//! goes before the time in milliseconds: `k2@400`. A frame's body is its word without the time.

use crate::tape::Piece;
use bytes::Bytes;
use media::{Frame, Kind, MediaTime, Role};

/// The frame that `word` means.
pub(crate) fn frame(word: &str) -> Frame {
    let (name, time) = word.split_once('@').unwrap_or((word, "0"));
    let (kind, role) = match name.chars().next() {
        Some('m') => (Kind::Data, Role::Metadata),
        Some('c') => (Kind::Data, Role::Other),
        Some('v') => (Kind::Video, Role::Config),
        Some('k') => (Kind::Video, Role::Key),
        Some('p') => (Kind::Video, Role::Inter),
        Some('a') => (Kind::Audio, Role::Config),
        Some('s') => (Kind::Audio, Role::Inter),
        _ => panic!("{word:?} means no frame"),
    };
    Frame {
        kind,
        role,
        codec: None,
        track: 0,
        dts: MediaTime::from_millis(time.parse().expect("a time")),
        body: Bytes::copy_from_slice(name.as_bytes()),
    }
}

/// The frames that `words` mean, in order.
pub(crate) fn frames(words: &str) -> impl Iterator<Item = Frame> {
    words.split_whitespace().map(frame)
}

/// The words of bodies, in order.
pub(crate) fn words<'a>(bodies: impl IntoIterator<Item = &'a Bytes>) -> String {
    let words = bodies.into_iter().map(|body| String::from_utf8_lossy(body));
    words.collect::<Vec<_>>().join(" ")
}

/// The words of pieces of the frames' own format; where a player may start, `[what goes ahead]` stands.
pub(crate) fn tape<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> String {
    let words = pieces.into_iter().map(|piece| {
        let word = String::from_utf8_lossy(&piece.bytes);
        match &piece.start {
            Some(headers) => {
                let ahead = words(headers.iter().map(|header| &header.bytes));
                format!("[{ahead}]{word}")
            }
            None => word.into_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
