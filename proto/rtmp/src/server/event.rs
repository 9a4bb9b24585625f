//! What a server session tells its shell.

use crate::{
    Address, Media,
    command::{self, PublishKind},
};
use std::net::Ipv4Addr;

/// What the client did.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It asks to connect: answer with [`accept_connect`](super::Session::accept_connect)
    /// or [`reject`](super::Session::reject).
    Connect(Box<Connect>),
    /// It asks to publish: answer with [`accept_publish`](super::Session::accept_publish)
    /// or [`reject`](super::Session::reject).
    Publish(Publish),
    /// It asks to play: answer with [`accept_play`](super::Session::accept_play)
    /// or [`reject`](super::Session::reject).
    Play(Play),
    /// A frame of what it publishes.
    Media(Media),
    /// It has stopped publishing; it may publish again.
    Unpublish,
    /// It has stopped playing; it may play again.
    Stop,
    /// While playing: it wants no media for now (true), or wants them again (false).
    Pause(bool),
    /// It answered the ping that carried this time.
    Pong(u32),
    /// It buffers so many milliseconds.
    BufferLength(u32),
}

/// Who wants to connect, and to which app.
#[derive(Debug, Clone, PartialEq)]
pub struct Connect {
    /// The virtual host, app and query that `connect` names. Where the app has several segments,
    /// the last stands as the name; see [`Address::new`].
    pub address: Address,
    /// The command itself.
    pub request: command::Connect,
    /// The client's own address, if a proxy told it before the handshake.
    pub proxied_address: Option<Ipv4Addr>,
}

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The stream.
    pub address: Address,
    /// Live, or to be recorded.
    pub kind: PublishKind,
}

/// What is to be played.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// The stream.
    pub address: Address,
    /// Seconds into a recording; -1 live only; -2, the default, live or else recorded.
    pub start: f64,
    /// Seconds to play; -1, the default, to the end.
    pub duration: f64,
    /// Whether what played before is dropped.
    pub reset: bool,
}

/// Where a dialogue stands, for logs and for the shell's timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The handshake is not over.
    Handshake,
    /// `connect` has not come or is not decided.
    Connecting,
    /// Connected; nothing published or played, or not decided yet.
    Connected,
    /// Media come in.
    Publishing,
    /// Media go out.
    Playing,
    /// Refused, or dead after an error; flush the output and close.
    Closed,
}
