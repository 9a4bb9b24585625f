//! The questions that are asked about what is observed: where a stream is, what a node should do,
//! what the API shows.

use super::{Health, Inventory, Node, Now};
use crate::plan::{
    self, Candidate, Placement, Policy,
    placing::{Site, Standing},
};
use crate::store::Revision;
use control::{
    Arrival, Desired, Epoch, Leave, Location, NodeId, Owned, Role, StreamReport, Upstream,
};
use media::StreamPath;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// A stream in the whole cluster.
pub struct StreamView<'a> {
    /// Its name.
    pub path: &'a StreamPath,
    /// Its ownership.
    pub placement: Option<&'a Placement>,
    /// Every node that has it, by name.
    pub sites: Vec<(&'a Node, &'a StreamReport)>,
}

impl Inventory {
    /// When this controller started.
    pub fn started(&self) -> Now {
        self.started
    }

    /// Where a stream is. A suspect owner counts: it may be only its dialogue that broke.
    ///
    /// At the epoch of the placement, though a node may have been seen with a newer one: who owns the stream
    /// at that we do not know. Nodes that know it pass the answer over; the next is newer.
    pub fn location(&self, path: &StreamPath, policy: &Policy) -> Location {
        let placement = self.placements.get(path).map(|stored| &stored.placement);
        let owner = placement.and_then(|placement| placement.owner.as_ref());
        let source = owner.and_then(|owner| {
            let node = self
                .nodes
                .get(&owner.node)
                .filter(|node| node.health != Health::Dead)?;
            let rtmp = node.identity.addresses.rtmp.clone()?;
            Some(Upstream {
                node: owner.node.clone(),
                rtmp,
                incarnation: owner.incarnation,
                edge: false,
            })
        });
        Location {
            sources: source.into_iter().collect(),
            standbys: self
                .standbys(path, policy)
                .iter()
                .filter_map(|id| self.upstream(id))
                .collect(),
            epoch: placement.map_or(Epoch::NONE, |placement| placement.epoch),
            known: true,
        }
    }

    /// Origins that have the same input as a stream's owner.
    pub fn standbys(&self, path: &StreamPath, policy: &Policy) -> Vec<NodeId> {
        let placement = self.placements.get(path).map(|stored| &stored.placement);
        let claims = self.claims(path, self.sites.get(path));
        plan::standbys(placement, &claims, policy.duplicates)
            .map(|claim| claim.owner.node.clone())
            .collect()
    }

    /// What a node should be doing, without a generation.
    pub fn desired(&self, id: &NodeId, policy: &Policy, now: Now) -> Desired {
        let mut desired = Desired {
            origins: self.origins(),
            ..Desired::default()
        };
        let Some(node) = self
            .nodes
            .get(id)
            .filter(|node| node.identity.role == Role::Origin)
        else {
            return desired;
        };
        desired.forwards = policy.forwards.clone();
        for path in self.owned.get(id).into_iter().flatten() {
            let placement = self.placements.get(path).map(|stored| &stored.placement);
            let owner = placement.and_then(|placement| placement.owner.as_ref());
            if let (Some(placement), Some(owner)) = (placement, owner)
                && owner.incarnation == node.identity.incarnation
            {
                desired.owned.push(Owned {
                    path: path.clone(),
                    epoch: placement.epoch,
                });
            }
        }
        let published = |stream: &&StreamReport| stream.arrival == Arrival::Published;
        for stream in node.streams.values().filter(published) {
            let facts = self.facts(&stream.path, now);
            let Some(placement) = plan::must_leave(&facts, id, policy) else {
                continue;
            };
            // An owner that may be dead drives nobody out.
            if let Some(owner) = &placement.owner
                && !self.is_accused(&owner.node)
            {
                desired.leave.push(Leave {
                    path: stream.path.clone(),
                    owner: owner.node.clone(),
                    epoch: placement.epoch,
                    reason: format!("{} owns it", owner.node),
                });
            }
        }
        desired
    }

    /// Origins that are alive and take RTMP.
    fn origins(&self) -> Vec<Upstream> {
        self.live_origins()
            .filter_map(|node| self.upstream(&node.identity.node))
            .collect()
    }

    fn live_origins(&self) -> impl Iterator<Item = &Node> {
        let alive = |node: &&Node| {
            node.identity.role == Role::Origin && node.health == Health::Alive && node.talks()
        };
        self.nodes
            .values()
            .filter(alive)
            .take(control::limits::ORIGINS_MAX)
    }

    /// A node to connect to, if it takes RTMP.
    pub fn upstream(&self, id: &NodeId) -> Option<Upstream> {
        let identity = &self.nodes.get(id)?.identity;
        let rtmp = identity.addresses.rtmp.clone()?;
        Some(Upstream {
            node: id.clone(),
            rtmp,
            incarnation: identity.incarnation,
            edge: false,
        })
    }

