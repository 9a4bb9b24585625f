//! What every frame carries inside its payload, so that a player can tell what became of it: who
//! sent it, its number, when, and a checksum of all of it.
//!
//! ```text
//!  codec's own bytes │ magic 8 │ publisher 8 │ number 8 │ clock µs 8 │ checksum 8 │ filler …
//! ```
//!
//! A server must pass payloads on untouched; the codec's own bytes ahead are what servers look at.

use crate::clock::Moment;
use media::Kind;

/// Length of a stamp.
pub const STAMP_BYTES: usize = 40;

const MAGIC: [u8; 8] = *b"weirload";

/// Bytes ahead of the stamp in a picture: FLV's video header, a NAL unit's length and type.
pub(crate) const VIDEO_LEAD_BYTES: usize = 10;

/// Bytes ahead of the stamp in a sound: FLV's audio header for AAC.
pub(crate) const AUDIO_LEAD_BYTES: usize = 2;

/// Who sent a frame, which one it is, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// One publisher's one stay: a reconnected publisher has another.
    pub publisher: u64,
    /// Counts on by one over all frames of a publisher, sound and picture.
    pub number: u64,
    /// When the frame was handed to the publisher's socket.
    pub clock: Moment,
}

/// What is found where the stamp should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A stamp, and the frame is as it was sent.
    Whole(Stamp),
    /// A stamp, but the frame has changed on its way.
    Changed,
    /// No stamp: another program's frame.
    Nothing,
}

fn lead(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Video => Some(VIDEO_LEAD_BYTES),
        Kind::Audio => Some(AUDIO_LEAD_BYTES),
        Kind::Data => None,
    }
}

/// Stamps `body`, a whole tag body with room for the stamp behind its lead.
///
/// # Panics
/// If there is no room: a fault of the footage.
pub(crate) fn stamp(kind: Kind, body: &mut [u8], stamp: Stamp) {
    let lead = lead(kind).expect("pictures and sounds are stamped");
    let (_, rest) = body.split_at_mut(lead);
    let (place, filler) = rest
        .split_at_mut_checked(STAMP_BYTES)
        .expect("a body has room for its stamp");
    let checksum = checksum(kind, stamp, filler);
    let words = [
        u64::from_be_bytes(MAGIC),
        stamp.publisher,
        stamp.number,
        stamp.clock.as_micros(),
        checksum,
    ];
    for (bytes, word) in place.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
}

/// Reads a frame's stamp and compares the frame with it.
pub fn find(kind: Kind, body: &[u8]) -> Found {
    let Some((place, filler)) = lead(kind)
        .and_then(|lead| body.get(lead..))
        .and_then(|rest| rest.split_at_checked(STAMP_BYTES))
    else {
        return Found::Nothing;
    };
    let mut words = place.chunks_exact(8).map(word);
    let mut next = || words.next().unwrap_or_default();
    if next() != u64::from_be_bytes(MAGIC) {
        return Found::Nothing;
    }
    let stamp = Stamp {
        publisher: next(),
        number: next(),
        clock: Moment::from_micros(next()),
    };
    if next() == checksum(kind, stamp, filler) {
        Found::Whole(stamp)
    } else {
        Found::Changed
    }
}

/// A word-wise mix: not for enemies, but any changed, lost or moved word changes it.
fn checksum(kind: Kind, stamp: Stamp, filler: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let kind = match kind {
        Kind::Audio => 8,
        Kind::Video => 9,
        Kind::Data => 18,
    };
    let mut sum = [
        kind,
        stamp.publisher,
        stamp.number,
        stamp.clock.as_micros(),
        filler.len() as u64,
    ]
    .into_iter()
    .fold(FACTOR, mix);
    let words = filler.chunks_exact(8);
    let rest = words
        .remainder()
        .iter()
        .fold(0, |rest, byte| rest << 8 | u64::from(*byte));
    for bytes in words {
        sum = mix(sum, word(bytes));
    }
    mix(sum, rest)
}

fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        publisher: 7,
        number: 300,
        clock: Moment::from_micros(1_234_567),
    };

    fn stamped(kind: Kind) -> Vec<u8> {
        let mut body: Vec<u8> = (0..120).collect();
        stamp(kind, &mut body, STAMP);
        body
    }

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        for kind in [Kind::Audio, Kind::Video] {
            assert_eq!(find(kind, &stamped(kind)), Found::Whole(STAMP));
        }
    }

    #[test]
    fn any_changed_byte_behind_the_lead_is_noticed() {
        let body = stamped(Kind::Video);
        for index in VIDEO_LEAD_BYTES..body.len() {
            let mut changed = body.clone();
            changed[index] ^= 0x10;
            let found = find(Kind::Video, &changed);
            assert!(matches!(found, Found::Changed | Found::Nothing), "{index}");
        }
    }

    #[test]
    fn a_frame_cut_short_is_noticed() {
        let body = stamped(Kind::Video);
        for length in 0..body.len() {
            let cut = body.get(..length).expect("shorter");
            assert!(!matches!(find(Kind::Video, cut), Found::Whole(_)));
        }
    }

    #[test]
    fn a_frame_of_another_kind_is_noticed() {
        assert!(!matches!(
            find(Kind::Audio, &stamped(Kind::Video)),
            Found::Whole(_)
        ));
        assert_eq!(find(Kind::Data, &stamped(Kind::Video)), Found::Nothing);
    }
}
