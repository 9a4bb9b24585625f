//! The pieces that an index holds, and where in them a player may start.

use super::{Piece, run::Run};
use crate::{hub::Attached, limits, trail::Trail};
use std::{collections::VecDeque, time::Duration};

/// The pieces that an index holds. Invariants: their numbers count on by one; there are at most
/// [`limits::INDEX_PIECES_MAX`], of at most [`limits::INDEX_BYTES_MAX`] together.
#[derive(Default)]
pub(crate) struct Held {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// The number of the piece that comes next.
    next_seq: u64,
    start: Option<Start>,
    /// The first piece that came since the last flush, and how many bytes did.
    unflushed: u64,
    unflushed_bytes: usize,
    /// Some of it was gathered before it came.
    unflushed_gathered: bool,
    run: Run,
}

/// Where a player may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    /// The newest key frame; or the oldest sound of interest, in a stream without pictures.
    seq: u64,
    is_key: bool,
}

impl Held {
    /// Where a player that joins now may start, if that is at `from` or later; and what goes ahead.
    pub(crate) fn start(&self, from: u64) -> Option<(u64, &[Piece])> {
        let start = self.start?;
        if start.is_key && start.seq < from {
            return None;
        }
        let mut pieces = self.from(start.seq.max(from));
        pieces.find_map(|piece| Some((piece.seq, piece.start.as_deref()?)))
    }

    /// Notes what the next piece needs of it.
    pub(super) fn note(&self, trail: &mut Trail) {
        trail.note_behind(self.pieces.back());
    }

    /// The number of the piece that comes next.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether piece `seq` was held once and no longer is.
    pub(crate) fn has_lost(&self, seq: u64) -> bool {
        seq < self.first_seq()
    }

    /// The pieces from `seq` on.
    pub(crate) fn from(&self, seq: u64) -> impl Iterator<Item = &Piece> {
        let skip = usize::try_from(seq.saturating_sub(self.first_seq())).unwrap_or(usize::MAX);
        self.pieces.range(skip.min(self.pieces.len())..)
    }

    /// Bytes that came since the last flush; `None` if no piece did.
    pub(super) fn unflushed_bytes(&self) -> Option<usize> {
        (self.unflushed < self.next_seq).then_some(self.unflushed_bytes)
    }

    /// Whether what came since the last flush was gathered before.
    pub(super) fn is_gathered(&self) -> bool {
        self.unflushed_gathered
    }

    /// Copies together what came since the last flush, for players that have kept up.
    pub(super) fn gather(&mut self) {
        // One piece is a run already.
        if self.next_seq.saturating_sub(self.unflushed) > 1 {
            self.run = Run::gather(self.from(self.unflushed));
        }
    }

    /// Every player was told of all pieces before `to`.
    pub(super) fn flushed(&mut self, to: u64) {
        self.unflushed = to;
        self.unflushed_bytes = self.from(to).map(|piece| piece.bytes.len()).sum();
        let gathered = self.from(to).any(|piece| piece.gathered);
        self.unflushed_gathered = gathered;
        self.run = Run::default();
    }

    /// The bytes from piece `seq` on: one slice for what was gathered from there on, then one a piece.
    pub(crate) fn slices(&self, seq: u64) -> impl Iterator<Item = &[u8]> {
        let run = self.run.at(seq);
        let rest = run.map_or(seq, |(_, next)| next);
        let pieces = self.from(rest).map(|piece| &piece.bytes[..]);
        run.map(|(bytes, _)| bytes).into_iter().chain(pieces)
    }

    /// All bytes from piece `seq` on, if there are any and they lie in one stretch: as they do for a player
    /// that has kept up, and that is nearly everybody.
    pub(crate) fn stretch(&self, seq: u64) -> Option<&[u8]> {
        match self.run.at(seq) {
            Some((bytes, next)) => (next == self.next_seq).then_some(bytes),
            None if seq + 1 == self.next_seq => self.pieces.back().map(|newest| &newest.bytes[..]),
            None => None,
        }
    }

    fn first_seq(&self) -> u64 {
        self.next_seq.saturating_sub(self.pieces.len() as u64)
    }

    pub(super) fn starts_at_key(&self) -> bool {
        self.start.is_some_and(|start| start.is_key)
    }

    /// The publisher has gone: nobody starts at what it left.
    pub(super) fn forget_start(&mut self) {
        self.start = None;
    }

    pub(super) fn restart(&mut self, attached: Attached) -> tokio::sync::mpsc::Receiver<Piece> {
        *self = Self {
            next_seq: attached.next_seq,
            unflushed: attached
                .next_seq
                .saturating_sub(attached.pieces.len() as u64),
            ..Self::default()
        };
        for piece in attached.pieces {
            self.append(piece);
        }
        attached.inbox
    }

