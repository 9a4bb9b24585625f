//! Which origin a publish that came to an edge belongs to, and why: where the stream is, else where
//! one was just sent, else the origin with the least score.
//!
//! | Part of the score | Points | Why |
//! | --- | --- | --- |
//! | used | up to 1000 | of its scarcest resource, in steps of 5% so that noise does not decide |
//! | crowded | up to 500 | half of what its zone uses on average: room is kept where others fail over to |
//! | far | 300 | another region than the asker's |
//! | near a failure | 100 | the zone of an origin that just failed: zones fail together |
//! | avoided | 10,000 and more | it just failed itself, the last that did has most; better than none |
//!
//! Of equals the one with fewer streams, then the first by name. A stream that is somewhere stays
//! there, however loaded that is: a move costs its players a gap.
//!
//! [`place`] answers one question in full. [`Board`] answers many in a row, each as `place` would
//! after the ones before it, and looks at each candidate only when something about it changes.

mod board;

pub use board::Board;

use control::{Capacity, Load, NodeId};
use media::StreamPath;
use std::collections::BTreeMap;

/// `used` counts in steps of so many thousandths.
const STEP_PERMILLE: u32 = 50;

/// Points for another region than the asker's.
const FAR: u32 = 300;

/// Points for the zone of an origin that just failed.
const NEAR_A_FAILURE: u32 = 100;

/// Points for an origin that just failed, more than all others together; twice as many for one that failed
/// after it, and so on.
const AVOIDED: u32 = 10_000;

/// Where something stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// Empty if nobody said.
    pub region: String,
    /// Empty if nobody said.
    pub zone: String,
}

/// An origin, as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub node: NodeId,
    /// Where it stands.
    pub site: Site,
    /// Whether it takes publishes.
    pub standing: Standing,
    /// Its work, by its last report.
    pub load: Load,
    /// Streams on it, and those that were just sent to it and are not there yet.
    pub streams: usize,
    /// What it may carry.
    pub capacity: Capacity,
}

/// Whether an origin takes publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Ready,
    /// It takes nothing new.
    Draining,
    /// It has the stream from another publisher, and what is placed is to be elsewhere.
    Taken,
    /// It cannot be reached by RTMP at all.
    NoRtmp,
    /// It is not there; why, for people.
    Away(String),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The stream.
    pub path: StreamPath,
    /// Where the asker stands.
    pub from: Site,
    /// Where the stream is, or was just sent.
    pub keep: Option<NodeId>,
    /// Origins that just failed the asker, the last first.
    pub avoid: Vec<NodeId>,
}

/// Why a candidate cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuledOut {
    /// See [`Standing`]; for people.
    Standing(String),
    /// It has as many streams as it may.
    StreamsFull,
    /// It sends as much as it may.
    BandwidthFull,
}

/// A candidate's points, by what they are for; the least wins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Score {
    /// See the table above, as all of these.
    pub used: u32,
    /// By its zone.
    pub crowded: u32,
    /// By its region.
    pub far: u32,
    /// By its zone.
    pub near_a_failure: u32,
    /// By itself.
    pub avoided: u32,
}

impl Score {
    /// All points.
    pub fn total(self) -> u32 {
        self.used + self.crowded + self.far + self.near_a_failure + self.avoided
    }
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Why it cannot be chosen, if so.
    pub ruled_out: Option<RuledOut>,
    /// Its points.
    pub score: Score,
}

/// Why a candidate was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The stream is there, or was just sent there.
    Kept,
    /// It has the least points.
    Least,
    /// No candidate is left.
    NobodyLeft,
}

/// An answer, with all that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What was asked.
    pub question: Question,
    /// All origins as they were known.
    pub candidates: Vec<Candidate>,
    /// What became of each, in the same order.
    pub judged: Vec<Judged>,
    /// Which is chosen, by its place among the candidates.
    pub chosen: Option<usize>,
    /// Why that one.
    pub why: Why,
}

impl Explained {
    /// The chosen one.
    pub fn chosen(&self) -> Option<&Candidate> {
        self.candidates.get(self.chosen?)
    }
}

