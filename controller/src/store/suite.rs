//! What every store must do, whichever it is: `run!` makes the tests of one implementation.

use super::{Change, Entry, Expect, Outcome, Revision, Store, Transaction, Watch, Write};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// A fresh store, and what it lives in.
pub(super) struct Opened<S, K> {
    pub(super) store: S,
    pub(super) keep: K,
}

/// The revision of the `number`th change of a fresh store, whose first revision need not be 0.
async fn nth(store: &dyn Store, number: u64) -> Revision {
    Revision(store.list("").await.expect("listed").revision.0 + number)
}

pub(super) fn put(key: &str, value: &str) -> Transaction {
    Transaction {
        expect: vec![],
        writes: vec![write(key, value)],
    }
}

pub(super) fn write(key: &str, value: &str) -> Write {
    Write::Put {
        key: key.into(),
        value: Bytes::copy_from_slice(value.as_bytes()),
        lease: None,
    }
}

/// Tries again until it succeeds; gives up after ten seconds.
pub(super) async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let tries = async {
        loop {
            if let Some(found) = attempt().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), tries)
        .await
        .expect("within ten seconds")
}

async fn keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    let listing = store.list(prefix).await.expect("listed");
    listing.entries.into_iter().map(|entry| entry.key).collect()
}

async fn next(watch: &mut Box<dyn Watch>) -> Change {
    let change = tokio::time::timeout(Duration::from_secs(10), watch.next());
    change
        .await
        .expect("a change within ten seconds")
        .expect("a change")
}

pub(super) async fn revisions_rise_by_one(store: &dyn Store) {
    let fifth = nth(store, 5).await;
    for _ in 1..=5 {
        let wanted = nth(store, 1).await;
        let outcome = store.commit(put("a", "x")).await.expect("committed");
        assert_eq!(outcome, Outcome::Committed(wanted));
    }
    let listing = store.list("").await.expect("listed");
    assert_eq!(listing.revision, fifth);
    assert_eq!(listing.entries[0].revision, fifth);
}

pub(super) async fn a_prefix_lists_what_begins_with_it(store: &dyn Store) {
    for key in ["a/2", "a/1", "b/1", "a", "ab"] {
        store.commit(put(key, key)).await.expect("committed");
    }
    assert_eq!(keys(store, "a/").await, ["a/1", "a/2"]);
    assert_eq!(keys(store, "").await.len(), 5);
    assert_eq!(keys(store, "c").await.len(), 0);
}

pub(super) async fn a_transaction_is_all_or_nothing(store: &dyn Store) {
    let (first, second) = (nth(store, 1).await, nth(store, 2).await);
    store.commit(put("a", "1")).await.expect("committed");
    let stale = Transaction {
        expect: vec![
            Expect::Absent("b".into()),
            Expect::Unchanged("a".into(), Revision(first.0 + 8)),
        ],
        writes: vec![write("b", "1"), Write::Delete("a".into())],
    };
    assert_eq!(
        store.commit(stale).await.expect("answered"),
        Outcome::Conflict
    );
    assert_eq!(keys(store, "").await, ["a"]);

    let good = Transaction {
        expect: vec![
            Expect::Absent("b".into()),
            Expect::Unchanged("a".into(), first),
        ],
        writes: vec![write("b", "1"), Write::Delete("a".into())],
    };
    assert_eq!(
        store.commit(good).await.expect("answered"),
        Outcome::Committed(second)
    );
    assert_eq!(keys(store, "").await, ["b"]);
}

pub(super) async fn what_an_entry_is_counts_its_value_too(store: &dyn Store) {
    let Outcome::Committed(revision) = store.commit(put("a", "1")).await.expect("committed") else {
        panic!("nothing was expected")
    };
    let if_is = |revision: Revision, value: &'static str| Transaction {
        expect: vec![Expect::Is("a".into(), revision, value.into())],
        writes: vec![write("b", value)],
    };
    // Another revision, another value, and both; last what is there.
    let later = Revision(revision.0 + 1);
    for (revision, value) in [(later, "1"), (revision, "2"), (later, "2")] {
        let outcome = store.commit(if_is(revision, value)).await;
        assert_eq!(outcome.expect("answered"), Outcome::Conflict, "{value}");
    }
    let outcome = store.commit(if_is(revision, "1")).await;
    assert_eq!(outcome.expect("answered"), Outcome::Committed(later));
    assert_eq!(keys(store, "").await, ["a", "b"]);
}

pub(super) async fn of_two_who_expect_the_same_one_wins(store: Arc<dyn Store>) {
    let claim = |value: &str| Transaction {
        expect: vec![Expect::Absent("owner".into())],
        writes: vec![write("owner", value)],
    };
    let claims: Vec<_> = (0..8)
        .map(|number| {
            let (store, claim) = (Arc::clone(&store), claim(&number.to_string()));
            tokio::spawn(async move { store.commit(claim).await.expect("answered") })
        })
        .collect();
    let mut won = 0;
    for claim in claims {
        won += u32::from(claim.await.expect("no panic") != Outcome::Conflict);
    }
    assert_eq!(won, 1);
}

