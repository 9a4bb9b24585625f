//! Which origin a publish that came to an edge belongs to: where the stream is, else where one was
//! just sent, else the least loaded.

use control::{Capacity, Load, NodeId};

/// An origin that is alive and takes RTMP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub node: NodeId,
    /// Its work, by its last report.
    pub load: Load,
    /// Streams on it, and those that were just sent to it and are not there yet.
    pub streams: usize,
    /// What it may carry.
    pub capacity: Capacity,
}

/// Chooses among the candidates: `keep` if it is one (the owner, or the last choice), else the least
/// loaded that is not full. Those in `avoid` come last. `None` if there is none with room.
pub fn choose<'a>(
    candidates: &'a [Candidate],
    keep: Option<&NodeId>,
    avoid: &[NodeId],
) -> Option<&'a Candidate> {
    let sticky =
        |candidate: &&Candidate| Some(&candidate.node) == keep && !avoid.contains(&candidate.node);
    if let Some(kept) = candidates.iter().find(sticky) {
        return Some(kept);
    }
    candidates
        .iter()
        .filter(|candidate| !is_full(candidate))
        .min_by(|a, b| {
            let rank = |candidate: &Candidate| {
                (
                    avoid.contains(&candidate.node),
                    use_permille(candidate),
                    candidate.streams,
                )
            };
            rank(a).cmp(&rank(b)).then_with(|| a.node.cmp(&b.node))
        })
}

fn is_full(candidate: &Candidate) -> bool {
    let Capacity {
        streams,
        bits_per_second,
        ..
    } = candidate.capacity;
    let reached = |limit: u64, used: u64| limit != 0 && used >= limit;
    reached(streams.into(), candidate.streams as u64)
        || reached(bits_per_second, candidate.load.bits_out_per_second)
}

/// How much of the scarcest resource is used, in steps of 5% so that noise does not decide.
fn use_permille(candidate: &Candidate) -> u64 {
    let Capacity {
        streams,
        bits_per_second,
        ..
    } = candidate.capacity;
    let share = |used: u64, limit: u64| used.saturating_mul(1000).checked_div(limit).unwrap_or(0);
    let scarcest = share(candidate.streams as u64, streams.into())
        .max(share(candidate.load.bits_out_per_second, bits_per_second))
        .max(candidate.load.cpu_permille.into());
    scarcest / 50
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> NodeId {
        NodeId::new(name).expect("a good id")
    }

    fn candidate(name: &str, cpu_permille: u32, streams: usize) -> Candidate {
        let load = Load {
            cpu_permille,
            ..Load::default()
        };
        Candidate {
            node: id(name),
            load,
            streams,
            capacity: Capacity::default(),
        }
    }

    /// Name, candidates, kept, avoided; who is chosen.
    type Row<'a> = (
        &'a str,
        &'a [Candidate],
        Option<&'a str>,
        &'a [&'a str],
        Option<&'a str>,
    );

    #[test]
    fn a_publish_goes_where_the_stream_is_then_to_the_least_loaded_with_room() {
        let full = |name: &str| Candidate {
            capacity: Capacity {
                streams: 3,
                ..Capacity::default()
            },
            ..candidate(name, 0, 3)
        };
        let (a, b, c) = (
            candidate("a", 500, 9),
            candidate("b", 110, 5),
            candidate("c", 120, 4),
        );
        let all = [a.clone(), b.clone(), c.clone()];
        let table: [Row; 8] = [
            ("no origin", &[], None, &[], None),
            (
                "where it is, however loaded",
                &all,
                Some("a"),
                &[],
                Some("a"),
            ),
            (
                "5% more work is noise: fewer streams",
                &all,
                None,
                &[],
                Some("c"),
            ),
            ("its owner is gone", &all, Some("gone"), &[], Some("c")),
            ("its owner just failed", &all, Some("c"), &["c"], Some("b")),
            (
                "all just failed: better one of them than none",
                &all,
                None,
                &["a", "b", "c"],
                Some("c"),
            ),
            (
                "full ones are passed over",
                &[full("f"), a.clone()],
                None,
                &[],
                Some("a"),
            ),
            ("all are full", &[full("f")], None, &[], None),
        ];
        for (name, candidates, keep, avoid, wanted) in table {
            let avoid: Vec<_> = avoid.iter().map(|name| id(name)).collect();
            let chosen = choose(candidates, keep.map(id).as_ref(), &avoid);
            assert_eq!(chosen.map(|chosen| chosen.node.as_str()), wanted, "{name}");
        }
    }
}
