//! Why connections ended, counted by reason.

use crate::limits;
use std::{collections::BTreeMap, fmt, io};

/// Why one connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// It never came to be.
    Connect(io::ErrorKind),
    /// The server said no.
    Refused(String),
    /// The server closed in good order.
    ClosedByServer,
    /// The server said that it is over.
    Ended(String),
    /// The connection broke.
    Broke(io::ErrorKind),
    /// What the server sent is not whole.
    Broken(String),
    /// It did not play in time.
    JoinTimeout,
}

impl Why {
    pub(crate) fn connect(error: &io::Error) -> Self {
        Self::Connect(error.kind())
    }

    pub(crate) fn io(error: &io::Error) -> Self {
        Self::Broke(error.kind())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(kind) => write!(f, "could not connect: {kind}"),
            Self::Refused(why) => write!(f, "refused by the server: {why}"),
            Self::ClosedByServer => f.write_str("closed by the server"),
            Self::Ended(why) => write!(f, "ended by the server: {why}"),
            Self::Broke(kind) => write!(f, "connection broke: {kind}"),
            Self::Broken(what) => write!(f, "broken bytes: {what}"),
            Self::JoinTimeout => write!(f, "not playing within {:?}", limits::JOIN_TIMEOUT),
        }
    }
}

/// How many connections ended for which reason; at most [`limits::REASONS_MAX`] are told apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reasons(pub(crate) BTreeMap<String, u64>);

impl Reasons {
    pub(crate) fn count(&mut self, why: &Why) {
        self.add(why.to_string(), 1);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (why, count) in &other.0 {
            self.add(why.clone(), *count);
        }
    }

    fn add(&mut self, why: String, count: u64) {
        let is_known = self.0.contains_key(&why);
        let why = if is_known || self.0.len() < limits::REASONS_MAX {
            why
        } else {
            "other reasons".to_owned()
        };
        *self.0.entry(why).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_bounded() {
        let mut reasons = Reasons::default();
        for number in 0..100 {
            reasons.count(&Why::Broken(format!("at byte {number}")));
            reasons.count(&Why::ClosedByServer);
        }
        assert_eq!(reasons.0.get("closed by the server"), Some(&100));
        assert!(reasons.0.len() <= limits::REASONS_MAX + 1);
        assert_eq!(reasons.0.values().sum::<u64>(), 200);
    }
}
