//! Whether the store is still the one that is known: it may have come back empty, or from an old copy.
//!
//! A listing says so at once where it is older than what is known, or holds something else at the same
//! revision. Two things it cannot say. Known is also what was committed after it was made, and the same
//! looks like what was committed before a loss. And an answer from before a loss may arrive after it.
//! So the store is listed again a while after each listing that a watch began anew with: by then every
//! answer has arrived, and what is known is in the listing or was lost.

use crate::{
    limits::HISTORY_ASKED_AFTER,
    model::{Model, inventory::Inventory},
    store::{Entry, Listing, Revision, Store, StoreError, keys},
};
use std::collections::HashSet;

/// Whether a listing cannot follow what is known: an entry is older in it than we know, although it is
/// younger than that knowledge, or is another at the revision that we know. So a store that has lost its
/// history is also recognised after others have written more to it than was lost.
pub(super) fn contradicts(inventory: &Inventory, listing: &Listing) -> bool {
    listing.entries.iter().any(|entry| {
        let Some((known, same)) = known(inventory, entry) else {
            return false;
        };
        entry.revision < known && known <= listing.revision || entry.revision == known && !same
    })
}

/// At which revision an entry is known, and whether as what it is.
fn known(inventory: &Inventory, entry: &Entry) -> Option<(Revision, bool)> {
    inventory.known_as(&keys::read(entry).ok()?)
}

/// Waits until every answer from before has arrived, then finds out whether the store has lost its
/// history.
pub async fn is_lost(model: &Model, store: &dyn Store) -> bool {
    loop {
        tokio::time::sleep(HISTORY_ASKED_AFTER).await;
        match look(model, store).await {
            Ok(lost) => return lost,
            // The watch says that the store is away.
            Err(error) => tracing::debug!(%error, "the store's history is looked at later"),
        }
    }
}

/// Whether the store lacks anything that is known.
async fn look(model: &Model, store: &dyn Store) -> Result<bool, StoreError> {
    let known = model.read(Inventory::known_up_to).max(model.revision());
    let listing = store.list(keys::ALL).await?;
    if listing.revision < known {
        return Ok(true);
    }
    let told = model.revision();
    Ok(model.read(|inventory| {
        contradicts(inventory, &listing) || told >= listing.revision && lacks(inventory, &listing)
    }))
}

/// Whether a listing lacks a stream that is known from before it, though all that was deleted by then
/// has been told.
fn lacks(inventory: &Inventory, listing: &Listing) -> bool {
    let there: HashSet<&str> = listing.entries.iter().map(|it| it.key.as_str()).collect();
    inventory.streams_known_at().any(|(path, known)| {
        known <= listing.revision && !there.contains(keys::stream(path).as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::inventory::Timing,
        plan::{Moves, Placement, Policy},
        program::now,
        store::{Change, Transaction, Write, memory::Memory},
    };
    use control::Epoch;
    use media::StreamPath;
    use std::time::Duration;

    fn path() -> StreamPath {
        "h/live/a".parse().expect("a good path")
    }

    fn placed(epoch: u64) -> Placement {
        Placement {
            owner: None,
            epoch: Epoch(epoch),
            since_unix_ms: 0,
            moves: Moves::default(),
        }
    }

    async fn put(store: &Memory, epoch: u64) {
        let write = Write::Put {
            key: keys::stream(&path()),
            value: keys::stream_value(&placed(epoch), "a test"),
            lease: None,
        };
        let transaction = Transaction {
            expect: vec![],
            writes: vec![write],
        };
        store.commit(transaction).await.expect("committed");
    }

    async fn knows(store: &Memory) -> Model {
        let timing = Timing {
            suspect_after: Duration::from_secs(3),
        };
        let model = Model::new(Policy::default(), timing, now());
        let listing = store.list(keys::ALL).await.expect("listed");
        super::super::learn(&model, &Change::Init(listing), now());
        model
    }

    async fn lost(model: &Model, store: &Memory) -> bool {
        look(model, store).await.expect("listed")
    }

    #[tokio::test]
    async fn a_commit_from_before_a_loss_is_found_to_be_lost() {
        let store = Memory::default();
        put(&store, 1).await;
        put(&store, 1).await;
        let model = knows(&store).await;
        assert!(!lost(&model, &store).await);
        // What we committed, and then the store came back as it was before.
        model.stored_stream(&path(), Some(placed(2)), Revision(3), now());
        assert!(lost(&model, &store).await, "it is not there");
        put(&store, 1).await;
        assert!(lost(&model, &store).await, "another one is in its place");
        put(&store, 1).await;
        put(&store, 1).await;
        let told = store.list(keys::ALL).await.expect("listed");
        super::super::learn(&model, &Change::Init(told), now());
        assert!(!lost(&model, &store).await);
    }

    #[tokio::test]
    async fn what_is_known_and_gone_though_nobody_said_so_was_lost() {
        let store = Memory::default();
        put(&store, 1).await;
        let model = knows(&store).await;
        store.lose();
        for _ in 0..3 {
            let nothing = Transaction {
                expect: vec![],
                writes: vec![],
            };
            store.commit(nothing).await.expect("committed");
        }
        model.is_at(Revision(3));
        assert!(lost(&model, &store).await);
    }
}
