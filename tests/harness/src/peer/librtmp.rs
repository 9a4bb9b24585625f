//! librtmp: as publisher by GStreamer's `rtmpsink`, as player by `rtmpdump`.

use std::time::Duration;

use anyhow::Result;

use super::{gstreamer, record_until_interrupted};
use crate::{
    Recording,
    process::{Invocation, Process, scratch},
};

/// Publishes a live test picture, 320×180 at 25 a second, and a tone.
///
/// # Errors
/// If GStreamer cannot be started.
pub fn publish(url: &str) -> Result<Process> {
    let sink = format!("location={url}");
    Process::start(
        Invocation::new("gst-launch-1.0")
            .words(gstreamer::SOURCE)
            .arg("rtmpsink")
            .arg(sink),
    )
}

/// Plays an RTMP URL into an FLV file.
///
/// # Errors
/// If it cannot play or gets nothing for long.
pub async fn record(url: &str, duration: Duration) -> Result<Recording> {
    let player = Invocation::new("rtmpdump")
        .words("-q --live -o recording.flv -r")
        .arg(url);
    record_until_interrupted(player, scratch()?, "recording.flv", duration).await
}
