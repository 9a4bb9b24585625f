//! What a player heard, frame by frame, and what must be true of it.

use std::{
    hash::{DefaultHasher, Hasher},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use flv::body::Header;
use media::{Kind, Role};

/// One frame as it came: its body is not kept, but hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Sound, picture or data.
    pub kind: Kind,
    /// What it means to a late joiner; [`Role::Other`] if the body cannot be read.
    pub role: Role,
    /// As on the wire, in milliseconds.
    pub timestamp: u32,
    /// Of the body; equal in all processes of one build.
    pub hash: u64,
    /// The body's length.
    pub body_bytes: usize,
    /// When it came.
    pub at: Instant,
}

impl Heard {
    /// A frame with this FLV tag body, as it is heard, or sent, at `at`.
    pub fn new(kind: Kind, timestamp: u32, body: &Bytes, at: Instant) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(body);
        let role = Header::read(kind, body).map_or(Role::Other, |header| header.role);
        Self {
            kind,
            role,
            timestamp,
            hash: hasher.finish(),
            body_bytes: body.len(),
            at,
        }
    }

    /// Whether it is coded sound or picture, neither header nor data.
    pub fn is_media(&self) -> bool {
        matches!(self.role, Role::Key | Role::Inter)
    }

    /// Whether a player may start here: a key frame of the picture.
    pub fn is_key(&self) -> bool {
        self.kind == Kind::Video && self.role == Role::Key
    }

    fn is_same_as(&self, other: &Self) -> bool {
        (self.kind, self.hash, self.body_bytes) == (other.kind, other.hash, other.body_bytes)
    }
}

/// Fails unless a decoder could start with this: before the first coded frame of each kind comes its
/// sequence header (H.264 and AAC have one), metadata come before all media, and the first picture is
/// a key frame.
///
/// # Errors
/// If one of them is not so, or nothing coded has come.
pub fn ensure_begins_well(frames: &[Heard]) -> Result<()> {
    let first = frames
        .iter()
        .position(Heard::is_media)
        .context("no coded frame has come")?;
    let has_metadata = frames[..first]
        .iter()
        .any(|frame| frame.role == Role::Metadata);
    ensure!(has_metadata, "media came before metadata");
    for kind in [Kind::Video, Kind::Audio] {
        let Some(first) = frames
            .iter()
            .position(|frame| frame.kind == kind && frame.is_media())
        else {
            continue;
        };
        let is_header = |frame: &Heard| frame.kind == kind && frame.role == Role::Config;
        ensure!(
            frames[..first].iter().any(is_header),
            "{kind:?} came before its header"
        );
        if kind == Kind::Video {
            ensure!(frames[first].is_key(), "the first picture is no key frame");
        }
    }
    Ok(())
}

/// Fails unless timestamps of each kind never fall, nor leap by more than `gap`.
///
/// # Errors
/// If a frame breaks the rule; headers do not count.
pub fn ensure_rising(frames: &[Heard], gap: Duration) -> Result<()> {
    for kind in [Kind::Audio, Kind::Video] {
        let times = frames
            .iter()
            .filter(|frame| frame.kind == kind && frame.is_media());
        let times: Vec<u32> = times.map(|frame| frame.timestamp).collect();
        for (place, pair) in times.windows(2).enumerate() {
            // Across the wrap after 49.7 days the difference is small, too.
            let step = pair[1].wrapping_sub(pair[0]);
            ensure!(
                u128::from(step) <= gap.as_millis(),
                "{kind:?} frame {} is at {} ms, the one before at {} ms",
                place + 1,
                pair[1],
                pair[0]
            );
        }
    }
    Ok(())
}

