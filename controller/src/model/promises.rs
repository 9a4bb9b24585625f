//! Publishes that were just sent to an origin and are not there yet: all who ask about one are sent to
//! the same origin, and each counts as a stream of it.

use crate::limits::{PLACING_KEPT, PLACINGS_MAX};
use control::NodeId;
use media::StreamPath;
use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

/// All such publishes. Always true: `to` is how many of `of` name a node.
#[derive(Debug, Default)]
pub(super) struct Promises {
    of: HashMap<StreamPath, (NodeId, Instant)>,
    to: HashMap<NodeId, usize>,
    /// In the order in which they end; some are no longer promised, or again.
    ends: VecDeque<(Instant, StreamPath)>,
}

impl Promises {
    /// Where a publish was sent.
    pub(super) fn of(&self, path: &StreamPath, now: Instant) -> Option<&NodeId> {
        let (node, until) = self.of.get(path)?;
        (*until > now).then_some(node)
    }

    /// How many were sent to a node.
    pub(super) fn to(&self, node: &NodeId) -> usize {
        self.to.get(node).copied().unwrap_or(0)
    }

    /// Sends one, unless there are too many.
    pub(super) fn make(&mut self, path: &StreamPath, node: &NodeId, now: Instant) {
        self.expire(now);
        self.kept(path);
        if self.ends.len() >= PLACINGS_MAX {
            return;
        }
        let until = now + PLACING_KEPT;
        self.of.insert(path.clone(), (node.clone(), until));
        *self.to.entry(node.clone()).or_default() += 1;
        self.ends.push_back((until, path.clone()));
    }

    /// It has arrived.
    pub(super) fn kept(&mut self, path: &StreamPath) {
        let Some((node, _)) = self.of.remove(path) else {
            return;
        };
        if let Some(count) = self.to.get_mut(&node) {
            *count -= 1;
            if *count == 0 {
                self.to.remove(&node);
            }
        }
    }

    /// Those that did not arrive in time are no longer waited for.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((_, path)) = self.ends.pop_front_if(|(end, _)| *end <= now) {
            if self.of.get(&path).is_some_and(|(_, until)| *until <= now) {
                self.kept(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_promise_counts_until_it_is_kept_or_its_time_is_over() {
        let (a, b) = (
            NodeId::new("a").expect("a good id"),
            NodeId::new("b").expect("a good id"),
        );
        let path = |name: &str| StreamPath::new("h", "live", name).expect("a good path");
        let (mut promises, start) = (Promises::default(), Instant::now());
        promises.make(&path("1"), &a, start);
        promises.make(&path("2"), &a, start);
        assert_eq!((promises.to(&a), promises.to(&b)), (2, 0));
        promises.kept(&path("1"));
        promises.kept(&path("1"));
        let later = start + Duration::from_secs(5);
        promises.make(&path("2"), &b, later);
        assert_eq!((promises.to(&a), promises.to(&b)), (0, 1));
        assert_eq!(promises.of(&path("2"), later), Some(&b));
        // The first promise's end is not the second one's.
        promises.expire(start + PLACING_KEPT);
        assert_eq!(promises.to(&b), 1);
        promises.expire(later + PLACING_KEPT);
        assert_eq!(promises.of(&path("2"), later), None);
        assert_eq!(promises.to(&b), 0);
    }
}
