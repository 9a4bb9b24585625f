//! What the embedded store acknowledged is there after its process was killed at any moment, and
//! a transaction is there whole or not at all.

use bytes::Bytes;
use controller::store::{Outcome, Revision, Store, Transaction, Write, embedded::Embedded};
use std::{
    io::{BufRead, BufReader},
    mem,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// Names the store's file to the process that writes until it is killed.
const WRITER: &str = "WEIR_TEST_STORE_WRITER";

/// Not a test of its own: the process that is killed. It says each revision that was acknowledged.
#[tokio::test]
async fn writes_until_it_is_killed() {
    let Some(file) = std::env::var_os(WRITER) else {
        return;
    };
    let store = Embedded::open(Path::new(&file)).expect("opened");
    loop {
        let number = store.list("").await.expect("listed").revision.0 + 1;
        let put = |key: &str| Write::Put {
            key: key.into(),
            value: Bytes::from(number.to_string()),
            lease: None,
        };
        let writes = vec![put("left"), put(&format!("only/{number}")), put("right")];
        let outcome = store
            .commit(Transaction {
                expect: vec![],
                writes,
            })
            .await;
        let Ok(Outcome::Committed(Revision(revision))) = outcome else {
            panic!("{outcome:?}")
        };
        eprintln!("acknowledged {revision}");
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("store.redb");
    let mut acknowledged = 0;
    for round in 0..10_u32 {
        let mut writer = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "writes_until_it_is_killed", "--nocapture"])
            .env(WRITER, &file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut said = BufReader::new(writer.stderr.take().expect("piped"));
        let mut killed = false;
        let mut line = String::new();
        while said.read_line(&mut line).expect("text") > 0 {
            // Without its end the line is what the kill has left of one.
            let whole = mem::take(&mut line);
            let number = whole.strip_prefix("acknowledged ");
            let Some(number) = number.and_then(|rest| rest.strip_suffix('\n')) else {
                continue;
            };
            acknowledged = number.parse::<u64>().expect("a number");
            if !killed && acknowledged > u64::from(round) * 3 {
                std::thread::sleep(Duration::from_micros(u64::from(round) * 700));
                writer.kill().expect("it runs");
                killed = true;
            }
        }
        writer.wait().expect("killed");
        assert!(killed);

        // With its own runtime, so that the store's task and file end with it.
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let listing = runtime.block_on(async {
            let store = Embedded::open(&file).expect("the file is sound");
            store.list("").await.expect("listed")
        });
        drop(runtime);
        let value = |key: &str| {
            let entry = listing.entries.iter().find(|entry| entry.key == key);
            entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
        };
        let revision = listing.revision.0;
        assert!(
            revision >= acknowledged,
            "{acknowledged} was acknowledged, {revision} is there"
        );
        assert_eq!(value("left"), Some(revision.to_string()));
        assert_eq!(value("left"), value("right"));
        assert_eq!(
            listing.entries.len() as u64,
            revision + 2,
            "every transaction is there once"
        );
    }
    assert!(acknowledged >= 10);
}
