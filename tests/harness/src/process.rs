//! A child process with its log: it can be killed, paused and started again, and dies with the test.
//!
//! Standard output and error go to one file, so that no pipe fills up and a paused or killed child
//! keeps what it said. The child leads a process group, and the group is killed on drop; should the
//! test process itself be killed, the kernel kills the child.

mod spawner;

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::wait::eventually;

/// How much of a log is shown with an error.
const LOG_LINES_SHOWN: usize = 60;

/// What to start and how, kept so that it can be started again.
#[derive(Debug, Clone)]
pub struct Invocation {
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(String, String)>,
}

impl Invocation {
    /// Runs `program`, found by `PATH` or at its place, without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().into(),
            arguments: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().into());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|each| each.as_ref().into()));
        self
    }

    /// Adds arguments as a shell would cut them at white space; there are no quotes.
    pub fn words(self, words: &str) -> Self {
        self.args(words.split_whitespace())
    }

    /// Sets a variable of the child's environment.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The program's name without folders: what logs and errors call it.
    fn name(&self) -> String {
        Path::new(&self.program)
            .file_name()
            .unwrap_or(&self.program)
            .to_string_lossy()
            .into_owned()
    }

    fn command(&self, folder: &Path, log: &File) -> io::Result<Command> {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            // A developer's own WEIR_… variables must not configure a program under test.
            if name.as_encoded_bytes().starts_with(b"WEIR_") {
                command.env_remove(name);
            }
        }
        command
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .process_group(0);
        Ok(command)
    }
}

/// A running child; killed with its process group on drop.
#[derive(Debug)]
pub struct Process {
    invocation: Invocation,
    child: Child,
    log: PathBuf,
    folder: Arc<TempDir>,
}

impl Process {
    /// Starts it in a temporary folder of its own.
    ///
    /// # Errors
    /// If it cannot be started; where it is not installed, the error says so.
    pub fn start(invocation: Invocation) -> Result<Self> {
        Self::start_in(scratch()?, invocation)
    }

    /// Starts it in `folder`, where its files and its log are, and which lives as long as it does.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn start_in(folder: Arc<TempDir>, invocation: Invocation) -> Result<Self> {
        let log = folder.path().join(format!("{}.log", invocation.name()));
        let child = spawn(&invocation, folder.path(), &log)?;
        Ok(Self {
            invocation,
            child,
            log,
            folder,
        })
    }

    /// Starts it again with the same arguments, folder and log, whether or not it still runs; one
    /// that does is killed first.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.child = spawn(&self.invocation, self.folder.path(), &self.log)?;
        Ok(())
    }

    /// Its process id; that of its group, too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder with its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that it has said so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Whether it runs; a paused one does.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Fails if it has ended, with what it said.
    ///
    /// # Errors
    /// If it does not run any more.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended by itself, {status}\n{}", self.name(), self.tail()),
        }
    }

    /// Sends a signal to the process alone, not to its children. One that has ended gets none.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            // It may end in this moment, and is then not there to be told; we have not reaped it,
            // so its number is nobody else's.
            let _ = kill_process(self.as_pid(), signal);
        }
    }

    /// `kill -9` of the whole process group, and waits for the end; harmless if it has ended.
    pub fn kill(&mut self) {
        let _ = kill_process_group(self.as_pid(), Signal::KILL);
        let _ = self.child.wait();
    }

    /// SIGSTOP: the process stands still with all its connections open.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: a paused process goes on.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM: asks it to end.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// SIGINT, as by Ctrl-C.
    pub fn interrupt(&mut self) {
        self.signal(Signal::INT);
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it has not ended within that time.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        let name = self.name();
        let ended = eventually(within, async || {
            self.child
                .try_wait()?
                .with_context(|| format!("{name} still runs"))
        });
        match ended.await {
            Ok(status) => Ok(status),
            Err(error) => Err(error.context(self.tail())),
        }
    }

    /// Waits for its end and wants it to be a success.
    ///
    /// # Errors
    /// If it has not ended within that time, or not with success.
    pub async fn succeeded(&mut self, within: Duration) -> Result<()> {
        let status = self.ended(within).await?;
        if !status.success() {
            bail!("{} failed, {status}\n{}", self.name(), self.tail());
        }
        Ok(())
    }

    /// The end of its log, for an error's reader.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
        format!(
            "--- {} ({}):\n{}",
            self.name(),
            self.pid(),
            shown.join("\n")
        )
    }

    fn name(&self) -> String {
        self.invocation.name()
    }

    fn as_pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            #[expect(
                clippy::print_stderr,
                reason = "the test's reader wants it among the test's own output"
            )]
            {
                eprintln!("{}", self.tail());
            }
        }
    }
}

/// A new temporary folder that several processes may share.
///
/// Others may look into it, because some players refuse to run as root and are run as nobody.
///
/// # Errors
/// If it cannot be made.
pub fn scratch() -> Result<Arc<TempDir>> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new()
        .prefix("weir-test-")
        .tempdir()
        .context("a temporary folder")?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777))?;
    Ok(Arc::new(folder))
}

fn spawn(invocation: &Invocation, folder: &Path, log: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    spawner::spawn(invocation.command(folder, &log)?).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!(
            "{} is not installed on this machine; tests/run installs what the tests need",
            invocation.program.display()
        ),
        _ => anyhow::Error::new(error).context(format!(
            "{} cannot be started",
            invocation.program.display()
        )),
    })
}

#[cfg(test)]
mod tests;
