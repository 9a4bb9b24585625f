//! All live streams of one node, whatever protocol brings them in or carries them out.
//!
//! The hub knows no protocol: publishers hand it [`Frame`](media::Frame)s, readers get them in the
//! [`Format`](crate::tape::Format) that they ask for. Three rules always hold:
//!
//! * A stream has at most one publisher. A second is refused, or takes over, by [`Duplicate`].
//! * A stream exists while somebody publishes it or reads it, and is forgotten with the last of them;
//!   so what strangers ask for holds memory only while they stay.
//! * Its time goes on and its readers stay when its publisher is replaced by another.

mod backlog;
mod fence;
pub(crate) mod headers;
mod publisher;
mod splice;
pub mod stats;
mod stream;
mod tapes;
mod timeline;

pub use fence::{Epoch, Outdated};
pub use publisher::{PassedOn, Publisher, PublisherInfo, PublisherKind, Readers, Superseded};
pub(crate) use stream::Carries;
pub use stream::Stream;
pub(crate) use tapes::{Attached, Local};

use self::stats::TotalsNow;
use media::StreamPath;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// What becomes of a second publisher of a stream.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Duplicate {
    /// The second is told `NetStream.Publish.BadName`; the first goes on.
    #[default]
    Refuse,
    /// The second becomes the publisher, players stay; the first is closed.
    Takeover,
}

/// Is told what happens in the hub, at once and on the thread where it happens: be quick.
pub trait Observer: Send + Sync {
    /// Somebody has begun to publish.
    fn published(&self, _stream: &Arc<Stream>) {}
    /// The publisher has gone and nobody has taken over.
    fn unpublished(&self, _stream: &Arc<Stream>) {}
    /// A player wants what nobody publishes here. The node's own readers want nothing of others.
    fn wanted(&self, _stream: &Arc<Stream>) {}
    /// A node wants the stream at a newer epoch than this node believes in, and was refused.
    fn challenged(&self, _stream: &Arc<Stream>, _epoch: Epoch) {}
    /// A player has come or gone.
    fn players_changed(&self, _stream: &Arc<Stream>) {}
}

/// Why a publish is refused: the stream has a publisher.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{path} is already being published{}", .by.peer.map(|peer| format!(" from {peer}")).unwrap_or_default())]
pub struct Busy {
    /// The stream.
    pub path: StreamPath,
    /// Its publisher.
    pub by: PublisherInfo,
}

/// All live streams of one node.
pub struct Hub {
    streams: Mutex<HashMap<StreamPath, Arc<Stream>>>,
    /// What the streams that are forgotten had carried.
    past: Mutex<TotalsNow>,
    duplicate: Duplicate,
    observers: OnceLock<Vec<Arc<dyn Observer>>>,
}

impl Hub {
    /// An empty hub.
    pub fn new(duplicate: Duplicate) -> Arc<Self> {
        Arc::new(Self {
            streams: Mutex::default(),
            past: Mutex::default(),
            duplicate,
            observers: OnceLock::new(),
        })
    }

    /// Says who is told what happens; once, before the first connection.
    pub fn observe(&self, observers: Vec<Arc<dyn Observer>>) {
        if self.observers.set(observers).is_err() {
            tracing::error!("observers of the hub were set twice; the second set is ignored");
        }
    }

    /// Makes the caller the publisher of `path`.
    ///
    /// # Errors
    /// If the stream has a publisher that may not be taken over. A pull always may, and so may a push of
    /// the same node that was begun earlier; a push at an older epoch never takes over.
    pub fn publish(
        self: &Arc<Self>,
        path: &StreamPath,
        info: PublisherInfo,
    ) -> Result<Publisher, Busy> {
        let takes_over =
            |current: &PublisherInfo| fence::takes_over(&info, current, self.duplicate);
        let stream = {
            // Under the map's lock, so that the stream cannot be forgotten before it is claimed.
            let mut streams = self.streams.lock();
            let stream = find_or_begin(&mut streams, path);
            match stream.claim(info.clone(), takes_over) {
                Ok((number, superseded)) => Publisher {
                    hub: self.clone(),
                    stream,
                    number,
                    superseded,
                },
                Err(by) => {
                    return Err(Busy {
                        path: path.clone(),
                        by,
                    });
                }
            }
        };
        for observer in self.observers() {
            observer.published(stream.stream());
        }
        Ok(stream)
    }

