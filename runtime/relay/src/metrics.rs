//! What Prometheus sees of the relay: sums over streams, never a stream or a player as a label.

use crate::Relay;
use ::metrics::{counter, gauge};
use service::metrics::Metric;
use std::time::Duration;
use tokio::time;

/// How often sums are brought up to date: well within any scrape interval.
const INTERVAL: Duration = Duration::from_secs(1);

/// Every metric of the relay with its help text.
pub const METRICS: &[Metric] = &[
    Metric::gauge(
        "weir_streams",
        "Streams that are published on this node now.",
    ),
    Metric::gauge(
        "weir_players",
        "Players on this node now; other nodes that pull are not counted.",
    ),
    Metric::gauge(
        "weir_pullers",
        "Other nodes that pull a stream from here, a node counted once for each of its streams.",
    ),
    Metric::gauge(
        "weir_connections",
        "RTMP and HTTP connections that are open now.",
    ),
    Metric::counter(
        "weir_received_bytes_total",
        "Media bytes received from publishers and upstreams.",
    ),
    Metric::counter(
        "weir_sent_bytes_total",
        "Bytes handed to the kernel for players and forwards.",
    ),
    Metric::counter(
        "weir_received_frames_total",
        "Pictures and sounds received.",
    ),
    Metric::counter(
        "weir_player_skips_total",
        "Times a slow player skipped to a newer key frame.",
    ),
    Metric::counter(
        "weir_timestamp_jumps_total",
        "Jumps of publishers' clocks that were taken out.",
    ),
    Metric::counter(
        "weir_splices_total",
        "Times a pull went on from another upstream: with the same frames, or from a key frame (how).",
    ),
    Metric::gauge(
        "weir_shard_busy_ratio",
        "Share of its time that a shard was busy in the last 100 ms.",
    ),
    Metric::gauge(
        "weir_shard_merge_write_seconds",
        "How long a shard gathers frames now before it sends them.",
    ),
    Metric::counter(
        "weir_shard_writes_total",
        "Calls that wrote to players' sockets.",
    ),
    Metric::counter(
        "weir_shard_written_bytes_total",
        "Bytes that those calls wrote: divided by their number, the mean write.",
    ),
    Metric::counter(
        "weir_shard_overruns_total",
        "Times a shard fell behind a publisher and started again.",
    ),
    Metric::counter(
        "weir_connections_refused_total",
        "Connections closed at once because a limit was reached.",
    ),
    Metric::counter(
        "weir_plays_fenced_total",
        "Pulls of nodes that were refused because they knew a newer epoch than this node.",
    ),
    Metric::counter(
        "weir_publishes_refused_total",
        "Publishers refused because the stream had one.",
    ),
    Metric::counter(
        "weir_rtmp_protocol_errors_total",
        "RTMP connections closed because the peer broke the protocol.",
    ),
    Metric::counter(
        "weir_frames_malformed_total",
        "Frames dropped because they were malformed.",
    ),
    Metric::gauge(
        "weir_push_unacknowledged_bytes",
        "Bytes of pushed streams that their origins have not acknowledged yet.",
    ),
    Metric::histogram(
        "weir_push_acknowledged_seconds",
        "How long an origin took to acknowledge what was pushed to it.",
    ),
    Metric::counter(
        "weir_push_dropped_frames_total",
        "Frames that no origin had acknowledged and that were given up: no origin was to be had for long.",
    ),
    Metric::counter(
        "weir_forward_failures_total",
        "Times a forward's connection failed.",
    ),
];

/// Keeps the sums up to date; has no end.
pub async fn upkeep(relay: &Relay) -> std::convert::Infallible {
    service::metrics::describe(METRICS);
    let mut tick = time::interval(INTERVAL);
    loop {
        tick.tick().await;
        let streams = relay.hub().streams();
        let published = streams.iter().filter(|stream| stream.is_online()).count();
        let players: u32 = streams
            .iter()
            .map(|stream| stream.readers().borrow().players)
            .sum();
        gauge!("weir_streams").set(published as f64);
        gauge!("weir_players").set(f64::from(players));
        let pullers: u32 = streams.iter().map(|s| s.readers().borrow().nodes).sum();
        gauge!("weir_pullers").set(f64::from(pullers));
        gauge!("weir_connections").set(f64::from(relay.connections()));
        let totals = relay.hub().totals();
        counter!("weir_received_bytes_total").absolute(totals.bytes_in);
        counter!("weir_sent_bytes_total").absolute(totals.bytes_out);
        counter!("weir_received_frames_total").absolute(totals.video_frames + totals.audio_frames);
        counter!("weir_player_skips_total").absolute(totals.skips);
        counter!("weir_timestamp_jumps_total").absolute(totals.jumps);
    }
}
