//! Tells the other controllers what our nodes say, through the store.
//!
//! What a stream is, where it began and ended and how a node is goes at once; numbers go now and
//! then. See ADR 0007 for why the store and not a connection between controllers.

use crate::{
    limits::{NUMBERS_INTERVAL, STORE_RETRY, WRITES_PER_TRANSACTION_MAX},
    metrics::POSTED,
    model::{Model, board::Post},
    program::now,
    reconcile,
    store::{Change, Expect, Lease, Outcome, Store, StoreError, Transaction, Write, keys},
};
use ::metrics::counter;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Posts until `cancel` says stop.
pub async fn run(model: Arc<Model>, store: Arc<dyn Store>, cancel: CancellationToken) {
    let mut numbers = tokio::time::interval(NUMBERS_INTERVAL);
    numbers.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _ = numbers.tick() => model.post_all(),
            () = model.unposted() => {}
        }
        while !cancel.is_cancelled() {
            let (posts, lease) = model.take_unposted(WRITES_PER_TRANSACTION_MAX);
            let Some(lease) = lease.filter(|_| !posts.is_empty()) else {
                break;
            };
            if let Err((error, posts)) = apply(&model, &*store, lease, posts).await {
                tracing::debug!(%error, posts = posts.len(), "nothing can be posted, trying again");
                model.unpost(posts);
                let _ = tokio::time::timeout(STORE_RETRY, cancel.cancelled()).await;
            }
        }
    }
}

/// Commits all posts at once, or, if one of them is refused, each alone.
async fn apply(
    model: &Model,
    store: &dyn Store,
    lease: Lease,
    posts: Vec<Post>,
) -> Result<(), (StoreError, Vec<Post>)> {
    match commit(model, store, lease, &posts).await {
        Ok(Outcome::Committed(_)) => return Ok(()),
        Ok(Outcome::Conflict) => {}
        Err(error) => return Err((error, posts)),
    }
    let mut left = posts.into_iter();
    while let Some(post) = left.next() {
        let done = match commit(model, store, lease, std::slice::from_ref(&post)).await {
            Ok(Outcome::Committed(_)) => Ok(()),
            Ok(Outcome::Conflict) => look(model, store, &post).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            let left = std::iter::once(post).chain(left).collect();
            return Err((error, left));
        }
    }
    Ok(())
}

async fn commit(
    model: &Model,
    store: &dyn Store,
    lease: Lease,
    posts: &[Post],
) -> Result<Outcome, StoreError> {
    let transaction = Transaction {
        expect: posts.iter().filter_map(expect).collect(),
        writes: posts.iter().map(|post| write(post, lease)).collect(),
    };
    let outcome = store.commit(transaction).await?;
    if let Outcome::Committed(revision) = outcome {
        counter!(POSTED).increment(posts.len() as u64);
        for post in posts {
            model.has_posted(post, lease, revision, now());
        }
    }
    Ok(outcome)
}

/// Somebody else has written it: learn what it is now, and see what there is to post then.
async fn look(model: &Model, store: &dyn Store, post: &Post) -> Result<(), StoreError> {
    let key = key(post);
    let listing = store.list(&key).await?;
    let found = listing.entries.into_iter().find(|entry| entry.key == key);
    let change = match found {
        Some(entry) => Change::Apply(entry),
        None => Change::Delete {
            key,
            revision: listing.revision,
        },
    };
    reconcile::learn(model, &change, now());
    if !matches!(post, Post::Orphan(_)) {
        model.unpost(vec![post.clone()]);
    }
    Ok(())
}

fn key(post: &Post) -> String {
    match post {
        Post::Identity(identity) | Post::Orphan(identity) => keys::node(&identity.node),
        Post::Node(node, ..) => keys::attended(node),
        Post::Site(node, path, ..) => keys::site(node, path),
        Post::Seen(path, ..) => keys::seen(path),
    }
}

fn expect(post: &Post) -> Option<Expect> {
    let before = match post {
        Post::Identity(_) => return None,
        // Whoever has put it there knows it better.
        Post::Orphan(_) => &None,
        Post::Node(_, _, before) | Post::Site(_, _, _, before) | Post::Seen(_, _, before) => before,
    };
    Some(match before {
        Some(revision) => Expect::Unchanged(key(post), *revision),
        None => Expect::Absent(key(post)),
    })
}

fn write(post: &Post, lease: Lease) -> Write {
    let value = match post {
        Post::Identity(identity) | Post::Orphan(identity) => {
            return Write::Put {
                key: key(post),
                value: keys::node_value(identity),
                lease: None,
            };
        }
        Post::Node(_, value, _) => value.as_ref().map(keys::attended_value),
        Post::Site(_, _, value, _) => value.as_ref().map(keys::site_value),
        Post::Seen(_, value, _) => value.map(keys::seen_value),
    };
    match value {
        Some(value) => Write::Put {
            key: key(post),
            value,
            lease: Some(lease),
        },
        None => Write::Delete(key(post)),
    }
}
