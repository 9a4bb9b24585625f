//! What the controller wants of a node: whole, and with a generation that only rises.

use crate::{
    ContractError, Epoch, NodeId, Upstream,
    error::{at_most, path, text},
    limits::{FORWARDS_MAX, ORIGINS_MAX, STREAMS_MAX},
    wire,
};
use media::StreamPath;
use std::fmt;

/// The version of a node's desired state: rises with each change, over the controller's restarts
/// too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A node's whole desired state; the default is that of a node which no controller ever told
/// anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Desired {
    /// Only a greater one is applied.
    pub generation: Generation,
    /// Streams that the node owns; empty for an edge.
    pub owned: Vec<Owned>,
    /// Streams published here that another node owns: to be ended.
    pub leave: Vec<Leave>,
    /// Copies to make of what is published here.
    pub forwards: Vec<Forward>,
    /// Take nothing new, finish the old.
    pub drain: Option<Drain>,
    /// All origins that are alive, for an edge that reaches no controller.
    pub origins: Vec<Upstream>,
}

/// A stream of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// Its name.
    pub path: StreamPath,
    /// Since which change of owner.
    pub epoch: Epoch,
}

/// A stream that is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// Its name.
    pub path: StreamPath,
    /// Who owns it.
    pub owner: NodeId,
    /// Since which change of owner.
    pub epoch: Epoch,
    /// For people.
    pub reason: String,
}

/// A copy by rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// `vhost/app/name`, each part a literal or `*`; a `*` at the end matches the rest.
    pub streams: String,
    /// `host:port` or `rtmp://` URLs, in which `[vhost]`, `[app]` and `[stream]` are filled in.
    pub to: Vec<String>,
}

impl Forward {
    /// Whether the rule is for `path`.
    pub fn matches(&self, path: &StreamPath) -> bool {
        let mut pattern = self.streams.splitn(3, '/');
        [path.vhost(), path.app(), path.name()]
            .into_iter()
            .all(|part| {
                pattern
                    .next()
                    .is_some_and(|wanted| wanted == "*" || wanted == part)
            })
    }
}

/// How long the old work may last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// In milliseconds since the Unix epoch; `None` for no deadline.
    pub deadline_unix_ms: Option<u64>,
    /// For people.
    pub reason: String,
}

impl From<Desired> for wire::Desired {
    fn from(desired: Desired) -> Self {
        let owned = |o: Owned| wire::Owned {
            path: o.path.to_string(),
            epoch: o.epoch.0,
        };
        let leave = |l: Leave| wire::Leave {
            path: l.path.to_string(),
            owner: l.owner.to_string(),
            epoch: l.epoch.0,
            reason: l.reason,
        };
        let forward = |f: Forward| wire::Forward {
            streams: f.streams,
            to: f.to,
        };
        Self {
            generation: desired.generation.0,
            owned: desired.owned.into_iter().map(owned).collect(),
            leave: desired.leave.into_iter().map(leave).collect(),
            forwards: desired.forwards.into_iter().map(forward).collect(),
            drain: desired.drain.map(|d| wire::Drain {
                deadline_unix_ms: d.deadline_unix_ms.unwrap_or(0),
                reason: d.reason,
            }),
            origins: desired.origins.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::Desired> for Desired {
    type Error = ContractError;

    fn try_from(sent: wire::Desired) -> Result<Self, ContractError> {
        at_most("Desired.owned", sent.owned.len(), STREAMS_MAX)?;
        at_most("Desired.leave", sent.leave.len(), STREAMS_MAX)?;
        at_most("Desired.forwards", sent.forwards.len(), FORWARDS_MAX)?;
        at_most("Desired.origins", sent.origins.len(), ORIGINS_MAX)?;
        let owned = |o: wire::Owned| -> Result<Owned, ContractError> {
            Ok(Owned {
                path: path(&o.path)?,
                epoch: Epoch(o.epoch),
            })
        };
        let leave = |l: wire::Leave| -> Result<Leave, ContractError> {
            Ok(Leave {
                path: path(&l.path)?,
                owner: NodeId::new(&l.owner)?,
                epoch: Epoch(l.epoch),
                reason: text("Leave.reason", l.reason)?,
            })
        };
        let forward = |f: wire::Forward| -> Result<Forward, ContractError> {
            at_most("Forward.to", f.to.len(), FORWARDS_MAX)?;
            let to =
                f.to.into_iter()
                    .map(|t| text("Forward.to", t))
                    .collect::<Result<_, _>>()?;
            Ok(Forward {
                streams: text("Forward.streams", f.streams)?,
                to,
            })
        };
        let drain = match sent.drain {
            None => None,
            Some(d) => Some(Drain {
                deadline_unix_ms: (d.deadline_unix_ms != 0).then_some(d.deadline_unix_ms),
                reason: text("Drain.reason", d.reason)?,
            }),
        };
        Ok(Self {
            generation: Generation(sent.generation),
            owned: sent
                .owned
                .into_iter()
                .map(owned)
                .collect::<Result<_, _>>()?,
            leave: sent
                .leave
                .into_iter()
                .map(leave)
                .collect::<Result<_, _>>()?,
            forwards: sent
                .forwards
                .into_iter()
                .map(forward)
                .collect::<Result<_, _>>()?,
            drain,
            origins: sent
                .origins
                .into_iter()
                .map(Upstream::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Incarnation;

    fn path(text: &str) -> StreamPath {
        text.parse().expect("a good path")
    }

    #[test]
    fn a_desired_state_survives_the_wire() {
        let node = NodeId::new("origin-2").expect("a good id");
        let desired = Desired {
            generation: Generation(1 << 33),
            owned: vec![Owned {
                path: path("h/live/a"),
                epoch: Epoch(1),
            }],
            leave: vec![Leave {
                path: path("h/live/b"),
                owner: node.clone(),
                epoch: Epoch(5),
                reason: "published there first".into(),
            }],
            forwards: vec![Forward {
                streams: "*/live/*".into(),
                to: vec!["h:1935".into()],
            }],
            drain: Some(Drain {
                deadline_unix_ms: None,
                reason: "upgrade".into(),
            }),
            origins: vec![Upstream {
                node,
                rtmp: "h:1935".into(),
                incarnation: Incarnation(1),
                edge: false,
            }],
        };
        assert_eq!(
            Desired::try_from(wire::Desired::from(desired.clone())),
            Ok(desired)
        );
    }

    #[test]
    fn a_forward_rule_matches_part_by_part() {
        for (streams, on, matches) in [
            ("*/live/*", "h/live/a", true),
            ("*/live/*", "h/live/room/cam", true),
            ("*/live/*", "h/vod/a", false),
            ("h/live/a", "h/live/a", true),
            ("h/live/a", "h/live/ab", false),
            ("*", "h/live/a", false),
        ] {
            let rule = Forward {
                streams: streams.into(),
                to: vec![],
            };
            assert_eq!(rule.matches(&path(on)), matches, "{streams} on {on}");
        }
    }
}
