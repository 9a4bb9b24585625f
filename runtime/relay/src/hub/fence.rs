//! Who may not take over, and who may not be served: whoever is of an older epoch.
//!
//! An epoch counts the owners that a stream has had; what is published under an older one is a former
//! owner's, however late its bytes come. A node believes in the epoch that it was told; one that was told
//! none has no owner to be afraid of, and serves. Pure.

use super::{Duplicate, PublisherInfo, PublisherKind};
use std::fmt;

/// How many owners a stream has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Nobody said.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why a node is not served: it knows better than we do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("epoch {here} of the stream is outdated: {expected} is known")]
pub struct Outdated {
    /// What this node believes in.
    pub here: Epoch,
    /// What the other node knows.
    pub expected: Epoch,
}

/// Whether a node that knows epoch `expected` may have what is published `here`.
pub(super) fn admits(here: Epoch, expected: Epoch) -> Result<(), Outdated> {
    match here == Epoch::NONE || here >= expected {
        true => Ok(()),
        false => Err(Outdated { here, expected }),
    }
}

/// Whether `new` becomes the publisher in `current`'s place.
pub(super) fn takes_over(
    new: &PublisherInfo,
    current: &PublisherInfo,
    duplicate: Duplicate,
) -> bool {
    if new.origin == PublisherKind::Pull {
        return false;
    }
    if current.origin == PublisherKind::Pull {
        return true;
    }
    let Some(pushed) = &new.passed_on else {
        return duplicate == Duplicate::Takeover;
    };
    if pushed.epoch != Epoch::NONE && pushed.epoch < current.epoch {
        return false;
    }
    match &current.passed_on {
        Some(before) if !pushed.node.is_empty() && before.node == pushed.node => {
            before.turn < pushed.turn
        }
        _ => duplicate == Duplicate::Takeover,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::PassedOn;
    use std::time::SystemTime;

    fn publisher(passed_on: Option<(&str, u64, u64)>, epoch: u64) -> PublisherInfo {
        PublisherInfo {
            peer: None,
            origin: PublisherKind::Publish,
            upstream: None,
            since: SystemTime::UNIX_EPOCH,
            passed_on: passed_on.map(|(node, turn, epoch)| {
                let passed_on = PassedOn {
                    node: node.into(),
                    turn,
                    epoch: Epoch(epoch),
                };
                passed_on.into()
            }),
            epoch: Epoch(epoch),
            backup: false,
        }
    }

    #[test]
    fn a_node_is_served_what_is_not_older_than_it_knows() {
        for (here, expected, served) in [(0, 0, true), (0, 7, true), (7, 7, true), (8, 7, true)] {
            assert_eq!(admits(Epoch(here), Epoch(expected)).is_ok(), served);
        }
        let refused = admits(Epoch(6), Epoch(7)).expect_err("it is older");
        assert_eq!(
            refused.to_string(),
            "epoch 6 of the stream is outdated: 7 is known"
        );
    }

    #[test]
    fn a_push_takes_over_from_its_own_earlier_connection_and_never_at_an_older_epoch() {
        use Duplicate::{Refuse, Takeover};
        let pull = PublisherInfo {
            origin: PublisherKind::Pull,
            ..publisher(None, 5)
        };
        let (encoder, edge) = (publisher(None, 5), publisher(Some(("e1", 3, 5)), 5));
        for (name, new, current, duplicate, taken) in [
            ("encoder over pull", &encoder, &pull, Refuse, true),
            ("pull over encoder", &pull, &encoder, Takeover, false),
            ("encoder over encoder", &encoder, &encoder, Refuse, false),
            ("by policy", &encoder, &encoder, Takeover, true),
            (
                "the same edge again",
                &publisher(Some(("e1", 4, 5)), 0),
                &edge,
                Refuse,
                true,
            ),
            (
                "the same edge, late",
                &publisher(Some(("e1", 2, 5)), 0),
                &edge,
                Takeover,
                false,
            ),
            (
                "another edge",
                &publisher(Some(("e2", 9, 5)), 0),
                &edge,
                Refuse,
                false,
            ),
            (
                "another edge by policy",
                &publisher(Some(("e2", 1, 5)), 0),
                &edge,
                Takeover,
                true,
            ),
            (
                "at an older epoch",
                &publisher(Some(("e2", 9, 4)), 0),
                &edge,
                Takeover,
                false,
            ),
            (
                "who knows no epoch",
                &publisher(Some(("e1", 9, 0)), 0),
                &edge,
                Refuse,
                true,
            ),
            (
                "forwards have no name",
                &publisher(Some(("", 0, 0)), 0),
                &publisher(Some(("", 0, 0)), 0),
                Refuse,
                false,
            ),
        ] {
            assert_eq!(takes_over(new, current, duplicate), taken, "{name}");
        }
    }
}
