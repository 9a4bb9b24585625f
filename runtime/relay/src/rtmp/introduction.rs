//! How a node of ours introduces itself to another in `connect`: by name, by turn, by epoch.
//!
//! It stands behind our program's name in `flashVer`, which every server takes as it comes; so servers
//! that are not Weir's are told it, too, and make nothing of it. Nobody proves who they are by it: it
//! may only make a node refuse, or tell apart two connections of one peer.

use crate::hub::{Epoch, PassedOn};
use std::{fmt, time::Duration};

/// Our name in `connect`: by it an upstream of ours knows a node's pull from a player.
const AGENT: &str = concat!("weir-node/", env!("CARGO_PKG_VERSION"));

/// What every version's [`AGENT`] begins with.
const AGENT_PREFIX: &str = "weir-node/";

/// What a node says of itself and of the stream that it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Introduction {
    /// The node's name, if it pushes: see [`PassedOn::node`].
    pub node: String,
    /// Which of its connections this is: see [`PassedOn::turn`].
    pub turn: u64,
    /// The newest epoch of the stream that it knows.
    pub epoch: Epoch,
    /// It has had the stream before, and nothing of it for so long.
    pub back: Option<Duration>,
}

impl Introduction {
    /// Of a pull, which expects the stream at `epoch` or newer, and has had nothing of it for `back`.
    pub fn pull(epoch: Epoch, back: Option<Duration>) -> Self {
        Self {
            epoch,
            back,
            ..Self::default()
        }
    }

    /// What a peer said in `flashVer`; `None` if it is no node. What it says badly it has not said.
    pub(super) fn heard(flash_ver: &str) -> Option<Self> {
        let (_, said) = flash_ver.split_once(AGENT_PREFIX)?;
        let said = said.split(')').next().unwrap_or_default();
        let mut heard = Self::default();
        for word in said.split(' ') {
            match word.split_once('=') {
                Some(("node", node)) => node.clone_into(&mut heard.node),
                Some(("turn", turn)) => heard.turn = turn.parse().unwrap_or_default(),
                Some(("epoch", epoch)) => heard.epoch = Epoch(epoch.parse().unwrap_or_default()),
                Some(("back", millis)) => {
                    heard.back = millis.parse().ok().map(Duration::from_millis);
                }
                _ => {}
            }
        }
        Some(heard)
    }
}

impl From<Introduction> for PassedOn {
    fn from(said: Introduction) -> Self {
        Self {
            node: said.node.into(),
            turn: said.turn,
            epoch: said.epoch,
        }
    }
}

/// As it is said in `connect`.
impl fmt::Display for Introduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(AGENT)?;
        if !self.node.is_empty() {
            write!(f, " node={} turn={}", self.node, self.turn)?;
        }
        if self.epoch != Epoch::NONE {
            write!(f, " epoch={}", self.epoch)?;
        }
        match self.back {
            Some(back) => write!(f, " back={}", back.as_millis()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_is_heard_whatever_stands_around_it() {
        for said in [
            Introduction::default(),
            Introduction::pull(Epoch(7), None),
            Introduction::pull(Epoch::NONE, Some(Duration::from_millis(1_400))),
            Introduction {
                node: "edge-1:1935".into(),
                turn: u64::MAX,
                epoch: Epoch(3),
                back: None,
            },
        ] {
            for text in [
                said.to_string(),
                format!("FMLE/3.0 (compatible; {said})"),
                format!("LNX 9,0,124,2 (compatible; {said})"),
            ] {
                assert_eq!(Introduction::heard(&text), Some(said.clone()), "{text}");
            }
        }
    }

    #[test]
    fn players_are_no_nodes_and_nonsense_says_nothing() {
        assert_eq!(Introduction::heard("LNX 9,0,124,2"), None);
        let nonsense = "weir-node/9 node turn=x epoch=-1 a=b =";
        assert_eq!(Introduction::heard(nonsense), Some(Introduction::default()));
    }
}
