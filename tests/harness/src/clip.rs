//! A short FLV file in memory, repeated for ever with continuous timestamps.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bytes::Bytes;
use flv::{Event, Reader, Tag, body::Header};
use media::{Kind, Role};

/// The clip that `weir up --demo` publishes: H.264 640×360 and AAC, 16 s, a key frame every 2 s.
const DEMO: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../deploy/weir/assets/demo.flv"
);

/// Tags in the file's order, headers first.
#[derive(Debug, Clone)]
pub struct Clip {
    headers: Vec<Tag>,
    media: Vec<Tag>,
    length_ms: u32,
}

impl Clip {
    /// The demo clip.
    ///
    /// # Errors
    /// If it is not in the repository.
    pub fn demo() -> Result<Self> {
        Self::read(&PathBuf::from(DEMO))
    }

    /// Any FLV file. Sequence headers and metadata are kept apart; sequence ends are left out.
    ///
    /// # Errors
    /// If it is no FLV file, or holds no media.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
        let mut reader = Reader::new(flv::Limits::default());
        reader.input(&bytes);
        let (mut headers, mut media) = (Vec::new(), Vec::new());
        while let Some(event) = reader.poll()? {
            let Event::Tag(tag) = event else { continue };
            match Header::read(tag.kind, &tag.body)?.role {
                Role::Metadata | Role::Config => headers.push(tag),
                Role::Key | Role::Inter => media.push(tag),
                Role::Other => {}
            }
        }
        let length_ms = [Kind::Audio, Kind::Video]
            .into_iter()
            .filter_map(|kind| length_ms(media.iter().filter(|tag| tag.kind == kind)))
            .max()
            .with_context(|| format!("{} holds no media", file.display()))?;
        Ok(Self {
            headers,
            media,
            length_ms,
        })
    }

    /// How long one round is, in milliseconds.
    pub fn length_ms(&self) -> u32 {
        self.length_ms
    }

    /// Metadata and sequence headers.
    pub fn headers(&self) -> &[Tag] {
        &self.headers
    }

    /// The media of all rounds, the first at `start`; timestamps wrap as they do on the wire.
    pub fn rounds(&self, start: u32) -> impl Iterator<Item = (u32, Kind, &Bytes)> {
        let first = self.media.first().map_or(0, |tag| tag.timestamp);
        (0_u32..).flat_map(move |round| {
            let offset = start.wrapping_add(round.wrapping_mul(self.length_ms));
            self.media.iter().map(move |tag| {
                let timestamp = offset.wrapping_add(tag.timestamp.wrapping_sub(first));
                (timestamp, tag.kind, &tag.body)
            })
        })
    }
}

/// From the first tag to the end of the last, which is as long as the others are on average.
fn length_ms<'a>(tags: impl Iterator<Item = &'a Tag>) -> Option<u32> {
    let times: Vec<u32> = tags.map(|tag| tag.timestamp).collect();
    let span = f64::from(times.last()?.checked_sub(*times.first()?)?);
    let steps = times.len().checked_sub(1).filter(|steps| *steps > 0)? as f64;
    Some((span + span / steps).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_clip_loops_without_a_seam() {
        let clip = Clip::demo().expect("it is in the repository");
        assert_eq!(clip.length_ms(), 16_000);
        assert_eq!(clip.headers().len(), 3, "metadata and two sequence headers");
        for kind in [Kind::Audio, Kind::Video] {
            let times: Vec<u32> = clip
                .rounds(1_000)
                .take_while(|(timestamp, ..)| *timestamp < 40_000)
                .filter(|(_, of, _)| *of == kind)
                .map(|(timestamp, ..)| timestamp)
                .collect();
            assert_eq!(times[0], 1_000);
            for pair in times.windows(2) {
                let step = pair[1] - pair[0];
                assert!(
                    (21..=40).contains(&step),
                    "{kind:?} steps {step} ms at {}",
                    pair[0]
                );
            }
        }
    }
}
