//! What the agent counts.

use service::metrics::Metric;

/// 1 while a controller answers.
pub const CONNECTED: &str = "weir_agent_connected";
/// Dialogues begun.
pub const DIALOGUES: &str = "weir_agent_dialogues_total";
/// Tries that did not become a dialogue.
pub const FAILURES: &str = "weir_agent_connect_failures_total";
/// Reports sent.
pub const REPORTS: &str = "weir_agent_reports_total";
/// Desired states applied.
pub const APPLIED: &str = "weir_agent_desired_applied_total";
/// Desired states that were not newer.
pub const REFUSED: &str = "weir_agent_desired_refused_total";
/// Streams that somebody on this node wants located.
pub const LOCATING: &str = "weir_agent_locating_streams";

/// All of them, with their words.
pub const METRICS: [Metric; 7] = [
    Metric::gauge(CONNECTED, "1 while a controller answers this node, else 0."),
    Metric::counter(
        DIALOGUES,
        "Dialogues with a controller that began with its welcome.",
    ),
    Metric::counter(
        FAILURES,
        "Tries to reach a controller that failed before its welcome.",
    ),
    Metric::counter(REPORTS, "Reports sent to the controller."),
    Metric::counter(APPLIED, "Desired states received and applied."),
    Metric::counter(
        REFUSED,
        "Desired states received and ignored because they were not newer.",
    ),
    Metric::gauge(LOCATING, "Streams whose location this node follows."),
];
