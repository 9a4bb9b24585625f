//! What is to be said on a dialogue, as state of which only the newest counts: nothing here grows
//! with time, however slow the controller reads.

use crate::locations::{Locations, Turn};
use control::wire::{self, from_node::Message};
use media::StreamPath;
use std::collections::{HashSet, VecDeque};
use tokio::time::Instant;

/// What is to be said on one dialogue, and what has been asked on it.
#[derive(Default)]
pub(crate) struct Outbox {
    applied: Option<wire::Applied>,
    places: VecDeque<wire::Place>,
    turns: VecDeque<Turn>,
    asked: HashSet<StreamPath>,
    report_at: Option<Instant>,
}

/// What to say next. A report is made when it is sent, so that it is never old.
#[derive(Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "made and consumed at once, never stored"
)]
pub(crate) enum Next {
    Say(Message),
    Report,
}

impl Outbox {
    pub(crate) fn applied(&mut self, applied: wire::Applied) {
        self.applied = Some(applied);
    }

    pub(crate) fn place(&mut self, place: wire::Place) {
        self.places.push_back(place);
    }

    /// A report is due at `at`, or earlier if one was due earlier; returns when.
    pub(crate) fn report(&mut self, at: Instant) -> Instant {
        let due = self.report_at.map_or(at, |due| due.min(at));
        self.report_at = Some(due);
        due
    }

    /// Whether there is something to say besides a report that is not due.
    pub(crate) fn has_news(&self, now: Instant) -> bool {
        self.applied.is_some()
            || !self.places.is_empty()
            || !self.turns.is_empty()
            || self.report_at.is_some_and(|due| due <= now)
    }

    /// Takes over what is unsettled, once all that was taken before is said.
    pub(crate) fn settle(&mut self, locations: &Locations) {
        if self.turns.is_empty() {
            self.turns.extend(locations.settle());
        }
    }

    /// Whether [`settle`](Self::settle) would take something.
    pub(crate) fn may_settle(&self) -> bool {
        self.turns.is_empty()
    }

    /// The most urgent: what somebody waits for before what is told by habit.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Next> {
        if let Some(applied) = self.applied.take() {
            return Some(Next::Say(Message::Applied(applied)));
        }
        if let Some(place) = self.places.pop_front() {
            return Some(Next::Say(Message::Place(place)));
        }
        if self.report_at.is_some_and(|due| due <= now) {
            self.report_at = None;
            return Some(Next::Report);
        }
        while let Some(Turn {
            path,
            wanted,
            epoch,
        }) = self.turns.pop_front()
        {
            let text = path.to_string();
            let asked = self.asked.contains(&path);
            if wanted && !asked {
                self.asked.insert(path);
                let locate = wire::Locate {
                    path: text,
                    epoch: epoch.0,
                };
                return Some(Next::Say(Message::Locate(locate)));
            }
            if !wanted && asked {
                self.asked.remove(&path);
                return Some(Next::Say(Message::Forget(wire::Forget { path: text })));
            }
            if wanted {
                // Let go and taken up again before it was told: the answer may have been missed.
                let locate = wire::Locate {
                    path: text,
                    epoch: epoch.0,
                };
                return Some(Next::Say(Message::Locate(locate)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, time::Duration};
    use tokio::sync::watch;

    fn path(name: &str) -> StreamPath {
        StreamPath::new("h", "live", name).expect("a good path")
    }

    #[test]
    fn a_report_comes_when_it_is_due_and_once_however_often_it_was_asked_for() {
        let now = Instant::now();
        let later = now + Duration::from_millis(5);
        let mut outbox = Outbox::default();
        outbox.report(later);
        outbox.report(later + Duration::from_secs(1));
        assert_eq!((outbox.has_news(now), outbox.next(now)), (false, None));
        assert_eq!(
            (outbox.has_news(later), outbox.next(later)),
            (true, Some(Next::Report))
        );
        assert_eq!(outbox.next(later), None);
    }

    #[test]
    fn a_stream_asked_about_and_let_go_in_one_breath_is_not_mentioned() {
        let now = Instant::now();
        let locations = Arc::new(Locations::default());
        let mut outbox = Outbox::default();
        drop(locations.watch(&path("a"), watch::channel(true).1));
        outbox.settle(&locations);
        assert_eq!(outbox.next(now), None);

        let locating = locations.watch(&path("a"), watch::channel(true).1);
        outbox.settle(&locations);
        let locate = wire::Locate {
            path: "h/live/a".into(),
            epoch: 0,
        };
        assert_eq!(outbox.next(now), Some(Next::Say(Message::Locate(locate))));
        drop(locating);
        outbox.settle(&locations);
        let forget = wire::Forget {
            path: "h/live/a".into(),
        };
        assert_eq!(outbox.next(now), Some(Next::Say(Message::Forget(forget))));
        assert_eq!(outbox.next(now), None);
    }
}
