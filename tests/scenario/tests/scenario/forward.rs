//! One line of `forward` copies each stream to an edge and to another vendor's server.
