//! What is published: an FLV file, standard input, or a clip that the program carries.

use anyhow::Context;
use media::{Frame, MediaTime};
use std::{os::fd::AsFd, path::PathBuf};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What is read at once.
const READ_BYTES: usize = 64 * 1024;

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

    /// Its frames from the first on.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) async fn open(&self) -> anyhow::Result<Frames> {
        let from: Box<dyn AsyncRead + Unpin + Send> = match self {
            Self::File(path) => {
                let file = tokio::fs::File::open(path).await;
                Box::new(file.with_context(|| format!("cannot open {}", path.display()))?)
            }
            Self::Stdin => {
                let stdin = std::io::stdin().as_fd().try_clone_to_owned();
                let stdin = std::fs::File::from(stdin.context("there is no standard input")?);
                Box::new(tokio::fs::File::from_std(stdin))
            }
            Self::Carried(bytes) => Box::new(*bytes),
        };
        let reader = flv::Reader::new(flv::Limits::default());
        Ok(Frames {
            from,
            reader,
            buffer: vec![0; READ_BYTES],
            now: MediaTime::ZERO,
        })
    }
}

/// Frames as they are read.
pub(crate) struct Frames {
    from: Box<dyn AsyncRead + Unpin + Send>,
    reader: flv::Reader,
    buffer: Vec<u8>,
    now: MediaTime,
}

impl Frames {
    /// The next frame; `None` at the end. A last tag that is cut off is left out.
    ///
    /// # Errors
    /// If it is no FLV, or cannot be read.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        loop {
            match self.reader.poll().context("this is no good FLV file")? {
                Some(flv::Event::Tag(tag)) => {
                    self.now = self.now.unwrap_wire(tag.timestamp);
                    let frame = flv::frame(tag.kind, self.now, tag.body);
                    return Ok(Some(frame.context("the file holds a malformed frame")?));
                }
                Some(flv::Event::Header(_)) => {}
                None => match self.from.read(&mut self.buffer).await? {
                    0 => return Ok(None),
                    n => self.reader.input(self.buffer.get(..n).unwrap_or_default()),
                },
            }
        }
    }
}
