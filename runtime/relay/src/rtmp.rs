//! RTMP: publishers and players in; pulls, pushes and forwards out.
//!
//! * [`server`]: one accepted connection; [`publish`] and [`play`] are its two ends.
//! * [`pull`]: takes a stream from upstream into the hub.
//! * [`push`]: passes a publish on to the origin that should own it, and keeps what is not acknowledged.
//! * [`forward`]: copies a stream from the hub to another server.
//! * [`client`]: one dialled connection, for all three; [`introduction`]: how it says who it is.
//! * [`format`]: chunked messages as a tape.

mod client;
pub(crate) mod format;
pub mod forward;
pub mod introduction;
mod play;
mod publish;
pub mod pull;
pub mod push;
pub(crate) mod server;
