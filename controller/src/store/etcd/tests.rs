//! The suite over the real etcd, and what only etcd can do: members that die, tokens that expire, TLS.

use super::*;
use crate::store::{
    Change,
    suite::{self, Opened, eventually, put},
};
use harness::{peer::etcd::Etcd as Server, tls::Authority};
use service::config::ClientTls;

fn client(endpoints: Vec<String>) -> Etcd {
    let config = config::Store {
        kind: config::Kind::Etcd,
        endpoints,
        ..config::Store::default()
    };
    Etcd::open(&config).expect("no certificates are needed")
}

async fn open() -> Opened<Etcd, Server> {
    let server = Server::start().await.expect("etcd runs");
    let store = client(server.endpoints());
    Opened {
        store,
        keep: server,
    }
}

suite::run!(open);

/// The next change that is no error; errors are what an outage looks like.
async fn next(watch: &mut Box<dyn Watch>) -> Change {
    eventually(async || watch.next().await.ok()).await
}

async fn committed(store: &Etcd, key: &str) {
    eventually(async || store.commit(put(key, "x")).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_with_different_prefixes_do_not_see_each_other() {
    let server = Server::start().await.expect("etcd runs");
    let cluster = |prefix: &str| {
        let config = config::Store {
            endpoints: server.endpoints(),
            prefix: prefix.to_owned(),
            ..config::Store::default()
        };
        Etcd::open(&config).expect("no certificates are needed")
    };
    let (one, other) = (cluster("one/"), cluster("other/"));
    let mut watch = other.watch("").await.expect("a watch");
    assert!(matches!(next(&mut watch).await, Change::Init(_)));
    committed(&one, "a").await;
    committed(&other, "b").await;
    let Change::Apply(entry) = next(&mut watch).await else {
        panic!("only puts were done")
    };
    assert_eq!(entry.key, "b");
    assert_eq!(one.list("").await.expect("listed").entries.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_entries_than_a_page_are_listed_at_one_revision() {
    let Opened {
        store,
        keep: _server,
    } = open().await;
    let entries = ETCD_LIST_ENTRIES_MAX as usize * 2 + 1;
    let all: Vec<_> = (0..entries)
        .map(|n| suite::write(&format!("e/{n:05}"), "x"))
        .collect();
    for some in all.chunks(100) {
        let transaction = Transaction {
            expect: vec![],
            writes: some.to_vec(),
        };
        store.commit(transaction).await.expect("committed");
    }
    let listing = store.list("e/").await.expect("listed");
    assert_eq!(listing.entries.len(), entries);
    assert!(listing.entries.is_sorted_by_key(|entry| &entry.key));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_outlives_a_restart_of_etcd_and_leaves_nothing_out() {
    let Opened {
        store,
        keep: mut server,
    } = open().await;
    let mut watch = store.watch("").await.expect("a watch");
    let Change::Init(listing) = next(&mut watch).await else {
        panic!("the first is no init")
    };
    let mut revision = listing.revision;
    for round in 0..3 {
        server.members[0].process.restart().expect("restarted");
        for number in 0..3 {
            committed(&store, &format!("{round}/{number}")).await;
        }
        // What is committed twice is told twice, as two revisions.
        let last = store.list("").await.expect("listed").revision;
        while revision < last {
            let Change::Apply(entry) = next(&mut watch).await else {
                panic!("no init was needed")
            };
            assert_eq!(entry.revision, Revision(revision.0 + 1));
            revision = entry.revision;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_was_compacted_away_begins_anew() {
    let Opened {
        store,
        keep: mut server,
    } = open().await;
    let mut watch = store.watch("").await.expect("a watch");
    assert!(matches!(next(&mut watch).await, Change::Init(_)));
    let mut other = etcd_client::Client::connect(server.endpoints(), None)
        .await
        .expect("connected");
    // The watch does not listen while etcd restarts, and what it missed is compacted.
    server.members[0].process.restart().expect("restarted");
    for key in ["a", "b", "c"] {
        committed(&store, key).await;
    }
    let now = store.list("").await.expect("listed").revision;
    let now = i64::try_from(now.0).expect("small");
    other.compact(now, None).await.expect("compacted");
    let Change::Init(listing) = next(&mut watch).await else {
        panic!("what was compacted cannot be told")
    };
    assert_eq!(listing.entries.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_comes_back_empty_is_told_by_a_smaller_revision() {
    let Opened {
        store,
        keep: mut server,
    } = open().await;
    for key in ["a", "b", "c"] {
        committed(&store, key).await;
    }
    let mut watch = store.watch("").await.expect("a watch");
    let Change::Init(full) = next(&mut watch).await else {
        panic!("the first is no init")
    };
    server.empty().await.expect("empty");
    committed(&store, "d").await;
    let Change::Init(empty) = next(&mut watch).await else {
        panic!("another history needs an init")
    };
    assert!(empty.revision < full.revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_member_of_three_may_die_or_hang() {
    let mut server = Server::start_members(3).await.expect("etcd runs");
    let store = client(server.endpoints());
    let lease = store.grant(Duration::from_secs(60)).await.expect("granted");
    let mut watch = store.watch("").await.expect("a watch");
    assert!(matches!(next(&mut watch).await, Change::Init(_)));
    for member in 0..3 {
        let hangs = member == 1;
        match hangs {
            true => server.members[member].process.pause(),
            false => server.members[member].process.kill(),
        }
        let key = format!("k{member}");
        committed(&store, &key).await;
        eventually(async || store.renew(lease).await.ok()).await;
        while !matches!(next(&mut watch).await, Change::Apply(entry) if entry.key == key) {}
        match hangs {
            true => server.members[member].process.resume(),
            false => server.members[member].process.restart().expect("restarted"),
        }
        server.members[member]
            .healthy(Duration::from_secs(10))
            .await
            .expect("healthy again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_s_expired_token_is_renewed_and_a_wrong_password_is_said() {
    let mut server = Server::start().await.expect("etcd runs");
    server.require_password("hush").await.expect("required");
    let user = |password: &str| {
        let config = config::Store {
            endpoints: server.endpoints(),
            user: Some("root".into()),
            password: Some(crate::config::Token::new(password)),
            ..config::Store::default()
        };
        Etcd::open(&config).expect("no certificates are needed")
    };
    let refused = user("wrong")
        .list("")
        .await
        .expect_err("refused")
        .to_string();
    assert!(refused.contains("invalid user ID or password"), "{refused}");
    assert!(!refused.contains("wrong"), "{refused}");
    let nobody = client(server.endpoints())
        .list("")
        .await
        .expect_err("refused");
    assert!(
        nobody.to_string().contains("user name is empty"),
        "{nobody}"
    );

    let store = user("hush");
    let mut watch = store.watch("").await.expect("a watch");
    assert!(matches!(next(&mut watch).await, Change::Init(_)));
    committed(&store, "a").await;
    assert!(matches!(next(&mut watch).await, Change::Apply(_)));
    // Tokens live in a member's memory: a restart is what expiry looks like.
    server.members[0].process.restart().expect("restarted");
    committed(&store, "b").await;
    assert!(matches!(next(&mut watch).await, Change::Apply(entry) if entry.key == "b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tls_etcd_and_the_controller_know_each_other() {
    let server = Server::start_with_tls().await.expect("etcd runs");
    let open = |tls: ClientTls| {
        let config = config::Store {
            endpoints: server.endpoints(),
            tls,
            ..config::Store::default()
        };
        Etcd::open(&config).expect("the certificates are there")
    };
    let files = server.tls.as_ref().expect("it has TLS");
    let known = ClientTls {
        ca_file: Some(files.authority.certificate().to_owned()),
        cert_file: Some(files.own.certificate.clone()),
        key_file: Some(files.own.key.clone()),
    };
    committed(&open(known.clone()), "a").await;
    let unknown = ClientTls {
        cert_file: None,
        key_file: None,
        ..known.clone()
    };
    let refused = open(unknown)
        .list("")
        .await
        .expect_err("etcd wants a certificate");
    assert!(refused.to_string().contains("https://"), "{refused}");
    let stranger = Authority::new().expect("an authority");
    let stranger = ClientTls {
        ca_file: Some(stranger.certificate().to_owned()),
        ..known
    };
    let refused = open(stranger)
        .list("")
        .await
        .expect_err("not our authority");
    assert!(
        refused.to_string().to_lowercase().contains("certificate"),
        "{refused}"
    );
}