pub(super) async fn a_watch_tells_what_is_there_and_then_each_change_in_order(store: &dyn Store) {
    let start = nth(store, 0).await;
    store.commit(put("w/a", "1")).await.expect("committed");
    store.commit(put("x", "1")).await.expect("committed");
    let mut watch = store.watch("w/").await.expect("a watch");
    let Change::Init(listing) = next(&mut watch).await else {
        panic!("the first is no init")
    };
    assert_eq!(
        (listing.revision, listing.entries.len()),
        (Revision(start.0 + 2), 1)
    );

    store.commit(put("x", "2")).await.expect("committed");
    let both = Transaction {
        expect: vec![],
        writes: vec![write("w/b", "2"), Write::Delete("w/a".into())],
    };
    store.commit(both).await.expect("committed");
    store.commit(put("w/b", "3")).await.expect("committed");
    let entry = |value: &'static str, number| Entry {
        key: "w/b".into(),
        value: Bytes::from_static(value.as_bytes()),
        revision: Revision(start.0 + number),
        lease: None,
    };
    assert_eq!(next(&mut watch).await, Change::Apply(entry("2", 4)));
    assert_eq!(
        next(&mut watch).await,
        Change::Delete {
            key: "w/a".into(),
            revision: Revision(start.0 + 4)
        }
    );
    assert_eq!(next(&mut watch).await, Change::Apply(entry("3", 5)));
}

pub(super) async fn no_change_is_told_twice_or_left_out(store: Arc<dyn Store>) {
    let last = nth(&*store, 50).await;
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for number in 0..50_u32 {
            writer
                .commit(put("n", &number.to_string()))
                .await
                .expect("committed");
        }
    });
    let mut watch = store.watch("").await.expect("a watch");
    let Change::Init(listing) = next(&mut watch).await else {
        panic!("the first is no init")
    };
    let mut revision = listing.revision;
    while revision < last {
        let Change::Apply(entry) = next(&mut watch).await else {
            panic!("only puts were done")
        };
        assert_eq!(entry.revision, Revision(revision.0 + 1));
        revision = entry.revision;
    }
    writing.await.expect("no panic");
}

pub(super) async fn an_entry_goes_with_its_lease(store: &dyn Store) {
    let fourth = nth(store, 4).await;
    let lease = store
        .grant(Duration::from_millis(300))
        .await
        .expect("granted");
    let held = |key: &str| Transaction {
        expect: vec![],
        writes: vec![Write::Put {
            key: key.into(),
            value: Bytes::new(),
            lease: Some(lease),
        }],
    };
    store.commit(held("l/a")).await.expect("committed");
    store.commit(held("l/b")).await.expect("committed");
    store.commit(put("l/free", "")).await.expect("committed");
    let mut watch = store.watch("l/").await.expect("a watch");
    next(&mut watch).await;
    let gone = [next(&mut watch).await, next(&mut watch).await];
    let deleted = |key: &str| Change::Delete {
        key: key.into(),
        revision: fourth,
    };
    assert_eq!(gone, [deleted("l/a"), deleted("l/b")]);
    assert_eq!(keys(store, "l/").await, ["l/free"]);
    assert!(store.renew(lease).await.is_err());
    assert!(
        store.commit(held("l/c")).await.is_err(),
        "an ended lease holds nothing"
    );
}

pub(super) async fn a_renewed_lease_lives_on_and_a_revoked_one_ends_at_once(store: &dyn Store) {
    let lease = store.grant(Duration::from_secs(2)).await.expect("granted");
    let held = Transaction {
        expect: vec![],
        writes: vec![Write::Put {
            key: "a".into(),
            value: Bytes::new(),
            lease: Some(lease),
        }],
    };
    store.commit(held).await.expect("committed");
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        store.renew(lease).await.expect("renewed");
    }
    assert_eq!(keys(store, "").await, ["a"]);
    store.revoke(lease).await.expect("revoked");
    assert_eq!(keys(store, "").await.len(), 0);
}

/// Makes a test of each promise; `$open` gives a fresh store.
macro_rules! run {
    ($open:ident) => {
        mod suite_tests {
            use std::sync::Arc;

            macro_rules! promise {
                ($name:ident) => {
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $name() {
                        let opened = super::$open().await;
                        crate::store::suite::$name(&opened.store).await;
                    }
                };
                ($name:ident, shared) => {
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $name() {
                        let opened = super::$open().await;
                        crate::store::suite::$name(Arc::new(opened.store)).await;
                    }
                };
            }

            promise!(revisions_rise_by_one);
            promise!(a_prefix_lists_what_begins_with_it);
            promise!(a_transaction_is_all_or_nothing);
            promise!(what_an_entry_is_counts_its_value_too);
            promise!(of_two_who_expect_the_same_one_wins, shared);
            promise!(a_watch_tells_what_is_there_and_then_each_change_in_order);
            promise!(no_change_is_told_twice_or_left_out, shared);
            promise!(an_entry_goes_with_its_lease);
            promise!(a_renewed_lease_lives_on_and_a_revoked_one_ends_at_once);
        }
    };
}
pub(super) use run;
