//! Who decides: the controller that holds the one key, for as long as its lease lives.
//!
//! Elected is who sees in the watch that the key is its own, so that all that was decided before is
//! known to it. Its transactions expect the key as it was elected with.

use super::{Standing, standing};
use crate::{
    limits::STORE_RETRY,
    metrics::LEADS,
    model::Model,
    store::{Expect, Outcome, Store, Transaction, Write, keys},
};
use ::metrics::gauge;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Stands for election whenever nobody decides, until `cancel` says stop; then gives way.
pub async fn stand(model: Arc<Model>, store: Arc<dyn Store>, cancel: CancellationToken) {
    let mut leader = model.leader();
    let mut before = Standing::Follows;
    // Before it has led, too: a sum over all controllers needs each of them.
    gauge!(LEADS).set(0.0);
    loop {
        let now = standing(&model);
        if now != before {
            gauge!(LEADS).set(u8::from(now.decides()));
            let decides = leader.borrow_and_update().clone();
            let controller = decides.map(|leader| leader.controller);
            tracing::info!(
                decides = controller,
                we = now.decides(),
                "who decides has changed"
            );
            before = now;
        }
        let vacant = leader.borrow_and_update().is_none();
        if vacant {
            claim(&model, &*store).await;
        }
        // One who was refused, or failed, is told by the watch; the pause is for when it is not.
        let changed = tokio::time::timeout(STORE_RETRY, leader.changed());
        tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            _ = changed => {}
        }
    }
    if let Some(fence) = standing(&model).fence() {
        let resigns = Transaction {
            expect: vec![fence],
            writes: vec![Write::Delete(keys::LEADER.to_owned())],
        };
        if let Err(error) = store.commit(resigns).await {
            tracing::warn!(%error, "the others have to wait for the lease's end to decide");
        }
    }
}

async fn claim(model: &Model, store: &dyn Store) {
    let Some((we, lease)) = model.candidacy() else {
        return;
    };
    let claims = Transaction {
        expect: vec![Expect::Absent(keys::LEADER.to_owned())],
        writes: vec![Write::Put {
            key: keys::LEADER.to_owned(),
            value: keys::leader_value(&we),
            lease: Some(lease),
        }],
    };
    match store.commit(claims).await {
        Ok(Outcome::Committed(_) | Outcome::Conflict) => {}
        Err(error) => tracing::debug!(%error, "no election"),
    }
}
