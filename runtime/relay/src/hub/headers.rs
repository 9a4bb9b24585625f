//! Headers: the metadata and sequence headers that a late joiner needs before the first key frame.

use crate::limits;
use media::{Frame, Kind, Role};

/// The newest metadata and the newest sequence header of each track, in the order to send them:
/// metadata, then video, then audio.
///
/// A publisher's headers are news only where they differ from the last publisher's; what it has not said
/// again by its first frame is not its own and is forgotten.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers {
    kept: Vec<Kept>,
    /// Some are a former publisher's.
    some_former: bool,
}

#[derive(Debug, Clone)]
struct Kept {
    slot: Slot,
    frame: Frame,
    /// A former publisher's, which the present one has not said again.
    former: bool,
}

/// Which header a header replaces. The order is the order of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    rank: u8,
    track: u8,
}

impl Headers {
    /// Keeps `header` in the place of the one before; `false` if it says what that one said.
    ///
    /// Past [`limits::HEADERS_MAX`] tracks and [`limits::HEADER_BYTES_MAX`] it is news, but is not kept.
    pub(crate) fn keep(&mut self, header: &Frame) -> bool {
        let rank = match (header.role, header.kind) {
            (Role::Metadata, _) | (_, Kind::Data) => 0,
            (_, Kind::Video) => 1,
            (_, Kind::Audio) => 2,
        };
        let slot = Slot {
            rank,
            track: header.track,
        };
        let at = match self.kept.binary_search_by_key(&slot, |kept| kept.slot) {
            Ok(at) if self.kept[at].frame.body == header.body => {
                self.kept[at].former = false;
                return false;
            }
            Ok(at) => {
                self.kept.remove(at);
                at
            }
            Err(at) => at,
        };
        let fits =
            self.kept.len() < limits::HEADERS_MAX && header.body.len() <= limits::HEADER_BYTES_MAX;
        if fits {
            let mut kept = Kept {
                slot,
                frame: header.clone(),
                former: false,
            };
            kept.frame.detach();
            self.kept.insert(at, kept);
        }
        true
    }

    /// Another publisher begins.
    pub(crate) fn succeed(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.former = true);
        self.some_former = true;
    }

    /// The publisher's first frame has come: forgets what is not its own. Says whether anything was.
    pub(crate) fn settle(&mut self) -> bool {
        if !self.some_former {
            return false;
        }
        self.some_former = false;
        let before = self.kept.len();
        self.kept.retain(|kept| !kept.former);
        self.kept.len() < before
    }

    /// In the order of sending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.kept.iter().map(|kept| &kept.frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
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
        assert!(headers.keep(&header(Kind::Audio, Role::Config, "asc")));
        assert!(headers.keep(&header(Kind::Data, Role::Metadata, "meta")));
        assert!(headers.keep(&header(Kind::Video, Role::Config, "avcc")));
        let bodies: Vec<_> = headers.iter().map(|header| header.body.clone()).collect();
        assert_eq!(bodies, ["meta", "avcc", "asc"]);
    }

    #[test]
    fn a_header_that_says_nothing_new_is_no_news() {
        let mut headers = Headers::default();
        assert!(headers.keep(&header(Kind::Video, Role::Config, "avcc")));
        assert!(!headers.keep(&header(Kind::Video, Role::Config, "avcc")));
        assert!(headers.keep(&header(Kind::Video, Role::Config, "avcc of 720p")));
        assert_eq!(headers.iter().count(), 1);
    }

    #[test]
    fn a_publisher_inherits_only_what_it_says_itself() {
        let mut headers = Headers::default();
        headers.keep(&header(Kind::Video, Role::Config, "avcc"));
        headers.keep(&header(Kind::Audio, Role::Config, "asc"));
        headers.succeed();
        assert_eq!(headers.iter().count(), 2, "until its first frame");
        assert!(
            !headers.keep(&header(Kind::Audio, Role::Config, "asc")),
            "no news to those who play already"
        );
        assert!(headers.settle());
        let bodies: Vec<_> = headers.iter().map(|header| header.body.clone()).collect();
        assert_eq!(bodies, ["asc"]);
        assert!(!headers.settle());
        assert!(headers.keep(&header(Kind::Video, Role::Config, "avcc")));
    }

    #[test]
    fn what_a_publisher_can_make_us_keep_is_bounded() {
        let mut headers = Headers::default();
        for track in 0..=u8::MAX {
            let header = Frame {
                track,
                ..header(Kind::Video, Role::Config, "avcc")
            };
            assert!(headers.keep(&header), "track {track}");
        }
        assert_eq!(headers.iter().count(), limits::HEADERS_MAX);
        let long = Frame {
            body: Bytes::from(vec![0; limits::HEADER_BYTES_MAX + 1]),
            ..header(Kind::Video, Role::Config, "")
        };
        assert!(headers.keep(&long));
        assert_eq!(
            headers.iter().count(),
            limits::HEADERS_MAX - 1,
            "the one before is void"
        );
    }
}
