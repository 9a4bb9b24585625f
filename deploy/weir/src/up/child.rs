//! One program of the cluster as a child process: started, watched, started again, ended.
//!
//! A child runs in a process group of its own, so that Ctrl-C in the terminal reaches only us and we
//! end the cluster in order. It dies with us, however we die: the kernel kills it when the thread that
//! started it ends (`PR_SET_PDEATHSIG`), so children are started from the main thread alone, on a
//! current-thread runtime. A child that dies is started again, sooner or later, for ever; only the one
//! who starts a cluster may decide that it will not do (see [`Life::deaths_in_a_row`]).

use super::{
    backoff::Backoff,
    console::{Console, Log},
};
use rustix::process::{Pid, Signal};
use std::{
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tokio::{
    process::{Child, Command},
    sync::{mpsc, oneshot, watch},
    time,
};
use tokio_util::sync::CancellationToken;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// `edge-1`.
    pub(crate) name: String,
    /// The executable.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Its whole environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// How long it may finish what runs after SIGTERM, before it is told to stop at once, and as
    /// long again before it is killed.
    pub(crate) patience: Duration,
}

/// Our environment, for a child: without the variables that would change its config, which is ours to
/// write. What it logs stays the operator's choice (`WEIR_LOG__LEVEL=debug weir up`).
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    let passes = |name: &OsString| {
        let name = name.to_string_lossy();
        !name.starts_with("WEIR_") || name.starts_with("WEIR_LOG_")
    };
    std::env::vars_os()
        .filter(|(name, _)| passes(name))
        .collect()
}

/// Asks the keepers of some programs to end them; every clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    asked: CancellationToken,
    now: CancellationToken,
}

impl Stop {
    /// End, and finish what can be finished in time.
    pub(crate) fn ask(&self) {
        self.asked.cancel();
    }

    /// End at once.
    pub(crate) fn now(&self) {
        self.asked.cancel();
        self.now.cancel();
    }
}

/// Asks the keeper of one program to end it as it is, so that it is started again.
#[derive(Debug, Clone)]
pub(crate) struct Restart(mpsc::Sender<Answer>);

/// What a keeper hears of it.
#[derive(Debug)]
pub(crate) struct Restarts(mpsc::Receiver<Answer>);

type Answer = oneshot::Sender<Result<String, String>>;

impl Restart {
    /// One, and its other end for the keeper.
    pub(crate) fn new() -> (Self, Restarts) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Restarts(receiver))
    }

    /// Kills the program with all that it started; what was done, for people.
    ///
    /// # Errors
    /// If it does not run now, for people.
    pub(crate) async fn now(&self) -> Result<String, String> {
        let ended = || "its keeper has ended".to_owned();
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

/// What is known of a child from outside; a watch channel holds the newest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// The running process, if there is one.
    pub(crate) pid: Option<u32>,
    /// How often it has been started.
    pub(crate) starts: u32,
    /// How often it has died without a long life in between.
    pub(crate) deaths_in_a_row: u32,
}

/// Keeps one program running until `stop`, then ends it. Returns when no process is left.
pub(crate) async fn keep(
    spec: Spec,
    log: Log,
    console: Console,
    life: watch::Sender<Life>,
    stop: Stop,
    mut restarts: Restarts,
) {
    let mut backoff = Backoff::default();
    while !stop.asked.is_cancelled() {
        let started = Instant::now();
        let ending = live_once(&spec, &log, &life, &stop, &mut restarts).await;
        if let Ending::Stopped = ending {
            return;
        }
        let wait = backoff.after(started.elapsed());
        life.send_modify(|life| {
            life.pid = None;
            life.deaths_in_a_row = backoff.deaths_in_a_row();
        });
        console.announce(&obituary(&spec.name, &ending, started.elapsed(), wait));
        let waiting = async {
            // Nobody else holds the other end's last handle before we end.
            while let Some(answer) = restarts.0.recv().await {
                // Whoever asked may be gone.
                let _ = answer.send(Err("it does not run, and is being started again".into()));
            }
            std::future::pending::<()>().await
        };
        tokio::select! {
            () = waiting => {}
            () = time::sleep(wait) => {}
            () = stop.asked.cancelled() => {}
        }
    }
}

