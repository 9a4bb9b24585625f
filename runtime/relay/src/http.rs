//! HTTP: HTTP-FLV and WebSocket-FLV out.
//!
//! * [`server`]: listens, and splits: a plain GET of a live stream is played by us ([`play`]),
//!   everything else goes to hyper ([`pages`]), where the same streams are served too.
//! * [`head`]: reads a connection's first request, so that it can be split.
//! * [`target`]: which stream a path names.
//! * [`format`]: FLV tags as tapes.
//! * [`websocket`]: the little that a WebSocket player says.

mod errors;
pub(crate) mod format;
mod head;
mod pages;
mod play;
pub(crate) mod server;
mod target;
mod websocket;
