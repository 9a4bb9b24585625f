//! What a recording must be: the encoder's codecs and size, whole, in time, and without a fault.

use anyhow::{Context, Result, ensure};
use harness::{
    Recording,
    peer::ffmpeg,
    recording::{Kind, Probe},
};
use std::time::Duration;

/// The default pictures of ffmpeg, GStreamer and librtmp in the harness.
pub(crate) const SMALL: Picture = Picture {
    width: 320,
    height: 180,
    rate: 25,
    gop: 25,
};

/// What the encoder was told to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Pictures a second.
    pub(crate) rate: u32,
    /// Pictures from key frame to key frame.
    pub(crate) gop: u32,
}

impl Picture {
    /// The number of pictures in so long a time.
    fn count_in(&self, time: Duration) -> f64 {
        time.as_secs_f64() * f64::from(self.rate)
    }
}

/// Fails unless a recording of `duration` holds H.264 of this picture and AAC, begins with a key frame,
/// has as many pictures as belong into the time within one GOP, decodes without a complaint, and its
/// timestamps rise by steps of at most `step`. Gives what ffprobe found.
pub(crate) async fn is_whole(
    recording: &Recording,
    picture: &Picture,
    duration: Duration,
    step: Duration,
) -> Result<Probe> {
    let probe = is_sound(recording, picture, step).await?;
    let count = probe.packets(Kind::Video).len() as f64;
    let due = picture.count_in(duration);
    ensure!(
        (count - due).abs() <= f64::from(picture.gop),
        "{count} pictures in {duration:?}, should be {due}"
    );
    Ok(probe)
}

/// As [`is_whole`], for a player that is stopped from outside and looks at the stream for a while before
/// it writes: at least `duration`, and as many pictures as belong into the time that it did write.
pub(crate) async fn lasts(
    recording: &Recording,
    picture: &Picture,
    duration: Duration,
    step: Duration,
) -> Result<()> {
    let probe = is_sound(recording, picture, step).await?;
    let pictures = probe.packets(Kind::Video);
    let first = pictures.first().and_then(|packet| packet.dts_ms());
    let last = pictures.last().and_then(|packet| packet.dts_ms());
    let span = last.zip(first).context("no decode times")?;
    let span = Duration::from_millis(u64::try_from(span.0 - span.1)?);
    let (count, gop) = (pictures.len() as f64, f64::from(picture.gop));
    let (due, least) = (picture.count_in(span) + 1.0, picture.count_in(duration));
    ensure!(
        count >= least - gop,
        "{count} pictures in at least {duration:?}, should be {least}"
    );
    ensure!(
        (count - due).abs() <= gop,
        "{count} pictures span {span:?}, should be {due}"
    );
    Ok(())
}

async fn is_sound(recording: &Recording, picture: &Picture, step: Duration) -> Result<Probe> {
    recording.ensure_decodes().await?;
    let probe = recording.probe().await?;
    let (video, audio) = (probe.stream(Kind::Video)?, probe.stream(Kind::Audio)?);
    ensure!(
        (video.codec.as_str(), audio.codec.as_str()) == ("h264", "aac"),
        "{video:?} {audio:?}"
    );
    ensure!(
        (video.width, video.height) == (picture.width, picture.height),
        "{video:?}"
    );
    ensure!(
        audio.sample_rate.parse::<u32>()? > 0 && audio.channels > 0,
        "{audio:?}"
    );
    probe.ensure_steady(step)?;
    let pictures = probe.packets(Kind::Video);
    ensure!(
        pictures.first().is_some_and(|first| first.is_key()),
        "the first picture is no key frame"
    );
    Ok(probe)
}

/// Fails unless each frame is later than the one of its kind before it, as good encoders send them.
pub(crate) fn ensure_rising(probe: &Probe) -> Result<()> {
    for kind in [Kind::Audio, Kind::Video] {
        for pair in probe.packets(kind).windows(2) {
            let (one, next) = (pair[0].dts_ms(), pair[1].dts_ms());
            ensure!(
                one < next,
                "{kind:?} at {next:?} ms follows {kind:?} at {one:?} ms"
            );
        }
    }
    Ok(())
}

/// What ffmpeg publishes so that recordings of [`Picture`] result.
pub(crate) fn source(picture: &Picture, size: &'static str, bit_rate: u32) -> ffmpeg::Source {
    ffmpeg::Source {
        video: Some(ffmpeg::Video {
            size,
            rate: picture.rate,
            gop: picture.gop,
            bit_rate,
        }),
        ..ffmpeg::Source::default()
    }
}

#[cfg(test)]
mod own {
    use super::*;

    #[tokio::test]
    async fn a_recording_that_is_too_short_or_of_another_size_is_found_out() -> Result<()> {
        let second = Duration::from_secs(1);
        let step = Duration::from_millis(60);
        let recording = ffmpeg::make_flv(&ffmpeg::Source::default(), 3 * second).await?;
        is_whole(&recording, &SMALL, 3 * second, step).await?;
        lasts(&recording, &SMALL, 3 * second, step).await?;
        let taller = Picture {
            height: 360,
            ..SMALL
        };
        assert!(
            is_whole(&recording, &taller, 3 * second, step)
                .await
                .is_err()
        );
        assert!(
            is_whole(&recording, &SMALL, 5 * second, step)
                .await
                .is_err()
        );
        assert!(lasts(&recording, &SMALL, 5 * second, step).await.is_err());
        let faster = Picture { rate: 50, ..SMALL };
        assert!(lasts(&recording, &faster, second, step).await.is_err());
        let silent = ffmpeg::make_flv(&ffmpeg::Source::video_only(), 3 * second).await?;
        assert!(is_whole(&silent, &SMALL, 3 * second, step).await.is_err());
        Ok(())
    }
}
