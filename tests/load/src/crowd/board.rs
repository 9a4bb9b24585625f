//! What a run's threads and its conductor tell each other while it runs: a phase, and counters.

use std::sync::atomic::{
    AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// What everybody does now. Phases only go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Publishers connect and begin.
    Publish,
    /// Players join.
    Join,
    /// What is counted counts.
    Measure,
    /// Everybody goes.
    Leave,
}

/// Shared by all threads of a run.
#[derive(Debug, Default)]
pub(crate) struct Board {
    phase: AtomicU8,
    /// Publishers that publish now.
    pub(crate) publishing: AtomicU32,
    /// Publishers that failed or were closed.
    pub(crate) publishers_lost: AtomicU32,
    /// Players that play now.
    pub(crate) playing: AtomicU32,
    /// Times that a player began to play.
    pub(crate) joined: AtomicU64,
    /// Times that a player could not join or was closed.
    pub(crate) lost: AtomicU64,
    /// Bytes that players received since they came.
    pub(crate) bytes: AtomicU64,
    /// Faults that checked players found.
    pub(crate) faults: AtomicU64,
}

impl Board {
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Acquire) {
            0 => Phase::Publish,
            1 => Phase::Join,
            2 => Phase::Measure,
            _ => Phase::Leave,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        let number = match phase {
            Phase::Publish => 0,
            Phase::Join => 1,
            Phase::Measure => 2,
            Phase::Leave => 3,
        };
        self.phase.store(number, Release);
    }

    /// All counters at about one moment.
    pub(crate) fn glance(&self) -> Glance {
        Glance {
            publishing: self.publishing.load(Relaxed),
            publishers_lost: self.publishers_lost.load(Relaxed),
            playing: self.playing.load(Relaxed),
            joined: self.joined.load(Relaxed),
            lost: self.lost.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            faults: self.faults.load(Relaxed),
        }
    }
}

/// A run's counters at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Glance {
    /// Publishers that publish now.
    pub publishing: u32,
    /// Publishers that failed or were closed.
    pub publishers_lost: u32,
    /// Players that play now.
    pub playing: u32,
    /// Times that a player began to play.
    pub joined: u64,
    /// Times that a player could not join or was closed.
    pub lost: u64,
    /// Bytes that players received since they came.
    pub bytes: u64,
    /// Faults that checked players found.
    pub faults: u64,
}
