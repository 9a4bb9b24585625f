//! Chunks to messages, under any split of the input and any interleaving of chunk streams.
//!
//! A payload is copied once, from the socket's buffer into its message's, which grows as bytes
//! come and never on a declared length alone. What a peer can make a reader hold is
//! [`Limits::held_bytes_max`].
//!
//! ```text
//!            header whole                     chunk whole, message not
//!  Header ─────────────────▶ Payload ──────────────────────────────────▶ Header
//!     ▲                         │ message whole: handed out, and obeyed
//!     └─────────────────────────┘ if it is Set Chunk Size or Abort
//! ```
//!
//! Peers differ in two ways that are met here:
//!
//! * librtmp's ping opens chunk stream 2 with a type 1 header; so a type 1 header may open a chunk
//!   stream: on message stream 0, counting from time 0.
//! * Adobe's programs, and ffmpeg and librtmp since 2015, repeat an extended timestamp on every
//!   type 3 chunk; older ffmpeg and librtmp do not. The first such chunk decides for the
//!   connection: four bytes that equal the timestamp are one.

use super::header::{
    EXTENDED, EXTENDED_BYTES, HEADER_BYTES_MAX, Header, basic_header_len, message_header_len,
};
use crate::{
    Error, Limits,
    limits::{CHUNK_SIZE_DEFAULT, PAYLOAD_BYTES_MAX, READ_AHEAD_BYTES_MAX},
    message::{Control, Message},
};
use bytes::Bytes;
use std::{mem, ops::Range};

/// What one chunk stream costs beside its payload; twice its size, for the table grows by doubling.
pub(crate) const STREAM_STATE_BYTES: usize = 2 * size_of::<ChunkStream>();

/// Takes bytes under any split, gives whole messages.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    chunk_size: usize,
    expected: Expected,
    /// The header under way.
    header: [u8; HEADER_BYTES_MAX],
    header_len: usize,
    /// Few, so a list is faster than a map.
    streams: Vec<ChunkStream>,
    /// Of all unfinished messages together, as allocated.
    pub(super) partial_bytes: usize,
    /// Whether the peer repeats extended timestamps on type 3 chunks; unknown until one was seen.
    repeats_extended: Option<bool>,
    /// Bytes taken since the handshake.
    pub(super) offset: u64,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Header,
    /// So many more bytes of this chunk, which belong to `streams[stream]`.
    Payload {
        stream: usize,
        missing: usize,
    },
}

/// What a chunk stream remembers: its last header, and the message under way.
#[derive(Debug)]
struct ChunkStream {
    id: u32,
    /// Absolute, of the last message begun.
    timestamp: u32,
    /// What a type 3 header that begins a message adds.
    delta: u32,
    /// What the extended timestamp of the last type 0, 1 or 2 header held, if it had one.
    extended: Option<u32>,
    length: usize,
    type_id: u8,
    message_stream_id: u32,
    /// Whether a message is under way; if not, `payload` is empty and holds no memory.
    open: bool,
    payload: Vec<u8>,
}

impl ChunkStream {
    fn missing(&self) -> usize {
        self.length.saturating_sub(self.payload.len())
    }

    /// Whether a header inside the message under way names the same length, type and message
    /// stream, as far as it names them. Its time is not compared: it is a delta, to who knows what.
    fn is_described_by(&self, header: &Header<'_>) -> bool {
        match *header.message_header {
            [_, _, _, l2, l1, l0, type_id, ref message_stream_id @ ..] => {
                u32::from_be_bytes([0, l2, l1, l0]) as usize == self.length
                    && type_id == self.type_id
                    && (message_stream_id.is_empty()
                        || message_stream_id == self.message_stream_id.to_le_bytes())
            }
            _ => true,
        }
    }
}