/// Answers a question. The same question and candidates have the same answer, in any order of the
/// candidates.
pub fn place(question: Question, candidates: Vec<Candidate>) -> Explained {
    let crowded = crowded(&candidates);
    let failed: Vec<&Site> = candidates
        .iter()
        .filter(|candidate| question.avoid.contains(&candidate.node))
        .map(|candidate| &candidate.site)
        .collect();
    let judge = |candidate: &Candidate| {
        let site = &candidate.site;
        let has_zone = !site.zone.is_empty();
        Judged {
            ruled_out: ruled_out(candidate),
            score: Score {
                used: used(candidate),
                crowded: crowded.get(site).copied().unwrap_or_default(),
                far: far(&question.from, site),
                near_a_failure: points(has_zone && failed.contains(&site), NEAR_A_FAILURE),
                avoided: avoided(&question.avoid, &candidate.node),
            },
        }
    };
    let judged: Vec<Judged> = candidates.iter().map(judge).collect();
    let kept = candidates
        .iter()
        .position(|candidate| may_keep(&question, candidate));
    let least = || {
        let both = candidates.iter().zip(&judged).enumerate();
        both.filter(|(_, (_, judged))| judged.ruled_out.is_none())
            .min_by_key(|(_, (candidate, judged))| {
                let total = judged.score.total();
                (total, candidate.streams, &candidate.node)
            })
            .map(|(place, _)| place)
    };
    let chosen = kept.or_else(least);
    Explained {
        why: match (kept, chosen) {
            (Some(_), _) => Why::Kept,
            (None, Some(_)) => Why::Least,
            (None, None) => Why::NobodyLeft,
        },
        chosen,
        judged,
        question,
        candidates,
    }
}

/// None for one that has not failed.
fn avoided(avoid: &[NodeId], node: &NodeId) -> u32 {
    let place = avoid.iter().position(|it| it == node);
    let steps = place.map_or(0, |place| avoid.len() - place);
    u32::try_from(steps)
        .unwrap_or(u32::MAX)
        .saturating_mul(AVOIDED)
}

fn may_keep(question: &Question, candidate: &Candidate) -> bool {
    question.keep.as_ref() == Some(&candidate.node)
        && candidate.standing == Standing::Ready
        && !question.avoid.contains(&candidate.node)
}

fn ruled_out(candidate: &Candidate) -> Option<RuledOut> {
    let Capacity {
        streams,
        bits_per_second,
        ..
    } = candidate.capacity;
    let reached = |limit: u64, used: u64| limit != 0 && used >= limit;
    match &candidate.standing {
        Standing::Away(why) => Some(RuledOut::Standing(why.clone())),
        Standing::NoRtmp => Some(RuledOut::Standing("takes no RTMP".into())),
        Standing::Draining => Some(RuledOut::Standing("drains".into())),
        Standing::Taken => {
            let why = "has the stream from another publisher";
            Some(RuledOut::Standing(why.into()))
        }
        Standing::Ready if reached(streams.into(), candidate.streams as u64) => {
            Some(RuledOut::StreamsFull)
        }
        Standing::Ready if reached(bits_per_second, candidate.load.bits_out_per_second) => {
            Some(RuledOut::BandwidthFull)
        }
        Standing::Ready => None,
    }
}

/// How much of the scarcest resource is used, in thousandths, by steps.
fn used(candidate: &Candidate) -> u32 {
    let Capacity {
        streams,
        bits_per_second,
        ..
    } = candidate.capacity;
    let share = |used: u64, limit: u64| used.saturating_mul(1000).checked_div(limit).unwrap_or(0);
    let scarcest = share(candidate.streams as u64, streams.into())
        .max(share(candidate.load.bits_out_per_second, bits_per_second))
        .max(candidate.load.cpu_permille.into());
    let permille = u32::try_from(scarcest).unwrap_or(1000).min(1000);
    permille / STEP_PERMILLE * STEP_PERMILLE
}

/// Half of what each zone's usable candidates use on average, by steps.
fn crowded(candidates: &[Candidate]) -> BTreeMap<&Site, u32> {
    let mut sums: BTreeMap<&Site, (u32, u32)> = BTreeMap::new();
    for candidate in candidates.iter().filter(|c| ruled_out(c).is_none()) {
        let (sum, count) = sums.entry(&candidate.site).or_default();
        *sum = sum.saturating_add(used(candidate));
        *count = count.saturating_add(1);
    }
    let points = |(site, (sum, count))| (site, crowded_points(sum, count));
    sums.into_iter().map(points).collect()
}

fn crowded_points(sum: u32, count: u32) -> u32 {
    let mean = sum.checked_div(count).unwrap_or(0);
    mean / 2 / STEP_PERMILLE * STEP_PERMILLE
}

fn far(from: &Site, site: &Site) -> u32 {
    let differs = !from.region.is_empty() && from.region != site.region;
    points(differs, FAR)
}

fn points(applies: bool, points: u32) -> u32 {
    match applies {
        true => points,
        false => 0,
    }
}

#[cfg(test)]
mod tests;
