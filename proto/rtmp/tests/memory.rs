//! What a hostile peer can make a chunk reader hold, measured at the allocator.
//!
//! The library counts for itself and refuses; here somebody else counts. A test of its own process
//! and thread, so that nothing else allocates while it looks.

use rtmp::{Limits, chunk::Reader, limits::READ_AHEAD_BYTES_MAX};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// Passes everything to the system's allocator and counts what the thread has in use.
struct Counting;

thread_local! {
    static IN_USE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes unchanged to `System`; counting touches only this thread's cells, which
// need no allocation and have no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.get() + layout.size();
        IN_USE.set(now);
        PEAK.set(PEAK.get().max(now));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.set(IN_USE.get().saturating_sub(layout.size()));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Feeds all of `bytes`, dropping messages; gives the reader's last word and the most bytes that
/// were in use at any moment beyond those at the start.
fn peak_of(
    limits: &Limits,
    pieces: impl Iterator<Item = Vec<u8>>,
) -> (Result<(), rtmp::Error>, usize) {
    let mut reader = Reader::new(limits);
    let mut peak = 0;
    for piece in pieces {
        let before = IN_USE.get();
        PEAK.set(before);
        let held = reader.held_bytes();
        let mut rest = &piece[..];
        loop {
            match reader.read(&mut rest) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return (Err(error), peak),
            }
        }
        peak = peak.max(held + PEAK.get() - before);
    }
    (Ok(()), peak)
}

fn opening(chunk_stream_id: u8, length: u32) -> Vec<u8> {
    let [_, l2, l1, l0] = length.to_be_bytes();
    vec![chunk_stream_id, 0, 0, 0, l2, l1, l0, 9, 1, 0, 0, 0]
}

/// As every chunk stream there is claims the longest message, and sends it in turn, chunk by chunk.
#[test]
fn a_peer_that_never_ends_a_message_holds_at_most_the_limit() {
    let limits = Limits::default();
    let streams = 3..=63u8;
    let first = streams
        .clone()
        .map(|id| [opening(id, 8 << 20), vec![0; 128]].concat());
    let rest = std::iter::repeat_with(|| {
        streams
            .clone()
            .map(|id| [vec![0xC0 | id], vec![0; 128]].concat())
    })
    .flatten()
    .take(200_000);
    let (ended, peak) = peak_of(&limits, first.chain(rest));
    let max = limits.partial_bytes_max;
    assert_eq!(ended, Err(rtmp::Error::TooManyPartialBytes { max }));
    assert!(peak <= limits.held_bytes_max(), "{peak} bytes");
    assert!(
        peak >= max / 2,
        "the attack reached {peak} bytes only: it shows nothing"
    );
}

#[test]
fn a_declared_length_alone_costs_next_to_nothing() {
    let (ended, peak) = peak_of(&Limits::default(), [opening(6, 8 << 20)].into_iter());
    assert_eq!(ended, Ok(()));
    assert!(peak < 1024, "{peak} bytes");
}

#[test]
fn one_byte_of_a_long_message_costs_the_read_ahead_and_no_more() {
    let pieces = [opening(6, 8 << 20), vec![0]];
    let (ended, peak) = peak_of(&Limits::default(), pieces.into_iter());
    assert_eq!(ended, Ok(()));
    assert!(
        (READ_AHEAD_BYTES_MAX..READ_AHEAD_BYTES_MAX + 1024).contains(&peak),
        "{peak} bytes"
    );
}

/// The copy from the socket's buffer is the only one, and its buffer the only allocation.
#[test]
fn a_usual_frame_is_allocated_once() {
    let mut reader = Reader::new(&Limits::default());
    let mut rest: &[u8] = &opening(6, 1);
    assert_eq!(reader.read(&mut rest), Ok(None));
    let mut rest: &[u8] = &[0];
    assert!(matches!(reader.read(&mut rest), Ok(Some(_))));

    let frame = [opening(6, 128), vec![7; 128]].concat();
    let before = IN_USE.get();
    PEAK.set(before);
    let mut rest = &frame[..];
    let message = reader
        .read(&mut rest)
        .expect("no error")
        .expect("one whole message");
    assert_eq!((IN_USE.get() - before, PEAK.get() - before), (128, 128));
    assert_eq!(message.payload.len(), 128);
}
