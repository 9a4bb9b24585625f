//! A whole process: probes, scrapes, signals and exit codes, on the program `examples/idle.rs`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A running `idle`; killed with the test.
struct Idle {
    child: Child,
    address: SocketAddr,
}

fn idle() -> Command {
    let test = std::env::current_exe().expect("this test's path");
    let target = test
        .ancestors()
        .nth(2)
        .expect("target/<profile>/deps/<test>");
    let program: PathBuf = target.join("examples/idle");
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

impl Idle {
    /// Starts it with `variables`, and waits until its log says where it listens.
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = idle();
        command.envs(variables.iter().copied());
        Self::start_by(command)
    }

    fn start_by(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        let mut child = command.spawn().expect("idle starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = log.lines();
        let address = lines
            .by_ref()
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line.ok()?).expect("a JSON line");
                line.get("address")?.as_str()?.parse().ok()
            })
            .expect("the log names the admin port");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Status and body of `GET path`; `None` once the port is closed.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut socket = TcpStream::connect(self.address).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: idle\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a pid");
        kill_process(pid, signal).expect("it takes signals");
    }

    /// Waits until `/readyz` answers `status`, and gives its body.
    fn ready(&self, status: u16) -> Value {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match self.get("/readyz") {
                Some((got, body)) if got == status => {
                    return serde_json::from_str(&body).expect("JSON");
                }
                other => assert!(
                    Instant::now() < deadline,
                    "waited for {status}, got {other:?}"
                ),
            }
        }
    }

    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match self.child.try_wait().expect("waitable") {
                Some(status) => return status.code(),
                None => assert!(Instant::now() < deadline, "it does not end"),
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_process_takes_as_many_descriptors_as_it_may() {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -Sn 100 && exec \"$0\""])
        .arg(idle().get_program())
        .stdin(Stdio::null());
    let idle = Idle::start_by(shell);
    let limits =
        std::fs::read_to_string(format!("/proc/{}/limits", idle.child.id())).expect("Linux tells");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .expect("there is one");
    let [soft, hard] = [3, 4].map(|word| line.split_whitespace().nth(word).expect("a number"));
    let raised = 1 << 20;
    assert!(soft == hard || soft.parse() == Ok(raised), "{line}");
}

#[test]
fn it_is_ready_when_its_conditions_hold_and_not_while_it_drains() {
    let idle = Idle::start(&[]);
    assert_eq!(idle.get("/livez"), Some((200, "ok\n".into())));
    let waits = serde_json::json!([{ "condition": "asked to be ready", "reason": "starting" }]);
    assert_eq!(idle.ready(503)["reasons"], waits);
    assert_eq!(idle.get("/be-ready"), Some((200, "it is".into())));
    assert_eq!(idle.ready(200)["ready"], true);
    idle.signal(Signal::TERM);
    let drains = serde_json::json!([{ "condition": "draining", "reason": "SIGTERM" }]);
    assert_eq!(idle.ready(503)["reasons"], drains);
    assert_eq!(idle.get("/livez"), Some((200, "ok\n".into())));
}

#[test]
fn a_second_signal_ends_a_drain_and_an_echo_of_the_first_does_not() {
    let mut idle = Idle::start(&[]);
    let start = Instant::now();
    idle.signal(Signal::TERM);
    idle.ready(503);
    idle.signal(Signal::INT);
    while idle.child.try_wait().expect("waitable").is_none() {
        idle.signal(Signal::TERM);
        std::thread::yield_now();
    }
    assert_eq!(idle.exit_code(), Some(0));
    assert!(start.elapsed() >= service::limits::SAME_SIGNAL_WITHIN);
}

#[test]
fn a_drain_ends_at_its_deadline_without_a_second_signal() {
    let mut idle = Idle::start(&[("WEIR_DRAIN", "50ms")]);
    idle.signal(Signal::INT);
    assert_eq!(idle.exit_code(), Some(0));
}

#[test]
fn a_program_that_hangs_is_abandoned_and_says_so() {
    let mut idle = Idle::start(&[("WEIR_DRAIN", "0s"), ("WEIR_HANG", "true")]);
    idle.signal(Signal::TERM);
    assert_eq!(idle.exit_code(), Some(1));
}

#[test]
fn every_metric_has_its_help_and_the_build_is_told() {
    let idle = Idle::start(&[]);
    let (status, text) = idle.get("/metrics").expect("an answer");
    assert_eq!(
        (status, service::metrics::without_help(&text)),
        (200, vec![])
    );
    for sample in [
        "weir_build_info{",
        "role=\"example\"",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(sample), "{sample} in\n{text}");
    }
    let (status, body) = idle.get("/version").expect("an answer");
    let version: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (status, version["version"].as_str()),
        (200, Some(env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn a_bad_config_or_a_taken_port_is_told_by_the_exit_code() {
    let taken = Idle::start(&[]);
    let taken = taken.address.to_string();
    let check = ["--check"].as_slice();
    for (args, variables, code, told) in [
        (check, vec![], 0, "the config is good"),
        (
            check,
            vec![("WEIR_DRAIN", "soon")],
            2,
            "WEIR_DRAIN: drain: \"soon\" is no time",
        ),
        (
            &["--config", "none.yaml"],
            vec![],
            2,
            "cannot read the config none.yaml",
        ),
        (&["--print-example"], vec![], 0, "drain: 25s"),
        (&["--print-schema"], vec![], 0, "\"$schema\""),
        (
            &["--print-reference"],
            vec![],
            0,
            "| `admin.listen` | ip:port |",
        ),
        (&["--version"], vec![], 0, env!("CARGO_PKG_VERSION")),
        (&["--no-such"], vec![], 2, "--no-such"),
        (
            &[],
            vec![("WEIR_ADMIN__LISTEN", taken.as_str())],
            1,
            "the admin port cannot listen at",
        ),
    ] {
        let output = idle()
            .args(args)
            .envs(variables)
            .output()
            .expect("idle runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(told), "{told} in\n{text}");
    }
}
