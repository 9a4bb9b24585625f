//! The task that keeps an index up to date and says when its sinks send.
//!
//! What comes is gathered for as long as the shard's [`Pace`] says, counted from the first piece that
//! waits; or until so much waits that gathering more would save nothing.

use super::{Format, Piece, index::Index};
use crate::{hub::Stream, limits, pace::Pace};
use std::{
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{self, Instant},
};

pub(super) struct Delivery {
    index: Weak<Index>,
    stream: Arc<Stream>,
    format: &'static Format,
    linger: Duration,
    pace: Rc<Pace>,
}

impl Delivery {
    pub(super) fn new(
        index: &Rc<Index>,
        format: &'static Format,
        linger: Duration,
        pace: Rc<Pace>,
    ) -> Self {
        Self {
            index: Rc::downgrade(index),
            stream: index.stream().clone(),
            format,
            linger,
            pace,
        }
    }

    /// Ends when the index has gone, or its publisher for longer than the players stay.
    pub(super) async fn run(self, mut inbox: mpsc::Receiver<Piece>) {
        let mut online = self.stream.online();
        // One future for all turns of the loop: to begin to wait costs more than all else in it.
        let changed = change(online.clone());
        tokio::pin!(changed);
        let mut batch = Vec::new();
        let mut due: Option<Instant> = None;
        loop {
            let offline = !*online.borrow_and_update();
            if offline {
                let Some(index) = self.index.upgrade() else {
                    return;
                };
                index.forget_start();
            }
            tokio::select! {
                biased;
                received = inbox.recv_many(&mut batch, limits::WRITE_PIECES_MAX) => {
                    let Some(index) = self.index.upgrade() else { return };
                    if received == 0 {
                        tracing::warn!(stream = %self.stream.path(), format = self.format.name,
                            "this shard fell behind its publisher and starts again at the newest key frame");
                        metrics::counter!("weir_shard_overruns_total").increment(1);
                        inbox = index.restart(self.stream.attach(self.format));
                    }
                    let waiting = index.append(batch.drain(..));
                    let window = self.pace.window();
                    if window.is_zero() || waiting >= limits::RUN_BYTES_MAX {
                        due = None;
                        index.flush().await;
                    } else if due.is_none() {
                        due = Some(Instant::now() + window);
                    }
                }
                () = wait(due), if due.is_some() => {
                    due = None;
                    let Some(index) = self.index.upgrade() else { return };
                    index.flush().await;
                }
                () = &mut changed => changed.set(change(online.clone())),
                () = time::sleep(self.linger), if offline => {
                    if self.stream.is_online() {
                        continue;
                    }
                    let Some(index) = self.index.upgrade() else { return };
                    index.end().await;
                    return;
                }
            }
        }
    }
}

/// Resolves when the publisher comes or goes, as seen by `online`.
async fn change(mut online: watch::Receiver<bool>) {
    // An error would mean that the stream is gone, which this task keeps.
    let _ = online.changed().await;
}

async fn wait(due: Option<Instant>) {
    if let Some(due) = due {
        time::sleep_until(due).await;
    }
}
