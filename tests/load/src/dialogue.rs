//! What is said on a player's connection, whatever the protocol: bytes in, media and bytes out.
//!
//! Pure: no socket and no clock. A connection needs its dialogue until it plays; then a checked
//! player keeps it, and an unchecked one throws it away with all its memory.

mod chunked;
mod http;
mod rtmp;
mod websocket;

pub(crate) use self::rtmp::{session, sign_of_life};

use crate::target::{Protocol, Target};
use bytes::{Bytes, BytesMut};
use media::Kind;

/// What the server did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Media follow.
    Playing,
    /// One whole tag or message of media.
    Tag {
        /// Sound, picture or data.
        kind: Kind,
        /// As on the wire: 32 bits that wrap.
        timestamp: u32,
        /// An FLV tag body.
        body: Bytes,
    },
    /// The server said that it is over, and why.
    Ended(String),
}

/// Why a dialogue cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DialogueError {
    /// The server said no.
    #[error("refused: {0}")]
    Refused(String),
    /// The server broke the protocol: what it sent is not whole.
    #[error("broken: {0}")]
    Broken(String),
}

/// A player's dialogue with a server.
#[derive(Debug)]
pub(crate) enum Dialogue {
    Rtmp(Box<rtmp::Rtmp>),
    Http(Box<http::Http>),
    Raw,
}

impl Dialogue {
    /// A player of stream `number` of `streams`. What it says first stands in
    /// [`output`](Self::output).
    pub(crate) fn play(target: &Target, number: u32, streams: u32) -> Self {
        match target.protocol() {
            Protocol::Rtmp => Self::Rtmp(Box::new(rtmp::Rtmp::play(&target.url(number, streams)))),
            Protocol::HttpFlv | Protocol::WebSocketFlv => {
                Self::Http(Box::new(http::Http::get(target, number, streams)))
            }
            Protocol::Raw => Self::Raw,
        }
    }

    /// Takes all of `bytes` and tells what they meant, in order.
    pub(crate) fn input(
        &mut self,
        bytes: &[u8],
        heard: &mut Vec<Heard>,
    ) -> Result<(), DialogueError> {
        match self {
            Self::Rtmp(rtmp) => rtmp.input(bytes, heard),
            Self::Http(http) => http.input(bytes, heard),
            Self::Raw => {
                heard.push(Heard::Playing);
                Ok(())
            }
        }
    }

    /// Bytes to send, in order; the caller takes them off. `None` where nothing is ever said.
    pub(crate) fn output(&mut self) -> Option<&mut BytesMut> {
        match self {
            Self::Rtmp(rtmp) => Some(rtmp.output()),
            Self::Http(http) => Some(http.output()),
            Self::Raw => None,
        }
    }
}
