//! What changes in etcd, with nothing left out.
//!
//! ```text
//!  list ── Init ──▶ open at the next revision ──▶ Apply, Delete …
//!   ▲                │        ▲                      │
//!   │                │        └── connection broke ──┤
//!   └── compacted, or another history ◀──────────────┘
//! ```
//!
//! *Another history*: etcd came back empty or from a snapshot, so its revisions no longer mean what
//! they meant. It is told by the cluster's number, or by a revision that is smaller than one that we
//! have seen.

use super::{Etcd, end_of, link::Member, place, revision};
use crate::{
    limits::ETCD_MESSAGE_BYTES_MAX,
    store::{Answer, Change, Revision, StoreError, Watch},
};
use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use std::collections::VecDeque;

pub(super) struct Watching {
    etcd: Etcd,
    prefix: String,
    /// Everything up to here was told, of this cluster; `None` before the first `Init`.
    told: Option<(Revision, u64)>,
    /// Changes that are not told yet.
    pending: VecDeque<Change>,
    open: Option<(Member, WatchStream)>,
}

impl Watching {
    pub(super) fn new(etcd: Etcd, prefix: &str) -> Self {
        Self {
            etcd,
            prefix: prefix.to_owned(),
            told: None,
            pending: VecDeque::new(),
            open: None,
        }
    }

    async fn init(&mut self) -> Result<Change, StoreError> {
        let (listing, cluster) = self.etcd.list_page_by_page(&self.prefix).await?;
        self.told = Some((listing.revision, cluster));
        Ok(Change::Init(listing))
    }

    /// Opens a watch behind what was told. If that cannot be had any more, forgets what was told.
    async fn reopen(&mut self, told: Revision, cluster: u64) -> Result<(), StoreError> {
        let link = &self.etcd.link;
        let member = link.member().await?;
        let whole = self.etcd.key(&self.prefix);
        let (key, end) = match whole.is_empty() {
            true => (vec![0], vec![0]),
            false => (whole.as_bytes().to_vec(), end_of(&whole)),
        };
        let from = i64::try_from(told.0.saturating_add(1)).unwrap_or(i64::MAX);
        let options = WatchOptions::new()
            .with_range(end)
            .with_start_revision(from);
        let mut client = member
            .client
            .watch_client()
            .max_decoding_message_size(ETCD_MESSAGE_BYTES_MAX);
        let opening = async {
            let mut stream = client.watch(key, Some(options)).await?;
            let first = stream.message().await?;
            Ok((stream, first))
        };
        let opened: Result<(WatchStream, Option<WatchResponse>), etcd_client::Error> =
            match tokio::time::timeout(link.timeout, opening).await {
                Ok(opened) => opened,
                Err(_) => {
                    let reason = format!("no answer within {:?}", link.timeout);
                    return Err(link.left(&member, "watch", reason));
                }
            };
        let (stream, first) = match opened {
            Ok((stream, Some(first))) => (stream, first),
            Ok((_, None)) => return Err(link.left(&member, "watch", "it was closed".into())),
            Err(error) => return Err(link.left(&member, "watch", super::link::in_words(&error))),
        };
        let (its_revision, its_cluster) = place(first.header());
        if its_cluster != cluster || revision(its_revision) < told {
            self.told = None;
            return Ok(());
        }
        self.open = Some((member, stream));
        self.take(&first)
    }

    /// Takes in what etcd says on the open watch.
    fn take(&mut self, said: &WatchResponse) -> Result<(), StoreError> {
        if said.compact_revision() > 0 {
            self.told = None;
            self.open = None;
            return Ok(());
        }
        if said.canceled() {
            return Err(self.broke(said.cancel_reason().to_owned()));
        }
        let Some((told, _)) = &mut self.told else {
            return Ok(());
        };
        for event in said.events() {
            let Some(found) = event.kv() else { continue };
            *told = revision(found.mod_revision()).max(*told);
            let Some(entry) = self.etcd.entry(found) else {
                continue;
            };
            self.pending.push_back(match event.event_type() {
                EventType::Put => Change::Apply(entry),
                EventType::Delete => Change::Delete {
                    key: entry.key,
                    revision: entry.revision,
                },
            });
        }
        Ok(())
    }

    fn broke(&mut self, reason: String) -> StoreError {
        match self.open.take() {
            Some((member, _)) => self.etcd.link.left(&member, "go on with a watch", reason),
            None => StoreError::Closed,
        }
    }
}

impl Watch for Watching {
    fn next(&mut self) -> Answer<'_, Change> {
        Box::pin(async move {
            loop {
                if let Some(change) = self.pending.pop_front() {
                    return Ok(change);
                }
                let Some((told, cluster)) = self.told else {
                    return self.init().await;
                };
                let Some((_, stream)) = &mut self.open else {
                    self.reopen(told, cluster).await?;
                    continue;
                };
                match stream.message().await {
                    Ok(Some(said)) => self.take(&said)?,
                    Ok(None) => return Err(self.broke("it was closed".into())),
                    Err(error) => return Err(self.broke(super::link::in_words(&error))),
                }
            }
        })
    }
}
