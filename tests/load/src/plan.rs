//! What a run does: how many publish and play what, where, and who of the players does what.

use crate::{footage::Footage, limits, target::Target};
use std::time::Duration;

/// All that a run needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where to publish; `None` if somebody else does.
    pub publish: Option<Target>,
    /// Where to play, players in turn; none to publish only.
    pub play: Vec<Target>,
    /// How many streams.
    pub streams: u32,
    /// What is published.
    pub footage: Footage,
    /// How many players.
    pub players: u32,
    /// How many of them check all that they receive.
    pub check: u32,
    /// Popularity of streams: the k-th has a share of `1/k^zipf`; 0 for all alike.
    pub zipf: f64,
    /// Players that join in a second, until all are there.
    pub join_rate: f64,
    /// Players that leave and come again in a second, once all are there.
    pub churn_rate: f64,
    /// Share of players that stop reading once they play.
    pub stalled: f64,
    /// Share of players that read too slowly.
    pub slow: f64,
    /// How fast those read.
    pub slow_bits_per_second: u32,
    /// From the last publisher's start to the first player: fills GOP caches.
    pub settle: Duration,
    /// From the last join to the first measured second.
    pub warm_up: Duration,
    /// How long is measured.
    pub measure: Duration,
    /// Threads of the generator: the first publishes and checks, the others discard.
    pub threads: u32,
    /// How often an unchecked player's socket is emptied.
    pub drain_interval: Duration,
    /// The server's processes.
    pub pids: Vec<u32>,
    /// Where a Weir node counts its writes for Prometheus: such calls leave no trace in `/proc`.
    pub metrics: Option<std::net::SocketAddr>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            publish: None,
            play: Vec::new(),
            streams: 1,
            footage: Footage::default(),
            players: 0,
            check: 0,
            zipf: 0.0,
            join_rate: 500.0,
            churn_rate: 0.0,
            stalled: 0.0,
            slow: 0.0,
            slow_bits_per_second: 100_000,
            settle: Duration::from_secs(3),
            warm_up: Duration::from_secs(3),
            measure: Duration::from_secs(20),
            threads: 2,
            drain_interval: Duration::from_millis(50),
            pids: Vec::new(),
            metrics: None,
        }
    }
}

/// Why a plan cannot be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// More than one process can open.
    #[error("{what}: {wanted}, at most {max}; start several of us for more")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// Asked for.
        wanted: u32,
        /// The bound.
        max: u32,
    },
    /// There is nothing to do.
    #[error("a plan without players and without publishers")]
    Empty,
    /// Players, but nowhere to play.
    #[error("{0} players, and nowhere to play")]
    Nowhere(u32),
    /// A share or a rate that is none.
    #[error("{what} is {value}, which it cannot be")]
    Value {
        /// Which one.
        what: &'static str,
        /// As given.
        value: f64,
    },
    /// Something that is divided by is zero.
    #[error("{0} is zero")]
    Zero(&'static str),
}

impl Plan {
    /// Whether it can be run.
    ///
    /// # Errors
    /// If it cannot; says what is wrong.
    pub fn check(&self) -> Result<(), PlanError> {
        let publishers = self.publish.as_ref().map_or(0, |_| self.streams);
        for (what, wanted, max) in [
            ("players", self.players, limits::PLAYERS_MAX),
            ("publishers", publishers, limits::PUBLISHERS_MAX),
        ] {
            if wanted > max {
                return Err(PlanError::TooMany { what, wanted, max });
            }
        }
        if self.players == 0 && publishers == 0 {
            return Err(PlanError::Empty);
        }
        if self.players > 0 && self.play.is_empty() {
            return Err(PlanError::Nowhere(self.players));
        }
        for (what, value) in [
            ("streams", self.streams),
            ("threads", self.threads),
            ("bitrate", self.footage.bits_per_second),
            ("fps", self.footage.pictures_per_second),
            ("gop", self.footage.gop_pictures),
        ] {
            if value == 0 {
                return Err(PlanError::Zero(what));
            }
        }
        let share = 0.0..=1.0;
        let rate = 0.0..=1e6;
        for (what, value, range) in [
            ("share of stalled players", self.stalled, &share),
            ("share of slow players", self.slow, &share),
            (
                "shares of stalled and slow players",
                self.stalled + self.slow,
                &share,
            ),
            ("join rate", self.join_rate - f64::MIN_POSITIVE, &rate),
            ("churn rate", self.churn_rate, &rate),
            ("Zipf exponent", self.zipf, &(0.0..=10.0)),
        ] {
            if !range.contains(&value) {
                return Err(PlanError::Value { what, value });
            }
        }
        Ok(())
    }
}

/// How a player behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Reads and checks everything.
    Checks,
    /// Takes everything and looks at nothing.
    Discards,
    /// Stops reading once it plays.
    Stalls,
    /// Reads too slowly.
    Dawdles,
}

