//! What a push keeps until its origin has acknowledged it: frames, from a key frame on.
//!
//! ```text
//!   key ─────────── key ───────────────────┬──────────┬──────▶ newest
//!   forgotten        kept: the GOP of …    │ … whichever is older: the first that is not
//!                                          │ acknowledged, or the margin before the newest
//! ```
//!
//! The frames are the stream's own, shared with its backlog and its tapes. Bounded in bytes and in frames:
//! past a bound only the newest GOP is kept; if that alone is too long, nothing until the next key frame.
//! Pure.

use crate::{limits, tape::Piece};
use std::collections::VecDeque;

/// The frames. Invariant: empty, or beginning where a player may start.
#[derive(Debug, Default)]
pub(super) struct Window {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Everything before this number is acknowledged.
    acknowledged: u64,
}

impl Window {
    /// Takes the next frame in. Says how many frames that nobody has acknowledged were given up for it.
    ///
    /// A subscriber's headers are passed over: the frame that they belong to brings them along.
    pub(super) fn push(&mut self, piece: Piece) -> usize {
        let follows = self
            .pieces
            .back()
            .is_some_and(|last| last.seq + 1 == piece.seq);
        if !follows && piece.start.is_none() {
            return 0;
        }
        self.bytes += piece.bytes.len();
        self.pieces.push_back(piece);
        self.give_up()
    }

    /// Everything before frame `seq` has arrived.
    pub(super) fn acknowledge(&mut self, seq: u64) {
        self.acknowledged = self.acknowledged.max(seq);
        let Some(newest) = self.pieces.back().map(|piece| piece.dts) else {
            return;
        };
        let acknowledged = self.acknowledged;
        let needed = self.pieces.iter().position(|piece| {
            piece.seq >= acknowledged || newest.since(piece.dts) <= limits::PUSH_MARGIN
        });
        let needed = needed.unwrap_or(self.pieces.len().saturating_sub(1));
        self.forget_before(self.start_at_or_before(needed));
    }

    /// Another origin knows nothing of what this one has acknowledged.
    pub(super) fn reopen(&mut self) {
        self.acknowledged = 0;
    }

    /// The first frame whose number is at least `seq`.
    pub(super) fn next(&self, seq: u64) -> Option<&Piece> {
        let first = self.pieces.front()?.seq;
        let at = usize::try_from(seq.saturating_sub(first)).ok()?;
        // Numbers have gaps only where a subscriber fell out of its tape.
        match self.pieces.get(at) {
            Some(piece) if piece.seq == seq => Some(piece),
            _ => self.pieces.iter().find(|piece| piece.seq >= seq),
        }
    }

    /// The bytes of all frames from `seq` on.
    pub(super) fn bytes_from(&self, seq: u64) -> usize {
        let late = self.pieces.iter().rev();
        late.take_while(|piece| piece.seq >= seq)
            .map(|piece| piece.bytes.len())
            .sum()
    }

    fn start_at_or_before(&self, index: usize) -> usize {
        let until = self
            .pieces
            .range(..=index.min(self.pieces.len().saturating_sub(1)));
        until
            .rev()
            .position(|piece| piece.start.is_some())
            .map_or(0, |back| index - back)
    }

    fn forget_before(&mut self, index: usize) {
        for piece in self.pieces.drain(..index) {
            self.bytes -= piece.bytes.len();
        }
    }

    fn give_up(&mut self) -> usize {
        if self.bytes <= limits::PUSH_BYTES_MAX && self.pieces.len() <= limits::PUSH_FRAMES_MAX {
            return 0;
        }
        let newest = self.start_at_or_before(self.pieces.len() - 1);
        let before = match newest {
            0 => self.pieces.len(),
            newest => newest,
        };
        let acknowledged = self.acknowledged;
        let lost = self.pieces.range(..before);
        let lost = lost.filter(|piece| piece.seq >= acknowledged).count();
        self.forget_before(before);
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames;
    use std::sync::Arc;

    /// Frames 40 ms apart, numbered from `first`; a `k` is where a player may start.
    fn pieces(first: u64, script: &str) -> Vec<Piece> {
        let piece = |(seq, word): (u64, &str)| {
            let mut frame = frames::frame(word);
            frame.dts = media::MediaTime::from_millis(seq as i64 * 40);
            let body = frame.body.clone();
            Piece {
                start: word.starts_with('k').then(|| Arc::from([])),
                ..Piece::new(seq, &frame, body)
            }
        };
        (first..).zip(script.split(' ')).map(piece).collect()
    }

    fn window(script: &str) -> Window {
        let mut window = Window::default();
        for piece in pieces(0, script) {
            assert_eq!(window.push(piece), 0);
        }
        window
    }

    fn kept(window: &Window) -> Vec<u64> {
        window.pieces.iter().map(|piece| piece.seq).collect()
    }

    #[test]
    fn a_gop_is_kept_until_it_is_acknowledged_and_the_margin_is_over() {
        let gop = ["k", &["p"; 29].join(" ")].join(" ");
        let mut window = window(&[gop.as_str(); 4].join(" "));
        assert_eq!(kept(&window).len(), 120);
        window.acknowledge(10);
        assert_eq!(kept(&window)[0], 0, "frame 10 is not acknowledged");
        window.acknowledge(31);
        assert_eq!(kept(&window)[0], 30);
        window.acknowledge(20);
        assert_eq!(kept(&window)[0], 30, "what was said stays said");
        window.acknowledge(120);
        assert_eq!(kept(&window)[0], 90, "25 frames are a second");
        for piece in pieces(120, "k p p") {
            window.push(piece);
        }
        window.acknowledge(123);
        assert_eq!(
            kept(&window)[0],
            90,
            "the margin reaches behind the key frame"
        );
        assert_eq!(window.bytes, window.bytes_from(0));
    }

    #[test]
    fn it_begins_at_a_key_frame_and_headers_come_with_it() {
        let mut window = Window::default();
        for piece in pieces(0, "v a p") {
            window.push(piece);
        }
        assert_eq!(kept(&window), [0; 0]);
        for piece in pieces(7, "k p").into_iter().chain(pieces(20, "p k")) {
            window.push(piece);
        }
        assert_eq!(kept(&window), [7, 8, 21], "frame 20 has no frame before it");
        assert_eq!(window.next(0).map(|piece| piece.seq), Some(7));
        assert_eq!(window.next(8).map(|piece| piece.seq), Some(8));
        assert_eq!(window.next(9).map(|piece| piece.seq), Some(21));
        assert_eq!(window.next(22).map(|piece| piece.seq), None);
    }

    #[test]
    fn what_is_too_long_is_given_up_up_to_the_newest_gop() {
        let mut window = Window::default();
        let mut lost = 0;
        for mut piece in pieces(0, "k p k p k p") {
            piece.bytes = vec![0; limits::PUSH_BYTES_MAX / 5].into();
            lost += window.push(piece);
        }
        assert_eq!((kept(&window), lost), (vec![4, 5], 4));
        for mut piece in pieces(6, "p p p p p") {
            piece.bytes = vec![0; limits::PUSH_BYTES_MAX / 5].into();
            lost += window.push(piece);
        }
        assert_eq!((kept(&window), lost, window.bytes), (vec![], 10, 0));
    }
}
