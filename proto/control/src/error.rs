//! How a message can break the contract.

use media::path::PathError;

/// What was wrong with a message. The peer's fault always; sending the same again fails again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// A part that must be there is not.
    #[error("{field} is missing")]
    Missing {
        /// The message and field.
        field: &'static str,
    },
    /// An enum holds a value that must not be sent or that this version does not know.
    #[error("{field} has the unknown value {value}")]
    Unknown {
        /// The message and field.
        field: &'static str,
        /// The number on the wire.
        value: i32,
    },
    /// A list or text is longer than its bound in [`limits`](crate::limits).
    #[error("{field} holds {count}, at most {max} are allowed")]
    TooMany {
        /// The message and field.
        field: &'static str,
        /// How many elements or bytes.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// A node id is empty, too long, or has a character outside `A-Z a-z 0-9 . _ : -`.
    #[error("{text:?} is no node id: 1 to 128 of A-Z a-z 0-9 . _ : - are")]
    NodeId {
        /// The offender, cut to what can be printed.
        text: String,
    },
    /// An address is not `host:port`.
    #[error("{field} is {text:?}, which is not host:port")]
    Address {
        /// The message and field.
        field: &'static str,
        /// The offender.
        text: String,
    },
    /// A path is no stream path.
    #[error("the stream path {text:?} is bad: {source}")]
    Path {
        /// The offender, cut to what can be printed.
        text: String,
        /// Why.
        source: PathError,
    },
    /// A list names one thing twice.
    #[error("{field} names {text:?} twice")]
    Twice {
        /// The message and field.
        field: &'static str,
        /// What is named twice.
        text: String,
    },
}

impl From<ContractError> for tonic::Status {
    fn from(error: ContractError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

/// At most `max` of something, or the error that says so.
pub(crate) fn at_most(field: &'static str, count: usize, max: usize) -> Result<(), ContractError> {
    if count > max {
        Err(ContractError::TooMany { field, count, max })
    } else {
        Ok(())
    }
}

/// A text within [`TEXT_BYTES_MAX`](crate::limits::TEXT_BYTES_MAX).
pub(crate) fn text(field: &'static str, text: String) -> Result<String, ContractError> {
    at_most(field, text.len(), crate::limits::TEXT_BYTES_MAX)?;
    Ok(text)
}

/// A stream path, or the error that quotes it.
pub(crate) fn path(text: &str) -> Result<media::StreamPath, ContractError> {
    text.parse().map_err(|source| ContractError::Path {
        text: cut(text),
        source,
    })
}

/// Enough of a hostile text to recognise it in a log.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
