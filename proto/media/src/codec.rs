//! Codecs by name, and their set-up records read.

/// A codec that we know by name; others pass through unnamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264.
    Avc,
}
