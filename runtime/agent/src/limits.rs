//! Every bound of the agent, and how it was chosen.

use std::time::Duration;

/// How long a caller waits for the controller's answer before it goes on with what the node knows.
/// An answer takes about a millisecond within a site and 200 around the world.
pub const ANSWER_PATIENCE: Duration = Duration::from_millis(500);

/// How long one controller has to accept a connection and to say welcome before the next is tried.
pub const WELCOME_PATIENCE: Duration = Duration::from_secs(2);

/// The pause before the first new try. Short: a restarted controller is back within a second.
pub const RETRY_MIN: Duration = Duration::from_millis(100);

/// The longest pause between tries, as the contract demands.
pub const RETRY_MAX: Duration = Duration::from_secs(5);

/// How often a quiet connection is probed. A controller whose machine vanished is left after at most
/// this and [`PROBE_PATIENCE`], five seconds together.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// How long a probe may take: two lost packets and their retransmission are within it.
pub const PROBE_PATIENCE: Duration = Duration::from_secs(3);

/// The least time between two reports, however often the node nudges: 200 a second at most.
pub const REPORT_GAP: Duration = Duration::from_millis(5);

/// The report interval when the controller names none: three are missed before it is suspicious.
pub const REPORT_INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

/// The shortest report interval that a controller may ask for: a whole report twenty times a second
/// is the most that a busy node should spend on it.
pub const REPORT_INTERVAL_MIN: Duration = Duration::from_millis(50);

/// The longest report interval that a controller may ask for: numbers older than a minute mislead.
pub const REPORT_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Messages handed to the connection and not yet sent. Small: what waits here can no longer be
/// replaced by something newer.
pub const SENDING_MESSAGES_MAX: usize = 8;

/// Callers that wait for a placing at a time; more get the node's own choice at once.
pub const PLACING_MAX: usize = 1_024;

/// Locations remembered after nobody watches them any more, for when the controller is gone. The
/// ones that were let go longest ago are forgotten first. About 300 bytes each.
pub const REMEMBERED_LOCATIONS_MAX: usize = 10_000;

/// The least time between two writes of what is kept on disk.
pub const MEMORY_WRITE_GAP: Duration = Duration::from_secs(1);

/// The largest file of kept state that is read, in bytes: the largest desired state and all
/// locations fit.
pub const MEMORY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long the last words (`Goodbye`) may take when the node ends.
pub const GOODBYE_PATIENCE: Duration = Duration::from_millis(200);
