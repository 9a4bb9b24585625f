//! What is wrong with the bytes of a value, and where.
//!
//! Every one of these is the sender's fault, and reading the same bytes again gives the same error.

/// Why bytes are no AMF value. `offset` counts from the first byte given to the reader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end inside a value.
    #[error("AMF value ends too early: {what} expected at byte {offset}")]
    Truncated {
        /// What should have followed.
        what: &'static str,
        /// Where it should have begun.
        offset: usize,
    },
    /// A type marker that the version does not define, or one that nobody may send over RTMP.
    #[error("AMF type marker 0x{marker:02x} at byte {offset} is not one that can be read")]
    Marker {
        /// The marker.
        marker: u8,
        /// Where it stands.
        offset: usize,
    },
    /// A reference to something that was not sent before, or that is still being read (a cycle).
    #[error("AMF reference {index} at byte {offset} points to no complete value")]
    Reference {
        /// The index in the table of strings, objects or traits.
        index: usize,
        /// Where the reference stands.
        offset: usize,
    },
    /// An AMF3 object whose class writes itself in its own format, which only its program knows.
    #[error("AMF3 object at byte {offset} has a format of its own (class {class:?})")]
    Externalizable {
        /// The class' name.
        class: String,
        /// Where the object's marker stands.
        offset: usize,
    },
    /// The value is larger than the [`Limits`](crate::Limits) allow.
    #[error("AMF value has more than {max} {what} at byte {offset}")]
    Limit {
        /// Which bound: `levels`, `elements` or `string bytes`.
        what: &'static str,
        /// The bound.
        max: usize,
        /// Where it was passed.
        offset: usize,
    },
}

impl Error {
    /// Where the offence stands, in bytes from the first one given to the reader.
    pub fn offset(&self) -> usize {
        match self {
            Self::Truncated { offset, .. }
            | Self::Marker { offset, .. }
            | Self::Reference { offset, .. }
            | Self::Externalizable { offset, .. }
            | Self::Limit { offset, .. } => *offset,
        }
    }
}
