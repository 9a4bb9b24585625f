//! Which origin a publish that came to an edge belongs to, when the controller cannot be asked.

use control::{NodeId, Upstream};
use media::StreamPath;
use std::cmp::Reverse;

/// Why a publish can be pushed nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The controller refused; trying again later may help.
    #[error("the controller places {path} nowhere: {reason}")]
    Refused {
        /// The stream.
        path: StreamPath,
        /// The controller's words.
        reason: String,
    },
    /// No controller answers and no origin was ever heard of.
    #[error("no controller answers and no origin is known for {path}")]
    NoOrigin {
        /// The stream.
        path: StreamPath,
    },
}

/// The node's own choice: all nodes that know the same origins choose the same one for a path, and
/// when an origin goes only its streams move (rendezvous hashing). Avoided origins, the last that failed
/// first, come last.
pub fn choose(path: &StreamPath, origins: &[Upstream], avoid: &[NodeId]) -> Option<Upstream> {
    let best = |origin: &&Upstream| {
        let failed = avoid.iter().rev().position(|it| *it == origin.node);
        (failed, Reverse(weight(path.as_str(), origin.node.as_str())))
    };
    origins.iter().min_by_key(best).cloned()
}

/// How much a stream is drawn to a server, by name; it belongs to the one that draws it most. The same
/// number on every machine: FNV-1a over both names, then mixed (the finalizer of
/// SplitMix64), because FNV's upper bits follow the last bytes too closely to be compared.
pub fn weight(path: &str, node: &str) -> u64 {
    let bytes = path.bytes().chain([0]).chain(node.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::Incarnation;

    fn origin(name: &str) -> Upstream {
        let node = NodeId::new(name).expect("a good id");
        Upstream {
            node,
            rtmp: format!("{name}:1935"),
            incarnation: Incarnation(1),
            edge: false,
        }
    }

    fn path(number: u32) -> StreamPath {
        StreamPath::new("h", "live", &format!("cam{number}")).expect("a good path")
    }

    #[test]
    fn only_the_streams_of_a_dead_origin_move() {
        let all = [origin("a"), origin("b"), origin("c")];
        let rest = [origin("c"), origin("a")];
        for number in 0..300 {
            let before = choose(&path(number), &all, &[]).expect("three origins");
            let after = choose(&path(number), &rest, &[]).expect("two origins");
            assert!(before.node.as_str() == "b" || before == after);
        }
    }

    #[test]
    fn streams_are_spread() {
        let all = [origin("a"), origin("b"), origin("c")];
        for wanted in &all {
            let chosen = |number: &u32| choose(&path(*number), &all, &[]).as_ref() == Some(wanted);
            let share = (0..300).filter(chosen).count();
            assert!(
                (60..=140).contains(&share),
                "{} has {share} of 300",
                wanted.node
            );
        }
    }

    #[test]
    fn an_avoided_origin_is_better_than_none() {
        let avoid = [NodeId::new("a").expect("a good id")];
        let chosen = |origins: &[Upstream]| choose(&path(1), origins, &avoid).map(|o| o.rtmp);
        assert_eq!(
            chosen(&[origin("a"), origin("b")]).as_deref(),
            Some("b:1935")
        );
        assert_eq!(chosen(&[origin("a")]).as_deref(), Some("a:1935"));
        assert_eq!(chosen(&[]), None);
        for (avoid, wanted) in [(["a", "b"], "b"), (["b", "a"], "a")] {
            let avoid = avoid.map(|name| NodeId::new(name).expect("a good id"));
            let named = choose(&path(1), &[origin("a"), origin("b")], &avoid);
            assert_eq!(named.expect("there are two").node.as_str(), wanted);
        }
    }
}