/// One player's part: when it joins, where, and how it behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) number: u32,
    pub(crate) target: usize,
    pub(crate) manner: Manner,
    pub(crate) joins_after: Duration,
}

/// Every player's part, those who check, stall and dawdle spread evenly over the order of joining.
pub(crate) fn parts(plan: &Plan) -> Vec<Part> {
    let mut checks = Spread::new(f64::from(plan.check) / f64::from(plan.players.max(1)));
    let unchecked = f64::from(plan.players.saturating_sub(plan.check).max(1));
    // Shares are of all players, but only those who do not check can stall or dawdle.
    let of_unchecked = |share: f64| share * f64::from(plan.players) / unchecked;
    let mut stalls = Spread::new(of_unchecked(plan.stalled));
    // Asked only of those who do not stall.
    let mut dawdles =
        Spread::new(of_unchecked(plan.slow) / (1.0 - of_unchecked(plan.stalled)).max(1e-9));
    (0..plan.players)
        .map(|number| {
            let manner = if checks.next() {
                Manner::Checks
            } else if stalls.next() {
                Manner::Stalls
            } else if dawdles.next() {
                Manner::Dawdles
            } else {
                Manner::Discards
            };
            Part {
                number,
                target: number as usize % plan.play.len().max(1),
                manner,
                joins_after: Duration::from_secs_f64(f64::from(number) / plan.join_rate),
            }
        })
        .collect()
}

/// Says yes to a share of questions, evenly.
struct Spread {
    share: f64,
    owed: f64,
}

impl Spread {
    fn new(share: f64) -> Self {
        // So that the last yes is not lost to rounding.
        Self { share, owed: 1e-6 }
    }

    fn next(&mut self) -> bool {
        self.owed += self.share;
        if self.owed >= 1.0 {
            self.owed -= 1.0;
            return true;
        }
        false
    }
}

/// Chooses streams by popularity.
#[derive(Debug, Clone)]
pub(crate) struct Popularity {
    /// Share of all streams up to each.
    cumulated: Vec<f64>,
}

impl Popularity {
    pub(crate) fn new(streams: u32, zipf: f64) -> Self {
        let weights: Vec<_> = (1..=streams)
            .map(|rank| f64::from(rank).powf(-zipf))
            .collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let cumulated = weights
            .iter()
            .map(|weight| {
                sum += weight / total;
                sum
            })
            .collect();
        Self { cumulated }
    }

    /// The stream at `place`, from 0 to 1, of all players in a row.
    pub(crate) fn at(&self, place: f64) -> u32 {
        let index = self.cumulated.partition_point(|sum| *sum <= place);
        index.min(self.cumulated.len().saturating_sub(1)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            players: 1_000,
            check: 100,
            stalled: 0.3,
            slow: 0.1,
            play: vec!["tcp://127.0.0.1:9".parse().expect("a target")],
            ..Plan::default()
        }
    }

    #[test]
    fn manners_have_their_shares_and_are_spread() {
        let parts = parts(&plan());
        let count = |manner| parts.iter().filter(|part| part.manner == manner).count();
        assert_eq!(count(Manner::Checks), 100);
        assert_eq!(count(Manner::Stalls), 300);
        assert!((99..=101).contains(&count(Manner::Dawdles)));
        let first = parts
            .iter()
            .take(100)
            .filter(|part| part.manner == Manner::Checks)
            .count();
        assert_eq!(first, 10);
    }

    #[test]
    fn joins_come_at_the_rate() {
        let parts = parts(&plan());
        assert_eq!(parts[500].joins_after, Duration::from_secs(1));
    }

    #[test]
    fn popular_streams_have_more_players() {
        let even = Popularity::new(4, 0.0);
        let counts = |popularity: &Popularity| {
            let mut counts = [0_u32; 4];
            for place in 0..1_000 {
                counts[popularity.at((f64::from(place) + 0.5) / 1e3) as usize] += 1;
            }
            counts
        };
        assert_eq!(counts(&even), [250; 4]);
        let zipf = counts(&Popularity::new(4, 1.0));
        assert_eq!(zipf, [480, 240, 160, 120]);
        assert_eq!(even.at(1.0), 3);
    }

    #[test]
    fn an_impossible_plan_says_what_is_wrong() {
        for (harm, words) in [
            (
                (|plan| plan.players = 20_000) as fn(&mut Plan),
                "players: 20000, at most 18000",
            ),
            (|plan| plan.play.clear(), "nowhere to play"),
            (|plan| plan.players = 0, "without players"),
            (|plan| plan.stalled = 1.5, "share of stalled players is 1.5"),
            (|plan| plan.slow = 0.8, "shares of stalled and slow"),
            (|plan| plan.join_rate = 0.0, "join rate"),
            (|plan| plan.streams = 0, "streams is zero"),
        ] {
            let mut plan = plan();
            harm(&mut plan);
            let error = plan.check().expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(plan().check(), Ok(()));
    }
}
