//! How much either side may say at once; a peer that says more breaks the contract.

/// One gRPC message, either way, in bytes. A report of [`STREAMS_MAX`] streams with ordinary names
/// (about 200 bytes each) fits.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Streams in one report or one desired state: more than one machine's ports.
pub const STREAMS_MAX: usize = 50_000;

/// Streams that one node may have located at a time; an edge locates what it pulls or was asked for.
pub const LOCATES_PER_NODE_MAX: usize = 50_000;

/// Sources in one answer: a player's patience ends after a few.
pub const SOURCES_MAX: usize = 16;

/// Stand-bys of one stream: an encoder that publishes to more origins than three pays for what nobody needs.
pub const STANDBYS_MAX: usize = 2;

/// Origins in one desired state; clusters have tens.
pub const ORIGINS_MAX: usize = 1_000;

/// Forward rules in one desired state, and targets of one rule.
pub const FORWARDS_MAX: usize = 1_000;

/// Origins that one `Place` may ask to avoid.
pub const AVOID_MAX: usize = 16;

/// A node id, in bytes: it is a label in metrics and a part of a store's key.
pub const NODE_BYTES_MAX: usize = 128;

/// Any other text (address, region, reason, codec), in bytes: DNS allows 253 to a name.
pub const TEXT_BYTES_MAX: usize = 512;
