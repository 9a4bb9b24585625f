//! What a test may rely on when it starts a child.

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Process {
    Process::start(Invocation::new("sh").arg("-c").arg(script)).expect("there is a shell")
}

fn is_alive(pid: i32) -> bool {
    // A zombie has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[tokio::test]
async fn what_a_child_says_is_kept() {
    let mut child = shell("echo out; echo err >&2");
    child.succeeded(SOON).await.expect("it ends well");
    assert_eq!(child.log(), "out\nerr\n");
}

#[tokio::test]
async fn a_failure_shows_the_log() {
    let mut child = shell("echo no disk left; exit 3");
    let error = child
        .succeeded(SOON)
        .await
        .expect_err("it fails")
        .to_string();
    assert!(
        error.contains("exit status: 3") && error.contains("no disk left"),
        "{error}"
    );
}

#[tokio::test]
async fn dropping_kills_the_grandchildren_too() {
    let child = shell("sleep 1000 & echo $!; wait");
    let grandchild: i32 = eventually(SOON, async || Ok(child.log().trim().parse()?))
        .await
        .expect("it says its number");
    // It has no command line either while it becomes `sleep`.
    eventually(SOON, async || {
        anyhow::ensure!(is_alive(grandchild), "it has not begun");
        Ok(())
    })
    .await
    .expect("it begins");
    drop(child);
    eventually(SOON, async || {
        anyhow::ensure!(!is_alive(grandchild), "it lives");
        Ok(())
    })
    .await
    .expect("it is killed");
}

#[tokio::test]
async fn a_child_outlives_the_thread_that_asked_for_it() {
    let mut child = std::thread::spawn(|| shell("sleep 1000"))
        .join()
        .expect("no panic");
    let ended = child.ended(Duration::from_millis(200)).await;
    assert!(ended.is_err(), "it ended with the thread");
}

#[tokio::test]
async fn a_paused_child_stands_still_until_it_is_resumed() {
    let mut child = shell("while :; do echo tick; sleep 0.01; done");
    let log = child.log.clone();
    let grown = |than: usize| {
        let log = log.clone();
        async move || {
            anyhow::ensure!(
                std::fs::metadata(&log)?.len() > than as u64,
                "it says nothing"
            );
            Ok(())
        }
    };
    eventually(SOON, grown(0)).await.expect("it talks");
    child.pause();
    let state = format!("/proc/{}/stat", child.pid());
    eventually(SOON, async || {
        anyhow::ensure!(
            std::fs::read_to_string(&state)?.contains(") T "),
            "not stopped yet"
        );
        Ok(())
    })
    .await
    .expect("it stands still");
    let said = child.log().len();
    child.resume();
    eventually(SOON, grown(said)).await.expect("it goes on");
}

#[tokio::test]
async fn a_restarted_child_is_another_with_the_same_log() {
    let mut child = shell("echo up; exec sleep 1000");
    eventually(SOON, async || {
        anyhow::ensure!(!child.log().is_empty(), "it says nothing");
        Ok(())
    })
    .await
    .expect("it starts");
    let first = child.pid();
    child.restart().expect("it starts again");
    assert_ne!(child.pid(), first);
    eventually(SOON, async || {
        anyhow::ensure!(child.log() == "up\nup\n", "it says {:?}", child.log());
        Ok(())
    })
    .await
    .expect("it says so again");
}

#[test]
fn a_program_that_is_not_installed_is_named() {
    let error = Process::start(Invocation::new("no-such-encoder")).expect_err("there is none");
    assert!(
        error
            .to_string()
            .contains("no-such-encoder is not installed"),
        "{error:#}"
    );
}
