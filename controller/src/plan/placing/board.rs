//! Many placings in a row over the same candidates.
//!
//! Within a zone all candidates have the same points but for `used`, so each zone keeps its own in
//! order, and a question compares only the first of each zone. A placing changes one candidate and
//! the average of its zone.

use super::{
    Candidate, Question, Site, Standing, crowded_points, far, may_keep, place, ruled_out, used,
};
use control::NodeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Candidates that fill up as they are placed upon.
#[derive(Debug, Clone)]
pub struct Board {
    candidates: Vec<Candidate>,
    by_name: HashMap<NodeId, usize>,
    /// The place of each in the order of their names.
    rank: Vec<usize>,
    zones: BTreeMap<Site, Zone>,
}

/// The candidates of one zone that have room.
#[derive(Debug, Clone, Default)]
struct Zone {
    /// By what they use, their streams, their names; with their place among the candidates.
    order: BTreeSet<(u32, usize, usize, usize)>,
    used: u32,
}

impl Board {
    /// Sets up the candidates.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by_key(|place| candidates.get(*place).map(|candidate| &candidate.node));
        let mut rank = vec![0; candidates.len()];
        for (place, candidate) in order.into_iter().enumerate() {
            if let Some(rank) = rank.get_mut(candidate) {
                *rank = place;
            }
        }
        let named = candidates.iter().enumerate();
        let mut board = Self {
            by_name: named.map(|(at, c)| (c.node.clone(), at)).collect(),
            rank,
            zones: BTreeMap::new(),
            candidates,
        };
        for at in 0..board.candidates.len() {
            board.enter(at);
        }
        board
    }

    /// Answers a question as [`place`] would, and counts the stream where it goes, unless it is there
    /// already.
    pub fn place(&mut self, question: &Question) -> Option<&NodeId> {
        let kept = question
            .keep
            .as_ref()
            .and_then(|node| self.by_name.get(node).copied());
        let is_kept = |at: &usize| {
            self.candidates
                .get(*at)
                .is_some_and(|candidate| may_keep(question, candidate))
        };
        if let Some(kept) = kept.filter(is_kept) {
            return self.candidates.get(kept).map(|candidate| &candidate.node);
        }
        let chosen = match question.avoid.is_empty() {
            true => self.least(question),
            // Rare, and depends on more than the zone: the long way.
            false => place(question.clone(), self.candidates.clone()).chosen,
        }?;
        self.leave(chosen);
        if let Some(candidate) = self.candidates.get_mut(chosen) {
            candidate.streams = candidate.streams.saturating_add(1);
        }
        self.enter(chosen);
        self.candidates.get(chosen).map(|candidate| &candidate.node)
    }

    fn least(&self, question: &Question) -> Option<usize> {
        let first = |(site, zone): (&Site, &Zone)| {
            let (used, streams, rank, at) = *zone.order.first()?;
            let total = used + zone.crowded() + far(&question.from, site);
            Some((total, streams, rank, at))
        };
        let (.., at) = self.zones.iter().filter_map(first).min()?;
        Some(at)
    }

    fn key(&self, at: usize) -> Option<(Site, (u32, usize, usize, usize))> {
        let candidate = self.candidates.get(at)?;
        let has_room = candidate.standing == Standing::Ready && ruled_out(candidate).is_none();
        let rank = self.rank.get(at).copied()?;
        has_room.then(|| {
            let key = (used(candidate), candidate.streams, rank, at);
            (candidate.site.clone(), key)
        })
    }

    fn enter(&mut self, at: usize) {
        if let Some((site, key)) = self.key(at) {
            let zone = self.zones.entry(site).or_default();
            zone.used = zone.used.saturating_add(key.0);
            zone.order.insert(key);
        }
    }

    fn leave(&mut self, at: usize) {
        if let Some((site, key)) = self.key(at)
            && let Some(zone) = self.zones.get_mut(&site)
        {
            zone.used = zone.used.saturating_sub(key.0);
            zone.order.remove(&key);
        }
    }
}

impl Zone {
    fn crowded(&self) -> u32 {
        let count = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        crowded_points(self.used, count)
    }
}
