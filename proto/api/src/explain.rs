//! Why a stream is where it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a stream is where it is, and where a publish of it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamExplained {
    /// The stream, `vhost/app/name`.
    pub path: String,
    /// What would be decided about its owner now: as a rule, to leave it.
    pub owner: OwnerExplained,
    /// The last change of its owner that this controller decided and still remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<OwnerExplained>,
    /// The last time that an edge asked where to push a publish of it and was told; if that is not
    /// remembered, what it would be told now.
    pub placing: PlacingExplained,
    /// For each region with edges: which of them pull it from its origin, and why.
    #[serde(default)]
    pub trees: Vec<TreeExplained>,
}

/// Which edges of a region pull a stream from its origin for the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TreeExplained {
    /// The region; empty for edges that name none.
    pub region: String,
    /// Edges there that may be pulled from.
    pub edges: usize,
    /// Those that the others pull the stream from, the best first; none if all pull from the origin.
    pub parents: Vec<String>,
    /// Why.
    pub reason: String,
}

/// A decision about who owns a stream, with all that it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnerExplained {
    /// When it was made.
    pub at_unix_ms: u64,
    /// Of the stream's placement in the store, as it was known; 0 if there was none.
    pub revision: u64,
    /// Who owned it; left out if nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// At which epoch.
    pub epoch: u64,
    /// A greater epoch that a node was seen with, which the store has lost; 0 if none was.
    pub epoch_seen: u64,
    /// What was known of the owner.
    #[schema(example = "publishing")]
    pub owner_is: String,
    /// The origins that have it as a publish.
    pub claims: Vec<Claim>,
    /// Whether the owner or its epoch changes.
    pub changes: bool,
    /// Who is to own it; left out if nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<String>,
    /// Why.
    pub reason: String,
}

/// An origin that has a stream as a publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claim {
    /// The origin.
    pub node: String,
    /// Its process.
    pub incarnation: String,
    /// Since when, by its own clock.
    pub since_unix_ms: u64,
    /// Whether it is silent.
    pub suspect: bool,
    /// Whether it stands by: it has the same input as the owner, and is to be the next.
    #[serde(default)]
    pub stands_by: bool,
}

/// A decision where a publish goes, with all that it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacingExplained {
    /// Whether an edge was told so; else this is what it would be told now.
    pub was_told: bool,
    /// When it was decided.
    pub at_unix_ms: u64,
    /// Of the stream's placement in the store, as it was known; 0 if there was none.
    pub revision: u64,
    /// The asker's region; empty if unknown.
    pub from_region: String,
    /// The asker's zone; empty if unknown.
    pub from_zone: String,
    /// Where the stream was, or was just sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// Origins that had just failed the asker.
    pub avoid: Vec<String>,
    /// All origins.
    pub candidates: Vec<CandidateExplained>,
    /// The chosen one; left out if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// Why that one.
    pub reason: String,
}

/// An origin that a publish could go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CandidateExplained {
    /// Which.
    pub node: String,
    /// Where it stands; empty if nobody said.
    pub region: String,
    /// Which part of the region; empty if nobody said.
    pub zone: String,
    /// Streams on it, and those just sent to it.
    pub streams: usize,
    /// What it sends.
    pub bits_out_per_second: u64,
    /// Share of the cores that it may use, 0 to 1000.
    pub cpu_permille: u32,
    /// Why it cannot be chosen, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruled_out: Option<String>,
    /// Its points; the least wins.
    pub score: Score,
}

/// Points, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Score {
    /// All together.
    pub total: u32,
    /// What it uses of its scarcest resource, in thousandths, by steps of 50.
    pub used: u32,
    /// Half of what the nodes of its zone use on average.
    pub crowded: u32,
    /// 300 if it is in another region than the asker.
    pub far: u32,
    /// 100 if an origin of its zone just failed the asker.
    pub near_a_failure: u32,
    /// 10,000 if it just failed the asker itself; 20,000 if another has failed it before that one, and so on.
    pub avoided: u32,
}
