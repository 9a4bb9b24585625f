//! Faults that are planted in the store, the network, the nodes or the rules, one at a time: a check that
//! finds none of them would find nothing.

use std::{fmt, str::FromStr};

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// Nodes take locations of older epochs.
    NoFencing,
    /// The store gives a new owner the epoch of the one before.
    EpochReused,
    /// Each order to restart a node is carried out twice.
    RestartTwice,
    /// Now and then a watch leaves out a change.
    LostWatchEvent,
    /// When a watch begins anew, what is gone is not said to be gone.
    InitWithoutDeletes,
    /// Leases never end.
    LeaseIgnored,
    /// The store does not check that who decides is still elected.
    StaleLeaderWrites,
    /// The store checks nothing that a transaction expects.
    NothingExpected,
    /// No number of dead nodes freezes.
    FreezeIgnored,
    /// One late report is silence, and probes are not believed.
    RestartOnOneLateReport,
    /// All dead nodes are restarted at once.
    RestartsUnlimited,
    /// Nodes apply older generations.
    OldGenerationApplied,
    /// Nodes do not tell at which epoch they own their streams, nor up to which they have heard.
    EpochsUntold,
    /// Every probe is answered, by whoever.
    ProbeAlwaysAnswered,
    /// The store acknowledges what it then forgets.
    AcknowledgedWriteLost,
    /// A publish is placed where the stream was first, whoever lives.
    DeadOriginPlaced,
}

/// All of them, by name, with what they do.
pub const MUTANTS: [(Mutant, &str, &str); 16] = [
    (
        Mutant::NoFencing,
        "no-fencing",
        "nodes take locations of older epochs",
    ),
    (
        Mutant::EpochReused,
        "epoch-reused",
        "a new owner gets the epoch of the one before",
    ),
    (
        Mutant::RestartTwice,
        "restart-twice",
        "each restart is carried out twice",
    ),
    (
        Mutant::LostWatchEvent,
        "lost-watch-event",
        "now and then a watch leaves out a change",
    ),
    (
        Mutant::InitWithoutDeletes,
        "init-without-deletes",
        "a watch that begins anew does not say what is gone",
    ),
    (Mutant::LeaseIgnored, "lease-ignored", "leases never end"),
    (
        Mutant::StaleLeaderWrites,
        "stale-leader-writes",
        "who decides no longer may still write",
    ),
    (
        Mutant::NothingExpected,
        "nothing-expected",
        "transactions are done whatever they expect",
    ),
    (
        Mutant::FreezeIgnored,
        "freeze-ignored",
        "no number of dead nodes freezes",
    ),
    (
        Mutant::RestartOnOneLateReport,
        "restart-on-one-late-report",
        "one late report is silence, and probes are not believed",
    ),
    (
        Mutant::RestartsUnlimited,
        "restarts-unlimited",
        "all dead nodes are restarted at once",
    ),
    (
        Mutant::OldGenerationApplied,
        "old-generation-applied",
        "nodes apply older generations",
    ),
    (
        Mutant::EpochsUntold,
        "epochs-untold",
        "nodes do not tell which epochs they know",
    ),
    (
        Mutant::ProbeAlwaysAnswered,
        "probe-always-answered",
        "every probe is answered, by whoever",
    ),
    (
        Mutant::AcknowledgedWriteLost,
        "acknowledged-write-lost",
        "the store acknowledges what it then forgets",
    ),
    (
        Mutant::DeadOriginPlaced,
        "dead-origin-placed",
        "a publish is placed at an origin that is down, if one is",
    ),
];

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = MUTANTS.iter().find(|(mutant, ..)| mutant == self);
        f.write_str(found.map_or("", |(_, name, _)| name))
    }
}

/// There is no such mutant.
#[derive(Debug)]
pub struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no mutant is called {}; --list names them", self.0)
    }
}

impl std::error::Error for Unknown {}

impl FromStr for Mutant {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        let found = MUTANTS.iter().find(|(_, known, _)| *known == name);
        found
            .map(|(mutant, ..)| *mutant)
            .ok_or_else(|| Unknown(name.to_owned()))
    }
}
