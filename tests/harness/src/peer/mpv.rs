//! mpv as player, without screen and loudspeaker.

use std::time::Duration;

use anyhow::Result;

use super::record_until_interrupted;
use crate::{
    Recording,
    process::{Invocation, scratch},
};

/// Plays any URL that mpv knows, decoding it, and keeps what it received.
///
/// # Errors
/// If it cannot play or gets nothing for long.
pub async fn record(url: &str, duration: Duration) -> Result<Recording> {
    let player = Invocation::new("mpv")
        .words("--no-config --really-quiet --demuxer-lavf-analyzeduration=1 --vo=null --ao=null --stream-record=recording.mkv")
        .arg(url);
    record_until_interrupted(player, scratch()?, "recording.mkv", duration).await
}