/// Fails unless from its first key frame on (or its first frame of sound, where there is no picture)
/// a player heard exactly the media of `reference`: the same bytes in the same order, as far as both
/// reach. Gives how many frames were compared.
///
/// # Errors
/// If a frame differs, or the first one is not in the reference at all.
pub fn ensure_same_media(reference: &[Heard], heard: &[Heard]) -> Result<usize> {
    let media = |frames: &[Heard]| -> Vec<Heard> {
        frames
            .iter()
            .filter(|frame| frame.is_media())
            .copied()
            .collect()
    };
    let (reference, heard) = (media(reference), media(heard));
    let start = heard.iter().position(Heard::is_key).unwrap_or(0);
    let heard = &heard[start..];
    let first = heard.first().context("nothing coded was heard")?;
    let mut best = None;
    // A clip that repeats holds the first frame several times.
    for (place, _) in reference
        .iter()
        .enumerate()
        .filter(|(_, frame)| frame.is_same_as(first))
    {
        let pairs = reference[place..].iter().zip(heard);
        let equal = pairs
            .clone()
            .take_while(|(one, other)| one.is_same_as(other))
            .count();
        if equal == pairs.len() {
            return Ok(equal);
        }
        best = best.max(Some(equal));
    }
    match best {
        Some(equal) => bail!(
            "after {equal} equal frames comes another: {:?}",
            heard[equal]
        ),
        None => bail!("it begins with what was never sent: {first:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<Heard> {
        let frame = |kind, timestamp, body: &[u8]| {
            Heard::new(
                kind,
                timestamp,
                &Bytes::copy_from_slice(body),
                Instant::now(),
            )
        };
        let mut frames = vec![
            frame(Kind::Data, 0, b"\x02\0\x0aonMetaData\x05"),
            frame(Kind::Video, 0, &[0x17, 0, 0, 0, 0, 1]),
            frame(Kind::Audio, 0, &[0xaf, 0, 0x12, 0x10]),
        ];
        for place in 0..50_u8 {
            let form = if place % 10 == 0 { 0x17 } else { 0x27 };
            let timestamp = u32::from(place) * 40;
            frames.push(frame(Kind::Video, timestamp, &[form, 1, 0, 0, 0, place]));
            frames.push(frame(Kind::Audio, timestamp, &[0xaf, 1, place]));
        }
        frames
    }

    #[test]
    fn a_whole_stream_begins_well_and_rises() {
        let frames = stream();
        ensure_begins_well(&frames).expect("it begins well");
        ensure_rising(&frames, Duration::from_millis(40)).expect("it rises");
    }

    #[test]
    fn a_missing_header_and_a_missing_key_frame_are_found_out() {
        for missing in [0, 1, 2, 3] {
            let mut frames = stream();
            frames.remove(missing);
            assert!(
                ensure_begins_well(&frames).is_err(),
                "without frame {missing}"
            );
        }
    }

    #[test]
    fn a_gap_and_a_step_back_are_found_out() {
        let mut frames = stream();
        frames.remove(41);
        assert!(ensure_rising(&frames, Duration::from_millis(40)).is_err());
        let mut frames = stream();
        frames.swap(41, 43);
        assert!(ensure_rising(&frames, Duration::from_millis(40)).is_err());
    }

    #[test]
    fn a_wrap_of_timestamps_is_no_step_back() {
        let mut frames = stream();
        for frame in &mut frames {
            frame.timestamp = frame.timestamp.wrapping_sub(1_000);
        }
        ensure_rising(&frames, Duration::from_millis(40)).expect("it rises over the wrap");
    }

    #[test]
    fn a_late_joiner_hears_the_same_and_a_frame_that_is_lost_is_found_out() {
        let reference = stream();
        let mut late = [&reference[..3], &reference[43..]].concat();
        assert_eq!(ensure_same_media(&reference, &late).expect("the same"), 60);
        late.remove(20);
        let error = ensure_same_media(&reference, &late)
            .expect_err("one is lost")
            .to_string();
        assert!(error.contains("after 17 equal frames"), "{error}");
    }

    #[test]
    fn what_was_never_sent_is_found_out() {
        let reference = stream();
        let mut other = stream();
        other[3].hash ^= 1;
        let error = ensure_same_media(&reference, &other)
            .expect_err("another")
            .to_string();
        assert!(error.contains("never sent"), "{error}");
    }
}
