//! What a stream has carried so far: counters that the publisher's and the players' shards add to.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Totals of one stream on this node since it began here.
#[derive(Debug, Default)]
pub struct Totals {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    video_frames: AtomicU64,
    audio_frames: AtomicU64,
    key_frames: AtomicU64,
    jumps: AtomicU64,
    skips: AtomicU64,
}

/// A look at [`Totals`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TotalsNow {
    /// Tag bodies received, in bytes.
    pub bytes_in: u64,
    /// Bytes handed to the kernel for players and forwards.
    pub bytes_out: u64,
    /// Pictures received.
    pub video_frames: u64,
    /// Sound frames received.
    pub audio_frames: u64,
    /// Key frames received.
    pub key_frames: u64,
    /// Jumps of the publisher's clock that were taken out.
    pub jumps: u64,
    /// Times that a player fell behind and went on at a newer key frame.
    pub skips: u64,
}

impl TotalsNow {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            bytes_in: self.bytes_in + other.bytes_in,
            bytes_out: self.bytes_out + other.bytes_out,
            video_frames: self.video_frames + other.video_frames,
            audio_frames: self.audio_frames + other.audio_frames,
            key_frames: self.key_frames + other.key_frames,
            jumps: self.jumps + other.jumps,
            skips: self.skips + other.skips,
        }
    }
}

impl Totals {
    /// Counts `frame`. Only under the stream's lock: who alone counts needs no locked instruction for it,
    /// which would wait until all that was written before has left the core.
    pub(super) fn received(&self, frame: &media::Frame) {
        let add = |counter: &AtomicU64, more: u64| {
            counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
        };
        add(&self.bytes_in, frame.body.len() as u64);
        match frame.kind {
            media::Kind::Video if !frame.is_header() => {
                add(&self.video_frames, 1);
                add(&self.key_frames, u64::from(frame.is_key()));
            }
            media::Kind::Audio if !frame.is_header() => add(&self.audio_frames, 1),
            _ => {}
        }
    }

    pub(crate) fn sent(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn jumped(&self) {
        self.jumps.fetch_add(1, Relaxed);
    }

    pub(crate) fn skipped(&self) {
        self.skips.fetch_add(1, Relaxed);
    }

    /// What they are now.
    pub fn now(&self) -> TotalsNow {
        TotalsNow {
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            video_frames: self.video_frames.load(Relaxed),
            audio_frames: self.audio_frames.load(Relaxed),
            key_frames: self.key_frames.load(Relaxed),
            jumps: self.jumps.load(Relaxed),
            skips: self.skips.load(Relaxed),
        }
    }
}
