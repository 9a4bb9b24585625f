//! A stream's bytes in one wire format, written once a node and read by every subscriber.
//!
//! What players of one stream over one protocol receive is the same for all of them, so a frame is
//! written once, into a [`Piece`]: immutable bytes that every shard shares. A [`Tape`] lives in its
//! stream while somebody reads it; each reading shard keeps an [`Index`](index::Index) of the pieces,
//! and a subscriber is a [`Cursor`](cursor::Cursor) into that index.
//!
//! ```text
//!  publisher ─▶ Stream ─▶ Tape (rtmp) ─▶ inbox of shard 0 ─▶ Index ─▶ cursor, cursor, cursor …
//!                  │                  └▶ inbox of shard 1 ─▶ Index ─▶ cursor, cursor …
//!                  └────▶ Tape (flv)  ─▶ inbox of shard 1 ─▶ Index ─▶ cursor …
//! ```
//!
//! Adding a wire format is one [`Format`]: the hub and the tapes need not know it.

pub(crate) mod cursor;
mod delivery;
pub(crate) mod held;
pub(crate) mod index;
mod run;

use crate::limits;
use bytes::{Bytes, BytesMut};
use media::{Codec, Frame, Kind, MediaTime, Role};
use std::{cell::RefCell, sync::Arc};

/// A wire format: its name in logs and metrics, and how a fresh tape of it is written.
///
/// Two formats are the same when their names are.
#[derive(Debug)]
pub struct Format {
    /// `rtmp`, `flv`, …: unique.
    pub name: &'static str,
    /// Begins a tape.
    pub writer: fn() -> Box<dyn Writer>,
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Writes one stream's frames in one wire format.
pub trait Writer: Send {
    /// The bytes that a player receives for `frame`; they may depend on frames written before.
    fn write(&mut self, frame: &Frame) -> Written;

    /// What is written is kept for long: it shall not share memory with what is not.
    fn keep_apart(&mut self) {}
}

/// A frame in a wire format.
#[derive(Debug)]
pub struct Written {
    /// All of it.
    pub bytes: Bytes,
    /// The frame's body in it, where that stands there in one stretch: who keeps the frame may keep this
    /// instead, and the stream's media are in memory once.
    pub body: Option<Bytes>,
}

/// The format of those that want frames, not bytes: forwards, recorders, packagers. A piece's bytes are the
/// frame's body.
pub const FRAMES: Format = Format {
    name: "frames",
    writer: || {
        Packed::boxed(|frame, out| {
            out.extend_from_slice(&frame.body);
            Some(0)
        })
    },
};

thread_local! {
    /// Where the streams that are published from this thread are written, one frame behind the other: so the
    /// core has the memory for the next one at hand, whichever stream it is of.
    static ARENA: RefCell<BytesMut> = RefCell::default();
}

/// A [`Writer`] of formats without state: appends to an arena, from which pieces are cut.
pub struct Packed {
    append: Append,
    /// Of this tape alone.
    apart: Option<BytesMut>,
}

/// Appends a frame; answers how many bytes follow its body, if the body stands in one stretch.
pub type Append = fn(&Frame, &mut BytesMut) -> Option<usize>;

impl Packed {
    /// A writer that appends each frame with `append`.
    pub fn boxed(append: Append) -> Box<dyn Writer> {
        Box::new(Self {
            append,
            apart: None,
        })
    }
}

impl Writer for Packed {
    fn write(&mut self, frame: &Frame) -> Written {
        match &mut self.apart {
            Some(arena) => write(frame, self.append, arena),
            None => ARENA.with_borrow_mut(|arena| write(frame, self.append, arena)),
        }
    }

    fn keep_apart(&mut self) {
        self.apart.get_or_insert_default();
    }
}

fn write(frame: &Frame, append: Append, arena: &mut BytesMut) -> Written {
    // Room for the body and its framing: a format adds a few bytes a frame, and one a chunk.
    let needed = frame.body.len() + frame.body.len() / 1_000 + 64;
    if arena.capacity() < needed {
        *arena = BytesMut::with_capacity(needed.max(limits::TAPE_BLOCK_BYTES));
    }
    let behind = append(frame, arena);
    let bytes = arena.split().freeze();
    let body = behind.map(|behind| {
        let end = bytes.len() - behind;
        bytes.slice(end - frame.body.len()..end)
    });
    debug_assert!(body.as_ref().is_none_or(|body| *body == frame.body));
    Written { bytes, body }
}

/// One frame in one wire format.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The frame's number in its stream, the same in every format; counts on by one.
    pub seq: u64,
    /// Sound, picture or data.
    pub kind: Kind,
    /// What the frame means to a late joiner.
    pub role: Role,
    /// The codec, where it is known.
    pub codec: Option<Codec>,
    /// The track of a multitrack stream, else 0.
    pub track: u8,
    /// Decode time on the stream's timeline.
    pub dts: MediaTime,
    /// What goes out.
    pub bytes: Bytes,
    /// It was gathered with others before it came here: there is nothing to wait for.
    pub(crate) gathered: bool,
    /// Where a player may start: what must go ahead of this piece, shared by all that it holds for.
    pub(crate) start: Option<Arc<[Piece]>>,
}

impl Piece {
    /// `frame` as `bytes`.
    pub(crate) fn new(seq: u64, frame: &Frame, bytes: Bytes) -> Self {
        Self {
            seq,
            kind: frame.kind,
            role: frame.role,
            codec: frame.codec,
            track: frame.track,
            dts: frame.dts,
            bytes,
            gathered: false,
            start: None,
        }
    }

    /// Whether it is a key frame of the picture.
    pub fn is_key(&self) -> bool {
        self.kind == Kind::Video && self.role == Role::Key
    }

    /// A piece of the [`FRAMES`] format as the frame that it is.
    pub fn into_frame(self) -> Frame {
        Frame {
            kind: self.kind,
            role: self.role,
            codec: self.codec,
            track: self.track,
            dts: self.dts,
            body: self.bytes,
        }
    }
}
