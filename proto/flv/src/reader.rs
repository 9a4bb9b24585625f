//! A file as tags, from bytes under any split: for HTTP-FLV clients and for publishing files.
//!
//! ```text
//! input(bytes) ──► [header] ──► [tag] ──► [tag] …      poll() gives each once it is whole
//! ```
//!
//! What is passed over, because real files have it: longer file headers, tag types that FLV does
//! not define, tags without a body, and the sizes after tags, which some programs write wrong.

use crate::{
    limits::Limits,
    tag::{self, FILE_HEADER_BYTES, FileHeader, PREVIOUS_TAG_SIZE_BYTES, TAG_HEADER_BYTES, Tag},
};
use bytes::{Buf, BytesMut};

/// What a file is made of, in order: one header, then tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The file's header.
    Header(FileHeader),
    /// A tag with a body.
    Tag(Tag),
}

/// Why bytes are no FLV file. The sender's fault; the reader stays at the offence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file does not begin with `FLV` and version 1.
    #[error("not an FLV file of version 1: it begins with {start:02x?}")]
    NotFlv {
        /// The first four bytes.
        start: [u8; 4],
    },
    /// The file's header is shorter than its fixed part, or longer than the limit.
    #[error("FLV file header of {bytes} bytes, {FILE_HEADER_BYTES} to {max} are allowed")]
    HeaderLength {
        /// What it says.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A tag is larger than the limit.
    #[error("FLV tag of {bytes} bytes at byte {offset}, at most {max} are allowed")]
    TagTooLong {
        /// The body's length.
        bytes: usize,
        /// The limit.
        max: usize,
        /// Where the tag begins.
        offset: u64,
    },
    /// A tag is encrypted (annex F); nobody here has the key.
    #[error("FLV tag at byte {offset} is encrypted")]
    Encrypted {
        /// Where the tag begins.
        offset: u64,
    },
}

/// Reads a file; see the module's words.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    buffer: BytesMut,
    /// Bytes taken out of the buffer so far: where in the file the buffer begins.
    offset: u64,
    /// Bytes of the file that are of no interest and come next.
    skip: usize,
    has_header: bool,
}

