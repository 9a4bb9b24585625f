//! ffmpeg as publisher and as player.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};

use super::PATIENCE;
use crate::{
    Recording,
    process::{Invocation, Process, scratch},
};

/// What to publish.
#[derive(Debug, Clone)]
pub struct Source {
    /// Pictures: H.264 without B-frames; or none.
    pub video: Option<Video>,
    /// A tone as AAC, 44.1 kHz mono.
    pub audio: bool,
    /// A media file in place of both, repeated for ever with continuous timestamps, not re-encoded.
    pub file: Option<PathBuf>,
    /// Ends by itself after so long; else publishes until it is stopped.
    pub duration: Option<Duration>,
}

/// A moving test picture.
#[derive(Debug, Clone)]
pub struct Video {
    /// `WIDTHxHEIGHT`.
    pub size: &'static str,
    /// Pictures a second.
    pub rate: u32,
    /// Pictures from key frame to key frame.
    pub gop: u32,
    /// Bits a second.
    pub bit_rate: u32,
}

impl Default for Source {
    /// 320×180 at 25 pictures a second, 200 kb/s, a key frame every second, with sound, without end.
    fn default() -> Self {
        let video = Video {
            size: "320x180",
            rate: 25,
            gop: 25,
            bit_rate: 200_000,
        };
        Self {
            video: Some(video),
            audio: true,
            file: None,
            duration: None,
        }
    }
}

impl Source {
    /// A file, for ever.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            file: Some(path.into()),
            ..Self::default()
        }
    }

    /// Only the tone.
    pub fn audio_only() -> Self {
        Self {
            video: None,
            ..Self::default()
        }
    }

    /// Only the picture.
    pub fn video_only() -> Self {
        Self {
            audio: false,
            ..Self::default()
        }
    }

    fn add_to(&self, mut ffmpeg: Invocation) -> Invocation {
        if let Some(file) = &self.file {
            ffmpeg = ffmpeg
                .words("-stream_loop -1 -re -i")
                .arg(file)
                .words("-c copy");
        } else {
            if let Some(Video { size, rate, .. }) = &self.video {
                ffmpeg = ffmpeg.words(&format!("-re -f lavfi -i testsrc2=size={size}:rate={rate}"));
            }
            if self.audio {
                ffmpeg = ffmpeg.words("-re -f lavfi -i sine=frequency=440:sample_rate=44100");
            }
            if let Some(Video { gop, bit_rate, .. }) = &self.video {
                ffmpeg = ffmpeg
                    .words("-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p")
                    .words(&format!(
                        "-b:v {bit_rate} -g {gop} -keyint_min {gop} -sc_threshold 0"
                    ));
            }
            if self.audio {
                ffmpeg = ffmpeg.words("-c:a aac -b:a 64k");
            }
        }
        match self.duration {
            Some(duration) => ffmpeg.arg("-t").arg(duration.as_secs_f64().to_string()),
            None => ffmpeg,
        }
    }
}

/// Publishes to an RTMP URL in real time.
///
/// # Errors
/// If ffmpeg cannot be started; that it cannot connect shows in its end and log.
pub fn publish(url: &str, source: &Source) -> Result<Process> {
    let ffmpeg = source.add_to(Invocation::new("ffmpeg").words("-nostdin -v warning"));
    Process::start(ffmpeg.words("-f flv").arg(url))
}

/// Writes a file of `duration` at once, for those who publish without ffmpeg.
///
/// # Errors
/// If ffmpeg fails.
pub async fn make_flv(source: &Source, duration: Duration) -> Result<Recording> {
    let folder = scratch()?;
    let path = folder.path().join("source.flv");
    let source = Source {
        duration: Some(duration),
        ..source.clone()
    };
    let ffmpeg = source.add_to(Invocation::new("ffmpeg").words("-nostdin -v error"));
    let mut ffmpeg = Process::start_in(folder.clone(), ffmpeg.words("-f flv").arg(&path))?;
    ffmpeg.succeeded(PATIENCE + duration).await?;
    Ok(Recording::new(folder, path))
}

/// Plays any URL that ffmpeg knows for `duration` of media, and keeps it, not decoded.
///
/// # Errors
/// If it cannot play, gets nothing for long, or the stream ends before.
pub async fn record(url: &str, duration: Duration) -> Result<Recording> {
    let folder = scratch()?;
    let path = folder.path().join("recording.flv");
    let ffmpeg = Invocation::new("ffmpeg")
        .words("-nostdin -v error -i")
        .arg(url)
        .args(["-t", &duration.as_secs_f64().to_string()])
        .words("-c copy -f flv")
        .arg(&path);
    let mut ffmpeg = Process::start_in(folder.clone(), ffmpeg)?;
    ffmpeg
        .succeeded(duration + PATIENCE)
        .await
        .with_context(|| format!("playing {url}"))?;
    ensure!(
        path.is_file(),
        "ffmpeg received nothing from {url}\n{}",
        ffmpeg.tail()
    );
    Ok(Recording::new(folder, path))
}