    pub(super) fn append(&mut self, piece: Piece) {
        let is_key = piece.is_key();
        let starts_at_sound = self.start.is_some_and(|start| !start.is_key);
        if piece.start.is_some() && (is_key || !starts_at_sound) {
            let seq = piece.seq;
            self.start = Some(Start { seq, is_key });
        } else if starts_at_sound && piece.kind == media::Kind::Video {
            // Pictures have begun: players start at the first key frame.
            self.start = None;
        }
        self.next_seq = piece.seq + 1;
        self.bytes += piece.bytes.len();
        self.unflushed_bytes += piece.bytes.len();
        self.unflushed_gathered |= piece.gathered;
        self.pieces.push_back(piece);
        while self.pieces.len() > limits::INDEX_PIECES_MAX || self.bytes > limits::INDEX_BYTES_MAX {
            self.forget_oldest();
        }
    }

    /// Forgets what nobody needs: `slowest` is the first piece that some cursor still does.
    pub(super) fn trim(&mut self, slowest: Option<u64>, queue_length: Duration) {
        let Some(newest) = self.pieces.back().map(|piece| piece.dts) else {
            return;
        };
        self.move_start_of_sound(newest);
        let start = self.start.map_or(self.next_seq, |start| start.seq);
        while let Some(oldest) = self.pieces.front() {
            let needed = slowest.is_some_and(|slowest| slowest <= oldest.seq)
                && newest.since(oldest.dts) <= queue_length;
            if oldest.seq >= start || needed {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.pieces.pop_front() else {
            return;
        };
        self.bytes -= oldest.bytes.len();
        self.start = match self.start {
            Some(start) if start.seq > oldest.seq => Some(start),
            Some(start) if !start.is_key => Some(Start {
                seq: oldest.seq + 1,
                ..start
            }),
            _ => None,
        };
    }

    fn move_start_of_sound(&mut self, newest: media::MediaTime) {
        let Some(start) = self.start.filter(|start| !start.is_key) else {
            return;
        };
        let recent = self
            .from(start.seq)
            .find(|piece| newest.since(piece.dts) <= limits::AUDIO_BACKLOG);
        if let Some(seq) = recent.map(|piece| piece.seq) {
            self.start = Some(Start { seq, ..start });
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        frames::{frame, tape},
        tape::FRAMES,
    };

    /// Pieces as a publisher's frames make them: `[m v]k p`, in which brackets hold what goes ahead.
    pub(crate) fn pieces(from: u64, script: &str) -> Vec<Piece> {
        let mut writer = (FRAMES.writer)();
        let mut pieces = Vec::new();
        let mut rest = script.trim();
        while !rest.is_empty() {
            let mut start = None;
            if let Some((ahead, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
                let headers = crate::frames::frames(ahead);
                start = Some(
                    headers
                        .map(|header| Piece::new(0, &header, writer.write(&header).bytes))
                        .collect(),
                );
                rest = after;
            }
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            let seq = from + pieces.len() as u64;
            let frame = frame(word);
            pieces.push(Piece {
                start,
                ..Piece::new(seq, &frame, writer.write(&frame).bytes)
            });
            rest = after.trim_start();
        }
        pieces
    }

    pub(crate) fn held(from: u64, script: &str) -> Held {
        let mut held = Held {
            next_seq: from,
            ..Held::default()
        };
        pieces(from, script)
            .into_iter()
            .for_each(|piece| held.append(piece));
        held
    }

    /// Where one starts that joins at `from` or later: `headers | first piece`.
    fn start(held: &Held, from: u64) -> Option<String> {
        let (seq, headers) = held.start(from)?;
        let first = held.from(seq).next()?;
        let ahead = crate::frames::words(headers.iter().map(|header| &header.bytes));
        Some(format!(
            "{ahead} | {}",
            String::from_utf8_lossy(&first.bytes)
        ))
    }

    #[test]
    fn one_starts_at_the_newest_key_frame_or_at_a_sound() {
        for (name, script, from, expected) in [
            ("nothing", "", 0, None),
            ("no key frame", "v a p s", 0, None),
            ("a key frame", "m v [m v]k1 p1", 0, Some("m v | k1")),
            ("the newest", "[v]k1 p1 v2 [v2]k2 p2", 0, Some("v2 | k2")),
            ("not before `from`", "[v]k1 p1 p2", 1, None),
            ("just at `from`", "[v]k1 p1 [v]k2", 2, Some("v | k2")),
            ("the first sound", "a [a]s1 [a]s2", 0, Some("a | s1")),
            (
                "a sound at `from`",
                "a [a]s1 [a]s2 [a]s3",
                2,
                Some("a | s2"),
            ),
            ("no sound at `from` yet", "a [a]s1", 2, None),
            ("pictures begin", "a [a]s1 v s2", 0, None),
            (
                "pictures have begun",
                "a [a]s1 v s2 [v a]k1",
                0,
                Some("v a | k1"),
            ),
            (
                "sound after pictures",
                "[v a]k1 p1 [a]s1 [a]s2",
                0,
                Some("a | s1"),
            ),
        ] {
            let held = held(0, script);
            assert_eq!(start(&held, from).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn what_was_gathered_reads_as_its_pieces_do() {
        let mut held = held(0, "[v]k1 p2");
        held.flushed(2);
        for piece in pieces(2, "p3 s4 p5") {
            held.append(piece);
        }
        assert_eq!(held.unflushed_bytes(), Some("p3s4p5".len()));
        held.gather();
        for (seq, slices) in [
            (0, vec!["k1", "p2", "p3", "s4", "p5"]),
            (2, vec!["p3s4p5"]),
            (3, vec!["s4", "p5"]),
            (5, vec![]),
        ] {
            let read: Vec<_> = held
                .slices(seq)
                .map(|slice| String::from_utf8_lossy(slice).into_owned())
                .collect();
            assert_eq!(read, slices, "from {seq}");
        }
        assert_eq!(held.stretch(2).map(<[u8]>::len), Some(6));
        assert_eq!(held.stretch(3), None, "two pieces, apart");
        assert_eq!(held.stretch(4).map(<[u8]>::len), Some(2), "the newest");
        assert_eq!(held.stretch(5), None, "nothing");
        held.flushed(4);
        assert_eq!(
            (held.unflushed_bytes(), held.slices(2).count()),
            (Some(2), 3)
        );
        held.flushed(5);
        assert_eq!(held.unflushed_bytes(), None);
    }

    #[test]
    fn what_is_kept_before_the_start_is_what_a_slow_player_needs() {
        let script = "[v]k1@0 p1@500 [v]k2@1000 p2@1500 [v]k3@2000 p3@2500";
        for (name, slowest, queue_millis, expected) in [
            ("nobody is slow", Some(6), 10_000, "[v]k3 p3"),
            ("nobody reads", None, 10_000, "[v]k3 p3"),
            ("one is slow", Some(3), 10_000, "p2 [v]k3 p3"),
            (
                "one is slower than the queue",
                Some(0),
                1_500,
                "[v]k2 p2 [v]k3 p3",
            ),
            ("no queue", Some(0), 0, "[v]k3 p3"),
        ] {
            let mut held = held(0, script);
            held.trim(slowest, Duration::from_millis(queue_millis));
            assert_eq!(tape(held.from(0)), expected, "{name}");
            assert_eq!(start(&held, 0).as_deref(), Some("v | k3"), "{name}");
        }
    }

    #[test]
    fn sound_starts_a_second_back() {
        let mut held = held(0, "a [a]s1@0 [a]s2@600 a2@700 [a2]s3@1200 [a2]s4@1650");
        held.trim(None, Duration::ZERO);
        assert_eq!(start(&held, 0).as_deref(), Some("a2 | s3"));
        assert_eq!(tape(held.from(0)), "a2 [a2]s3 [a2]s4");
    }

    #[test]
    fn an_index_is_bounded_when_no_key_frame_ever_comes_again() {
        let mut held = held(0, "[v]k");
        for seq in 1..2 * limits::INDEX_PIECES_MAX as u64 {
            held.append(pieces(seq, "p").remove(0));
            assert!(held.pieces.len() <= limits::INDEX_PIECES_MAX);
        }
        assert_eq!(start(&held, 0), None, "its key frame has gone");
        held.trim(None, Duration::MAX);
        assert_eq!(held.pieces.len(), 0, "nobody can start here");
    }

    #[test]
    fn an_index_is_bounded_in_bytes() {
        let mut held = held(0, "[v]k");
        let body = bytes::Bytes::from(vec![0; 8 << 20]);
        for seq in 1..20 {
            let bytes = body.clone();
            held.append(Piece {
                bytes,
                ..pieces(seq, "p").remove(0)
            });
            assert!(held.bytes <= limits::INDEX_BYTES_MAX);
        }
        assert_eq!(
            held.bytes,
            held.from(0).map(|piece| piece.bytes.len()).sum::<usize>()
        );
        assert!(held.has_lost(0) && !held.has_lost(19));
    }

    #[test]
    fn a_cursor_survives_a_restart_if_its_piece_is_still_there() {
        let attached = |from, script: &str| {
            let pieces = pieces(from, script);
            Attached {
                next_seq: from + pieces.len() as u64,
                pieces,
                inbox: tokio::sync::mpsc::channel(1).1,
            }
        };
        let mut held = held(0, "[v]k1 p1 p2");
        held.restart(attached(2, "p2 p3"));
        assert_eq!((held.has_lost(1), held.has_lost(2)), (true, false));
        assert_eq!(tape(held.from(3)), "p3");
        held.restart(attached(9, ""));
        assert_eq!((held.has_lost(8), held.has_lost(9)), (true, false));
        assert_eq!((held.start(0).is_none(), held.next_seq()), (true, 9));
    }
}
