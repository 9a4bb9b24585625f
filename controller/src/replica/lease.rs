//! The lease that all entries of this controller hang on.
//!
//! While the store is away, nobody knows whether the lease still lives. It is renewed until the store
//! says that it does not; then there is a new one, and all that hung on it is written again.

use crate::{
    limits::{LEASE_RETRY, LEASE_TTL},
    model::Model,
    program::now,
    store::{Lease, Store, StoreError},
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Holds a lease until `cancel` says stop.
pub async fn hold(model: Arc<Model>, store: Arc<dyn Store>, cancel: CancellationToken) {
    let holding = async {
        loop {
            let asked = now().instant;
            match store.grant(LEASE_TTL).await {
                Ok(lease) => {
                    model.lease_lives(asked + LEASE_TTL);
                    model.hang_on(Some(lease));
                    renew(&model, &*store, lease).await;
                    model.hang_on(None);
                }
                // The watch says that the store is away.
                Err(error) => tracing::debug!(%error, "no lease is granted"),
            }
            tokio::time::sleep(LEASE_RETRY).await;
        }
    };
    // The lease is left to end by itself: nodes have found another controller by then, and none of
    // them seems to be gone in between.
    let _ = cancel.run_until_cancelled(holding).await;
}

/// Renews a lease for as long as it lives.
async fn renew(model: &Model, store: &dyn Store, lease: Lease) {
    loop {
        let asked = now().instant;
        match store.renew(lease).await {
            Ok(()) => {
                model.lease_lives(asked + LEASE_TTL);
                tokio::time::sleep(LEASE_TTL / 3).await;
            }
            Err(StoreError::NoLease(_)) => {
                return tracing::warn!(lease = lease.0, "the lease has ended, all is posted again");
            }
            Err(error) => {
                tracing::debug!(%error, "the lease cannot be renewed");
                tokio::time::sleep(LEASE_RETRY).await;
            }
        }
    }
}
