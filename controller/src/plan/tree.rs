//! Which edge of a region fetches a stream from its origin, for the other edges of that region.
//!
//! ```text
//!   origin ──▶ parent ──┬──▶ edge        of one region, for one stream
//!                       └──▶ edge        (another stream has another parent)
//! ```
//!
//! Each stream ranks a region's edges by a hash of its path and their names (rendezvous hashing), and the
//! first are its parents: streams spread over all edges, and when an edge goes only its own streams get
//! another parent.
//!
//! Always true: an edge is sent only to one that ranks higher than itself, and the rank depends on nothing
//! but names. So no two controllers, whatever they know, and no order of events send edges in a circle.

use control::NodeId;
use media::StreamPath;

/// The operator's rules for trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many edges of a region fetch a stream from its origin; 0 for all: no trees.
    pub parents: usize,
    /// A region with fewer edges has no tree.
    pub edges_min: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            parents: 0,
            edges_min: 3,
        }
    }
}

/// An edge's place among all for one stream; the greater is nearer the origin.
type Rank<'a> = (u64, &'a NodeId);

/// The parents of a stream in a region with these edges, the best first; none where it has no tree.
pub fn parents<'a>(rules: &Rules, path: &StreamPath, edges: &[&'a NodeId]) -> Vec<&'a NodeId> {
    if rules.parents == 0 || edges.len() < rules.edges_min {
        return Vec::new();
    }
    let mut best: Vec<Rank> = Vec::with_capacity(rules.parents.min(edges.len()).saturating_add(1));
    for edge in edges {
        let rank = rank(path, edge);
        let place = best.partition_point(|other| *other > rank);
        if place < rules.parents {
            best.insert(place, rank);
            best.truncate(rules.parents);
        }
    }
    best.into_iter().map(|(_, edge)| edge).collect()
}

/// Whom of its region's edges `edge` pulls a stream from; `None` for the origin itself.
pub fn parent_of<'a>(
    rules: &Rules,
    path: &StreamPath,
    edge: &NodeId,
    edges: &[&'a NodeId],
) -> Option<&'a NodeId> {
    let own = rank(path, edge);
    let parents = parents(rules, path, edges);
    if parents.contains(&edge) {
        return None;
    }
    let above = parents
        .into_iter()
        .filter(|parent| rank(path, parent) > own);
    // Several share their children; which has which depends on names alone, too.
    above.max_by_key(|parent| {
        hash([
            parent.as_str(),
            edge.as_str(),
            path.vhost(),
            path.app(),
            path.name(),
        ])
    })
}

/// Whether it matters to anybody's parent of a stream that `edge` is there, or is gone.
pub fn matters(rules: &Rules, path: &StreamPath, edge: &NodeId, edges: &[&NodeId]) -> bool {
    if rules.parents == 0 {
        return false;
    }
    let own = rank(path, edge);
    // About to have a tree, or no longer.
    edges.len() <= rules.edges_min
        || edges
            .iter()
            .filter(|other| rank(path, other) > own)
            .nth(rules.parents - 1)
            .is_none()
}

fn rank<'a>(path: &StreamPath, edge: &'a NodeId) -> Rank<'a> {
    (
        hash([edge.as_str(), path.vhost(), path.app(), path.name()]),
        edge,
    )
}

/// FNV-1a of the parts, each with its end, and then mixed, because FNV alone leaves names that differ
/// in their last character near each other. The same on every machine, in every version.
fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let bytes = parts
        .into_iter()
        .flat_map(|part| part.bytes().chain([0xff]));
    let fnv = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn names(count: usize) -> Vec<NodeId> {
        let name = |number| NodeId::new(&format!("edge-{number}")).expect("a good id");
        (0..count).map(name).collect()
    }

    fn stream(number: usize) -> StreamPath {
        StreamPath::new("h", "live", &number.to_string()).expect("a good path")
    }

    fn rules(parents: usize) -> Rules {
        Rules {
            parents,
            edges_min: 3,
        }
    }

    #[test]
    fn each_stream_has_so_many_parents_and_all_others_a_parent() {
        let names = names(12);
        let edges: Vec<&NodeId> = names.iter().collect();
        for parents_wanted in [1, 2, 5, 12, 20] {
            let rules = rules(parents_wanted);
            for path in (0..50).map(stream) {
                let parents = parents(&rules, &path, &edges);
                assert_eq!(parents.len(), parents_wanted.min(12));
                let orphans = edges.iter().filter(|edge| {
                    let parent = parent_of(&rules, &path, edge, &edges);
                    assert!(parent.is_none_or(|parent| parents.contains(&parent)));
                    parent.is_none()
                });
                assert_eq!(orphans.count(), parents.len());
            }
        }
    }

    #[test]
    fn a_small_region_and_a_cluster_without_the_rule_have_no_tree() {
        let names = names(2);
        let edges: Vec<&NodeId> = names.iter().collect();
        assert!(parents(&rules(1), &stream(1), &edges).is_empty());
        let names = self::names(9);
        let edges: Vec<&NodeId> = names.iter().collect();
        assert!(parents(&Rules::default(), &stream(1), &edges).is_empty());
    }

    #[test]
    fn edges_that_were_told_by_controllers_who_know_different_things_never_go_in_a_circle() {
        let names = names(8);
        for path in (0..200).map(stream) {
            // What each edge's controller knows of the others, as bits.
            for seed in 0..20_u64 {
                let parent = |edge: usize| {
                    let known = hash([&*format!("{seed} {edge}")]);
                    let seen = names
                        .iter()
                        .enumerate()
                        .filter(|(at, _)| known >> at & 1 == 1);
                    let seen: Vec<&NodeId> = seen.map(|(_, name)| name).collect();
                    let parent = parent_of(&rules(2), &path, &names[edge], &seen)?;
                    names.iter().position(|name| name == parent)
                };
                for start in 0..names.len() {
                    let up = std::iter::successors(Some(start), |edge| parent(*edge));
                    assert!(up.take(names.len() + 1).count() <= names.len(), "a circle");
                }
            }
        }
    }

    #[test]
    fn streams_spread_over_the_edges_and_only_those_of_a_lost_edge_move() {
        let names = names(10);
        let edges: Vec<&NodeId> = names.iter().collect();
        let fewer = &edges[1..];
        let mut children: BTreeMap<&NodeId, usize> = BTreeMap::new();
        for path in (0..2_000).map(stream) {
            let before = parents(&rules(1), &path, &edges)[0];
            *children.entry(before).or_default() += 1;
            let after = parents(&rules(1), &path, fewer)[0];
            assert_eq!(before != after, before == edges[0]);
            assert_eq!(before != after, matters(&rules(1), &path, edges[0], fewer));
        }
        let counts = (children.values().min(), children.values().max());
        assert!(counts.0 > Some(&140) && counts.1 < Some(&260), "{counts:?}");
    }
}
