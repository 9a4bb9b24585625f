//! A publisher on the shard that it publishes from: what players on the same shard need goes straight into
//! their index, and out, without a task in between. Other shards get theirs by their inboxes.

use crate::{
    hub::{Local, Publisher, Stream, Superseded},
    shard::Shard,
    tape::{Format, index::Index},
    trail::Trail,
};
use media::Frame;
use std::{
    convert::Infallible,
    future::poll_fn,
    mem,
    rc::{Rc, Weak},
    sync::Arc,
    task::Poll,
    time::Instant,
};

/// A [`Publisher`] and its shard. What is published goes out by [`LocalPublisher::flush`], at the latest
/// when it is dropped.
pub(crate) struct LocalPublisher {
    publisher: Publisher,
    shard: Rc<Shard>,
    local: Local,
    readers: Vec<Reader>,
    trail: Trail,
}

/// An index on the same shard.
struct Reader {
    format: &'static Format,
    index: Weak<Index>,
    /// Something was appended since the last flush.
    is_behind: bool,
}

impl LocalPublisher {
    pub(crate) fn new(publisher: Publisher, shard: &Rc<Shard>) -> Self {
        Self {
            publisher,
            shard: shard.clone(),
            local: Local::new(shard.number()),
            readers: Vec::new(),
            trail: Trail::default(),
        }
    }

    pub(crate) fn stream(&self) -> &Arc<Stream> {
        self.publisher.stream()
    }

    /// Hands one frame, stamped with the publisher's own time, to everybody who reads.
    ///
    /// # Errors
    /// Once another publisher has taken over.
    pub(crate) fn publish(&mut self, frame: Frame, now: Instant) -> Result<(), Superseded> {
        self.publisher.publish_beside(frame, now, &mut self.local)?;
        let mut pieces = mem::take(&mut self.local.pieces);
        for (format, piece) in pieces.drain(..) {
            if let Some((index, reader)) = self.reader(format) {
                index.append(std::iter::once(piece));
                reader.is_behind = true;
            }
        }
        // With the memory that it has.
        self.local.pieces = pieces;
        Ok(())
    }

    /// Whether what is published from now on was gathered by who publishes it: it goes out by the next
    /// [`LocalPublisher::flush`], whatever the shard's pace is.
    pub(crate) fn gathers(&mut self, gathers: bool) {
        self.local.gathered = gathers;
    }

    /// Sends what was published since, or sees to it that it is sent.
    pub(crate) fn flush(&mut self) {
        for reader in &mut self.readers {
            if mem::take(&mut reader.is_behind)
                && let Some(index) = reader.index.upgrade()
            {
                index.settle();
            }
        }
        self.note_trail();
    }

    fn note_trail(&mut self) {
        self.trail.clear();
        self.trail.note(&self.readers[..]);
        self.publisher.stream().note(&mut self.trail);
        for reader in &self.readers {
            if let Some(index) = reader.index.upgrade() {
                index.note(&mut self.trail);
            }
        }
    }

    /// What the next frame passes on its way here can be noted, too, after each flush.
    pub(crate) fn trail(&mut self) -> &mut Trail {
        &mut self.trail
    }

    /// Asks for the memory that the next frame needs.
    pub(crate) fn fetch(&self) {
        self.trail.fetch();
    }

    /// [`LocalPublisher::fetch`] the task is woken, as if there were one; never resolves.
    pub(crate) async fn expect(&self) -> Infallible {
        let mut waits = false;
        poll_fn(|_| {
            if mem::replace(&mut waits, true) {
                self.fetch();
            }
            Poll::Pending
        })
        .await
    }

    /// Resolves when another publisher has taken over.
    pub(crate) fn superseded(&self) -> impl Future<Output = ()> + use<> {
        self.publisher.superseded()
    }

    /// The index of `format` here; none if its last reader has just left.
    fn reader(&mut self, format: &'static Format) -> Option<(Rc<Index>, &mut Reader)> {
        let known = self.readers.iter().position(|known| known.format == format);
        let at = known.unwrap_or_else(|| {
            self.readers.push(Reader {
                format,
                index: Weak::new(),
                is_behind: false,
            });
            self.readers.len() - 1
        });
        let reader = &mut self.readers[at];
        if let Some(index) = reader.index.upgrade()
            && !index.has_ended()
        {
            return Some((index, reader));
        }
        let index = self.shard.find_index(self.publisher.stream(), format)?;
        reader.index = Rc::downgrade(&index);
        Some((index, reader))
    }
}

impl Drop for LocalPublisher {
    fn drop(&mut self) {
        self.flush();
    }
}