impl Reader {
    /// A reader for the bytes that follow the handshake.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            chunk_size: CHUNK_SIZE_DEFAULT as usize,
            expected: Expected::Header,
            header: [0; HEADER_BYTES_MAX],
            header_len: 0,
            streams: Vec::new(),
            partial_bytes: 0,
            repeats_extended: None,
            offset: 0,
        }
    }

    /// Sets the longest payload that is taken from the next message on: short while the peer may
    /// only send commands, longer once it may publish.
    pub fn set_message_bytes_max(&mut self, bytes: usize) {
        self.limits.message_bytes_max = bytes;
    }

    /// Takes bytes from the front of `input` up to the end of the next message.
    ///
    /// `None` when all of `input` is taken and no message is whole. Set Chunk Size and Abort are
    /// obeyed here, and handed out as well.
    ///
    /// # Errors
    /// If the peer breaks the chunk layer's rules or a limit. The reader is of no more use then.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        self.read_of(input, None)
    }

    /// The same where `input` is part of `whole`, which messages may share: one that is in one chunk, and is
    /// all there, is not copied.
    pub(crate) fn read_of(
        &mut self,
        input: &mut &[u8],
        whole: Option<&Bytes>,
    ) -> Result<Option<Message>, Error> {
        loop {
            match self.expected {
                Expected::Header => {
                    let Some((stream, missing)) = self.read_header(input)? else {
                        return Ok(None);
                    };
                    self.expected = Expected::Payload { stream, missing };
                }
                Expected::Payload { stream, missing } => {
                    let now = missing.min(input.len());
                    let bytes = self.take(input, now);
                    if let Some(whole) = whole
                        && now == self.streams[stream].length
                    {
                        self.expected = Expected::Header;
                        drop(self.close(stream));
                        let message = self.message(stream, whole.slice_ref(bytes));
                        self.obey(&message)?;
                        return Ok(Some(message));
                    }
                    self.append(stream, bytes)?;
                    if now < missing {
                        self.expected = Expected::Payload {
                            stream,
                            missing: missing - now,
                        };
                        return Ok(None);
                    }
                    self.expected = Expected::Header;
                    if let Some(message) = self.finish(stream) {
                        self.obey(&message)?;
                        return Ok(Some(message));
                    }
                }
            }
        }
    }

    /// What this reader holds for its peer at the moment, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.partial_bytes + self.streams.capacity() * size_of::<ChunkStream>()
    }

    /// Where the state of its chunk streams lies: which every message needs.
    pub(crate) fn streams_at(&self) -> Range<usize> {
        let streams = self.streams.as_ptr_range();
        streams.start.addr()..streams.end.addr()
    }

    fn take<'a>(&mut self, input: &mut &'a [u8], bytes: usize) -> &'a [u8] {
        let (taken, rest) = input.split_at(bytes);
        *input = rest;
        self.offset += bytes as u64;
        taken
    }

    /// Reads a chunk's header; says to which stream its payload belongs and how long that is.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<(usize, usize)>, Error> {
        // Nearly always it is all there.
        if self.header_len == 0 && input.len() >= HEADER_BYTES_MAX {
            let whole = self.header_needed(input);
            let bytes = self.take(input, whole);
            return self.begin_chunk(bytes).map(Some);
        }
        loop {
            let needed = self.header_needed(&self.header[..self.header_len]);
            if self.header_len == needed {
                break;
            }
            let now = (needed - self.header_len).min(input.len());
            if now == 0 {
                return Ok(None);
            }
            let bytes = self.take(input, now);
            self.header[self.header_len..self.header_len + now].copy_from_slice(bytes);
            self.header_len += now;
        }
        let (bytes, len) = (self.header, mem::take(&mut self.header_len));
        self.begin_chunk(&bytes[..len]).map(Some)
    }

    /// Takes a whole header, which has just come; says to which stream the payload belongs and how long that
    /// is.
    fn begin_chunk(&mut self, header: &[u8]) -> Result<(usize, usize), Error> {
        let offset = self.offset - header.len() as u64;
        let header = Header::split(header);
        let stream = self.stream_of(&header, offset)?;
        if self.streams[stream].open {
            return self.continue_message(stream, &header, offset);
        }
        self.begin_message(stream, &header, offset)
    }

    /// How long the header is that begins with `known`, as far as that says.
    fn header_needed(&self, known: &[u8]) -> usize {
        let Some(first) = known.first() else { return 1 };
        let plain = basic_header_len(*first) + message_header_len(first >> 6);
        if known.len() < plain {
            return plain;
        }
        let header = Header::split(&known[..plain]);
        let extended = match header.message_header {
            [t2, t1, t0, ..] => u32::from_be_bytes([0, *t2, *t1, *t0]) == EXTENDED,
            _ => match self
                .streams
                .iter()
                .find(|stream| stream.id == header.chunk_stream_id)
            {
                Some(stream) if stream.open && self.repeats_extended == Some(false) => false,
                Some(stream) => stream.extended.is_some(),
                None => false,
            },
        };
        plain + if extended { EXTENDED_BYTES } else { 0 }
    }

    /// Finds the chunk stream of a header, or opens it.
    fn stream_of(&mut self, header: &Header<'_>, offset: u64) -> Result<usize, Error> {
        let id = header.chunk_stream_id;
        if let Some(stream) = self.streams.iter().position(|stream| stream.id == id) {
            return Ok(stream);
        }
        if header.header_type > 1 {
            let header_type = header.header_type;
            return Err(Error::NoEarlierHeader {
                chunk_stream_id: id,
                header_type,
                offset,
            });
        }
        if self.streams.len() >= self.limits.chunk_streams_max {
            return Err(Error::TooManyChunkStreams {
                max: self.limits.chunk_streams_max,
            });
        }
        self.streams.push(ChunkStream {
            id,
            timestamp: 0,
            delta: 0,
            extended: None,
            length: 0,
            type_id: 0,
            message_stream_id: 0,
            open: false,
            payload: Vec::new(),
        });
        Ok(self.streams.len() - 1)
    }

    fn begin_message(
        &mut self,
        at: usize,
        header: &Header<'_>,
        offset: u64,
    ) -> Result<(usize, usize), Error> {
        let stream = &mut self.streams[at];
        let extended = header.extended.map(u32::from_be_bytes);
        if let [t2, t1, t0, rest @ ..] = header.message_header {
            stream.extended = extended;
            stream.delta = extended.unwrap_or(u32::from_be_bytes([0, *t2, *t1, *t0]));
            if let [l2, l1, l0, type_id, rest @ ..] = rest {
                stream.length = u32::from_be_bytes([0, *l2, *l1, *l0]) as usize;
                stream.type_id = *type_id;
                if let [a, b, c, d] = *rest {
                    stream.message_stream_id = u32::from_le_bytes([a, b, c, d]);
                    // An absolute time; that it stands in `delta` too is what a type 3 header
                    // that follows adds (5.3.1.2.4).
                    stream.timestamp = 0;
                }
            }
        } else if let Some(delta) = extended {
            stream.delta = delta;
        }
        stream.timestamp = stream.timestamp.wrapping_add(stream.delta);

        let max = self.limits.message_bytes_max.min(PAYLOAD_BYTES_MAX);
        if stream.length > max {
            let (type_id, bytes) = (stream.type_id, stream.length);
            return Err(Error::MessageTooLong {
                type_id,
                bytes,
                max,
                offset,
            });
        }
        stream.open = true;
        Ok((at, stream.length.min(self.chunk_size)))
    }

    /// All chunks of a message but the first "SHOULD" be of type 3 (5.3.1.2.4), so another type
    /// continues it too, as long as it describes the same message.
    fn continue_message(
        &mut self,
        at: usize,
        header: &Header<'_>,
        offset: u64,
    ) -> Result<(usize, usize), Error> {
        let stream = &mut self.streams[at];
        let missing = stream.missing();
        let in_chunk = missing.min(self.chunk_size);
        if header.header_type < 3 {
            if !stream.is_described_by(header) {
                return Err(Error::HeaderInsideMessage {
                    chunk_stream_id: stream.id,
                    header_type: header.header_type,
                    missing,
                    offset,
                });
            }
            stream.extended = header.extended.map(u32::from_be_bytes);
            return Ok((at, in_chunk));
        }
        let (Some(expected), Some(found)) = (stream.extended, header.extended) else {
            return Ok((at, in_chunk));
        };
        // With less than four bytes in the chunk nothing can be told; the specification holds.
        if self.repeats_extended.is_none() && in_chunk >= EXTENDED_BYTES {
            let repeats = u32::from_be_bytes(found) == expected;
            self.repeats_extended = Some(repeats);
            if !repeats {
                self.append(at, &found)?;
                return Ok((at, in_chunk - EXTENDED_BYTES));
            }
        }
        Ok((at, in_chunk))
    }

    /// Adds payload to a message, within the limits.
    fn append(&mut self, at: usize, bytes: &[u8]) -> Result<(), Error> {
        let stream = &mut self.streams[at];
        let (len, capacity) = (stream.payload.len(), stream.payload.capacity());
        let wanted = len + bytes.len();
        if wanted > capacity {
            let ahead = wanted
                .max(READ_AHEAD_BYTES_MAX)
                .max(2 * capacity)
                .min(stream.length);
            let max = self.limits.partial_bytes_max;
            if self.partial_bytes + (ahead - capacity) > max {
                return Err(Error::TooManyPartialBytes { max });
            }
            stream.payload.reserve_exact(ahead - len);
            self.partial_bytes += stream.payload.capacity() - capacity;
        }
        stream.payload.extend_from_slice(bytes);
        Ok(())
    }

    /// The message of this stream, if it is whole.
    fn finish(&mut self, at: usize) -> Option<Message> {
        if self.streams[at].missing() > 0 {
            return None;
        }
        let payload = Bytes::from(self.close(at));
        Some(self.message(at, payload))
    }

    /// The message that this stream's last header began.
    fn message(&self, at: usize, payload: Bytes) -> Message {
        let stream = &self.streams[at];
        Message {
            chunk_stream_id: stream.id,
            timestamp: stream.timestamp,
            type_id: stream.type_id,
            message_stream_id: stream.message_stream_id,
            payload,
        }
    }

    /// Ends the message under way on this stream, whole or not.
    fn close(&mut self, at: usize) -> Vec<u8> {
        let stream = &mut self.streams[at];
        stream.open = false;
        let payload = mem::take(&mut stream.payload);
        self.partial_bytes = self.partial_bytes.saturating_sub(payload.capacity());
        payload
    }

    /// Does what the two messages that concern the chunk layer ask for.
    fn obey(&mut self, message: &Message) -> Result<(), Error> {
        match Control::parse_chunk_control(message)? {
            Some(Control::SetChunkSize(size)) => self.chunk_size = size as usize,
            Some(Control::Abort { chunk_stream_id }) => {
                if let Some(at) = self
                    .streams
                    .iter()
                    .position(|stream| stream.id == chunk_stream_id)
                {
                    drop(self.close(at));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
