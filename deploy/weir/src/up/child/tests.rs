//! Keepers of small real programs: shells that sleep, die, and do not want to.

use super::*;
use std::fs;

const SOON: Duration = Duration::from_secs(10);

struct Kept {
    restart: Restart,
    life: watch::Receiver<Life>,
    stop: Stop,
    task: tokio::task::JoinHandle<()>,
    directory: tempfile::TempDir,
}

/// Keeps `sh -c script` running.
fn keep_script(script: &str, patience: Duration) -> Kept {
    let directory = tempfile::tempdir().expect("a directory");
    let console = Console::new(4);
    let log = console
        .program(directory.path(), "tiny", 0)
        .expect("a log file");
    let spec = Spec {
        name: "tiny".to_owned(),
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![
            ("WHO".into(), "weir".into()),
            ("PATH".into(), "/bin:/usr/bin".into()),
        ],
        patience,
    };
    let (sender, life) = watch::channel(Life::default());
    let stop = Stop::default();
    let (restart, restarts) = Restart::new();
    let task = tokio::spawn(keep(spec, log, console, sender, stop.clone(), restarts));
    Kept {
        restart,
        life,
        stop,
        task,
        directory,
    }
}

impl Kept {
    async fn until(&mut self, what: impl FnMut(&Life) -> bool) -> Life {
        let seen = time::timeout(SOON, self.life.wait_for(what))
            .await
            .expect("it happens soon");
        seen.expect("the keeper lives").clone()
    }

    async fn until_file_holds(&self, text: &str) -> String {
        let path = self.directory.path().join("tiny.log");
        for _ in 0..1000 {
            let content = fs::read_to_string(&path).unwrap_or_default();
            if content.contains(text) {
                return content;
            }
            time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{text:?} never appeared in {}", path.display());
    }

    async fn stop(self) {
        self.stop.ask();
        time::timeout(SOON, self.task)
            .await
            .expect("it ends soon")
            .expect("no panic");
    }
}

fn raw(pid: Option<u32>) -> Pid {
    pid.and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw)
        .expect("a process id")
}

/// Whether the process is running: a zombie is not.
fn runs(pid: Pid) -> bool {
    let stat =
        fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

#[tokio::test]
async fn a_killed_program_is_back_within_a_second() {
    let mut kept = keep_script("exec sleep 1000", SOON);
    let first = kept.until(|life| life.pid.is_some()).await;
    let killed = Instant::now();
    rustix::process::kill_process(raw(first.pid), Signal::KILL).expect("a living process");
    let second = kept.until(|life| life.starts == 2).await;
    assert!(
        killed.elapsed() < Duration::from_secs(1),
        "{:?}",
        killed.elapsed()
    );
    assert_ne!(first.pid, second.pid);
    assert_eq!(second.deaths_in_a_row, 1);
    kept.stop().await;
    assert!(!runs(raw(second.pid)));
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_when_asked_and_is_back() {
    let mut kept = keep_script("exec sleep 1000", SOON);
    let first = kept.until(|life| life.pid.is_some()).await;
    rustix::process::kill_process(raw(first.pid), Signal::STOP).expect("a living process");
    let done = kept.restart.now().await.expect("it runs");
    assert!(done.starts_with("process "), "{done}");
    let second = kept.until(|life| life.starts == 2).await;
    assert_ne!(first.pid, second.pid);
    kept.stop().await;
}

#[tokio::test]
async fn a_program_that_is_about_to_be_started_again_is_not_restarted() {
    let mut kept = keep_script("exit 3", SOON);
    kept.until(|life| life.deaths_in_a_row >= 4).await;
    let why = kept.restart.now().await.expect_err("it waits for a second");
    assert!(why.contains("being started again"), "{why}");
    kept.stop().await;
}

#[tokio::test]
async fn a_program_that_cannot_live_is_tried_again_and_its_deaths_are_counted() {
    let mut kept = keep_script("echo my last words, $WHO >&2; exit 3", SOON);
    let life = kept.until(|life| life.deaths_in_a_row == 3).await;
    assert_eq!(life.starts, 3);
    let log = kept.until_file_holds("my last words, weir\n").await;
    assert_eq!(log.matches("my last words").count(), 3, "{log}");
    kept.stop().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_does_not_end_its_keeper() {
    let mut kept = keep_script("exec /no/such/program", SOON);
    kept.until(|life| life.deaths_in_a_row == 2).await;
    kept.stop().await;
}

#[tokio::test]
async fn a_program_asked_to_stop_may_finish_its_work() {
    let mut kept = keep_script(
        "trap 'echo finished; exit 0' TERM; echo ready; while :; do sleep 0.01; done",
        SOON,
    );
    kept.until(|life| life.pid.is_some()).await;
    kept.until_file_holds("ready").await;
    let path = kept.directory.path().join("tiny.log");
    let directory = tempfile::tempdir().expect("a directory");
    let copy = directory.path().join("log");
    fs::hard_link(&path, &copy).expect("the same file system");
    kept.stop().await;
    assert!(
        fs::read_to_string(copy)
            .expect("the log")
            .contains("finished")
    );
}

#[tokio::test]
async fn a_program_that_will_not_stop_is_killed_with_its_children() {
    let mut kept = keep_script(
        "trap '' TERM; sleep 1000 & echo child $!; wait",
        Duration::from_millis(100),
    );
    let life = kept.until(|life| life.pid.is_some()).await;
    let log = kept.until_file_holds("child ").await;
    let grandchild: i32 = log
        .trim_start_matches("child ")
        .trim()
        .parse()
        .expect("its pid");
    let grandchild = Pid::from_raw(grandchild).expect("its pid");
    assert!(runs(grandchild));
    kept.stop().await;
    assert!(!runs(raw(life.pid)));
    for _ in 0..1000 {
        if !runs(grandchild) {
            return;
        }
        time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the grandchild survived");
}

#[tokio::test]
async fn whoever_is_in_a_hurry_waits_for_nothing() {
    let mut kept = keep_script(
        "trap '' TERM; echo ready; while :; do sleep 1000; done",
        SOON * 100,
    );
    let life = kept.until(|life| life.pid.is_some()).await;
    kept.until_file_holds("ready").await;
    kept.stop.now();
    let pid = raw(life.pid);
    kept.stop().await;
    assert!(!runs(pid));
}

#[test]
fn children_die_with_the_thread_that_started_them_however_it_ends() {
    let pid = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let spec = Spec {
                name: "tiny".to_owned(),
                program: "/bin/sleep".into(),
                arguments: vec!["1000".into()],
                environment: Vec::new(),
                patience: SOON,
            };
            let child = command(&spec).spawn().expect("a child");
            let pid = raw(child.id());
            std::mem::forget(child); // so that nothing of ours kills it
            pid
        })
    });
    let pid = pid.join().expect("no panic");
    let deadline = Instant::now() + SOON;
    while runs(pid) {
        assert!(Instant::now() < deadline, "the child outlived its parent");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_death_is_told_as_weir_s_own_line() {
    let ending = Ending::Died(ExitStatus::from_raw(9));
    let (age, wait) = (Duration::from_millis(1500), Duration::from_millis(250));
    assert_eq!(
        obituary("edge-1", &ending, age, wait),
        "weir: edge-1 was killed by SIGKILL after 1.5 s; it is started again in 0.25 s"
    );
}
