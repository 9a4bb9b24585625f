//! The command line's own parts.

pub(crate) mod compare;
pub(crate) mod options;
mod progress;