/// What the operator reads of a death.
fn obituary(name: &str, ending: &Ending, age: Duration, wait: Duration) -> String {
    let again = match wait.is_zero() {
        true => "at once".to_owned(),
        false => format!("in {:.2} s", wait.as_secs_f64()),
    };
    let seconds = age.as_secs_f64();
    format!("weir: {name} {ending} after {seconds:.1} s; it is started again {again}")
}

/// How one life of a child ended.
enum Ending {
    /// By itself, or by somebody else's hand.
    Died(ExitStatus),
    /// It never lived.
    NotStarted(io::Error),
    /// By ours, because it was asked for.
    Killed,
    /// By ours, for good.
    Stopped,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Died(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => write!(f, "was killed by {}", signal_name(signal)),
                (None, Some(code)) => write!(f, "exited with status {code}"),
                (None, None) => write!(f, "ended ({status})"),
            },
            Self::NotStarted(error) => write!(f, "could not be started ({error})"),
            Self::Killed => write!(f, "was killed to be restarted"),
            Self::Stopped => write!(f, "was stopped"),
        }
    }
}

async fn live_once(
    spec: &Spec,
    log: &Log,
    life: &watch::Sender<Life>,
    stop: &Stop,
    restarts: &mut Restarts,
) -> Ending {
    let mut child = match command(spec).spawn() {
        Ok(child) => child,
        Err(error) => return Ending::NotStarted(error),
    };
    let pipes = [
        child
            .stdout
            .take()
            .map(|pipe| tokio::spawn(log.clone().follow(pipe))),
        child
            .stderr
            .take()
            .map(|pipe| tokio::spawn(log.clone().follow(pipe))),
    ];
    life.send_modify(|life| {
        life.pid = child.id();
        life.starts = life.starts.saturating_add(1);
    });
    let ending = tokio::select! {
        status = child.wait() => status.map_or_else(Ending::NotStarted, Ending::Died),
        () = stop.asked.cancelled() => {
            end(&mut child, spec.patience, &stop.now).await;
            Ending::Stopped
        }
        Some(answer) = restarts.0.recv() => {
            let pid = child.id().unwrap_or_default();
            kill(&mut child).await;
            // Whoever asked may be gone.
            let _ = answer.send(Ok(format!("process {pid} was killed")));
            Ending::Killed
        }
    };
    // Its last words are in the pipes; a grandchild that holds them open must not hold us.
    for pipe in pipes.into_iter().flatten() {
        let _ = time::timeout(Duration::from_millis(200), pipe).await;
    }
    ending
}

/// SIGTERM, after a while SIGTERM again (our programs then drop what still runs), at last SIGKILL to
/// all of its group.
async fn end(child: &mut Child, patience: Duration, now: &CancellationToken) {
    let Some(pid) = pid(child) else { return };
    for _ in 0..2 {
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        tokio::select! {
            _ = child.wait() => return,
            () = time::sleep(patience) => {}
            () = now.cancelled() => break,
        }
    }
    kill(child).await;
}

/// SIGKILL to all of its group, which even a stopped process obeys.
async fn kill(child: &mut Child) {
    if let Some(pid) = pid(child) {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        let _ = child.wait().await;
    }
}

fn pid(child: &Child) -> Option<Pid> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    id.and_then(Pid::from_raw)
}

fn command(spec: &Spec) -> Command {
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.arguments)
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    die_with_us(&mut command);
    command
}

/// Has the kernel kill the child when we are gone, even by SIGKILL.
#[cfg(target_os = "linux")]
fn die_with_us(command: &mut Command) {
    let us = rustix::process::getpid();
    let in_the_child = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // We may have died between the fork and the line above: then nobody would ever tell it.
        match rustix::process::getppid() == Some(us) {
            true => Ok(()),
            false => Err(rustix::io::Errno::SRCH.into()),
        }
    };
    // SAFETY: between fork and exec the closure makes two system calls; it allocates and locks nothing.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(in_the_child);
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_command: &mut Command) {}

fn signal_name(number: i32) -> String {
    let name = Signal::from_named_raw(number).map(|signal| match signal {
        Signal::KILL => "SIGKILL",
        Signal::TERM => "SIGTERM",
        Signal::INT => "SIGINT",
        Signal::ABORT => "SIGABRT",
        Signal::SEGV => "SIGSEGV",
        Signal::BUS => "SIGBUS",
        _ => "",
    });
    match name {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests;
