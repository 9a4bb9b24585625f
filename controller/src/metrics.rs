//! What the controller counts.

use service::metrics::Metric;

/// Nodes by role and state.
pub const NODES: &str = "weir_controller_nodes";
/// Streams that have an owner.
pub const STREAMS: &str = "weir_controller_streams";
/// Players on all nodes.
pub const PLAYERS: &str = "weir_controller_players";
/// Dialogues that run now.
pub const DIALOGUES: &str = "weir_controller_dialogues";
/// Nodes that registered.
pub const REGISTERED: &str = "weir_controller_registrations_total";
/// Registrations and messages that were refused.
pub const REFUSED: &str = "weir_controller_dialogues_refused_total";
/// Reports received.
pub const REPORTS: &str = "weir_controller_reports_total";
/// Questions where a stream is.
pub const LOCATES: &str = "weir_controller_locates_total";
/// Answers and updates to them.
pub const LOCATED: &str = "weir_controller_located_total";
/// Questions where a publish belongs.
pub const PLACES: &str = "weir_controller_places_total";
/// Desired states sent.
pub const DESIRED: &str = "weir_controller_desired_total";
/// Desired states that nodes refused.
pub const DESIRED_REFUSED: &str = "weir_controller_desired_refused_total";
/// Changes of owner.
pub const CHANGES: &str = "weir_controller_ownership_changes_total";
/// Events by kind.
pub const EVENTS: &str = "weir_controller_events_total";
/// Commits by outcome.
pub const COMMITS: &str = "weir_controller_store_commits_total";
/// How long commits take.
pub const COMMIT_SECONDS: &str = "weir_controller_store_commit_seconds";
/// Whether the store answers.
pub const STORE_UP: &str = "weir_controller_store_up";
/// Answers of silent nodes that were asked.
pub const PROBES: &str = "weir_controller_probes_total";
/// Restarts by outcome.
pub const RESTARTS: &str = "weir_controller_restarts_total";
/// Restarts that are under way.
pub const RESTARTS_IN_FLIGHT: &str = "weir_controller_restarts_in_flight";
/// Whether nobody is restarted, by cause.
pub const FROZEN: &str = "weir_controller_frozen";
/// Whether this controller decides.
pub const LEADS: &str = "weir_controller_leader";
/// What the other controllers were told.
pub const POSTED: &str = "weir_controller_posted_total";

/// All of them, with their words.
pub const METRICS: [Metric; 23] = [
    Metric::gauge(NODES, "Nodes known, by role and state."),
    Metric::gauge(STREAMS, "Streams that have an owner."),
    Metric::gauge(PLAYERS, "Players on all nodes, by their last reports."),
    Metric::gauge(DIALOGUES, "Nodes that are connected now."),
    Metric::counter(REGISTERED, "Registrations of nodes that were accepted."),
    Metric::counter(
        REFUSED,
        "Dialogues that the controller ended with an error, by gRPC code.",
    ),
    Metric::counter(REPORTS, "Reports received from nodes."),
    Metric::counter(LOCATES, "Questions from nodes where a stream is."),
    Metric::counter(LOCATED, "Locations sent to nodes: answers and updates."),
    Metric::counter(PLACES, "Questions from nodes where a publish belongs."),
    Metric::counter(DESIRED, "Desired states sent to nodes."),
    Metric::counter(
        DESIRED_REFUSED,
        "Desired states that a node refused as not newer.",
    ),
    Metric::counter(CHANGES, "Changes of a stream's owner that were committed."),
    Metric::counter(EVENTS, "Events, by kind."),
    Metric::counter(COMMITS, "Transactions given to the store, by outcome."),
    Metric::histogram(
        COMMIT_SECONDS,
        "How long the store takes for a transaction.",
    ),
    Metric::gauge(
        LEADS,
        "1 if this controller decides, 0 if another one does.",
    ),
    Metric::counter(
        POSTED,
        "Entries written for other controllers: what this one's nodes say.",
    ),
    Metric::gauge(
        STORE_UP,
        "1 if the store can be watched, 0 if it does not answer.",
    ),
    Metric::counter(PROBES, "Silent nodes that were asked directly, by outcome."),
    Metric::counter(RESTARTS, "Restarts of nodes that have ended, by outcome."),
    Metric::gauge(RESTARTS_IN_FLIGHT, "Restarts of nodes that are under way."),
    Metric::gauge(FROZEN, "1 while no node is restarted, by cause."),
];
