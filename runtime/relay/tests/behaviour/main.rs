//! What the relay promises, seen from outside: a [`relay::Relay`] in this process, real sockets, small
//! clients that publish frames written as words and play them back as words.
//!
//! In reading order:
//!
//! * `support`: the server, the clients, and how to wait for something.
//! * `joining`: where a player starts, over every way to play.
//! * `publishing`: publishers that end, come back, clash, stall.
//! * `stalling`: players that are slow.
//! * `forwarding`, `pulling`: one relay and another.
//! * `http`: what HTTP and WebSocket players may say.
//! * `limits`: how much strangers may take.

mod forwarding;
mod http;
mod joining;
mod limits;
mod publishing;
mod pulling;
mod stalling;
mod support;
