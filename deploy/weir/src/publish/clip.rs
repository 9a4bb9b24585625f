//! What is published: an FLV file, standard input, or a clip that the program carries.

use anyhow::{Context, bail};
use media::{Frame, MediaTime, Role};
use std::{collections::VecDeque, fmt, os::fd::AsFd, path::PathBuf};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What is read at once.
const READ_BYTES: usize = 64 * 1024;

/// How many tags are looked at for the first sound or picture: a file has a handful before it.
const AHEAD_FRAMES_MAX: usize = 1000;

/// An FLV that can be opened, and opened again if it is not standard input.
#[derive(Debug)]
pub(crate) enum Clip {
    File(PathBuf),
    Stdin,
    Carried(&'static [u8]),
}

impl Clip {
    /// The file at `path`; `-` is standard input.
    pub(crate) fn at(path: PathBuf) -> Self {
        match path.to_str() {
            Some("-") => Self::Stdin,
            _ => Self::File(path),
        }
    }

    /// Its frames from the first on. Reads as far as the first sound or picture, so that whoever has
    /// frames has something to publish.
    ///
    /// # Errors
    /// If it cannot be opened, is no FLV, or holds nothing to publish.
    pub(crate) async fn open(&self) -> anyhow::Result<Frames> {
        let from: Box<dyn AsyncRead + Unpin + Send> = match self {
            Self::File(path) => {
                let file = tokio::fs::File::open(path).await;
                Box::new(file.with_context(|| format!("cannot open {self}"))?)
            }
            Self::Stdin => {
                let stdin = std::io::stdin().as_fd().try_clone_to_owned();
                let stdin = std::fs::File::from(stdin.context("there is no standard input")?);
                Box::new(tokio::fs::File::from_std(stdin))
            }
            Self::Carried(bytes) => Box::new(*bytes),
        };
        let reader = flv::Reader::new(flv::Limits::default());
        let mut frames = Frames {
            name: self.to_string(),
            from,
            reader,
            buffer: vec![0; READ_BYTES],
            now: MediaTime::ZERO,
            ahead: VecDeque::new(),
            bytes: 0,
        };
        frames.look_ahead().await?;
        Ok(frames)
    }
}

impl fmt::Display for Clip {
    /// What an operator calls it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("standard input"),
            Self::Carried(_) => f.write_str("the demo clip"),
        }
    }
}

/// Frames as they are read.
pub(crate) struct Frames {
    name: String,
    from: Box<dyn AsyncRead + Unpin + Send>,
    reader: flv::Reader,
    buffer: Vec<u8>,
    now: MediaTime,
    /// Read, and not yet asked for.
    ahead: VecDeque<Frame>,
    /// Of the file so far.
    bytes: u64,
}

impl Frames {
    /// The next frame; `None` at the end. A last tag that is cut off is left out.
    ///
    /// # Errors
    /// If it is no FLV, or cannot be read.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        match self.ahead.pop_front() {
            Some(frame) => Ok(Some(frame)),
            None => self.read().await,
        }
    }

    async fn look_ahead(&mut self) -> anyhow::Result<()> {
        while self.ahead.len() < AHEAD_FRAMES_MAX {
            match self.read().await? {
                Some(frame) => {
                    let is_coded = matches!(frame.role, Role::Key | Role::Inter);
                    self.ahead.push_back(frame);
                    if is_coded {
                        return Ok(());
                    }
                }
                None if self.bytes == 0 => bail!("{} is empty", self.name),
                None => bail!("{} holds no sound and no picture", self.name),
            }
        }
        let name = &self.name;
        bail!("{name} holds no sound and no picture in its first {AHEAD_FRAMES_MAX} tags")
    }

    async fn read(&mut self) -> anyhow::Result<Option<Frame>> {
        let name = &self.name;
        loop {
            let event = self.reader.poll();
            match event.with_context(|| format!("{name} is no good FLV file"))? {
                Some(flv::Event::Tag(tag)) => {
                    self.now = self.now.unwrap_wire(tag.timestamp);
                    let frame = flv::frame(tag.kind, self.now, tag.body);
                    let frame = frame.with_context(|| format!("{name} holds a malformed frame"))?;
                    return Ok(Some(frame));
                }
                Some(flv::Event::Header(_)) => {}
                None => {
                    let read = self.from.read(&mut self.buffer).await;
                    let count = read.with_context(|| format!("cannot read {name}"))?;
                    if count == 0 {
                        return Ok(None);
                    }
                    self.bytes += count as u64;
                    self.reader
                        .input(self.buffer.get(..count).unwrap_or_default());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CLIP: &[u8] = include_bytes!("../../assets/demo.flv");

    async fn refused(clip: Clip) -> String {
        let refused = clip.open().await.err().expect("refused");
        format!("{refused:#}")
    }

    #[tokio::test]
    async fn what_cannot_be_published_is_refused_when_it_is_opened() {
        assert_eq!(refused(Clip::Carried(b"")).await, "the demo clip is empty");
        let nothing = "the demo clip holds no sound and no picture";
        assert_eq!(refused(Clip::Carried(b"FL")).await, nothing);
        assert_eq!(refused(Clip::Carried(&CLIP[..20])).await, nothing);
        let page = refused(Clip::Carried(b"<html></html>")).await;
        assert!(page.contains("not an FLV file"), "{page}");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_owned();
        let name = path.display().to_string();
        let is_directory = refused(Clip::at(path.clone())).await;
        assert!(
            is_directory.starts_with(&format!("cannot read {name}: ")),
            "{is_directory}"
        );
        let missing = refused(Clip::at(path.join("no.flv"))).await;
        assert!(
            missing.starts_with(&format!("cannot open {name}/no.flv: ")),
            "{missing}"
        );
    }

    #[tokio::test]
    async fn looking_ahead_loses_no_frame() {
        let mut frames = Clip::Carried(CLIP).open().await.expect("the clip");
        let first = frames.next().await.expect("a good clip").expect("a frame");
        assert_eq!(first.role, Role::Metadata);
    }
}
