//! The driver `command`: runs a program of the operator's for each restart, such as
//! `systemctl restart weir-edge@{node}` or `ssh {host} …`.
//!
//! No shell is between us and it. It is killed, with all that it started, when it takes too long; of
//! what it prints the end is kept, for the log and for the event of a failure.

use super::config::Command;
use control::Identity;
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much of a program's output is kept: its last words, about ten lines.
const OUTPUT_BYTES_MAX: usize = 1024;

/// What is read of it at once.
const READ_BYTES: usize = 4096;

/// Runs it for one node. Success is an exit status of 0.
pub(super) async fn restart(config: &Command, node: &Identity) -> Result<String, String> {
    let mut argv = config.argv.iter().map(|argument| argument.fill(node));
    let program = argv.next().unwrap_or_default();
    let mut child = tokio::process::Command::new(&program)
        .args(argv)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // A program that leaves something running behind, with our pipe as its output, has still ended.
    let reading = async { tokio::join!(last_words(stdout), last_words(stderr)) };
    tokio::pin!(reading);
    let timeout = config.timeout.get();
    let mut words = None;
    let ended = tokio::time::timeout(timeout, async {
        loop {
            tokio::select! {
                status = child.wait() => return status,
                read = &mut reading, if words.is_none() => words = Some(read),
            }
        }
    })
    .await;
    if words.is_none() {
        let soon = std::time::Duration::from_millis(100);
        words = tokio::time::timeout(soon, reading).await.ok();
    }
    let (out, err) = words.unwrap_or_default();
    let said = [err.trim(), out.trim()].join(" ").trim().to_owned();
    match ended {
        Ok(Ok(status)) if status.success() => {
            tracing::info!(node = %node.node, program, said, "restart command ran");
            Ok(format!("{program} ran"))
        }
        Ok(Ok(status)) => Err(with(format!("{program}: {status}"), &said)),
        Ok(Err(error)) => Err(format!("{program} was lost: {error}")),
        Err(_) => {
            if let Some(pid) = pid {
                // It may have ended just now; then there is nobody to kill.
                let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            }
            let _ = child.wait().await;
            let late = format!(
                "{program} did not end within {:.1} s and was killed",
                timeout.as_secs_f64()
            );
            Err(with(late, &said))
        }
    }
}

fn with(what: String, said: &str) -> String {
    match said.is_empty() {
        true => what,
        false => format!("{what}: {said}"),
    }
}

/// The end of what is printed, in one line.
async fn last_words(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else {
        return String::new();
    };
    let (mut kept, mut chunk) = (Vec::new(), [0; READ_BYTES]);
    while let Ok(read @ 1..) = pipe.read(&mut chunk).await {
        kept.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let surplus = kept.len().saturating_sub(OUTPUT_BYTES_MAX);
        kept.drain(..surplus);
    }
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    String::from_utf8_lossy(&kept)
        .chars()
        .map(printable)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restart::template::{Template, tests::edge};
    use service::config::Duration;

    fn command(argv: &[&str], timeout: Duration) -> Command {
        let template = |text: &&str| Template::try_from((*text).to_owned()).expect("a template");
        Command {
            argv: argv.iter().map(template).collect(),
            timeout,
        }
    }

    async fn run(argv: &[&str]) -> Result<String, String> {
        let node = edge("edge-1", Some("10.0.0.7:9101".into()));
        restart(&command(argv, Duration::from_millis(500)), &node).await
    }

    #[tokio::test]
    async fn a_program_gets_the_node_s_words_as_they_are() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().display().to_string();
        let script = "printf '%s|' \"$@\" > \"$0\"";
        let argv = [
            "sh", "-c", script, &path, "{node}", "{host}", "{region}", "{zone}",
        ];
        run(&argv).await.expect("it ran");
        let got = std::fs::read_to_string(file.path()).expect("written");
        assert_eq!(got, "edge-1|10.0.0.7|eu; reboot|$(a)|");
    }

    #[tokio::test]
    async fn a_failure_says_what_the_program_said() {
        let failed = run(&["sh", "-c", "echo no unit {node} >&2; exit 5"]).await;
        assert_eq!(failed, Err("sh: exit status: 5: no unit edge-1".into()));
        let missing = run(&["/no/such/program"]).await.expect_err("missing");
        assert!(missing.contains("cannot be run"), "{missing}");
        let long = run(&["sh", "-c", "yes word | head -100000; exit 1"])
            .await
            .expect_err("fails");
        assert!(long.len() < 2 * OUTPUT_BYTES_MAX, "{}", long.len());
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_killed_with_its_children() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().display().to_string();
        let script = "sleep 100 & echo $! > \"$0\"; wait";
        let late = run(&["sh", "-c", script, &path]).await;
        assert_eq!(
            late,
            Err("sh did not end within 0.5 s and was killed".into())
        );
        let pid = std::fs::read_to_string(file.path()).expect("written");
        let stat = format!("/proc/{}/stat", pid.trim());
        for _ in 0..100 {
            // Gone, or dead and waiting for its new parent to notice.
            match std::fs::read_to_string(&stat) {
                Ok(stat) if !stat.contains(" Z ") => {}
                Ok(_) | Err(_) => return,
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("process {pid} lives");
    }

    #[tokio::test]
    async fn what_it_leaves_running_does_not_hold_us() {
        let began = std::time::Instant::now();
        run(&["sh", "-c", "sleep 3 & exit 0"])
            .await
            .expect("it ran");
        assert!(began.elapsed() < std::time::Duration::from_secs(2));
    }
}