    /// All origins, as placing wants to see them.
    pub fn candidates(&self) -> Vec<Candidate> {
        let candidate = |node: &Node| Candidate {
            node: node.identity.node.clone(),
            site: site(node),
            standing: standing(node),
            load: node.load,
            streams: node.streams.len(),
            capacity: node.identity.capacity,
        };
        self.nodes
            .values()
            .filter(|node| node.identity.role == Role::Origin)
            .map(candidate)
            .collect()
    }

    /// Where a node stands; nowhere if nobody knows it.
    pub fn site(&self, id: &NodeId) -> Site {
        self.nodes.get(id).map(site).unwrap_or_default()
    }

    /// The revision of a stream's placement in the store; 0 if there is none.
    pub fn revision(&self, path: &StreamPath) -> Revision {
        self.placements
            .get(path)
            .map_or(Revision(0), |stored| stored.revision)
    }

    /// Origins that have a stream from others than `from`: from anybody, or (not `all`) only those who have
    /// said that they are a backup.
    pub(crate) fn rivals(&self, path: &StreamPath, from: &NodeId, all: bool) -> Vec<NodeId> {
        let publishes = self.publishes(path);
        publishes
            .filter(|(_, it)| (all || it.backup) && !is_pushed_by(it, from))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The origin to which `from` pushes a stream.
    pub(crate) fn pushed_to(&self, path: &StreamPath, from: &NodeId) -> Option<NodeId> {
        let publishes = self.publishes(path);
        publishes
            .filter(|(_, it)| is_pushed_by(it, from))
            .max_by_key(|(_, it)| it.pushed.as_ref().map(|pushed| pushed.turn))
            .map(|(id, _)| id.clone())
    }

    /// The origins at which a stream is published.
    fn publishes(&self, path: &StreamPath) -> impl Iterator<Item = (&NodeId, &StreamReport)> {
        let sites = self.sites.get(path).into_iter().flatten();
        sites.filter_map(move |id| {
            let node = self.nodes.get(id)?;
            let stream = node.streams.get(path)?;
            let published = stream.arrival == Arrival::Published;
            let is_origin = node.identity.role == Role::Origin;
            (published && is_origin).then_some((id, stream))
        })
    }

    /// Who owns a stream.
    pub fn owner(&self, path: &StreamPath) -> Option<NodeId> {
        let stored = self.placements.get(path)?;
        stored
            .placement
            .owner
            .as_ref()
            .map(|owner| owner.node.clone())
    }

    /// All nodes, by name.
    pub fn nodes(&self) -> &BTreeMap<NodeId, Node> {
        &self.nodes
    }

    /// How many streams have an owner.
    pub fn owned_streams(&self) -> usize {
        self.owned.values().map(|paths| paths.len()).sum()
    }

    /// One stream, if it has a placement or is on a node.
    pub fn stream<'a>(&'a self, path: &'a StreamPath) -> Option<StreamView<'a>> {
        let placement = self.placements.get(path).map(|stored| &stored.placement);
        let report = |id: &NodeId| {
            let node = self.nodes.get(id)?;
            Some((node, node.streams.get(path)?))
        };
        let sites = self.sites.get(path);
        if placement.is_none() && sites.is_none() {
            return None;
        }
        let sites = sites.into_iter().flatten().filter_map(report).collect();
        Some(StreamView {
            path,
            placement,
            sites,
        })
    }

    /// Streams that have an owner or are on a node, in the order of their paths, after `after`.
    pub fn streams_after<'a>(
        &'a self,
        after: Option<&'a StreamPath>,
    ) -> impl Iterator<Item = StreamView<'a>> {
        let from = after.map_or(Unbounded, Excluded);
        let has_owner = |(path, stored): (&'a StreamPath, &'a super::Stored)| {
            stored.placement.owner.is_some().then_some(path)
        };
        let mut owned = self
            .placements
            .range::<StreamPath, _>((from, Unbounded))
            .filter_map(has_owner)
            .peekable();
        let mut on_nodes = self
            .sites
            .range::<StreamPath, _>((from, Unbounded))
            .map(|(path, _)| path)
            .peekable();
        std::iter::from_fn(move || match (owned.peek(), on_nodes.peek()) {
            (None, None) => None,
            (Some(_), None) => owned.next(),
            (None, Some(_)) => on_nodes.next(),
            (Some(left), Some(right)) if left < right => owned.next(),
            (Some(left), Some(right)) if left > right => on_nodes.next(),
            (Some(_), Some(_)) => {
                on_nodes.next();
                owned.next()
            }
        })
        .filter_map(|path| self.stream(path))
    }
}

fn site(node: &Node) -> Site {
    Site {
        region: node.identity.region.clone(),
        zone: node.identity.zone.clone(),
    }
}

fn is_pushed_by(stream: &StreamReport, node: &NodeId) -> bool {
    stream
        .pushed
        .as_ref()
        .is_some_and(|pushed| pushed.by == *node)
}

fn standing(node: &Node) -> Standing {
    if node.health != Health::Alive {
        return Standing::Away(node.state_in_words());
    }
    if !node.talks() {
        return Standing::Away("has no dialogue with this controller".into());
    }
    match node.identity.addresses.rtmp {
        Some(_) => Standing::Ready,
        None => Standing::NoRtmp,
    }
}
