//! What the cluster says: weir's own lines, and every program's log lines under its name.
//!
//! Each program's lines also go to its file in the state directory, which never grows past
//! [`FILE_BYTES_MAX`] (the one before is kept as `NAME.log.1`). A program that writes without line ends
//! is cut at [`LINE_BYTES_MAX`]: it can fill neither our memory nor one line of the screen for ever.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// The longest log line kept whole: a stack trace in JSON fits.
pub(crate) const LINE_BYTES_MAX: usize = 16 * 1024;

/// A program's log file is put aside at this size: days of ordinary running, and two of them a program
/// never matter to a disk.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How many lines of a program are remembered, to be shown again when it cannot start.
const LAST_LINES: usize = 12;

/// Colours that read on dark and on light ground (ANSI 256), one a program, round and round.
const COLOURS: [u8; 6] = [39, 76, 214, 170, 44, 203];

/// The screen, shared by all; lines never mix.
#[derive(Clone)]
pub(crate) struct Console {
    screen: Arc<Screen>,
}

struct Screen {
    colour: bool,
    /// Whether programs' lines are shown, or only kept in their files.
    programs_shown: AtomicBool,
    name_width: usize,
    lock: Mutex<()>,
}

impl Console {
    /// On standard output, without the programs' lines for now. `name_width` is the longest program's
    /// name, so that columns align.
    pub(crate) fn new(name_width: usize) -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let lock = Mutex::new(());
        Self {
            screen: Arc::new(Screen {
                colour,
                programs_shown: AtomicBool::new(false),
                name_width,
                lock,
            }),
        }
    }

    /// Shows the programs' lines from now on.
    pub(crate) fn show_programs(&self) {
        self.screen.programs_shown.store(true, Ordering::Relaxed);
    }

    /// One of weir's own lines.
    pub(crate) fn say(&self, line: &str) {
        self.screen.write(line);
    }

    /// One of weir's own lines about trouble or its end: bold on a terminal.
    pub(crate) fn announce(&self, line: &str) {
        match self.screen.colour {
            true => self.screen.write(&format!("\x1b[1m{line}\x1b[0m")),
            false => self.screen.write(line),
        }
    }

    /// The log of the `place`-th program, appended to `directory/NAME.log`.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub(crate) fn program(&self, directory: &Path, name: &str, place: usize) -> io::Result<Log> {
        let path = directory.join(format!("{name}.log"));
        let file = LogFile::open(path)?;
        Ok(Log {
            console: self.clone(),
            prefix: self.screen.prefix(name, place),
            kept: Arc::new(Mutex::new(Kept {
                file,
                last: VecDeque::new(),
            })),
        })
    }
}

impl Screen {
    /// A closed screen (`weir up | head`) is no reason to stop a cluster.
    fn write(&self, line: &str) {
        let _whole_lines = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(io::stdout(), "{line}");
    }

    fn prefix(&self, name: &str, place: usize) -> String {
        let padding = " ".repeat(self.name_width.saturating_sub(name.len()));
        match self.colour {
            true => {
                let colour = COLOURS[place % COLOURS.len()];
                format!("\x1b[38;5;{colour}m[{name}]\x1b[0m{padding}")
            }
            false => format!("[{name}]{padding}"),
        }
    }
}

/// Where one program's lines go.
#[derive(Clone)]
pub(crate) struct Log {
    console: Console,
    prefix: String,
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    file: LogFile,
    last: VecDeque<String>,
}

impl Log {
    /// Takes everything that the program writes to `pipe`, until it closes.
    pub(crate) async fn follow(self, pipe: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut rest = (&mut reader).take(LINE_BYTES_MAX as u64);
            match rest.read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => self.line(String::from_utf8_lossy(&line).trim_end()),
            }
        }
    }

    /// One line, as if the program had written it.
    pub(crate) fn line(&self, line: &str) {
        if self.console.screen.programs_shown.load(Ordering::Relaxed) {
            self.console
                .screen
                .write(&format!("{} {line}", self.prefix));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.file.append(line);
        if kept.last.len() == LAST_LINES {
            kept.last.pop_front();
        }
        kept.last.push_back(line.to_owned());
    }

    /// The program's last words, oldest first.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last.iter().cloned().collect()
    }
}

struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes })
    }

    /// A full disk costs log lines, never the cluster.
    fn append(&mut self, line: &str) {
        if self.bytes >= FILE_BYTES_MAX {
            let _ = self.start_afresh();
        }
        if writeln!(self.file, "{line}").is_ok() {
            self.bytes = self.bytes.saturating_add(line.len() as u64 + 1);
        }
    }

    fn start_afresh(&mut self) -> io::Result<()> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        fs::rename(&self.path, aside)?;
        *self = Self::open(self.path.clone())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_in(directory: &Path) -> Log {
        Console::new(6)
            .program(directory, "edge-1", 0)
            .expect("a log file")
    }

    #[tokio::test]
    async fn every_line_of_a_program_is_kept_in_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = log_in(directory.path());
        log.clone().follow(&b"one\ntwo\nthree"[..]).await;
        let file = fs::read_to_string(directory.path().join("edge-1.log")).expect("the file");
        assert_eq!(file, "one\ntwo\nthree\n");
        assert_eq!(log.last_lines(), ["one", "two", "three"]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = log_in(directory.path());
        let endless = vec![b'x'; LINE_BYTES_MAX * 2 + 1];
        log.clone().follow(&endless[..]).await;
        let lengths: Vec<_> = log.last_lines().iter().map(String::len).collect();
        assert_eq!(lengths, [LINE_BYTES_MAX, LINE_BYTES_MAX, 1]);
    }

    #[test]
    fn a_log_file_never_outgrows_its_bound() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("edge-1.log");
        let mut file = LogFile::open(path.clone()).expect("a log file");
        let line = "x".repeat(LINE_BYTES_MAX);
        for _ in 0..(3 * FILE_BYTES_MAX / line.len() as u64) {
            file.append(&line);
        }
        let sizes: u64 = [path, directory.path().join("edge-1.log.1")]
            .iter()
            .map(|path| fs::metadata(path).expect("a log file").len())
            .sum();
        assert!(
            sizes <= 2 * (FILE_BYTES_MAX + LINE_BYTES_MAX as u64 + 1),
            "{sizes}"
        );
    }
}
