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
    store::{Entry, Listing, Store, keys},
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
fn known(inventory: &Inventory, entry: &Entry) -> Option<(crate::store::Revision, bool)> {
    inventory.known_as(&keys::read(entry).ok()?)
}

/// Waits until every answer from before has arrived, then finds out whether the store has lost its
/// history.
pub async fn is_lost(model: &Model, store: &dyn Store) -> bool {
    loop {
        tokio::time::sleep(HISTORY_ASKED_AFTER).await;
        let known = model.read(Inventory::known_up_to).max(model.revision());
        match store.list(keys::ALL).await {
            Ok(listing) if listing.revision < known => return true,
            Ok(listing) => {
                let told = model.revision();
                return model.read(|inventory| {
                    contradicts(inventory, &listing)
                        || told >= listing.revision && lacks(inventory, &listing)
                });
            }
            // The watch says that the store is away.
            Err(error) => tracing::debug!(%error, "the store's history is looked at later"),
        }
    }
}

/// Whether a listing lacks a stream that is known from before it, though all that was deleted by then
/// has been told.
fn lacks(inventory: &Inventory, listing: &Listing) -> bool {
    let there: HashSet<&str> = listing.entries.iter().map(|it| it.key.as_str()).collect();
    inventory.streams_known_at().any(|(path, known)| {
        known <= listing.revision && !there.contains(keys::stream(path).as_str())
    })
}
