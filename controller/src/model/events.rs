//! What happened, the last few thousand events; the oldest make room.
//!
//! Ids rise over restarts of the controller: they begin with its start in milliseconds, times 1,000,
//! which stays below 2^53 (what JavaScript counts exactly) until the year 2255.

use crate::limits::EVENTS_MAX;
use api::{Event, EventKind, EventPage};
use control::NodeId;
use media::StreamPath;
use metrics::counter;
use parking_lot::Mutex;
use std::collections::VecDeque;
use tokio::sync::watch;

/// The ring of events.
pub struct Events {
    ring: Mutex<Ring>,
    last: watch::Sender<u64>,
}

struct Ring {
    events: VecDeque<Event>,
    /// The id of the newest event that is no longer kept, or that was before the first.
    forgotten: u64,
}

/// Something that happened just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// What.
    pub kind: EventKind,
    /// To which node.
    pub node: Option<NodeId>,
    /// To which stream.
    pub stream: Option<StreamPath>,
    /// Why, for people.
    pub reason: String,
}

impl New {
    /// About a node.
    pub fn node(kind: EventKind, node: &NodeId, reason: impl Into<String>) -> Self {
        Self {
            kind,
            node: Some(node.clone()),
            stream: None,
            reason: reason.into(),
        }
    }

    /// About a stream, at a node.
    pub fn stream(
        kind: EventKind,
        stream: &StreamPath,
        node: Option<&NodeId>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            node: node.cloned(),
            stream: Some(stream.clone()),
            reason: reason.into(),
        }
    }
}

impl Events {
    /// No events yet; `started_unix_ms` is when the controller started.
    pub fn new(started_unix_ms: u64) -> Self {
        let first = started_unix_ms.saturating_mul(1_000);
        let ring = Ring {
            events: VecDeque::new(),
            forgotten: first,
        };
        Self {
            ring: Mutex::new(ring),
            last: watch::Sender::new(first),
        }
    }

    pub(super) fn add(&self, at_unix_ms: u64, new: New) {
        let kind = name(new.kind);
        counter!(crate::metrics::EVENTS, "kind" => kind).increment(1);
        let (node, stream) = (
            new.node.map(|n| n.to_string()),
            new.stream.map(|s| s.to_string()),
        );
        tracing::info!(event = kind, node, stream, reason = new.reason, "event");
        let mut ring = self.ring.lock();
        let last = ring.events.back().map_or(ring.forgotten, |event| event.id);
        let id = last.saturating_add(1);
        ring.events.push_back(Event {
            id,
            at_unix_ms,
            kind: new.kind,
            node,
            stream,
            reason: new.reason,
        });
        if ring.events.len() > EVENTS_MAX
            && let Some(oldest) = ring.events.pop_front()
        {
            ring.forgotten = oldest.id;
        }
        drop(ring);
        self.last.send_replace(id);
    }

    /// At most `limit` events after `after`, the oldest first.
    pub fn page(&self, after: u64, limit: usize) -> EventPage {
        let ring = self.ring.lock();
        let start = ring.events.partition_point(|event| event.id <= after);
        let events: Vec<Event> = ring
            .events
            .iter()
            .skip(start)
            .take(limit)
            .cloned()
            .collect();
        let next = events
            .last()
            .map_or(after.max(ring.forgotten), |event| event.id);
        EventPage {
            events,
            next,
            gap: after != 0 && after < ring.forgotten,
        }
    }

    /// Waits until there is an event after `after`. Cancel-safe.
    pub async fn after(&self, after: u64) {
        // Fails only if the sender is gone, and that is `self`.
        let _ = self.last.subscribe().wait_for(|last| *last > after).await;
    }
}

/// A kind's name, for logs and labels.
fn name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::ControllerStarted => "controller.started",
        EventKind::NodeRegistered => "node.registered",
        EventKind::NodeRestarted => "node.restarted",
        EventKind::NodeSuspect => "node.suspect",
        EventKind::NodeBack => "node.back",
        EventKind::NodeDead => "node.dead",
        EventKind::NodeLeft => "node.left",
        EventKind::NodeCutOff => "node.cut_off",
        EventKind::NodeRestarting => "node.restarting",
        EventKind::NodeRestartDone => "node.restart_done",
        EventKind::NodeRestartFailed => "node.restart_failed",
        EventKind::ClusterFrozen => "cluster.frozen",
        EventKind::ClusterUnfrozen => "cluster.unfrozen",
        EventKind::StreamPublished => "stream.published",
        EventKind::StreamUnpublished => "stream.unpublished",
        EventKind::StreamMoved => "stream.moved",
        EventKind::StreamDuplicate => "stream.duplicate",
        EventKind::StreamHeld => "stream.held",
        EventKind::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(number: usize) -> New {
        let node = NodeId::new("a").expect("a good id");
        New::node(EventKind::NodeSuspect, &node, number.to_string())
    }

    #[tokio::test]
    async fn a_client_that_follows_sees_every_event_once() {
        let events = Events::new(5);
        let mut after = events.page(0, 10).next;
        for number in 0..7 {
            events.add(1, new(number));
        }
        let mut seen = Vec::new();
        loop {
            let page = events.page(after, 3);
            assert!(!page.gap);
            after = page.next;
            if page.events.is_empty() {
                break;
            }
            seen.extend(page.events.into_iter().map(|event| event.reason));
        }
        assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
        let (_, ()) = tokio::join!(events.after(after), async { events.add(2, new(7)) });
        assert_eq!(events.page(after, 3).events[0].reason, "7");
    }

    #[test]
    fn what_is_no_longer_kept_is_said_to_be_missing() {
        let events = Events::new(5);
        events.add(1, new(0));
        let after = events.page(0, 1).next;
        for number in 0..=EVENTS_MAX {
            events.add(1, new(number));
        }
        assert!(events.page(after, 1).gap);
        assert!(
            !events.page(0, 1).gap,
            "who asks for all that there is misses nothing"
        );
    }

    #[test]
    fn every_kind_has_the_name_that_the_api_shows() {
        for kind in [
            EventKind::ControllerStarted,
            EventKind::NodeRegistered,
            EventKind::NodeRestarted,
            EventKind::NodeSuspect,
            EventKind::NodeBack,
            EventKind::NodeDead,
            EventKind::NodeLeft,
            EventKind::NodeCutOff,
            EventKind::NodeRestarting,
            EventKind::NodeRestartDone,
            EventKind::NodeRestartFailed,
            EventKind::ClusterFrozen,
            EventKind::ClusterUnfrozen,
            EventKind::StreamPublished,
            EventKind::StreamUnpublished,
            EventKind::StreamMoved,
            EventKind::StreamDuplicate,
            EventKind::StreamHeld,
        ] {
            assert_eq!(serde_json::to_value(kind).expect("JSON"), name(kind));
        }
    }
}
