//! What a player wrote down, and what ffprobe and a decoder say of it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use crate::process::{Invocation, Process};

/// ffprobe and the decoder get this long for a recording of some seconds, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A media file, with the folder that keeps it.
#[derive(Debug, Clone)]
pub struct Recording {
    file: PathBuf,
    _folder: Arc<TempDir>,
}

/// Sound or picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// What ffprobe finds in a file.
#[derive(Debug, Clone, Deserialize)]
pub struct Probe {
    /// The elementary streams.
    pub streams: Vec<Stream>,
    /// All packets, in the file's order.
    pub packets: Vec<Packet>,
}

/// One elementary stream.
#[derive(Debug, Clone, Deserialize)]
pub struct Stream {
    /// Its place in the file, which packets refer to.
    pub index: usize,
    /// Sound or pictures.
    #[serde(rename = "codec_type")]
    pub kind: Kind,
    /// ffmpeg's name of the codec: `h264`, `aac`.
    #[serde(rename = "codec_name", default)]
    pub codec: String,
    /// Pixels; 0 for sound.
    #[serde(default)]
    pub width: u32,
    /// Pixels; 0 for sound.
    #[serde(default)]
    pub height: u32,
    /// Hertz, as ffprobe writes it, in decimal; empty for pictures.
    #[serde(default)]
    pub sample_rate: String,
    /// 0 for pictures.
    #[serde(default)]
    pub channels: u32,
}

/// One access unit or audio frame.
#[derive(Debug, Clone, Deserialize)]
pub struct Packet {
    /// Which elementary stream it belongs to.
    pub stream_index: usize,
    /// Decode time in seconds, as ffprobe writes it.
    #[serde(default)]
    dts_time: Option<String>,
    /// `K` first for key frames.
    #[serde(default)]
    flags: String,
    /// Its hash by ffprobe, `SHA256:…`, over the codec's bytes without container.
    #[serde(default)]
    pub data_hash: String,
}

impl Packet {
    /// Decode time in milliseconds, rounded; None if the container gives none.
    pub fn dts_ms(&self) -> Option<i64> {
        let seconds: f64 = self.dts_time.as_deref()?.parse().ok()?;
        Some((seconds * 1000.0).round() as i64)
    }

    /// Whether decoding may start here.
    pub fn is_key(&self) -> bool {
        self.flags.starts_with('K')
    }
}

impl Probe {
    /// The first elementary stream of a kind.
    ///
    /// # Errors
    /// If there is none.
    pub fn stream(&self, kind: Kind) -> Result<&Stream> {
        self.streams
            .iter()
            .find(|stream| stream.kind == kind)
            .with_context(|| {
                let found: Vec<_> = self.streams.iter().map(|stream| &stream.codec).collect();
                format!("there is no {kind:?} stream, but {found:?}")
            })
    }

    /// The packets of the first elementary stream of a kind; none if there is no such.
    pub fn packets(&self, kind: Kind) -> Vec<&Packet> {
        let Ok(stream) = self.stream(kind) else {
            return Vec::new();
        };
        self.packets
            .iter()
            .filter(|packet| packet.stream_index == stream.index)
            .collect()
    }

    /// Fails unless decode times of each elementary stream never fall, nor leap by more than `gap`.
    ///
    /// # Errors
    /// If a packet has no decode time, or one that breaks the rule.
    pub fn ensure_steady(&self, gap: Duration) -> Result<()> {
        for stream in &self.streams {
            let mut last: Option<i64> = None;
            let packets = self
                .packets
                .iter()
                .filter(|packet| packet.stream_index == stream.index);
            for (place, packet) in packets.enumerate() {
                let dts = packet.dts_ms().with_context(|| {
                    format!(
                        "packet {place} of the {} stream has no decode time",
                        stream.codec
                    )
                })?;
                if let Some(last) = last {
                    let step = dts - last;
                    ensure!(
                        step >= 0 && step as u128 <= gap.as_millis(),
                        "packet {place} of the {} stream is at {dts} ms, the one before at {last} ms",
                        stream.codec
                    );
                }
                last = Some(dts);
            }
        }
        Ok(())
    }
}

impl Recording {
    /// A file in `folder`.
    pub fn new(folder: Arc<TempDir>, file: PathBuf) -> Self {
        Self {
            file,
            _folder: folder,
        }
    }

    /// Where it is.
    pub fn file(&self) -> &std::path::Path {
        &self.file
    }

    /// What ffprobe finds in it.
    ///
    /// # Errors
    /// If there is no such file, or ffprobe cannot read it.
    pub async fn probe(&self) -> Result<Probe> {
        let reader = Invocation::new("ffprobe").words(
            "-v error -print_format json -show_data_hash SHA256 -show_streams -show_packets",
        );
        let text = run(reader.arg(&self.file)).await?;
        serde_json::from_str(&text).with_context(|| format!("ffprobe says\n{text}"))
    }

    /// Decodes all of it and fails at the first fault that the decoder finds. Whether the times are in
    /// order is [`Probe::ensure_steady`]'s to say: here frames are numbered anew, because GStreamer's
    /// muxer gives one time to two of them when it is late, and ffmpeg would complain.
    ///
    /// # Errors
    /// If a decoder complains about anything.
    pub async fn ensure_decodes(&self) -> Result<()> {
        let decoder = Invocation::new("ffmpeg").words("-nostdin -v error -xerror -i");
        let complaints = run(decoder
            .arg(&self.file)
            .words("-vf settb=1/25,setpts=N -fps_mode passthrough -af asetpts=N/SR/TB -f null -"))
        .await?;
        if !complaints.trim().is_empty() {
            bail!("the decoder complains:\n{complaints}");
        }
        Ok(())
    }
}

async fn run(tool: Invocation) -> Result<String> {
    let mut process = Process::start(tool)?;
    process.succeeded(PATIENCE).await?;
    Ok(process.log())
}
