//! A controller among others on one store: what it holds there, who decides, and what it tells the
//! others.
//!
//! * [`lease`]: what all of our entries hang on: they go when we do.
//! * [`election`]: one decides; the others wait for it to go.
//! * [`posting`]: what our nodes say, for the others.
//!
//! A controller whose store is its own alone needs none of this: it decides.

pub mod election;
pub mod lease;
pub mod posting;

use crate::{
    model::Model,
    store::{Expect, Revision, keys},
};
use bytes::Bytes;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whether this controller decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has no others beside it: it decides.
    Alone,
    /// It was elected, at this revision by this entry: it decides.
    Leads(Revision, Bytes),
    /// Another one decides, or none yet.
    Follows,
}

impl Standing {
    /// Whether it decides.
    pub fn decides(&self) -> bool {
        *self != Self::Follows
    }

    /// What each transaction of a decision has to expect, so that one who decides no longer, and has
    /// not heard of it, changes nothing.
    pub fn fence(&self) -> Option<Expect> {
        match self {
            Self::Leads(revision, value) => {
                let key = keys::LEADER.to_owned();
                Some(Expect::Is(key, *revision, value.clone()))
            }
            Self::Alone | Self::Follows => None,
        }
    }
}

/// How this controller stands, by what the store was last seen to say.
pub fn standing(model: &Model) -> Standing {
    model.read(|inventory| match (inventory.run(), inventory.leader()) {
        (None, _) => Standing::Alone,
        (Some(run), Some((leader, revision))) if leader.run == run => {
            Standing::Leads(revision, keys::leader_value(leader))
        }
        (Some(_), _) => Standing::Follows,
    })
}

/// A number that no other start of a controller has: its moment, and its process among those of one
/// moment.
pub fn new_run() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    micros.wrapping_mul(1 << 12) ^ u64::from(std::process::id())
}
