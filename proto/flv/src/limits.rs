//! What reading an FLV file may cost, whatever its bytes declare.

/// The largest tag body that FLV and RTMP can say: 24 bits of length.
pub const BODY_BYTES_MAX: usize = (1 << 24) - 1;

/// Bounds of a [`Reader`](crate::Reader). It holds at most one tag of `tag_bytes_max` and the bytes
/// of the last [`input`](crate::Reader::input).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest tag body in bytes.
    ///
    /// 8 MiB: a key frame of 4K at 100 Mbit/s is about 2 MB, and intra-only contribution streams
    /// stay below 4 MB a frame.
    pub tag_bytes_max: usize,
    /// The largest file header in bytes; all known versions have 9, the format allows for more.
    pub header_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tag_bytes_max: 8 << 20,
            header_bytes_max: 1024,
        }
    }
}
