//! One way in which a new source may lie on what was sent, which holds while every frame agrees.

use super::record::Print;
use std::collections::VecDeque;

/// Where the new source's next frame lies in what was sent, if this alignment is right.
#[derive(Debug, Clone)]
pub(super) struct Alignment {
    at: usize,
    run: usize,
    offset_millis: Option<i64>,
}

/// What one more frame did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It agrees, and more was sent after it.
    Holds,
    /// It agrees, and is the newest that was sent.
    Complete,
    /// It differs.
    Fails,
}

impl Alignment {
    /// The new source's next frame is number `at` of those that were sent.
    pub(super) fn at(at: usize) -> Self {
        Self {
            at,
            run: 0,
            offset_millis: None,
        }
    }

    /// Compares the new source's next frame.
    pub(super) fn step(&mut self, sent: &VecDeque<Print>, print: &Print) -> Step {
        let Some(there) = sent.get(self.at) else {
            return Step::Fails;
        };
        if there.content != print.content {
            return Step::Fails;
        }
        if print.has_clock {
            let offset = there.dts.millis_since(print.dts);
            if *self.offset_millis.get_or_insert(offset) != offset {
                return Step::Fails;
            }
        }
        self.at += 1;
        self.run += 1;
        if self.at == sent.len() {
            Step::Complete
        } else {
            Step::Holds
        }
    }

    /// How many frames agree.
    pub(super) fn run(&self) -> usize {
        self.run
    }

    /// What is to be added to the new source's time; none before a frame that has one.
    pub(super) fn offset_millis(&self) -> Option<i64> {
        self.offset_millis
    }
}
