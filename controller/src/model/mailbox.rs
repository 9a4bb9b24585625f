//! What one node's dialogue has to say next, as state of which only the newest counts: however slow
//! the node reads, nothing here grows beyond the streams that it follows.

use control::limits::LOCATES_PER_NODE_MAX;
use media::StreamPath;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use tokio::sync::Notify;

/// Written by the model, emptied by the dialogue.
#[derive(Default)]
pub struct Mailbox {
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Default)]
struct Inner {
    followed: BTreeSet<StreamPath>,
    located: BTreeSet<StreamPath>,
    desired: bool,
    replaced: bool,
}

/// What was in a mailbox.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Streams that are to be located anew.
    pub located: Vec<StreamPath>,
    /// The desired state may be another.
    pub desired: bool,
    /// The node has begun a later dialogue: this one is to end.
    pub replaced: bool,
}

impl Mailbox {
    /// With the desired state to be sent.
    pub fn new() -> Self {
        let mailbox = Self::default();
        mailbox.desired();
        mailbox
    }

    pub(super) fn located(&self, path: StreamPath) {
        let mut inner = self.inner.lock();
        if inner.followed.contains(&path) {
            inner.located.insert(path);
            self.news.notify_one();
        }
    }

    pub(super) fn desired(&self) {
        self.inner.lock().desired = true;
        self.news.notify_one();
    }

    pub(super) fn replace(&self) {
        self.inner.lock().replaced = true;
        self.news.notify_one();
    }

    /// Follows a stream, and has it located. `false` if that is one too many.
    pub(super) fn follow(&self, path: StreamPath) -> bool {
        let mut inner = self.inner.lock();
        if inner.followed.len() >= LOCATES_PER_NODE_MAX && !inner.followed.contains(&path) {
            return false;
        }
        inner.followed.insert(path.clone());
        inner.located.insert(path);
        self.news.notify_one();
        true
    }

    /// Whether it was followed.
    pub(super) fn unfollow(&self, path: &StreamPath) -> bool {
        let mut inner = self.inner.lock();
        inner.located.remove(path);
        inner.followed.remove(path)
    }

    pub(super) fn take_followed(&self) -> BTreeSet<StreamPath> {
        std::mem::take(&mut self.inner.lock().followed)
    }

    /// Waits until there is something. Cancel-safe.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Takes all that there is.
    pub fn take(&self) -> News {
        let mut inner = self.inner.lock();
        News {
            located: std::mem::take(&mut inner.located).into_iter().collect(),
            desired: std::mem::take(&mut inner.desired),
            replaced: inner.replaced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_moves_often_is_one_piece_of_news() {
        let path: StreamPath = "h/live/a".parse().expect("a good path");
        let mailbox = Mailbox::new();
        assert!(mailbox.follow(path.clone()));
        for _ in 0..1000 {
            mailbox.located(path.clone());
        }
        let news = News {
            located: vec![path.clone()],
            desired: true,
            replaced: false,
        };
        assert_eq!(mailbox.take(), news);
        assert_eq!(mailbox.take(), News::default());
        mailbox.unfollow(&path);
        mailbox.located(path);
        assert_eq!(mailbox.take(), News::default());
    }
}
