//! A stream in the wire formats that its shards read: written once, shared by all of them.
//!
//! Under the stream's lock. A tape is there while a shard reads it, and keeps the pieces of the stream's
//! backlog for shards that begin.

use super::{backlog::Backlog, headers::Headers};
use crate::{
    limits,
    tape::{Format, Piece, Writer},
    trail::Trail,
};
use bytes::Bytes;
use media::{Frame, MediaTime};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::mpsc;

/// Every format that a shard reads.
#[derive(Default)]
pub(super) struct Tapes(Vec<Tape>);

/// One wire format of the stream, while a shard reads it.
struct Tape {
    format: &'static Format,
    writer: Box<dyn Writer>,
    /// The headers that hold now in this format, once a player could start.
    headers: Option<Arc<[Piece]>>,
    /// The backlog in this format, and where it was last said to begin.
    pieces: VecDeque<Piece>,
    kept_from: Option<u64>,
    kept_since: MediaTime,
    inboxes: Vec<Inbox>,
}

/// A shard that reads a tape.
struct Inbox {
    shard: usize,
    pieces: mpsc::Sender<Piece>,
}

/// What a frame has become for the shard that it was published from: there it needs no inbox, and wakes
/// nobody who would only pass it on.
pub(crate) struct Local {
    shard: usize,
    /// The frames come several at once, gathered by who publishes.
    pub(crate) gathered: bool,
    pub(crate) pieces: Vec<(&'static Format, Piece)>,
}

impl Local {
    pub(crate) fn new(shard: usize) -> Self {
        Self {
            shard,
            gathered: false,
            pieces: Vec::new(),
        }
    }
}

/// What a shard gets when it begins to read a tape.
pub(crate) struct Attached {
    /// From the last key frame on.
    pub(crate) pieces: Vec<Piece>,
    /// The number of the first piece that will come by `inbox`.
    pub(crate) next_seq: u64,
    /// Everything after `pieces` that is not published from the shard itself. Closed by the stream when it
    /// overflows: attach again.
    pub(crate) inbox: mpsc::Receiver<Piece>,
}

impl Tapes {
    /// Begins to read in `format` on `shard`: everything since the last key frame, and all that follows.
    pub(super) fn attach(
        &mut self,
        format: &'static Format,
        shard: usize,
        backlog: &Backlog,
        next_seq: u64,
    ) -> Attached {
        let (sender, inbox) = mpsc::channel(limits::INBOX_PIECES_MAX);
        let at = match self.0.iter().position(|tape| tape.format == format) {
            Some(at) => at,
            None => {
                self.0.push(Tape::begin(format, backlog));
                self.0.len() - 1
            }
        };
        let tape = &mut self.0[at];
        // Where nothing is published for a while, only here are those dropped who have left.
        tape.inboxes.retain(Inbox::is_open);
        tape.inboxes.push(Inbox {
            shard,
            pieces: sender,
        });
        Attached {
            pieces: tape.pieces.iter().cloned().collect(),
            next_seq,
            inbox,
        }
    }

    /// Notes what the next frame needs of them.
    pub(super) fn note(&self, trail: &mut Trail) {
        for tape in &self.0 {
            trail.note(tape);
            trail.note(&*tape.writer);
            trail.note(&tape.inboxes[..]);
            trail.note_behind(tape.pieces.back());
        }
    }

    /// Writes `frame`, numbered `seq`, for every shard that reads, and answers with its body as it stands
    /// on a tape; `start` are the headers, where a player may start at it, and `kept_from` is the number
    /// of the first frame that the backlog still has.
    pub(super) fn write(
        &mut self,
        seq: u64,
        frame: &Frame,
        start: Option<&Headers>,
        kept_from: Option<u64>,
        local: &mut Option<&mut Local>,
    ) -> Option<Bytes> {
        let mut shared = None;
        self.0.retain_mut(|tape| {
            let written = tape.write(seq, frame, start, kept_from, local);
            let still_reads = written.is_some();
            shared = written.flatten().or(shared.take());
            still_reads
        });
        shared
    }

    /// What goes ahead of a player's first piece has to be written again.
    pub(super) fn headers_changed(&mut self) {
        self.0.iter_mut().for_each(|tape| tape.headers = None);
    }

