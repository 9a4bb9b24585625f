//! Copies every stream out to other servers, by a list in the config: nodes of ours, commercial CDNs.
//!
//! One stream to one target is [`crate::rtmp::forward`]; a line of the list is a [`Target`].
//! Each target of each stream is a task of its own, with its own connection, back-off and place in the
//! tape: one that is slow or dead touches neither the others nor the stream.

use crate::{
    dial::Dialler,
    hub::{Observer, Stream},
    rtmp::forward::forward,
    shard::Shards,
    target::Target,
};
use media::StreamPath;
use parking_lot::Mutex;
use std::{collections::HashSet, sync::Arc};

/// Starts a forward for each target whenever a stream is published.
pub struct Forwards {
    targets: Vec<Target>,
    dialler: Dialler,
    shards: Shards,
    running: Arc<Running>,
}

/// The forwards that run, so that a publisher's return does not start a second one beside the first.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashSet<(StreamPath, usize)>>);

impl Running {
    /// Whether the task for `target` may end: it may not if the stream has come back meanwhile.
    pub(crate) fn may_end(&self, stream: &Stream, target: usize) -> bool {
        let mut running = self.0.lock();
        let ends = !stream.is_online();
        if ends {
            running.remove(&(stream.path().clone(), target));
        }
        ends
    }

    /// The task for `target` ends whatever becomes of the stream.
    pub(crate) fn forget(&self, path: &StreamPath, target: usize) {
        self.0.lock().remove(&(path.clone(), target));
    }
}

impl Forwards {
    /// Copies each stream to each of `targets`.
    pub fn new(targets: Vec<Target>, dialler: Dialler, shards: Shards) -> Self {
        Self {
            targets,
            dialler,
            shards,
            running: Arc::default(),
        }
    }
}

impl Observer for Forwards {
    fn published(&self, stream: &Arc<Stream>) {
        for (number, target) in self.targets.iter().enumerate() {
            if !self
                .running
                .0
                .lock()
                .insert((stream.path().clone(), number))
            {
                continue;
            }
            let (target, dialler) = (target.clone(), self.dialler.clone());
            let (path, running) = (stream.path().clone(), self.running.clone());
            let started = self.shards.run(move |shard| {
                let task = forward(shard.clone(), path, number, target, dialler, running);
                shard.spawn(task);
            });
            if let Err(error) = started {
                self.running.forget(stream.path(), number);
                tracing::error!(stream = %stream.path(), %error, "a forward could not be started");
            }
        }
    }
}
