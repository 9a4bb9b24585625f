//! Every bound that keeps a peer's share of our memory known, each with the reason for its size.
//!
//! What a peer can make a chunk reader hold is at most [`Limits::held_bytes_max`], measured at the
//! allocator by `tests/memory.rs`; a server session adds [`Limits::undecided_bytes_max`].
//! All bounds are far above what honest encoders and players do.

/// The longest payload that RTMP's 24-bit length field can name.
pub const PAYLOAD_BYTES_MAX: usize = 0xFF_FFFF;

/// How far a message's buffer may run ahead of the bytes that have arrived for it.
///
/// A declared length is only a claim. 64 KiB holds nearly every frame of nearly every stream, so
/// that these are allocated once and copied once; longer messages double as their bytes come.
pub const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;

/// The longest proxy pre-header that is skipped before C0; SRS allows the same.
pub const PROXY_HEADER_BYTES_MAX: usize = 1024;

/// The chunk size of both directions until Set Chunk Size (RTMP 1.0, 5.4.1).
pub const CHUNK_SIZE_DEFAULT: u32 = 128;

/// The largest chunk size that Set Chunk Size may name: its first bit must be zero (5.4.1).
pub const CHUNK_SIZE_MAX: u32 = 0x7FFF_FFFF;

/// What one peer may claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest message payload, in bytes; at most [`PAYLOAD_BYTES_MAX`] counts.
    ///
    /// 8 MiB: a key frame of 4K at 100 Mbit/s is about 2 MB.
    pub message_bytes_max: usize,
    /// How many chunk streams a peer may open.
    ///
    /// 64: encoders use 3 to 8; an id costs nothing to invent.
    pub chunk_streams_max: usize,
    /// The bytes of all unfinished messages together, as allocated.
    ///
    /// 12 MiB: one message of the largest size plus what interleaves with it.
    pub partial_bytes_max: usize,
    /// The longest command message (AMF0 or AMF3) before the peer may publish, in bytes.
    ///
    /// 64 KiB: a `connect` with tokens in its URLs has 0.3 to 4 KiB. Nobody who is not yet let in
    /// can make us hold more.
    pub command_bytes_max: usize,
    /// What a peer may send on, in bytes, while a request of its is being decided upon.
    ///
    /// 1 MiB: some encoders send media at once behind `publish`, and the answer may take a hook's
    /// round trip; a shell that stops reading meanwhile needs no more than one of its buffers.
    pub undecided_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 8 * 1024 * 1024,
            chunk_streams_max: 64,
            partial_bytes_max: 12 * 1024 * 1024,
            command_bytes_max: 64 * 1024,
            undecided_bytes_max: 1024 * 1024,
        }
    }
}

impl Limits {
    /// The most that a chunk reader holds for one peer at any moment, in bytes: unfinished
    /// messages, the old buffer beside the new while the longest of them grows, and the state of
    /// each chunk stream.
    pub fn held_bytes_max(&self) -> usize {
        let streams = self
            .chunk_streams_max
            .saturating_mul(crate::chunk::STREAM_STATE_BYTES);
        self.partial_bytes_max
            .saturating_add(self.message_bytes_max)
            .saturating_add(streams)
    }
}