    /// Announces a reader of `path`, which need not exist yet: see [`Stream::online`].
    pub fn read(self: &Arc<Self>, path: &StreamPath, reader: Reader) -> Reading {
        let stream = {
            let mut streams = self.streams.lock();
            let stream = find_or_begin(&mut streams, path);
            stream.count_readers(|readers| reader.count(readers, 1));
            stream
        };
        let reading = Reading {
            hub: self.clone(),
            stream,
            reader,
            back: Duration::ZERO,
        };
        if reader != Reader::Internal {
            for observer in self.observers() {
                if !reading.stream.is_online() {
                    observer.wanted(&reading.stream);
                }
                observer.players_changed(&reading.stream);
            }
        }
        reading
    }

    /// This node owns `path`, or has pulled it, at `epoch`: what is older is refused from now on. Passed
    /// over if nobody publishes it here.
    pub fn believe(&self, path: &StreamPath, epoch: Epoch) {
        if let Some(stream) = self.find(path) {
            stream.believe(epoch);
        }
    }

    /// Tells the publisher of `path`, if there is one, to stop.
    pub fn evict(&self, path: &StreamPath) {
        if let Some(stream) = self.find(path) {
            stream.evict();
        }
    }

    /// The stream `path`, if somebody publishes or reads it.
    pub fn find(&self, path: &StreamPath) -> Option<Arc<Stream>> {
        self.streams.lock().get(path).cloned()
    }

    /// Every stream that somebody publishes or reads, in no order.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        self.streams.lock().values().cloned().collect()
    }

    /// What all streams have carried since the node began.
    pub fn totals(&self) -> TotalsNow {
        let streams = self.streams.lock();
        let past = *self.past.lock();
        streams
            .values()
            .map(|stream| stream.totals().now())
            .fold(past, TotalsNow::plus)
    }

    fn observers(&self) -> &[Arc<dyn Observer>] {
        self.observers.get().map_or(&[], Vec::as_slice)
    }

    fn forget_if_unused(&self, stream: &Arc<Stream>) {
        let mut streams = self.streams.lock();
        if let Entry::Occupied(entry) = streams.entry(stream.path().clone())
            && Arc::ptr_eq(entry.get(), stream)
            && stream.is_unused()
        {
            let mut past = self.past.lock();
            *past = past.plus(stream.totals().now());
            entry.remove();
        }
    }
}

fn find_or_begin(streams: &mut HashMap<StreamPath, Arc<Stream>>, path: &StreamPath) -> Arc<Stream> {
    streams
        .entry(path.clone())
        .or_insert_with(|| Arc::new(Stream::new(path.clone())))
        .clone()
}

/// Who reads a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A program at the far end that plays.
    Player,
    /// Another node that pulls for players of its own.
    Node,
    /// The node itself: a forward, a recorder.
    Internal,
}

impl Reader {
    fn count(self, readers: &mut Readers, change: i32) {
        readers.all = readers.all.saturating_add_signed(change);
        match self {
            Self::Player => readers.players = readers.players.saturating_add_signed(change),
            Self::Node => readers.nodes = readers.nodes.saturating_add_signed(change),
            Self::Internal => {}
        }
    }
}

/// A reader's stay at a stream: the stream is kept while it lives.
pub struct Reading {
    hub: Arc<Hub>,
    stream: Arc<Stream>,
    reader: Reader,
    back: Duration,
}

impl Reading {
    /// The stream that is read.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// The reader has had the stream before, and nothing of it for `back`: it begins with what it missed.
    pub(crate) fn comes_back(&mut self, back: Duration) {
        self.back = back;
    }

    /// For how long the reader has had nothing; zero if it is new.
    pub(crate) fn back(&self) -> Duration {
        self.back
    }

    /// Whether a node that knows `epoch` may read here.
    ///
    /// # Errors
    /// If what is published here is of an older one; who watches the hub is told.
    pub(crate) fn fence(&self, epoch: Epoch) -> Result<(), Outdated> {
        let fenced = self.stream.fence(epoch);
        if fenced.is_err() {
            for observer in self.hub.observers() {
                observer.challenged(&self.stream, epoch);
            }
        }
        fenced
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.stream
            .count_readers(|readers| self.reader.count(readers, -1));
        if self.reader == Reader::Node {
            self.stream.node_left(Instant::now());
        }
        self.hub.forget_if_unused(&self.stream);
        if self.reader != Reader::Internal {
            for observer in self.hub.observers() {
                observer.players_changed(&self.stream);
            }
        }
    }
}
