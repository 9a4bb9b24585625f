//! Several pieces in one stretch of memory: what nearly every player of a stream has to send next.
//!
//! Players that have kept up all stand at the same piece. For them the pieces that were gathered since
//! are copied together once, and each then costs one `send` of one buffer: the kernel takes that quicker
//! than a list of pieces, and nobody makes the list.

use super::Piece;
use crate::limits;
use std::{cell::Cell, mem};

thread_local! {
    /// The memory of the last run, for the next one: the core still has it at hand.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The bytes of pieces `from..to`. Empty (`from == to`) while nothing is gathered.
#[derive(Debug, Default)]
pub(crate) struct Run {
    from: u64,
    to: u64,
    bytes: Vec<u8>,
}

impl Run {
    /// Copies `pieces` together, as many as fit in [`limits::RUN_BYTES_MAX`].
    pub(crate) fn gather<'a>(pieces: impl Iterator<Item = &'a Piece>) -> Self {
        let mut run = Self {
            bytes: SPARE.take(),
            ..Self::default()
        };
        run.bytes.reserve_exact(limits::RUN_BYTES_MAX);
        for piece in pieces {
            if run.bytes.len() + piece.bytes.len() > limits::RUN_BYTES_MAX {
                break;
            }
            if run.bytes.is_empty() {
                run.from = piece.seq;
            }
            run.bytes.extend_from_slice(&piece.bytes);
            run.to = piece.seq + 1;
        }
        run
    }

    /// The bytes from piece `seq` on, and the piece that follows them, if the run begins there.
    pub(crate) fn at(&self, seq: u64) -> Option<(&[u8], u64)> {
        (seq == self.from && !self.bytes.is_empty()).then_some((&self.bytes, self.to))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.bytes.capacity() > 0 {
            self.bytes.clear();
            let bytes = mem::take(&mut self.bytes);
            // A thread that ends needs none.
            let _ended = SPARE.try_with(|spare| spare.set(bytes));
        }
    }
}
