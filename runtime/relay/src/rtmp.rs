//! RTMP: publishers and players in, pulls and forwards out.
//!
//! * [`server`]: one accepted connection; [`publish`] and [`play`] are its two ends.
//! * [`pull`]: takes a stream from upstream into the hub.
//! * [`forward`]: copies a stream from the hub to another server.
//! * [`client`]: one dialled connection, for both.
//! * [`format`]: chunked messages as a tape.

mod client;
pub(crate) mod format;
pub mod forward;
mod play;
mod publish;
pub mod pull;
pub(crate) mod server;
