//! Who publishes a stream and who reads it, as the hub, logs and reports know them.

use super::{Observer, Stream, fence::Epoch, tapes::Local};
use media::Frame;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};
use tokio_util::sync::CancellationToken;

/// How many read a stream on this node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readers {
    /// Programs that play it.
    pub players: u32,
    /// Other nodes that pull it for players of their own.
    pub nodes: u32,
    /// Everybody: players, nodes, and this node's own forwards and recorders.
    pub all: u32,
}

impl Readers {
    /// Whether somebody plays it, here or behind another node.
    pub fn play(&self) -> bool {
        self.players > 0 || self.nodes > 0
    }
}

/// Who publishes a stream, for logs, reports and the rule about second publishers.
#[derive(Debug, Clone)]
pub struct PublisherInfo {
    /// The far end.
    pub peer: Option<SocketAddr>,
    /// Whence the media comes.
    pub origin: PublisherKind,
    /// The upstream that a pull takes it from, as it is called in logs and reports.
    pub upstream: Option<Arc<str>>,
    /// When it began, by the wall clock.
    pub since: SystemTime,
    /// It says that another, at another node, sends the same.
    pub backup: bool,
    /// The node of ours that passes it on; `None` for an encoder, and for what we pull.
    pub passed_on: Option<Arc<PassedOn>>,
    /// At which epoch this node owns the stream, or pulled it; rises while it lasts.
    pub epoch: Epoch,
}

/// How a node of ours passes a stream on to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOn {
    /// The node, if it pushes what was published to it; empty if it forwards a copy.
    pub node: Arc<str>,
    /// Greater with each connection that the node begins for this stream: the later one is where the
    /// stream goes on.
    pub turn: u64,
    /// The newest epoch that the node knew when it began.
    pub epoch: Epoch,
}

/// Whence a stream's media comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublisherKind {
    /// An encoder, or another node's forward, publishes to us.
    Publish,
    /// We pull it from upstream.
    Pull,
}

impl PublisherKind {
    /// Whether another of this kind may go on with the same frames: then it is spliced by content.
    pub(super) fn goes_on(self) -> bool {
        self == Self::Pull
    }
}

/// Another publisher has taken the stream over; this one must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another publisher has taken the stream over")]
pub struct Superseded;

/// Write handle of a stream; the stream goes offline when it is dropped.
pub struct Publisher {
    pub(super) hub: Arc<super::Hub>,
    pub(super) stream: Arc<Stream>,
    pub(super) number: u64,
    pub(super) superseded: CancellationToken,
}

impl Publisher {
    /// The stream that it writes.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Hands one frame, stamped with the publisher's own time, to everybody who reads.
    ///
    /// # Errors
    /// Once another publisher has taken over.
    pub fn publish(&self, frame: Frame, now: Instant) -> Result<(), Superseded> {
        self.stream.publish(self.number, frame, now, &mut None)
    }

    /// The same from a shard, whose own share is left in `local`.
    ///
    /// # Errors
    /// Once another publisher has taken over.
    pub(crate) fn publish_beside(
        &self,
        frame: Frame,
        now: Instant,
        local: &mut Local,
    ) -> Result<(), Superseded> {
        self.stream
            .publish(self.number, frame, now, &mut Some(local))
    }

    /// Resolves when another publisher has taken over.
    pub fn superseded(&self) -> impl Future<Output = ()> + use<> {
        self.superseded.clone().cancelled_owned()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if self.stream.release(self.number) {
            for observer in self.hub.observers() {
                Observer::unpublished(observer.as_ref(), &self.stream);
            }
        }
        self.hub.forget_if_unused(&self.stream);
    }
}
