//! GStreamer's own RTMP, `rtmp2sink` and `rtmp2src`; it shares no code with ffmpeg's or librtmp.

use std::time::Duration;

use anyhow::Result;

use super::record_until_interrupted;
use crate::{
    Recording,
    process::{Invocation, Process, scratch},
};

/// A live test picture and tone into an FLV muxer; what follows takes FLV.
pub(super) const SOURCE: &str = "videotestsrc is-live=true ! \
     video/x-raw,width=320,height=180,framerate=25/1 ! \
     x264enc tune=zerolatency bitrate=200 key-int-max=25 ! h264parse ! mux. \
     audiotestsrc is-live=true ! audio/x-raw,rate=44100,channels=2 ! \
     avenc_aac bitrate=64000 ! aacparse ! mux. \
     flvmux name=mux streamable=true !";

/// Publishes a live test picture, 320×180 at 25 a second, and a tone.
///
/// # Errors
/// If GStreamer cannot be started.
pub fn publish(url: &str) -> Result<Process> {
    let sink = format!("location={url}");
    Process::start(
        Invocation::new("gst-launch-1.0")
            .words(SOURCE)
            .arg("rtmp2sink")
            .arg(sink),
    )
}

/// Plays an RTMP URL into an FLV file.
///
/// # Errors
/// If it cannot play or gets nothing for long.
pub async fn record(url: &str, duration: Duration) -> Result<Recording> {
    let source = format!("location={url}");
    let player = Invocation::new("gst-launch-1.0")
        .words("-e rtmp2src")
        .arg(source)
        .words("! filesink buffer-mode=unbuffered location=recording.flv");
    record_until_interrupted(player, scratch()?, "recording.flv", duration).await
}