impl Reader {
    /// A reader before the first byte.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: BytesMut::new(),
            offset: 0,
            skip: 0,
            has_header: false,
        }
    }

    /// Takes all of `bytes`. Call [`poll`](Self::poll) until it has nothing more before the next.
    pub fn input(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event, or `None` if it takes more bytes.
    ///
    /// # Errors
    /// If the bytes are no FLV, or pass a limit; every later call says the same.
    pub fn poll(&mut self) -> Result<Option<Event>, Error> {
        if !self.has_header {
            let header = self.file_header()?;
            return Ok(header.map(Event::Header));
        }
        while self.pass_over() {
            let Some(header) = self.buffer.first_chunk::<TAG_HEADER_BYTES>() else {
                return Ok(None);
            };
            let [flags, a, b, c, time_a, time_b, time_c, high, ..] = *header;
            let body_bytes = u32::from_be_bytes([0, a, b, c]) as usize;
            let timestamp = u32::from_be_bytes([high, time_a, time_b, time_c]);
            if flags & 0b10_0000 != 0 {
                return Err(Error::Encrypted {
                    offset: self.offset,
                });
            }
            if body_bytes > self.limits.tag_bytes_max {
                let max = self.limits.tag_bytes_max;
                return Err(Error::TagTooLong {
                    bytes: body_bytes,
                    max,
                    offset: self.offset,
                });
            }
            let kind = match tag::kind_of(flags & 0b1_1111) {
                Some(kind) if body_bytes > 0 => kind,
                _ => {
                    self.skip = TAG_HEADER_BYTES + body_bytes + PREVIOUS_TAG_SIZE_BYTES;
                    continue;
                }
            };
            if self.buffer.len() < TAG_HEADER_BYTES + body_bytes {
                return Ok(None);
            }
            self.advance(TAG_HEADER_BYTES);
            let body = self.buffer.split_to(body_bytes).freeze();
            self.offset += body_bytes as u64;
            self.skip = PREVIOUS_TAG_SIZE_BYTES;
            return Ok(Some(Event::Tag(Tag {
                kind,
                timestamp,
                body,
            })));
        }
        Ok(None)
    }

    fn file_header(&mut self) -> Result<Option<FileHeader>, Error> {
        let Some(start) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        if start != b"FLV\x01" {
            return Err(Error::NotFlv { start: *start });
        }
        let Some(header) = self.buffer.first_chunk::<FILE_HEADER_BYTES>() else {
            return Ok(None);
        };
        let [_, _, _, _, flags, length @ ..] = *header;
        let bytes = u32::from_be_bytes(length) as usize;
        let max = self.limits.header_bytes_max;
        if !(FILE_HEADER_BYTES..=max).contains(&bytes) {
            return Err(Error::HeaderLength { bytes, max });
        }
        self.skip = bytes + PREVIOUS_TAG_SIZE_BYTES;
        self.has_header = true;
        Ok(Some(FileHeader::of_flags(flags)))
    }

    /// Drops what is of no interest; whether all of it has come.
    fn pass_over(&mut self) -> bool {
        let here = self.skip.min(self.buffer.len());
        self.advance(here);
        self.skip -= here;
        self.skip == 0
    }

    fn advance(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.offset += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use media::Kind;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]], limits: Limits) -> Result<Vec<Event>, Error> {
        let mut reader = Reader::new(limits);
        let mut events = Vec::new();
        for piece in pieces {
            reader.input(piece);
            while let Some(event) = reader.poll()? {
                events.push(event);
            }
        }
        Ok(events)
    }

    fn written(events: &[Event]) -> BytesMut {
        let mut out = BytesMut::new();
        for event in events {
            match event {
                Event::Header(header) => header.write(&mut out),
                Event::Tag(Tag {
                    kind,
                    timestamp,
                    body,
                }) => {
                    tag::write_tag(*kind, *timestamp, body, &mut out).expect("short");
                }
            }
        }
        out
    }

    fn tag(kind: Kind, timestamp: u32, body: &[u8]) -> Event {
        Event::Tag(Tag {
            kind,
            timestamp,
            body: Bytes::copy_from_slice(body),
        })
    }

    const HEADER: Event = Event::Header(FileHeader {
        has_audio: true,
        has_video: true,
    });

    #[test]
    fn what_is_of_no_interest_is_passed_over() {
        // a header of 12 bytes, a wrong size, a tag of type 4, one without a body, a wrong size
        let file = b"FLV\x01\x05\0\0\0\x0cxxx\x01\x02\x03\x04\
            \x04\0\0\x03\0\0\0\0\0\0\0xxx\0\0\0\0\
            \x08\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b\
            \x09\0\0\x01\0\0\x28\0\0\0\0y\xff\xff\xff\xff\
            \x08\0\0\x01\0\0\x29\0\0\0\0z";
        let events = vec![
            HEADER,
            tag(Kind::Video, 40, b"y"),
            tag(Kind::Audio, 41, b"z"),
        ];
        assert_eq!(read(&[file], Limits::default()), Ok(events.clone()));
        let single: Vec<&[u8]> = file.chunks(1).collect();
        assert_eq!(read(&single, Limits::default()), Ok(events));
    }

    #[test]
    fn wrong_files_say_what_and_where() {
        let limits = Limits {
            tag_bytes_max: 4,
            header_bytes_max: 16,
        };
        for (file, error) in [
            (
                &b"GIF89a"[..],
                "not an FLV file of version 1: it begins with [47, 49, 46, 38]",
            ),
            (
                b"FLV\x01\x05\0\0\0\x08",
                "FLV file header of 8 bytes, 9 to 16 are allowed",
            ),
            (
                b"FLV\x01\x05\xff\0\0\x09",
                "FLV file header of 4278190089 bytes, 9 to 16 are allowed",
            ),
            (
                b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x09\0\0\x05\0\0\0\0\0\0\0",
                "FLV tag of 5 bytes at byte 13, at most 4 are allowed",
            ),
            (
                b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x29\0\0\x01\0\0\0\0\0\0\0",
                "FLV tag at byte 13 is encrypted",
            ),
        ] {
            let refused = read(&[file], limits).expect_err(error);
            assert_eq!(refused.to_string(), error);
        }
    }

    #[test]
    fn an_unfinished_file_is_no_error() {
        let file = written(&[HEADER, tag(Kind::Data, 0, b"x")]);
        for end in 0..file.len() {
            assert!(read(&[file.get(..end).expect("shorter")], Limits::default()).is_ok());
        }
    }

    fn any_tag() -> impl Strategy<Value = Event> {
        let kind = prop_oneof![Just(Kind::Audio), Just(Kind::Video), Just(Kind::Data)];
        let body = proptest::collection::vec(any::<u8>(), 1..40);
        (kind, any::<u32>(), body).prop_map(|(kind, time, body)| tag(kind, time, &body))
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_tags(
            tags in proptest::collection::vec(any_tag(), 0..6),
            piece in 1..64usize,
        ) {
            let mut events = vec![HEADER];
            events.extend(tags);
            let file = written(&events);
            let pieces: Vec<&[u8]> = file.chunks(piece).collect();
            prop_assert_eq!(read(&pieces, Limits::default()), Ok(events));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _either = read(&[&bytes], Limits::default());
            let _either = read(&[&tag::file_header(true, true), &bytes], Limits::default());
        }
    }
}
