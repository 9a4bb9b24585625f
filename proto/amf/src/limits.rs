//! How much one read may cost, whatever the bytes declare.
//!
//! A reader never reserves memory for a declared count or length: it grows as bytes arrive, and
//! stops with [`Error::Limit`](crate::Error::Limit) at the first of these bounds.

/// Bounds of one call of a reader; all of them hold at once.
///
/// With the defaults a read holds at most 8 MiB, whatever the bytes (`tests/memory.rs` measures it):
/// an element costs up to about 200 bytes with the room that its container keeps free, and text
/// that is not UTF-8 triples while it is repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep values may nest. The reader recurses, so this also bounds its stack, at a few
    /// hundred bytes a level.
    ///
    /// 16: `connect` needs 2, metadata with a key frame index 3, the deepest Flash remoting
    /// message that we know 6.
    pub depth_max: usize,
    /// Values of all levels together, a referenced object counted each time it is used.
    ///
    /// 16,384: `connect` has about 20, encoders' metadata up to 60; a recording's key frame index
    /// has two for each key frame, four hours of which at one in two seconds still fit.
    pub elements_max: usize,
    /// Bytes of all strings and names together, a referenced string counted each time it is used.
    ///
    /// 1 MiB: commands need hundreds; FMLE's `onXMPData` and subtitles in metadata some 10 kB.
    pub string_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 16,
            elements_max: 16_384,
            string_bytes_max: 1 << 20,
        }
    }
}
