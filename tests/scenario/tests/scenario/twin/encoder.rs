//! An encoder that sends the same, stamped the same, to two nodes, and comes back to one that was away.

use anyhow::Result;
use bytes::Bytes;
use harness::{Clip, Publisher};
use media::Kind;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::broadcast, task::JoinSet, time};

/// Frames that wait for a line: some seconds. One that falls further behind goes on with newer ones.
const WAITING_MAX: usize = 1_024;

/// How long a line rests after its origin could not be had, or was lost.
const REST: Duration = Duration::from_millis(200);

type Frame = (u32, Kind, Bytes);

/// Runs until it is dropped.
pub(super) struct Encoder {
    _tasks: JoinSet<()>,
    connections: Arc<AtomicUsize>,
}

impl Encoder {
    /// Publishes `clip` in real time to each of `urls`.
    pub(super) fn start(clip: &Clip, urls: &[String]) -> Self {
        let (frames, _) = broadcast::channel(WAITING_MAX);
        let mut tasks = JoinSet::new();
        let connections = Arc::new(AtomicUsize::new(0));
        for url in urls {
            let (url, clip, frames) = (url.clone(), clip.clone(), frames.clone());
            let connections = Arc::clone(&connections);
            tasks.spawn(async move {
                loop {
                    // An origin that is away is no fault of the encoder's: it comes again.
                    let _ = line(&url, &clip, &frames, &connections).await;
                    time::sleep(REST).await;
                }
            });
        }
        let clip = clip.clone();
        tasks.spawn(async move {
            let begun = time::Instant::now();
            for (timestamp, kind, body) in clip.rounds(0) {
                time::sleep_until(begun + Duration::from_millis(u64::from(timestamp))).await;
                // Without a line nobody takes it.
                let _ = frames.send((timestamp, kind, body.clone()));
            }
        });
        Self {
            _tasks: tasks,
            connections,
        }
    }

    /// How often it was let in so far, at all of its URLs together.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

/// One connection, from its headers to its end.
async fn line(
    url: &str,
    clip: &Clip,
    frames: &broadcast::Sender<Frame>,
    connections: &AtomicUsize,
) -> Result<()> {
    let mut publisher = Publisher::connect(url).await?;
    connections.fetch_add(1, Relaxed);
    let mut frames = frames.subscribe();
    let mut told = false;
    loop {
        let (timestamp, kind, body) = match frames.recv().await {
            Ok(frame) => frame,
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        if !told {
            publisher.send_headers(clip, timestamp).await?;
            told = true;
        }
        publisher.send(kind, timestamp, &body).await?;
    }
}
