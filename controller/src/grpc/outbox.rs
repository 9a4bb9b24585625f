//! What is to be said to one node, the most urgent first. Locations and desired state are only named
//! here and are looked up when they are said, so that what is said is never old.

use crate::{limits::PLACED_WAITING_MAX, model::mailbox::News};
use control::wire;
use media::StreamPath;
use std::collections::VecDeque;

/// What is to be said.
#[derive(Default)]
pub(super) struct Outbox {
    placed: VecDeque<wire::Placed>,
    located: VecDeque<StreamPath>,
    desired: bool,
}

/// What to say next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Placed(wire::Placed),
    Located(StreamPath),
    Desired,
}

impl Outbox {
    /// `false` if too many wait.
    pub(super) fn placed(&mut self, placed: wire::Placed) -> bool {
        self.placed.push_back(placed);
        self.placed.len() <= PLACED_WAITING_MAX
    }

    pub(super) fn take(&mut self, news: News) {
        self.located.extend(news.located);
        self.desired |= news.desired;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.placed.is_empty() && self.located.is_empty() && !self.desired
    }

    /// Whether more locations may be taken over from the mailbox, where each stream waits once.
    pub(super) fn has_room(&self) -> bool {
        self.located.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<Next> {
        if let Some(placed) = self.placed.pop_front() {
            return Some(Next::Placed(placed));
        }
        if std::mem::take(&mut self.desired) {
            return Some(Next::Desired);
        }
        self.located.pop_front().map(Next::Located)
    }
}
