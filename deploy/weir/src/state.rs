//! What a cluster on this machine leaves on disk: its state directory, and the card that says where it
//! is while it runs.
//!
//! The state directory holds the controller's store, the programs' configs and logs, and is locked by
//! the `weir up` that uses it. Cards lie in one place for all clusters of a user, so that `weir status`
//! finds the running one without being told; a card counts only while the `weir up` that wrote it holds
//! its lock, so one left behind by SIGKILL misleads nobody.

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
};

/// Where `weir` keeps what it must remember: `$XDG_STATE_HOME/weir`, else `~/.local/state/weir`.
///
/// # Errors
/// If neither variable is set.
pub(crate) fn home() -> anyhow::Result<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .context("neither XDG_STATE_HOME nor HOME is set: give --state DIR")?;
    Ok(state.join("weir"))
}

/// A cluster's own directory, ours alone while this lives.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: File,
    /// Set for `--ephemeral`: removed at the end.
    remove: bool,
}

impl StateDir {
    /// Takes `path`, made if need be.
    ///
    /// # Errors
    /// If it cannot be made or another cluster runs from it.
    pub(crate) fn take(path: PathBuf) -> anyhow::Result<Self> {
        let doing = || format!("cannot use {} for the cluster's state", path.display());
        fs::create_dir_all(path.join("logs")).with_context(doing)?;
        let path = path.canonicalize().with_context(doing)?;
        let lock = open_for_writing(&path.join("lock")).with_context(doing)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(
                "a cluster already runs from {}: `weir status` shows it; start a second one with \
                 `--state DIR` or `--ephemeral`",
                path.display()
            );
        }
        Ok(Self {
            path,
            _lock: lock,
            remove: false,
        })
    }

    /// Takes a directory that nobody will miss.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn ephemeral() -> anyhow::Result<Self> {
        let name = format!("weir-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let mut taken = Self::take(env::temp_dir().join(name))?;
        taken.remove = true;
        Ok(taken)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the programs' log files lie.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Keeps an ephemeral directory after all: its logs say why the cluster failed.
    pub(crate) fn keep(&mut self) {
        self.remove = false;
    }

    /// Writes a file of the directory whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self, name: &str, content: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        if self.remove {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Where a running cluster is; what the other subcommands need to find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card {
    /// The process id of its `weir up`.
    pub(crate) pid: u32,
    /// The controller's REST address, as a URL.
    pub(crate) controller: String,
    /// Its state directory.
    pub(crate) state: PathBuf,
    /// Where to publish: RTMP URLs without the stream's name.
    pub(crate) publish: Vec<String>,
    /// Where to play, likewise: RTMP, then HTTP, edge by edge.
    pub(crate) play: Vec<String>,
}

/// A card that lies open; taken away when this goes.
#[derive(Debug)]
pub(crate) struct OpenCard {
    path: PathBuf,
    _lock: File,
}

impl OpenCard {
    /// Lays `card` into `home`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn lay(home: &Path, card: &Card) -> anyhow::Result<Self> {
        let directory = home.join("running");
        let path = directory.join(format!("{}.json", card.pid));
        let doing = || format!("cannot write {}", path.display());
        fs::create_dir_all(&directory).with_context(doing)?;
        let mut file = open_for_writing(&path).with_context(doing)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).with_context(doing)?;
        file.set_len(0).with_context(doing)?;
        file.write_all(serde_json::to_string_pretty(card)?.as_bytes())
            .with_context(doing)?;
        Ok(Self { path, _lock: file })
    }
}

impl Drop for OpenCard {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The cards of all clusters that run now; those of dead ones are swept away.
pub(crate) fn running(home: &Path) -> Vec<Card> {
    let Ok(entries) = fs::read_dir(home.join("running")) else {
        return Vec::new();
    };
    let mut cards: Vec<Card> = entries
        .flatten()
        .filter_map(|entry| read(&entry.path()))
        .collect();
    cards.sort_by_key(|card| card.pid);
    cards
}

fn read(path: &Path) -> Option<Card> {
    let mut file = File::open(path).ok()?;
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        let _ = fs::remove_file(path);
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn open_for_writing(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(pid: u32) -> Card {
        Card {
            pid,
            controller: "http://127.0.0.1:7080".to_owned(),
            state: "/somewhere".into(),
            publish: vec!["rtmp://127.0.0.1:1935/live".to_owned()],
            play: Vec::new(),
        }
    }

    #[test]
    fn a_card_counts_only_while_its_cluster_runs() {
        let home = tempfile::tempdir().expect("a directory");
        assert_eq!(running(home.path()), []);
        let first = OpenCard::lay(home.path(), &card(1)).expect("a card");
        let second = OpenCard::lay(home.path(), &card(2)).expect("a card");
        assert_eq!(running(home.path()), [card(1), card(2)]);
        drop(first);
        assert_eq!(running(home.path()), [card(2)]);

        let left_behind = second.path.clone();
        drop(second);
        fs::write(&left_behind, serde_json::to_string(&card(2)).expect("JSON")).expect("written");
        assert_eq!(running(home.path()), [], "nobody holds its lock");
        assert!(!left_behind.exists());
    }

    #[test]
    fn two_clusters_never_share_a_state_directory() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("one");
        let held = StateDir::take(path.clone()).expect("it is free");
        let refused = StateDir::take(path.clone())
            .expect_err("it is taken")
            .to_string();
        assert!(
            refused.starts_with("a cluster already runs from"),
            "{refused}"
        );
        drop(held);
        StateDir::take(path).expect("it is free again");
    }

    #[test]
    fn an_ephemeral_directory_goes_with_its_cluster_unless_it_is_kept() {
        let gone = StateDir::ephemeral()
            .expect("a directory")
            .path()
            .to_owned();
        assert!(!gone.exists());
        let mut kept = StateDir::ephemeral().expect("a directory");
        kept.keep();
        let path = kept.path().to_owned();
        drop(kept);
        assert!(path.exists());
        fs::remove_dir_all(path).expect("ours");
    }
}
