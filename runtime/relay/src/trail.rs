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

/// Lines beside each other. Addresses, not references: nobody keeps the memory for the trail's sake. In one
/// word, because the trail itself lies in memory that has to be asked for.
///
/// From the top: the number of the first line, whether it is to be written, how many lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch(u64);

/// Bits for how many lines a stretch has. With these and one more, 50 are left for the first one's number:
/// more than an address has.
const COUNT_BITS: u32 = 13;
const COUNT_MAX: usize = (1 << COUNT_BITS) - 1;
const TO_WRITE: u64 = 1 << COUNT_BITS;

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
        self.0.push(Stretch::new(addresses));
    }

    /// The next frame is put behind `last`.
    pub(crate) fn note_behind<T>(&mut self, last: Option<&T>) {
        if let Some(last) = last {
            self.0.push(Stretch::behind(last));
        }
    }

    /// Asks for all of it.
    pub(crate) fn fetch(&self) {
        self.0.iter().for_each(|stretch| stretch.fetch());
    }
}

impl Stretch {
    fn new(addresses: Range<usize>) -> Self {
        let (first, end) = (
            addresses.start / LINE_BYTES,
            addresses.end.div_ceil(LINE_BYTES),
        );
        let count = end.saturating_sub(first).min(COUNT_MAX);
        Self(((first as u64) << (COUNT_BITS + 1)) | count as u64)
    }

    fn of<T: ?Sized>(value: &T) -> Self {
        let start = ptr::from_ref(value).addr();
        Self::new(start..start.wrapping_add(mem::size_of_val(value)))
    }

    /// As long as `last`, right behind it, to be written.
    fn behind<T>(last: &T) -> Self {
        let start = ptr::from_ref(last).addr().wrapping_add(size_of::<T>());
        let room = start..start.wrapping_add(size_of::<T>());
        Self(Self::new(room).0 | TO_WRITE)
    }

    fn fetch(self) {
        let first = (self.0 >> (COUNT_BITS + 1)) as usize * LINE_BYTES;
        let count = self.0 as usize & COUNT_MAX;
        let lines = (0..count).map(|line| first + line * LINE_BYTES);
        match self.0 & TO_WRITE {
            0 => lines.for_each(fetch_line),
            _ => lines.for_each(fetch_line_to_write),
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

/// Asks for a line that no other core may have then.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // As above; and a compiler that builds for every core knows no function for it.
fn fetch_line_to_write(address: usize) {
    // SAFETY: as above. Cores that do not know the instruction do nothing.
    unsafe { std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags)) }
}

/// Elsewhere the waits are waited for.
#[cfg(not(target_arch = "x86_64"))]
fn fetch_line(_address: usize) {}

#[cfg(not(target_arch = "x86_64"))]
fn fetch_line_to_write(_address: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first line's address, how many there are, and whether they are to be written.
    fn lines(stretch: Stretch) -> (usize, usize, bool) {
        let first = (stretch.0 >> (COUNT_BITS + 1)) as usize * LINE_BYTES;
        (
            first,
            stretch.0 as usize & COUNT_MAX,
            stretch.0 & TO_WRITE != 0,
        )
    }

    #[test]
    fn a_stretch_has_every_line_that_its_bytes_touch() {
        for (addresses, first, count) in [
            (0..0, 0, 0),
            (640..641, 640, 1),
            (640..704, 640, 1),
            (640..705, 640, 2),
            (703..705, 640, 2),
            (4_096..1 << 30, 4_096, COUNT_MAX),
            ((1 << 55)..(1 << 55) + 200, 1 << 55, 4),
        ] {
            let stretch = Stretch::new(addresses.clone());
            assert_eq!(lines(stretch), (first, count, false), "{addresses:?}");
        }
    }

    #[test]
    fn a_trail_names_what_was_passed_and_the_room_behind_it() {
        #[repr(align(64))]
        struct Aligned<T>(T);
        let value = Aligned([0_u8; 256]);
        let list = Aligned([[0_u8; 64]; 3]);
        let mut trail = Trail::default();
        trail.note(&value);
        trail.note_behind(list.0.last());
        trail.note_behind(None::<&u64>);
        let expected = [
            (value.0.as_ptr().addr(), 4, false),
            (list.0.as_ptr_range().end.addr(), 1, true),
        ];
        assert_eq!(
            trail.0.iter().copied().map(lines).collect::<Vec<_>>(),
            expected
        );
        trail.clear();
        assert!(trail.0.is_empty());
    }

    #[test]
    fn to_ask_for_what_is_nowhere_does_no_harm() {
        for start in [0, 1, 1 << 40, usize::MAX - 70, usize::MAX] {
            for bytes in [0, 1, 64, 200] {
                let stretch = Stretch::new(start..start.saturating_add(bytes));
                stretch.fetch();
                Stretch(stretch.0 | TO_WRITE).fetch();
            }
        }
    }
}
