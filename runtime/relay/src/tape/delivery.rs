//! The task that keeps an index up to date and says when its sinks send.
//!
//! What comes is gathered for as long as the shard's [`Pace`](crate::pace::Pace) says, counted from the first piece that
//! waits; or until so much waits that gathering more would save nothing.

use super::{Format, Piece, index::Index};
use crate::{hub::Stream, limits};
use std::{
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{self, Instant},
};

pub(super) struct Delivery {
    index: Weak<Index>,
    stream: Arc<Stream>,
    format: &'static Format,
    shard: usize,
    nudge: Rc<Notify>,
}

impl Delivery {
    pub(super) fn new(
        index: &Rc<Index>,
        format: &'static Format,
        shard: usize,
        nudge: Rc<Notify>,
    ) -> Self {
        Self {
            index: Rc::downgrade(index),
            stream: index.stream().clone(),
            format,
            shard,
            nudge,
        }
    }

    /// Ends when the index has gone, or its publisher for longer than `linger`.
    pub(super) async fn run(self, mut inbox: mpsc::Receiver<Piece>, linger: Duration) {
        let mut online = self.stream.online();
        // One future for all turns of the loop: to begin to wait costs more than all else in it.
        let changed = change(online.clone());
        tokio::pin!(changed);
        let mut batch = Vec::new();
        let timer = time::sleep(Duration::ZERO);
        tokio::pin!(timer);
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
                        inbox = index.restart(self.stream.attach(self.format, self.shard));
                    }
                    index.append(batch.drain(..));
                }
                () = self.nudge.notified() => {}
                () = &mut timer, if due.is_some() => {}
                () = &mut changed => changed.set(change(online.clone())),
                () = time::sleep(linger), if offline => {
                    if self.stream.is_online() {
                        continue;
                    }
                    let Some(index) = self.index.upgrade() else { return };
                    index.end().await;
                    return;
                }
            }
            let Some(index) = self.index.upgrade() else {
                return;
            };
            let before = due;
            due = flush_when_due(&index, due).await;
            if let Some(at) = due.filter(|_| due != before) {
                timer.as_mut().reset(at);
            }
            index.expects_flush(due.is_some());
        }
    }
}

/// Flushes as long as something waits that is due; answers when the next is, if something waits.
async fn flush_when_due(index: &Index, mut due: Option<Instant>) -> Option<Instant> {
    loop {
        let window = index.window()?;
        let now = Instant::now();
        let at = *due.get_or_insert(now + window);
        if now < at && !window.is_zero() {
            return due;
        }
        index.flush().await;
        // What came meanwhile is gathered anew.
        due = None;
    }
}

/// Resolves when the publisher comes or goes, as seen by `online`.
async fn change(mut online: watch::Receiver<bool>) {
    // An error would mean that the stream is gone, which this task keeps.
    let _ = online.changed().await;
}
