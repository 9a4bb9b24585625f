//! Every bound of the load generator, with why it is what it is.

use std::time::Duration;

/// Players of one run: a process may have 20,000 descriptors on the machines that we know, and
/// publishers, `/proc` and the terminal need some.
pub const PLAYERS_MAX: u32 = 18_000;

/// Publishers of one run: half a thousand channels is what a large origin carries.
pub const PUBLISHERS_MAX: u32 = 500;

/// What one receive discards at most: more than any socket's buffer holds.
pub const DISCARD_BYTES: usize = 8 << 20;

/// What one receive reads of a checked player: what is in its socket, nearly always.
pub const READ_BYTES: usize = 256 << 10;

/// The longest head of an HTTP response: longer than any live server's.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 << 10;

/// The longest WebSocket message: an FLV tag of the largest kind with its framing.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: u64 = 17 << 20;

/// What a publisher lets wait for its socket; past it frames are left out, and counted: the server
/// does not take them, and a generator that piles them up would measure itself.
pub const PUBLISHER_WAITING_BYTES_MAX: usize = 4 << 20;

/// From `connect` to the first media, for a server that is very busy; then the player gives up.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long publishers may take to be let in before a run is given up.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(30);

/// How often an unchecked RTMP player says that it is there: servers that ping (nginx-rtmp: every
/// 60 s) close those who never answer.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How often a generator's thread looks at what is due: joins, leaves, sockets to be drained.
pub const TICK: Duration = Duration::from_millis(2);

/// Events that one wait takes: more only make the thread's other work wait.
pub const EVENTS_PER_WAIT: usize = 512;

/// Connections to one port of a server from one source address: of 28,000 ports that Linux numbers
/// outgoing connections with, some are taken, and some wait for a minute after they were closed.
pub const CONNECTIONS_PER_SOURCE: u32 = 8_000;

/// Reasons for a closed connection that are told apart; a server that words each differently gets
/// the rest counted together.
pub const REASONS_MAX: usize = 32;
