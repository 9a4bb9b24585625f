//! What should be, from what is: pure functions, no clock, no store, no socket.
//!
//! * [`ownership`]: which origin owns a stream.
//! * [`placing`]: which origin a publish that came to an edge belongs to, and why.
//! * [`tree`]: which edge fetches a stream for the other edges of its region.
//! * [`supervision`]: when a silent node is dead, and when a dead one is started again.

pub mod ownership;
pub mod placing;
pub mod supervision;
pub mod tree;

pub use ownership::{Decision, Facts, Moves, Owner, Placement, decide, must_leave, standbys};
pub use placing::Candidate;

use control::Forward;

/// The operator's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What happens when a stream that has an owner is published at another origin.
    pub duplicates: Duplicates,
    /// How often a stream may change from one origin to another within a minute.
    pub moves_per_minute: u32,
    /// Which edges pull from edges.
    pub tree: tree::Rules,
    /// Copies that every origin makes.
    pub forwards: Vec<Forward>,
}

/// As often as a stream may move unless an operator says otherwise: an encoder that goes through its
/// whole list of origins is served, two that fight over a name every second are not.
pub const MOVES_PER_MINUTE: u32 = 10;

impl Default for Policy {
    fn default() -> Self {
        Self {
            duplicates: Duplicates::default(),
            moves_per_minute: MOVES_PER_MINUTE,
            tree: tree::Rules::default(),
            forwards: Vec::new(),
        }
    }
}

/// What happens when a stream that has a live owner is published at another origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// The owner keeps it; the other origin is told to end its publish.
    #[default]
    Refuse,
    /// The later publish takes it; the earlier origin is told to end its own.
    TakeOver,
    /// The owner keeps it; the other origin's publish stands by, as if its publisher had said so.
    Backup,
}
