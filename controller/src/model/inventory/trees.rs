//! The edges of each region that may be a stream's parent, and who is whose.
//!
//! Such an edge is alive, takes RTMP and is not drained; or it is silent only because a controller went,
//! ours or the one that attended it: then it is on its way to another one and serves as before.

use super::{Health, Inventory, Node, shared::Attendance};
use crate::plan::{
    Policy,
    tree::{self, Rules},
};
use control::{Location, NodeId, Role, Upstream};
use media::StreamPath;
use std::collections::{BTreeMap, BTreeSet};

/// By region; a node that names none is in the region without a name.
#[derive(Debug, Default)]
pub(super) struct Trees {
    regions: BTreeMap<String, BTreeSet<NodeId>>,
    in_region: BTreeMap<NodeId, String>,
}

impl Trees {
    /// An edge may be a parent in this region, or nowhere. Returns the regions where that is news.
    fn set(&mut self, id: &NodeId, region: Option<&str>) -> Vec<String> {
        if self.in_region.get(id).map(String::as_str) == region {
            return Vec::new();
        }
        let left = self.in_region.remove(id);
        if let Some(edges) = left.as_ref().and_then(|left| self.regions.get_mut(left)) {
            edges.remove(id);
        }
        if let Some(region) = region {
            self.in_region.insert(id.clone(), region.to_owned());
            let edges = self.regions.entry(region.to_owned()).or_default();
            edges.insert(id.clone());
        }
        self.regions.retain(|_, edges| !edges.is_empty());
        left.into_iter().chain(region.map(str::to_owned)).collect()
    }

    fn edges(&self, region: &str) -> Vec<&NodeId> {
        self.regions.get(region).into_iter().flatten().collect()
    }
}

impl Inventory {
    /// Something about a node changed that others are told of: as an origin, or as a parent.
    pub(super) fn node_changed(&mut self, id: &NodeId, role: Role) {
        self.effects.all_nodes |= role == Role::Origin;
        if role == Role::Edge {
            let node = self.nodes.get(id).filter(|node| self.may_be_parent(node));
            let region = node.map(|node| node.identity.region.clone());
            for region in self.trees.set(id, region.as_deref()) {
                self.effects.trees.push((region, id.clone()));
            }
        }
    }

    fn may_be_parent(&self, node: &Node) -> bool {
        let only_unattended =
            node.health == Health::Suspect && node.attendance == Attendance::Nobody;
        node.identity.addresses.rtmp.is_some() && (node.health == Health::Alive || only_unattended)
    }

    /// Where a stream is for a node that asks: for an edge of a tree that is its parent, and after it
    /// what anybody else is told.
    pub fn location_for(&self, asker: &NodeId, path: &StreamPath, policy: &Policy) -> Location {
        let mut location = self.location(path, policy);
        if !location.sources.is_empty()
            && let Some(parent) = self.parent(asker, path, &policy.tree)
        {
            location.sources.insert(0, parent);
            // It is the parent that holds a second one warm.
            location.standbys.clear();
        }
        location
    }

    fn parent(&self, asker: &NodeId, path: &StreamPath, rules: &Rules) -> Option<Upstream> {
        if rules.parents == 0 {
            return None;
        }
        let asker = &self.nodes.get(asker)?.identity;
        if asker.role != Role::Edge {
            return None;
        }
        let edges = self.trees.edges(&asker.region);
        let parent = tree::parent_of(rules, path, &asker.node, &edges)?;
        Some(Upstream {
            edge: true,
            ..self.upstream(parent)?
        })
    }

    /// Whether somebody in a region may have another parent for a stream because `changed` came or went.
    pub fn tree_changed(
        &self,
        region: &str,
        changed: &NodeId,
        path: &StreamPath,
        rules: &Rules,
    ) -> bool {
        let edges = self.trees.edges(region);
        tree::matters(rules, path, changed, &edges)
    }

    /// Each region with edges, how many may be parents there, and which are those of a stream.
    pub fn trees(&self, path: &StreamPath, rules: &Rules) -> Vec<(&str, usize, Vec<&NodeId>)> {
        let each = self.trees.regions.keys().map(|region| {
            let edges = self.trees.edges(region);
            let parents = tree::parents(rules, path, &edges);
            (region.as_str(), edges.len(), parents)
        });
        each.collect()
    }
}
