//! Our own player over RTMP, HTTP-FLV and WebSocket-FLV: remembers every frame's time and hash.
//!
//! It decodes nothing and costs little, so that a test can have hundreds. The scheme of the URL says
//! the protocol: `rtmp`, `http`, `ws`. It follows no redirect and does not come back by itself.

mod flv;
mod frames;
mod rtmp;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use bytes::Bytes;
use media::Kind;
use tokio::{sync::watch, task::JoinHandle};

pub use frames::{Heard, ensure_begins_well, ensure_rising, ensure_same_media};

use crate::wait::eventually;

/// Why a player ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The server closed the connection in order.
    Closed,
    /// The server refused or ended it by an RTMP status: its code.
    Status(String),
    /// The server sent it elsewhere: the URL.
    Redirect(String),
    /// The server answered with an HTTP status other than 200.
    Http(u16),
    /// The connection broke, or the server broke the protocol: what happened.
    Broken(String),
}

/// A player in a task of its own; dropping it closes its connection.
#[derive(Debug)]
pub struct Player {
    url: String,
    memory: Arc<Mutex<Memory>>,
    stalled: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Memory {
    frames: Vec<Heard>,
    /// How often the server said that the publisher had gone.
    unpublished: usize,
    end: Option<End>,
}

/// What a protocol's task writes to: it remembers, and rests while the player is stalled.
struct Notes {
    memory: Arc<Mutex<Memory>>,
    stalled: watch::Receiver<bool>,
}

impl Player {
    /// Starts to play. That the server refuses shows in [`Self::end`].
    pub fn start(url: impl Into<String>) -> Self {
        let url = url.into();
        let memory = Arc::new(Mutex::new(Memory::default()));
        let (stalled, is_stalled) = watch::channel(false);
        let mut notes = Notes {
            memory: Arc::clone(&memory),
            stalled: is_stalled,
        };
        let target = url.clone();
        let task = tokio::spawn(async move {
            let played = match target.split_once("://") {
                Some(("rtmp", _)) => rtmp::play(&target, &mut notes).await,
                Some(("ws", _)) => flv::play_websocket(&target, &mut notes).await,
                _ => flv::play_http(&target, &mut notes).await,
            };
            let end = played.unwrap_or_else(|error| End::Broken(format!("{error:#}")));
            notes.memory().end = Some(end);
        });
        Self {
            url,
            memory,
            stalled,
            task,
        }
    }

    /// What it plays.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All frames so far, headers included, in the order in which they came.
    pub fn frames(&self) -> Vec<Heard> {
        lock(&self.memory).frames.clone()
    }

    /// How many frames have come so far.
    pub fn frame_count(&self) -> usize {
        lock(&self.memory).frames.len()
    }

    /// How often the server said that the publisher had gone; only RTMP can say it.
    pub fn unpublished_count(&self) -> usize {
        lock(&self.memory).unpublished
    }

    /// Why it ended; `None` while it plays or waits for media.
    pub fn end(&self) -> Option<End> {
        lock(&self.memory).end.clone()
    }

    /// Waits until what it heard satisfies `look`.
    ///
    /// # Errors
    /// If it does not within that time, or has ended: with the last thing that `look` missed.
    pub async fn until<T>(
        &self,
        within: Duration,
        mut look: impl FnMut(&[Heard]) -> Result<T>,
    ) -> Result<T> {
        let seen = eventually(within, async || {
            let memory = lock(&self.memory);
            match (look(&memory.frames), &memory.end) {
                (Err(error), Some(end)) => Ok(Err(error.context(format!("it ended: {end:?}")))),
                (seen, _) => Ok(Ok(seen?)),
            }
        });
        match seen.await {
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(error)) | Err(error) => Err(error.context(format!("playing {}", self.url))),
        }
    }

    /// Waits until it has heard `count` frames in all, headers included.
    ///
    /// # Errors
    /// If they do not come within that time, or it has ended.
    pub async fn hears(&self, count: usize, within: Duration) -> Result<()> {
        self.until(within, |frames| {
            anyhow::ensure!(frames.len() >= count, "{} of {count} frames", frames.len());
            Ok(())
        })
        .await
    }

    /// Waits until it has heard `count` frames from now on.
    ///
    /// # Errors
    /// As for [`Self::hears`].
    pub async fn hears_more(&self, count: usize, within: Duration) -> Result<()> {
        self.hears(self.frame_count() + count, within).await
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// If it still plays after that time.
    pub async fn ended(&self, within: Duration) -> Result<End> {
        eventually(within, async || match self.end() {
            Some(end) => Ok(end),
            None => bail!("{} still plays", self.url),
        })
        .await
    }

    /// Stops reading, so that the server's buffers fill up; the connection stays.
    pub fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// Reads again.
    pub fn resume(&self) {
        self.stalled.send_replace(false);
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Notes {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    fn frame(&self, kind: Kind, timestamp: u32, body: &Bytes) {
        let frame = Heard::new(kind, timestamp, body, Instant::now());
        self.memory().frames.push(frame);
    }

    fn unpublished(&self) {
        self.memory().unpublished += 1;
    }

    /// Rests while the player is stalled.
    async fn may_read(&mut self) {
        // If the player is gone, this task is about to be aborted.
        let _ = self.stalled.wait_for(|stalled| !stalled).await;
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
