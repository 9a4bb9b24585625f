//! What a hostile value can make a reader hold, measured at the allocator.
//!
//! The library counts for itself and refuses; here somebody else counts. A test of its own process
//! and thread, so that nothing else allocates while it looks.

use amf::{Limits, Value, amf0, amf3};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// What [`Limits`] promises for its defaults.
const PROMISED_BYTES: usize = 8 << 20;

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

type ReadAll = fn(&[u8], &Limits) -> Result<Vec<Value>, amf::Error>;

/// The most bytes that were in use at any moment of a read beyond those at its start.
fn peak_of(read_all: ReadAll, bytes: &[u8]) -> usize {
    let before = IN_USE.get();
    PEAK.set(before);
    let result = read_all(bytes, &Limits::default());
    let peak = PEAK.get() - before;
    drop(result);
    peak
}

/// `head`, then `unit` as often as a message of 4 MB can hold it.
fn many(head: &[u8], unit: &[u8]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    while bytes.len() < 4_000_000 {
        bytes.extend_from_slice(unit);
    }
    bytes
}

#[test]
fn no_value_holds_more_than_the_limits_promise() {
    const LONG_ARRAY: &[u8] = b"\x0a\xff\xff\xff\xff";
    let not_utf_8 = [&b"\x0c\0\x0f\xff\xff"[..], &[0xff; 0x0f_ffff]].concat();
    let amf3_array: &[u8] = b"\x09\xbf\xff\xff\xff\x01";
    let cases: [(&str, ReadAll, Vec<u8>); 9] = [
        ("nothing but nulls", amf0::read_all, many(b"", b"\x05")),
        (
            "an array without end",
            amf0::read_all,
            many(LONG_ARRAY, b"\x05"),
        ),
        (
            "small objects",
            amf0::read_all,
            many(LONG_ARRAY, b"\x03\0\x01a\x05\0\0\x09"),
        ),
        (
            "small arrays",
            amf0::read_all,
            many(LONG_ARRAY, b"\x0a\0\0\0\x01\x05"),
        ),
        (
            "objects in objects",
            amf0::read_all,
            many(b"", b"\x03\0\x01a\x03\0\x01a\x05\0\0\x09\0\0\x09"),
        ),
        ("text that triples", amf0::read_all, not_utf_8),
        (
            "AMF3: small arrays",
            amf3::read_all,
            many(amf3_array, b"\x09\x03\x01\x01"),
        ),
        (
            "AMF3: small objects",
            amf3::read_all,
            many(amf3_array, b"\x0a\x0b\x01\x03a\x01\x01"),
        ),
        (
            "AMF3: new classes",
            amf3::read_all,
            many(amf3_array, b"\x0a\x13\x03C\x03a\x01"),
        ),
    ];
    for (name, read_all, bytes) in cases {
        let peak = peak_of(read_all, &bytes);
        assert!(
            peak > 100_000,
            "{name}: {peak} bytes, so the case tests nothing"
        );
        assert!(peak <= PROMISED_BYTES, "{name}: {peak} bytes");
    }
}
