//! The store in etcd, shared by all controllers of a cluster.
//!
//! * `link`: one member at a time.
//! * `watch`: what changes, over whatever becomes of members, connections and compactions.
//!
//! etcd's semantics are the trait's own, so this is little more than a translation. Keys are put
//! behind the cluster's prefix here, and nobody else sees it. Reads are linearizable: what is listed
//! is no older than what was committed. A commit that failed is not tried again here: whether it was
//! done is not known, and whoever wanted it has to look.

mod link;
mod watch;

use super::{
    Answer, Entry, Expect, Lease, Listing, Outcome, Revision, Store, StoreError, Transaction,
    Watch, Write, config,
};
use crate::limits::{
    ETCD_LIST_ENTRIES_MAX, ETCD_MESSAGE_BYTES_MAX, PROBE_INTERVAL, PROBE_PATIENCE,
};
use bytes::Bytes;
use etcd_client::{
    Certificate, Compare, CompareOp, ConnectOptions, GetOptions, Identity, KeyValue, PutOptions,
    ResponseHeader, TlsOptions, Txn, TxnOp,
};
use link::Link;
use service::config::ClientPem;
use std::{sync::Arc, time::Duration};

/// The store in etcd; cheap to clone.
#[derive(Clone)]
pub struct Etcd {
    link: Arc<Link>,
    prefix: Arc<str>,
}

impl Etcd {
    /// Reads the certificates; connects when something is asked.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn open(config: &config::Store) -> Result<Self, StoreError> {
        let timeout = config.timeout.get();
        let mut options = ConnectOptions::new()
            .with_connect_timeout(timeout)
            .with_keep_alive(PROBE_INTERVAL, PROBE_PATIENCE)
            .with_keep_alive_while_idle(true)
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        if let Some(pem) = config.tls.read()? {
            options = options.with_tls(tls(pem));
        }
        if let (Some(user), Some(password)) = (&config.user, &config.password) {
            options = options.with_user(user, password.secret());
        }
        let endpoints = config.endpoints.clone();
        Ok(Self {
            link: Arc::new(Link::new(endpoints, options, timeout)),
            prefix: config.prefix.as_str().into(),
        })
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// An entry of ours; keys that are no text are nobody's.
    fn entry(&self, found: &KeyValue) -> Option<Entry> {
        let key = found.key_str().ok()?.strip_prefix(&*self.prefix)?;
        let lease = u64::try_from(found.lease())
            .ok()
            .filter(|lease| *lease != 0);
        Some(Entry {
            key: key.to_owned(),
            value: Bytes::copy_from_slice(found.value()),
            revision: revision(found.mod_revision()),
            lease: lease.map(Lease),
        })
    }

    /// All entries at one revision, and the number of etcd's cluster.
    async fn list_page_by_page(&self, prefix: &str) -> Result<(Listing, u64), StoreError> {
        let whole = self.key(prefix);
        let end = end_of(&whole);
        let mut begin = match whole.is_empty() {
            true => vec![0],
            false => whole.into_bytes(),
        };
        let mut entries = Vec::new();
        let mut at: Option<(i64, u64)> = None;
        loop {
            let mut options = GetOptions::new()
                .with_range(end.clone())
                .with_limit(ETCD_LIST_ENTRIES_MAX);
            if let Some((revision, _)) = at {
                options = options.with_revision(revision);
            }
            let page = self
                .link
                .ask_all("list", |client| {
                    let mut kv = client
                        .kv_client()
                        .max_decoding_message_size(ETCD_MESSAGE_BYTES_MAX);
                    let (begin, options) = (begin.clone(), options.clone());
                    async move { kv.get(begin, Some(options)).await }
                })
                .await?;
            let (read_at, cluster) = *at.get_or_insert_with(|| place(page.header()));
            entries.extend(page.kvs().iter().filter_map(|found| self.entry(found)));
            match page.kvs().last() {
                Some(last) if page.more() => {
                    begin = last.key().to_vec();
                    begin.push(0);
                }
                _ => {
                    let revision = revision(read_at);
                    return Ok((Listing { revision, entries }, cluster));
                }
            }
        }
    }
}

fn tls(pem: ClientPem) -> TlsOptions {
    let options = TlsOptions::new().ca_certificate(Certificate::from_pem(pem.authorities));
    match pem.identity {
        Some((certificate, key)) => options.identity(Identity::from_pem(certificate, key)),
        None => options,
    }
}

