//! How a node of ours introduces itself to another in `connect`: by name, by turn, by epoch.
//!
//! It stands behind our program's name in `flashVer`, which every server takes as it comes; so servers
//! that are not Weir's are told it, too, and make nothing of it.
//!
//! An epoch and a time may only make a node refuse, or send more than a player gets, so nobody proves them.
//! Whoever pushes in a node's name gets the stream of whom it pushed before: that is proved by a MAC
//! over name and turn (HMAC-SHA256, RFC 2104) with the cluster's join token, where it has one. A MAC that
//! somebody has overheard is of no use: its turn has been.

use crate::{
    hub::{Epoch, PassedOn},
    settings::Secret,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{fmt, time::Duration};

/// What is MACed begins with this: the token is used for other things as well.
const PURPOSE: &[u8] = b"weir-push\0";

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
    /// That it is the node: the left half of the MAC, as RFC 2104 allows. None where the cluster has no
    /// token.
    pub proof: Option<u128>,
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

    /// Of the `turn`th push of node `node`, which knows the stream at `epoch`.
    pub fn push(node: String, turn: u64, epoch: Epoch, secret: &Secret) -> Self {
        let proof = mac(&node, turn, secret).map(|mac| {
            let mac = mac.finalize().into_bytes();
            let left = mac.iter().take(size_of::<u128>());
            left.fold(0, |left, byte| left << 8 | u128::from(*byte))
        });
        Self {
            node,
            turn,
            proof,
            epoch,
            back: None,
        }
    }

    /// Without the node's name, if that is not proved: then it is a push of nobody that we know.
    pub(super) fn believed(mut self, secret: &Secret) -> Self {
        let is_proved = mac(&self.node, self.turn, secret).is_none_or(|mac| {
            let proof = self.proof.unwrap_or_default();
            mac.verify_truncated_left(&proof.to_be_bytes()).is_ok()
        });
        if !is_proved && !self.node.is_empty() {
            tracing::warn!(node = %self.node,
                "a peer pushes in a node's name and does not know the join token; taken for a stranger");
            (self.node, self.turn) = (String::new(), 0);
        }
        self
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
                Some(("proof", proof)) => heard.proof = u128::from_str_radix(proof, 16).ok(),
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

/// Over a push's name and turn; `None` where nobody need prove anything.
fn mac(node: &str, turn: u64, secret: &Secret) -> Option<Hmac<Sha256>> {
    let key = secret.reveal()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(PURPOSE);
    mac.update(&turn.to_be_bytes());
    mac.update(node.as_bytes());
    Some(mac)
}

/// As it is said in `connect`.
impl fmt::Display for Introduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(AGENT)?;
        if !self.node.is_empty() {
            write!(f, " node={} turn={}", self.node, self.turn)?;
        }
        if let Some(proof) = self.proof {
            write!(f, " proof={proof:032x}")?;
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
                ..Introduction::default()
            },
            Introduction::push("edge-2".into(), 4, Epoch::NONE, &Secret::new("hush")),
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
    fn who_does_not_know_the_token_is_not_the_node() {
        let (ours, other) = (Secret::new("hush"), Secret::new("hash"));
        let said = |secret: &Secret| Introduction::push("edge-1".into(), 7, Epoch(2), secret);
        let proved = said(&ours);
        assert_eq!(proved.clone().believed(&ours).node, "edge-1");
        let later = Introduction {
            turn: 8,
            ..proved.clone()
        };
        for stranger in [said(&other), said(&Secret::default()), later] {
            let believed = stranger.believed(&ours);
            assert_eq!((believed.node.as_str(), believed.turn), ("", 0));
            assert_eq!(believed.epoch, Epoch(2), "that may only make us refuse");
        }
        let open = said(&other).believed(&Secret::default());
        assert_eq!(open.node, "edge-1", "a cluster without a token is open");
        assert!(!format!("{ours:?} {proved}").contains("hush"));
    }

    #[test]
    fn players_are_no_nodes_and_nonsense_says_nothing() {
        assert_eq!(Introduction::heard("LNX 9,0,124,2"), None);
        let nonsense = "weir-node/9 node turn=x epoch=-1 a=b =";
        assert_eq!(Introduction::heard(nonsense), Some(Introduction::default()));
    }
}