    /// Forgets the pieces before `kept_from`; all, if there is none.
    pub(super) fn trim(&mut self, kept_from: Option<u64>) {
        self.0.iter_mut().for_each(|tape| tape.trim(kept_from));
    }

    /// How many shards' inboxes there are, in all formats.
    #[cfg(test)]
    pub(super) fn inboxes(&self) -> usize {
        self.0.iter().map(|tape| tape.inboxes.len()).sum()
    }
}

impl Tape {
    fn begin(format: &'static Format, backlog: &Backlog) -> Self {
        let mut tape = Self {
            format,
            writer: (format.writer)(),
            headers: None,
            pieces: VecDeque::new(),
            kept_from: None,
            kept_since: MediaTime::default(),
            inboxes: Vec::new(),
        };
        let mut headers = backlog.headers().clone();
        for (seq, frame) in backlog.frames() {
            if frame.is_header() {
                headers.keep(frame);
                tape.headers = None;
            }
            let start = backlog.may_start(frame).then_some(&headers);
            let (piece, _body) = tape.piece(seq, frame, start);
            tape.pieces.push_back(piece);
        }
        tape.headers = None;
        tape
    }

    /// `frame` in this format, and its body there; `start` are the headers, where a player may start at it.
    fn piece(
        &mut self,
        seq: u64,
        frame: &Frame,
        start: Option<&Headers>,
    ) -> (Piece, Option<Bytes>) {
        let writer = self.writer.as_mut();
        let start = start.map(|headers| {
            let written = self.headers.get_or_insert_with(|| {
                let headers = headers.iter();
                // Copied: they stay long, and must not keep a block of the arena.
                headers
                    .map(|header| {
                        let bytes = Bytes::copy_from_slice(&writer.write(header).bytes);
                        Piece::new(0, header, bytes)
                    })
                    .collect()
            });
            written.clone()
        });
        let written = self.writer.write(frame);
        let piece = Piece {
            start,
            ..Piece::new(seq, frame, written.bytes)
        };
        (piece, written.body)
    }

    /// Writes `frame` for every reading shard, and answers with its body as it stands here; `None` when
    /// none reads any more.
    fn write(
        &mut self,
        seq: u64,
        frame: &Frame,
        start: Option<&Headers>,
        kept_from: Option<u64>,
        local: &mut Option<&mut Local>,
    ) -> Option<Option<Bytes>> {
        // Whether the publisher's own shard still reads is asked where a player might start, not for each
        // frame: the answer lies in memory that nothing else here needs.
        let own = local.as_ref().map(|local| local.shard);
        let still_reads =
            |inbox: &Inbox| (start.is_none() && own == Some(inbox.shard)) || inbox.is_open();
        if !self.inboxes.iter().any(still_reads) {
            return None;
        }
        let (mut piece, body) = self.piece(seq, frame, start);
        piece.gathered = local.as_ref().is_some_and(|local| local.gathered);
        let format = self.format;
        self.inboxes.retain(|inbox| match local {
            Some(local) if local.shard == inbox.shard => {
                local.pieces.push((format, piece.clone()));
                still_reads(inbox)
            }
            // A shard whose inbox is full is let go: it sees its inbox closed and attaches again.
            _ => inbox.pieces.try_send(piece.clone()).is_ok(),
        });
        self.pieces.push_back(piece);
        if kept_from != self.kept_from {
            self.kept_since = frame.dts;
        } else if frame.dts.since(self.kept_since) > limits::SHARED_BLOCKS_MAX {
            self.writer.keep_apart();
        }
        self.trim(kept_from);
        Some(body)
    }

    fn trim(&mut self, kept_from: Option<u64>) {
        let before = std::mem::replace(&mut self.kept_from, kept_from);
        match kept_from {
            None => self.pieces.clear(),
            // What is newer stays; the oldest need not be looked at for each frame.
            Some(_) if before == kept_from => {}
            Some(first) => {
                while self.pieces.front().is_some_and(|piece| piece.seq < first) {
                    self.pieces.pop_front();
                }
            }
        }
    }
}

impl Inbox {
    fn is_open(&self) -> bool {
        !self.pieces.is_closed()
    }
}
