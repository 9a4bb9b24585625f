//! Every bound of the process's own machinery, and how it was chosen.

use std::time::Duration;

/// The largest config file, in bytes. A thousand vhosts of a kilobyte each fit; a device file or a
/// log given by mistake does not fill memory.
pub const CONFIG_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How far a misspelt key may be from a known one, in edits, to be suggested: a third of its
/// length, but never more than this. Beyond three edits a suggestion misleads more than it helps.
pub const NEAREST_KEY_EDITS_MAX: usize = 3;

/// How often histograms are folded. Until then they keep every sample; the exporter's own default
/// is five seconds as well.
pub const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// How long a drain may take where the config says nothing: Kubernetes kills after 30 s, so this
/// leaves five for the last words.
pub const DRAIN_DEADLINE_DEFAULT: Duration = Duration::from_secs(25);

/// How long after a drain's start a further signal is part of the same wish: a terminal signals a
/// whole process group, and `timeout` and supervisors signal a process twice, within milliseconds.
/// A person who presses Ctrl-C again is slower.
pub const SAME_SIGNAL_WITHIN: Duration = Duration::from_millis(300);

/// How long the program has, once told to stop now, before it is abandoned. Closing sockets takes
/// milliseconds; a task that needs longer than this hangs.
pub const STOP_GRACE: Duration = Duration::from_secs(2);

/// How long the admin port may take to finish its running answers when the program ends.
pub const ADMIN_CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Connections to one port for operators, probes and scrapes. Prometheus and a load balancer keep a
/// few, `weir` some more; beyond, somebody does us harm.
pub const HTTP_CONNECTIONS_MAX: usize = 1_024;

/// How long such a connection may take to ask, be it for the first time or again.
pub const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The head of a request to such a port, cookies and all; also how much hyper reads ahead.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 << 10;

/// Descriptors that a process asks for: some 20,000 connections and files, with room; also the most
/// that Linux gives by default (`fs.nr_open`).
pub const DESCRIPTORS_MAX: u64 = 1 << 20;
