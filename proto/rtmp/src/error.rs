//! What a peer did that ends a session. Each variant is a situation, with the facts in its fields.
//!
//! Needing more bytes is never an error. A session that returned one is dead: the bytes that follow
//! can no longer be understood; flush its output and close. Trying again on a new connection is
//! safe, and useless for all but a broken link, because the peer will say the same.

/// Why a session ended. The fault is the peer's in every case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first byte is the beginning of another protocol.
    #[error("the peer speaks {looks_like}, not RTMP (first byte {first_byte:#04x})")]
    NotRtmp {
        /// `HTTP` or `TLS`.
        looks_like: &'static str,
        /// What came where the version should stand.
        first_byte: u8,
    },
    /// C0 or S0 names a version that nobody may send (RTMP 1.0, 5.2.2: 0–2 are obsolete, 32–255 are
    /// for text).
    #[error("RTMP version {version} cannot be spoken here, 3 can")]
    Version {
        /// The version byte.
        version: u8,
    },
    /// The pre-header with the client's address that a proxy puts before C0 is too long.
    #[error("a proxy pre-header of {bytes} bytes, at most {max} are allowed")]
    ProxyHeaderTooLong {
        /// The length that it declares.
        bytes: usize,
        /// [`crate::limits::PROXY_HEADER_BYTES_MAX`].
        max: usize,
    },
    /// The first chunk of a chunk stream refers to a header before it, and there is none.
    #[error(
        "chunk stream {chunk_stream_id} opens with a type {header_type} header at byte {offset}"
    )]
    NoEarlierHeader {
        /// Which chunk stream.
        chunk_stream_id: u32,
        /// 2 or 3.
        header_type: u8,
        /// Bytes from the end of the handshake to this chunk.
        offset: u64,
    },
    /// A chunk's header describes another message than the unfinished one of its chunk stream.
    #[error(
        "chunk stream {chunk_stream_id} has a type {header_type} header at byte {offset}, with \
         {missing} bytes of the message before it still to come"
    )]
    HeaderInsideMessage {
        /// Which chunk stream.
        chunk_stream_id: u32,
        /// 0 or 1.
        header_type: u8,
        /// How many bytes the unfinished message lacks.
        missing: usize,
        /// Bytes from the end of the handshake to this chunk.
        offset: u64,
    },
    /// A message declares more than [`crate::Limits::message_bytes_max`].
    #[error(
        "a message of type {type_id} with {bytes} bytes at byte {offset}, at most {max} are allowed"
    )]
    MessageTooLong {
        /// The message's type id.
        type_id: u8,
        /// The declared length.
        bytes: usize,
        /// The limit in force.
        max: usize,
        /// Bytes from the end of the handshake to this chunk.
        offset: u64,
    },
    /// The peer opens more chunk streams than [`crate::Limits::chunk_streams_max`].
    #[error("more than {max} chunk streams")]
    TooManyChunkStreams {
        /// The limit.
        max: usize,
    },
    /// Unfinished messages need more than [`crate::Limits::partial_bytes_max`].
    #[error("unfinished messages need more than {max} bytes")]
    TooManyPartialBytes {
        /// The limit.
        max: usize,
    },
    /// Set Chunk Size with 0 or with its first bit set.
    #[error("a chunk size of {size}, 1 to 2147483647 are allowed")]
    ChunkSize {
        /// What the peer asked for.
        size: u32,
    },
    /// A control or aggregate message ends before its fields do, or contradicts itself.
    #[error("a malformed {message} message of {bytes} bytes")]
    Malformed {
        /// The message's name in the specification.
        message: &'static str,
        /// Its payload's length.
        bytes: usize,
    },
    /// A command message is no AMF, or costs more than [`amf::Limits`] allow.
    #[error("a command that cannot be read")]
    Command(#[from] amf::Error),
    /// A command message does not begin with a name.
    #[error("a command without a name")]
    CommandName,
    /// The peer went on sending more than [`crate::Limits::undecided_bytes_max`] while its request
    /// was being decided upon.
    #[error("more than {max} bytes behind a request that is not decided yet")]
    TooManyUndecidedBytes {
        /// The limit.
        max: usize,
    },
}
