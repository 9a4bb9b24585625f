//! Whom to ask for a stream, the best first.

use agent::{Location, Upstream};
use relay::Target;
use std::sync::Arc;

/// An upstream to ask, and what it is called in logs and reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    /// An edge that may have to fetch the stream first.
    pub(super) is_edge: bool,
}

/// The controller's word counts first; then the operator's list; then, while no controller was ever
/// heard on this stream, every origin that one had named.
pub(super) fn sources(location: &Location, listed: &[Target], origins: &[Upstream]) -> Vec<Source> {
    let by_controller = location.sources.iter().chain(&location.standbys);
    let mut sources: Vec<Source> = by_controller.filter_map(named).collect();
    let listed = listed.iter().map(|target| Source {
        name: target.to_string().into(),
        target: target.clone(),
        is_edge: false,
    });
    sources.extend(listed);
    if sources.is_empty() && !location.known {
        sources.extend(origins.iter().filter_map(named));
    }
    sources
}

/// Whom to hold warm beside `active`: those that the controller knows to have the same input, the owner
/// first. Nobody, if it knows of no two.
pub(super) fn standbys(location: &Location, active: &Source) -> Vec<Source> {
    if location.standbys.is_empty() {
        return Vec::new();
    }
    let by_controller = location.sources.iter().chain(&location.standbys);
    let mut standbys: Vec<Source> = by_controller.filter_map(named).collect();
    standbys.retain(|source| source != active);
    standbys
}

fn named(upstream: &Upstream) -> Option<Source> {
    let target = upstream.rtmp.parse().ok()?;
    Some(Source {
        name: upstream.node.as_str().into(),
        target,
        is_edge: upstream.edge,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::{Incarnation, NodeId};

    fn upstream(name: &str, rtmp: &str) -> Upstream {
        Upstream {
            node: NodeId::new(name).expect("a node's name"),
            rtmp: rtmp.to_owned(),
            incarnation: Incarnation(0),
            edge: false,
        }
    }

    fn names(sources: &[Source]) -> Vec<&str> {
        sources.iter().map(|source| &*source.name).collect()
    }

    #[test]
    fn the_controller_s_word_comes_before_the_list() {
        let listed = ["10.0.0.9".parse().expect("a target")];
        let origins = [upstream("o2", "10.0.0.2:1935")];
        let mut location = Location::unknown();
        assert_eq!(names(&sources(&location, &[], &origins)), ["o2"]);
        assert_eq!(
            names(&sources(&location, &listed, &origins)),
            ["10.0.0.9:1935"]
        );
        location.known = true;
        assert_eq!(
            names(&sources(&location, &[], &origins)),
            [""; 0],
            "nobody publishes it"
        );
        location.sources.push(upstream("o1", "10.0.0.1:1935"));
        assert_eq!(
            names(&sources(&location, &listed, &origins)),
            ["o1", "10.0.0.9:1935"]
        );
    }

    #[test]
    fn a_second_source_is_held_only_where_the_controller_names_a_stand_by() {
        let mut location = Location {
            sources: vec![upstream("o1", "10.0.0.1:1935")],
            known: true,
            ..Location::default()
        };
        let held = |location: &Location, active: &str| {
            let all = sources(location, &[], &[]);
            let active = all.iter().find(|source| &*source.name == active);
            names(&standbys(location, active.expect("it is named"))).join(" ")
        };
        assert_eq!(held(&location, "o1"), "");
        location.standbys.push(upstream("o2", "10.0.0.2:1935"));
        assert_eq!(held(&location, "o1"), "o2");
        assert_eq!(held(&location, "o2"), "o1");
        assert_eq!(names(&sources(&location, &[], &[])), ["o1", "o2"]);
    }
}