fn changed_at(key: String, revision: Revision) -> Compare {
    let revision = i64::try_from(revision.0).unwrap_or(i64::MAX);
    Compare::mod_revision(key, CompareOp::Equal, revision)
}

/// The first key behind all that begin with `prefix`; `[0]`, which is etcd's word for no end, if
/// there is none.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end;
        }
    }
    vec![0]
}

fn revision(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or(0))
}

/// At which revision of which cluster something was said.
fn place(header: Option<&ResponseHeader>) -> (i64, u64) {
    header.map_or((0, 0), |header| (header.revision(), header.cluster_id()))
}

fn number(lease: Lease) -> i64 {
    i64::try_from(lease.0).unwrap_or(0)
}

/// What etcd says of a lease that is not there.
fn no_lease(lease: Lease) -> impl Fn(StoreError) -> StoreError {
    move |error| match &error {
        StoreError::Etcd { reason, .. } if reason.contains("lease not found") => {
            StoreError::NoLease(lease)
        }
        _ => error,
    }
}

impl Store for Etcd {
    fn kind(&self) -> &'static str {
        "etcd"
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn list(&self, prefix: &str) -> Answer<'_, Listing> {
        let prefix = prefix.to_owned();
        Box::pin(async move { Ok(self.list_page_by_page(&prefix).await?.0) })
    }

    fn commit(&self, transaction: Transaction) -> Answer<'_, Outcome> {
        let lease = transaction.writes.iter().find_map(|write| match write {
            Write::Put { lease, .. } => *lease,
            Write::Delete(_) => None,
        });
        let expect: Vec<Compare> = transaction
            .expect
            .into_iter()
            .flat_map(|expected| match expected {
                Expect::Unchanged(key, revision) => vec![changed_at(self.key(&key), revision)],
                Expect::Is(key, revision, value) => vec![
                    changed_at(self.key(&key), revision),
                    Compare::value(self.key(&key), CompareOp::Equal, value.to_vec()),
                ],
                Expect::Absent(key) => {
                    vec![Compare::create_revision(
                        self.key(&key),
                        CompareOp::Equal,
                        0,
                    )]
                }
            })
            .collect();
        let writes: Vec<TxnOp> = transaction
            .writes
            .into_iter()
            .map(|write| match write {
                Write::Put { key, value, lease } => {
                    let options = lease.map(|lease| PutOptions::new().with_lease(number(lease)));
                    TxnOp::put(self.key(&key), value.to_vec(), options)
                }
                Write::Delete(key) => TxnOp::delete(self.key(&key), None),
            })
            .collect();
        let txn = Txn::new().when(expect).and_then(writes);
        Box::pin(async move {
            let answer = self
                .link
                .ask("commit", |mut client| async move { client.txn(txn).await })
                .await
                .map_err(|error| match lease {
                    Some(lease) => no_lease(lease)(error),
                    None => error,
                })?;
            Ok(match answer.succeeded() {
                true => Outcome::Committed(revision(place(answer.header()).0)),
                false => Outcome::Conflict,
            })
        })
    }

    fn grant(&self, ttl: Duration) -> Answer<'_, Lease> {
        // etcd counts in seconds.
        let seconds = ttl.as_millis().div_ceil(1000).max(1);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Box::pin(async move {
            let granted = self
                .link
                .ask_all("grant a lease", |mut client| async move {
                    client.lease_grant(seconds, None).await
                })
                .await?;
            Ok(Lease(u64::try_from(granted.id()).unwrap_or(0)))
        })
    }

    fn renew(&self, lease: Lease) -> Answer<'_, ()> {
        Box::pin(async move {
            self.link
                .ask_all("renew a lease", |mut client| async move {
                    client.lease_keep_alive(number(lease)).await.map(drop)
                })
                .await
                .map_err(no_lease(lease))
        })
    }

    fn revoke(&self, lease: Lease) -> Answer<'_, ()> {
        Box::pin(async move {
            self.link
                .ask_all("revoke a lease", |mut client| async move {
                    client.lease_revoke(number(lease)).await.map(drop)
                })
                .await
                .map_err(no_lease(lease))
        })
    }

    fn watch(&self, prefix: &str) -> Answer<'_, Box<dyn Watch>> {
        let watching = watch::Watching::new(self.clone(), prefix);
        Box::pin(async move { Ok(Box::new(watching) as Box<dyn Watch>) })
    }
}

#[cfg(test)]
mod tests;
