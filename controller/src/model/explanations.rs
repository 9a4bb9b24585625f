//! Decisions with all that led to them, the newest few thousand; the oldest make room.
//!
//! What is kept of one is enough to make it again, with the same outcome.

use crate::{
    limits::{CANDIDATES_KEPT_MAX, OWNERSHIPS_KEPT_MAX, PLACINGS_KEPT_MAX},
    plan::{Decision, Facts, placing::Explained},
    store::Revision,
};
use media::StreamPath;
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};

/// Which origin a publish was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placing {
    /// When.
    pub at_unix_ms: u64,
    /// Of the stream's placement in the store, as it was known then; 0 if there was none.
    pub revision: Revision,
    /// The question, the candidates, the answer.
    pub explained: Explained,
}

/// Who was to own a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// Of which stream.
    pub path: StreamPath,
    /// When.
    pub at_unix_ms: u64,
    /// Of the stream's placement in the store, as it was known then; 0 if there was none.
    pub revision: Revision,
    /// All that the decision depended on.
    pub facts: Facts,
    /// The decision; never `Keep`.
    pub decision: Decision,
}

/// The two rings.
#[derive(Default)]
pub struct Explanations {
    placings: Mutex<Placings>,
    ownerships: Mutex<VecDeque<Arc<Ownership>>>,
}

#[derive(Default)]
struct Placings {
    ring: VecDeque<Arc<Placing>>,
    candidates: usize,
}

impl Explanations {
    pub(super) fn placed(&self, placing: Placing) {
        let mut placings = self.placings.lock();
        placings.candidates += placing.explained.candidates.len();
        placings.ring.push_back(Arc::new(placing));
        while placings.ring.len() > PLACINGS_KEPT_MAX || placings.candidates > CANDIDATES_KEPT_MAX {
            let Some(oldest) = placings.ring.pop_front() else {
                return;
            };
            placings.candidates -= oldest.explained.candidates.len();
        }
    }

    /// Keeps a decision about ownership.
    pub fn owned(&self, ownership: Ownership) {
        let mut ring = self.ownerships.lock();
        ring.push_back(Arc::new(ownership));
        if ring.len() > OWNERSHIPS_KEPT_MAX {
            ring.pop_front();
        }
    }

    /// The newest placing of a stream that is kept.
    pub fn placing(&self, path: &StreamPath) -> Option<Arc<Placing>> {
        let placings = self.placings.lock();
        let mut newest = placings.ring.iter().rev();
        newest
            .find(|placing| placing.explained.question.path == *path)
            .cloned()
    }

    /// The newest change of a stream's owner that is kept.
    pub fn ownership(&self, path: &StreamPath) -> Option<Arc<Ownership>> {
        let ring = self.ownerships.lock();
        let mut newest = ring.iter().rev();
        newest.find(|ownership| ownership.path == *path).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::placing::{Question, Site, place};

    fn placing(name: &str, candidates: usize) -> Placing {
        let question = Question {
            path: StreamPath::new("h", "live", name).expect("a good path"),
            from: Site::default(),
            keep: None,
            avoid: Vec::new(),
        };
        let candidate = |number: usize| crate::plan::Candidate {
            node: control::NodeId::new(&format!("n{number}")).expect("a good id"),
            site: Site::default(),
            standing: crate::plan::placing::Standing::Ready,
            load: control::Load::default(),
            streams: 0,
            capacity: control::Capacity::default(),
        };
        Placing {
            at_unix_ms: 1,
            revision: Revision(0),
            explained: place(question, (0..candidates).map(candidate).collect()),
        }
    }

    #[test]
    fn memory_is_bounded_by_candidates_as_well_as_by_decisions() {
        let explanations = Explanations::default();
        for number in 0..PLACINGS_KEPT_MAX + 5 {
            explanations.placed(placing(&number.to_string(), 1));
        }
        let kept = |name: &str| {
            let path = StreamPath::new("h", "live", name).expect("a good path");
            explanations.placing(&path).is_some()
        };
        assert!(!kept("4") && kept("5"));
        explanations.placed(placing("big", CANDIDATES_KEPT_MAX));
        assert!(kept("big") && !kept("6"));
        explanations.placed(placing("small", 1));
        assert!(kept("small") && !kept("big"));
    }
}
