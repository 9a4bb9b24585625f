//! What was played, as an FLV file: every frame as it came, at the time that it bore.

use anyhow::{Context, bail};
use bytes::BytesMut;
use media::Frame;
use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::Path,
};

/// An FLV file that grows.
pub(super) struct Output {
    to: Box<dyn Write>,
    is_stdout: bool,
    tag: BytesMut,
}

impl Output {
    /// Starts the file at `path`; `-` is standard output.
    ///
    /// # Errors
    /// If it cannot be made, or is a terminal.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let is_stdout = path == Path::new("-");
        let mut to: Box<dyn Write> = match is_stdout {
            true if io::stdout().is_terminal() => {
                bail!("a stream is not for a terminal: pipe it somewhere, or give a file name")
            }
            true => Box::new(io::stdout()),
            false => {
                let file = File::create(path);
                Box::new(BufWriter::new(
                    file.with_context(|| format!("cannot write {}", path.display()))?,
                ))
            }
        };
        // What the stream holds is not known yet; players look at the tags.
        to.write_all(&flv::file_header(true, true))?;
        Ok(Self {
            to,
            is_stdout,
            tag: BytesMut::new(),
        })
    }

    pub(super) fn is_stdout(&self) -> bool {
        self.is_stdout
    }

    /// # Errors
    /// If the disk or the reader of the pipe does not take it.
    pub(super) fn write(&mut self, frame: &Frame, timestamp: u32) -> anyhow::Result<()> {
        self.tag.clear();
        flv::tag::write_tag(frame.kind, timestamp, &frame.body, &mut self.tag)?;
        self.to.write_all(&self.tag)?;
        if self.is_stdout {
            self.to.flush()?;
        }
        Ok(())
    }

    /// # Errors
    /// If the last of it cannot be written.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.to.flush()
    }
}
