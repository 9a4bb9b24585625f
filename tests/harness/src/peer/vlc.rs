//! VLC as player, without screen and loudspeaker.

use std::time::Duration;

use anyhow::Result;

use super::record_until_interrupted;
use crate::{
    Recording,
    process::{Invocation, scratch},
};

/// Plays any URL that VLC knows and keeps what it received as Matroska.
///
/// VLC refuses to run as root, and is then run as nobody.
///
/// # Errors
/// If it cannot play or gets nothing for long.
pub async fn record(url: &str, duration: Duration) -> Result<Recording> {
    let vlc = if rustix::process::geteuid().is_root() {
        Invocation::new("setpriv")
            .words("--reuid=nobody --regid=nogroup --clear-groups --pdeathsig=KILL cvlc")
    } else {
        Invocation::new("cvlc")
    };
    let folder = scratch()?;
    let home = folder.path().display().to_string();
    let player = vlc
        .env("HOME", home)
        .words("-I dummy --no-sout-all --sout #std{access=file,mux=ffmpeg{mux=matroska},dst=recording.mkv}")
        .arg(url);
    record_until_interrupted(player, folder, "recording.mkv", duration).await
}
