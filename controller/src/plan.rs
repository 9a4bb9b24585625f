//! What should be, from what is: pure functions, no clock, no store, no socket.
//!
//! * [`ownership`]: which origin owns a stream.
//! * [`placing`]: which origin a publish that came to an edge belongs to, and why.
//! * [`supervision`]: when a silent node is dead, and when a dead one is started again.

pub mod ownership;
pub mod placing;
pub mod supervision;

pub use ownership::{Decision, Facts, Owner, Placement, decide, must_leave};
pub use placing::Candidate;

use control::Forward;

/// The operator's rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// What happens when a stream that has an owner is published at another origin.
    pub duplicates: Duplicates,
    /// Copies that every origin makes.
    pub forwards: Vec<Forward>,
}

/// What happens when a stream that has a live owner is published at another origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// The owner keeps it; the other origin is told to end its publish.
    #[default]
    Refuse,
    /// The later publish takes it; the earlier origin is told to end its own.
    TakeOver,
}
