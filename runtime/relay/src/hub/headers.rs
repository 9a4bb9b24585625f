//! Headers: the metadata and sequence headers that a late joiner needs before the first key frame.

use bytes::Bytes;
use media::{Frame, Kind, Role};

/// The newest metadata and the newest sequence header of each track, in the order to send them:
/// metadata, then video, then audio.
///
/// `T` is what is kept of each: a [`Frame`] in the hub, a tape's piece in a shard's index.
#[derive(Debug, Clone)]
pub(crate) struct Headers<T> {
    kept: Vec<(Slot, T)>,
}

/// Which header a header replaces. The order is the order of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    rank: u8,
    track: u8,
}

/// What the hub and the tapes both know of a frame that may be a header.
pub(crate) trait Header {
    fn kind(&self) -> Kind;
    fn role(&self) -> Role;
    fn track(&self) -> u8;
    fn bytes(&self) -> &Bytes;
}

impl Header for Frame {
    fn kind(&self) -> Kind {
        self.kind
    }
    fn role(&self) -> Role {
        self.role
    }
    fn track(&self) -> u8 {
        self.track
    }
    fn bytes(&self) -> &Bytes {
        &self.body
    }
}

/// More tracks than any encoder sends; a hostile publisher cannot make us keep more headers.
pub(crate) const HEADERS_MAX: usize = 64;

impl<T> Default for Headers<T> {
    fn default() -> Self {
        Self { kept: Vec::new() }
    }
}

impl<T: Header> Headers<T> {
    /// Keeps `header` in the place of the one before; `false` if it says what that one said.
    ///
    /// Past [`HEADERS_MAX`] tracks a new track's header is news, but is not kept.
    pub(crate) fn keep(&mut self, header: T) -> bool {
        let rank = match (header.role(), header.kind()) {
            (Role::Metadata, _) | (_, Kind::Data) => 0,
            (_, Kind::Video) => 1,
            (_, Kind::Audio) => 2,
        };
        let slot = Slot {
            rank,
            track: header.track(),
        };
        match self.kept.binary_search_by_key(&slot, |(kept, _)| *kept) {
            Ok(at) if self.kept[at].1.bytes() == header.bytes() => false,
            Ok(at) => {
                self.kept[at].1 = header;
                true
            }
            Err(at) => {
                if self.kept.len() < HEADERS_MAX {
                    self.kept.insert(at, (slot, header));
                }
                true
            }
        }
    }

    /// In the order of sending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.kept.iter().map(|(_, header)| header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::MediaTime;

    fn header(kind: Kind, role: Role, body: &'static str) -> Frame {
        let body = Bytes::from_static(body.as_bytes());
        Frame {
            kind,
            role,
            codec: None,
            track: 0,
            dts: MediaTime::ZERO,
            body,
        }
    }

    #[test]
    fn headers_go_out_as_metadata_then_video_then_audio() {
        let mut headers = Headers::default();
        assert!(headers.keep(header(Kind::Audio, Role::Config, "asc")));
        assert!(headers.keep(header(Kind::Data, Role::Metadata, "meta")));
        assert!(headers.keep(header(Kind::Video, Role::Config, "avcc")));
        let bodies: Vec<_> = headers.iter().map(|header| header.body.clone()).collect();
        assert_eq!(bodies, ["meta", "avcc", "asc"]);
    }

    #[test]
    fn a_header_that_says_nothing_new_is_no_news() {
        let mut headers = Headers::default();
        assert!(headers.keep(header(Kind::Video, Role::Config, "avcc")));
        assert!(!headers.keep(header(Kind::Video, Role::Config, "avcc")));
        assert!(headers.keep(header(Kind::Video, Role::Config, "avcc of 720p")));
        assert_eq!(headers.iter().count(), 1);
    }
}
