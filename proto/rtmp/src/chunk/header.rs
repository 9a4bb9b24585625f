//! The form of a chunk's header (RTMP 1.0, 5.3.1), for reading and for writing.
//!
//! ```text
//!  basic header: | type 2 bits | chunk stream id 6 bits |   2 to 63
//!                | type | 0 | id - 64, 1 byte |             64 to 319
//!                | type | 1 | id - 64, 2 bytes, low first | 64 to 65599
//!
//!  message header, by type:  timestamp 3   length 3   type id 1   message stream id 4, low first
//!                            └─ type 2 ─┘
//!                            └────────── type 1 ──────────────┘
//!                            └────────────────────────── type 0 ────────────────────────────┘
//! ```
//!
//! Type 3 has no message header. Numbers are big endian where nothing else is said.

/// What a timestamp field holds if the real value stands in the extended timestamp (5.3.1.3).
pub(super) const EXTENDED: u32 = 0xFF_FFFF;

/// The size of an extended timestamp.
pub(super) const EXTENDED_BYTES: usize = 4;

/// The longest basic header, message header and extended timestamp together.
pub(super) const HEADER_BYTES_MAX: usize = 3 + 11 + EXTENDED_BYTES;

/// 1, 2 or 3 bytes, by the low six bits of the first (5.3.1.1).
pub(super) fn basic_header_len(first: u8) -> usize {
    match first & 0x3F {
        0 => 2,
        1 => 3,
        _ => 1,
    }
}

/// By header type (5.3.1.2).
pub(super) fn message_header_len(header_type: u8) -> usize {
    match header_type {
        0 => 11,
        1 => 7,
        2 => 3,
        _ => 0,
    }
}

/// A whole header, cut into its parts.
pub(super) struct Header<'a> {
    pub(super) header_type: u8,
    pub(super) chunk_stream_id: u32,
    /// The 11, 7, 3 or 0 bytes.
    pub(super) message_header: &'a [u8],
    pub(super) extended: Option<[u8; EXTENDED_BYTES]>,
}

impl<'a> Header<'a> {
    /// `bytes` are a header from its first byte to its last; its form says where to cut.
    pub(super) fn split(bytes: &'a [u8]) -> Self {
        let first = bytes.first().copied().unwrap_or_default();
        let header_type = first >> 6;
        let (basic, rest) = bytes.split_at(basic_header_len(first).min(bytes.len()));
        let chunk_stream_id = match *basic {
            [_, low] => 64 + u32::from(low),
            [_, low, high] => 64 + u32::from(u16::from_le_bytes([low, high])),
            _ => u32::from(first & 0x3F),
        };
        let (message_header, extended) =
            rest.split_at(message_header_len(header_type).min(rest.len()));
        Self {
            header_type,
            chunk_stream_id,
            message_header,
            extended: extended.first_chunk().copied(),
        }
    }
}

/// A header while it is put together.
pub(super) struct HeaderBytes {
    bytes: [u8; HEADER_BYTES_MAX],
    pub(super) len: usize,
}

impl HeaderBytes {
    /// Begins with the basic header.
    pub(super) fn new(header_type: u8, chunk_stream_id: u32) -> Self {
        let mut header = Self {
            bytes: [0; HEADER_BYTES_MAX],
            len: 0,
        };
        let first = header_type << 6;
        match chunk_stream_id {
            0..=63 => header.put(&[first | chunk_stream_id as u8]),
            64..=319 => header.put(&[first, (chunk_stream_id - 64) as u8]),
            _ => {
                let [low, high, ..] = (chunk_stream_id - 64).to_le_bytes();
                header.put(&[first | 1, low, high]);
            }
        }
        header
    }

    /// Appends; the caller puts no more than the three parts of one header.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
