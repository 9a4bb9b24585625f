//! Every bound of the controller, and how it was chosen.

use std::time::Duration;

/// Memory for the embedded store's pages, in bytes: 100,000 placements fit, a small machine has it.
pub const STORE_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Commits that a watch may be behind before it has to be told everything again.
pub const WATCH_CHANGES_MAX: usize = 1_024;

/// Writes in one transaction; etcd's own bound is 128.
pub const WRITES_PER_TRANSACTION_MAX: usize = 100;

/// Entries that are listed from etcd at a time: a page of whole transactions' worth is about a megabyte.
pub const ETCD_LIST_ENTRIES_MAX: i64 = 1_000;

/// The largest answer that is taken from etcd, in bytes: it tells a watch up to a thousand
/// transactions at once.
pub const ETCD_MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long the last epoch of a stream without an owner is kept. After that the epoch begins again
/// at 1, unless a node that still knows a greater one tells it.
pub const PLACEMENT_KEPT: Duration = Duration::from_secs(24 * 3600);

/// How often such placements are swept away.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// How long a node that died is listed before it is forgotten.
pub const DEAD_NODE_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Nodes known at a time; more are refused. The design's largest cluster has 1,000.
pub const NODES_MAX: usize = 10_000;

/// How long two publishes of a stream that is nobody's yet are sent to the same origin.
pub const PLACING_KEPT: Duration = Duration::from_secs(10);

/// Such promises kept at a time; about 200 bytes each.
pub const PLACINGS_MAX: usize = 50_000;

/// Placings kept with all that led to them, for `weir explain`: the last minutes of a busy cluster.
pub const PLACINGS_KEPT_MAX: usize = 2_000;

/// Candidates kept with them, all together; about 250 bytes each, so 12 MB.
pub const CANDIDATES_KEPT_MAX: usize = 50_000;

/// Changes of owner kept with all that led to them; about 500 bytes each.
pub const OWNERSHIPS_KEPT_MAX: usize = 10_000;

/// Events kept; about 300 bytes each.
pub const EVENTS_MAX: usize = 10_000;

/// How much of an operator's reason is kept in an event, in characters: a sentence or two.
pub const REASON_CHARS_MAX: usize = 300;

/// The longest that a client may ask to wait for an event.
pub const EVENT_WAIT_MAX: Duration = Duration::from_secs(60);

/// Messages handed to a node's connection and not yet sent. Small: what waits here can no longer be
/// replaced by something newer.
pub const SENDING_MESSAGES_MAX: usize = 8;

/// Connections to the nodes' port, known or not: two for each node that there may be, for one that
/// reconnects may have an old one still open.
pub const GUESTS_MAX: usize = 2 * NODES_MAX;

/// Connections that are accepted and not yet served; more wait in the kernel.
pub const GUESTS_WAITING_MAX: usize = 64;

/// How long a new connection may take for HTTP/2's first words.
pub const OPENING_PATIENCE: Duration = Duration::from_secs(5);

/// How long a new connection may take to register.
pub const REGISTER_PATIENCE: Duration = Duration::from_secs(5);

/// Answers to `Place` that wait to be sent to one node.
pub const PLACED_WAITING_MAX: usize = 4_096;

/// The least time between two tries of the store after it failed.
pub const STORE_RETRY: Duration = Duration::from_millis(500);

/// Probes of silent nodes under way at a time: a descriptor each, and a cluster of 1,000 that is cut
/// off is asked within a few seconds.
pub const PROBES_AT_ONCE_MAX: usize = 256;

/// How long an origin that somebody accuses may take to answer: players wait for it. A busy one answers
/// within milliseconds, around the world within 200.
pub const ACCUSED_PATIENCE: Duration = Duration::from_millis(500);

/// How often the store is asked whether it is there, so that its loss is noticed long before a node
/// could be taken for dead.
pub const STORE_ASKED_EVERY: Duration = Duration::from_secs(2);

/// How long it may take for that: far more than a disk's or an election's pause.
pub const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// How long after a watch began anew the store is listed once more, to see whether it has lost its history:
/// longer than an answer of the store may be on its way.
pub const HISTORY_ASKED_AFTER: Duration = Duration::from_secs(10);

/// How often a store that is away is complained of: often enough to be found, in an outage of hours.
pub const AWAY_SAID_EVERY: Duration = Duration::from_secs(10);

/// How long a controller that is gone is believed to be there: losing the one that decides has to
/// move that within 5 s, and etcd may take a second more to end a lease.
pub const LEASE_TTL: Duration = Duration::from_secs(3);

/// The pause before a lease that could not be granted or renewed is tried again: several tries are
/// within [`LEASE_TTL`].
pub const LEASE_RETRY: Duration = Duration::from_millis(250);

/// How often numbers (load, players, bit rates) that have moved are told to other controllers: a
/// thousand nodes make 200 small writes a second of it, a hundred in a transaction.
pub const NUMBERS_INTERVAL: Duration = Duration::from_secs(5);

/// How often a node's connection is probed when it is quiet: about as often as a node reports, so
/// that probes are no load.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// How long a probe may take: two lost packets and their retransmission are within it.
pub const PROBE_PATIENCE: Duration = Duration::from_secs(3);
