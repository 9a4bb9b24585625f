//! Memory that is needed soon, asked for before it is.
//!
//! A shard serves hundreds of publishers and thousands of players in turn, and whose turn it is finds its
//! memory out of the core's cache: for a frame some hundred lines, met one after the other, each a wait of
//! a tenth of a microsecond or more. Asked for together, the waits overlap with each other and with the
//! system call before.
//!
//! * [`fetch`] asks for a value that lies at hand: the player after next, while this one's bytes are sent.
//! * A [`Trail`] notes where a publisher's frame went, and asks for it all when the next one has come.
//!
//! Both only say what is wanted: nothing is read, and a place that is no longer there does no harm.

use bytes::Bytes;
use smallvec::SmallVec;
use std::{mem, ops::Range, ptr};

/// Bytes in a line of the cache, on every machine that we know of.
const LINE_BYTES: usize = 64;

/// As many as a frame passes that one or two players of one protocol read.
const STRETCHES: usize = 18;

/// Asks for `value`.
pub(crate) fn fetch<T: ?Sized>(value: &T) {
    Stretch::of(value).fetch();
}

/// Where the last frame went, and so the next one will go.
#[derive(Debug, Default)]
pub(crate) struct Trail(SmallVec<[Stretch; STRETCHES]>);

/// Addresses, not references: nobody keeps the memory for the trail's sake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    start: usize,
    bytes: usize,
}

impl Trail {
    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The next frame needs `value`.
    pub(crate) fn note<T: ?Sized>(&mut self, value: &T) {
        self.0.push(Stretch::of(value));
    }

    /// The next frame needs what lies at these addresses.
    pub(crate) fn note_at(&mut self, addresses: Range<usize>) {
        self.0.push(Stretch {
            start: addresses.start,
            bytes: addresses.len(),
        });
    }

    /// The next frame is put behind `last`.
    pub(crate) fn note_behind<T>(&mut self, last: Option<&T>) {
        if let Some(last) = last {
            self.0.push(Stretch::of(last).next());
        }
    }

    /// The next frame's bytes are written behind `last`, about as many.
    pub(crate) fn note_behind_bytes(&mut self, last: &Bytes) {
        self.0.push(Stretch::of(&last[..]).next());
    }

    /// Asks for all of it.
    pub(crate) fn fetch(&self) {
        self.0.iter().for_each(|stretch| stretch.fetch());
    }
}

impl Stretch {
    fn of<T: ?Sized>(value: &T) -> Self {
        Self {
            start: ptr::from_ref(value).addr(),
            bytes: mem::size_of_val(value),
        }
    }

    /// As long, and right behind.
    fn next(self) -> Self {
        Self {
            start: self.start.wrapping_add(self.bytes),
            ..self
        }
    }

    fn fetch(self) {
        let into_line = self.start % LINE_BYTES;
        let lines = (into_line + self.bytes).div_ceil(LINE_BYTES);
        for line in 0..lines {
            fetch_line((self.start - into_line).wrapping_add(line * LINE_BYTES));
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // There is no safe way to say it.
fn fetch_line(address: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint to the core, which neither reads nor writes what a program can see; an address where
    // nothing is does no harm.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(ptr::without_provenance(address)) }
}

/// Elsewhere the waits are waited for.
#[cfg(not(target_arch = "x86_64"))]
fn fetch_line(_address: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_names_what_was_passed_and_the_room_behind_it() {
        let (value, list) = ([0_u8; 200], [1_u64, 2, 3]);
        let bytes = Bytes::from(vec![0; 1_000]);
        let mut trail = Trail::default();
        trail.note(&value);
        trail.note_behind(list.last());
        trail.note_behind(None::<&u64>);
        trail.note_behind_bytes(&bytes);
        let expected = [
            (value.as_ptr().addr(), 200),
            (list.as_ptr_range().end.addr(), 8),
            (bytes.as_ptr_range().end.addr(), 1_000),
        ];
        let expected = expected.map(|(start, bytes)| Stretch { start, bytes });
        assert_eq!(trail.0[..], expected);
        trail.clear();
        assert_eq!(trail.0[..], []);
    }

    #[test]
    fn to_ask_for_what_is_nowhere_does_no_harm() {
        for start in [0, 1, 1 << 40, usize::MAX - 70, usize::MAX] {
            for bytes in [0, 1, 64, 200] {
                Stretch { start, bytes }.fetch();
            }
        }
    }
}
