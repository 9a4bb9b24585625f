//! The command line's own parts.

pub(crate) mod options;
pub(crate) mod progress;
