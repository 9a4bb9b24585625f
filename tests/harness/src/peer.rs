//! Everybody else's programs: what publishes to us, plays from us, and stands beside us.
//!
//! Publishers have `publish`, which gives the running [`Process`](crate::Process) and does not wait;
//! players have `record`, which plays for some seconds into a [`Recording`](crate::Recording);
//! servers are started with free ports and are ready when they are given back.

pub mod etcd;
pub mod ffmpeg;
pub mod gstreamer;
pub mod librtmp;
pub mod mpv;
pub mod nginx;
pub mod obs;
pub mod promtool;
pub mod vlc;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{
    Recording,
    process::{Invocation, Process},
    wait::eventually,
};

/// How long a player may take from its start to its first byte of media, and to end when asked to.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plays with `player` into `folder`/`file`: waits for media, lets it play for `duration`, and asks
/// it to end with SIGINT, so that it closes its file.
async fn record_until_interrupted(
    player: Invocation,
    folder: Arc<TempDir>,
    file: &str,
    duration: Duration,
) -> Result<Recording> {
    let path = folder.path().join(file);
    let mut player = Process::start_in(Arc::clone(&folder), player)?;
    let begun = eventually(PATIENCE, async || {
        if let Err(ended) = player.ensure_running() {
            return Ok(Err(ended));
        }
        let size = std::fs::metadata(&path).map_or(0, |file| file.len());
        ensure!(size > 0, "nothing was received");
        Ok(Ok(()))
    });
    match begun.await {
        Ok(ended) => ended?,
        Err(error) => return Err(error.context(player.tail())),
    }
    // The one sleep in this crate: a recording's length is its meaning.
    tokio::time::sleep(duration).await;
    player.ensure_running()?;
    player.interrupt();
    player
        .ended(PATIENCE)
        .await
        .context("it was asked to end")?;
    Ok(Recording::new(folder, path))
}
