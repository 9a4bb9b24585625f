//! Fingerprints: of each frame of a source, and of those that were sent.

use super::sets_up;
use crate::limits;
use media::{Frame, Kind, MediaTime, Role};
use rapidhash::v3::rapidhash_v3;
use std::{collections::VecDeque, time::Instant};

/// What one frame looked like. Two frames with the same content are the same frame to a decoder: the hash
/// takes in what the frame is and the set-up of its codec, not only its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Print {
    pub(super) content: u64,
    pub(super) dts: MediaTime,
    /// Whether `dts` means something: a cue point's may not.
    pub(super) has_clock: bool,
}

/// Reads one source's frames in order and fingerprints them.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    /// The set-up of each track, as a hash; at most [`limits::HEADERS_MAX`].
    set_up: Vec<(Kind, u8, u64)>,
    newest: Option<MediaTime>,
    first: Option<u64>,
    prints: usize,
}

impl Source {
    /// The frame's fingerprint, none if it is a header. Its time is unwrapped.
    pub(super) fn print(&mut self, frame: &mut Frame) -> Option<Print> {
        if frame.is_header() {
            self.set_up(frame);
            return None;
        }
        let wire = frame.dts.wire();
        let dts = self
            .newest
            .map_or(frame.dts, |newest| newest.unwrap_wire(wire));
        frame.dts = dts;
        let has_clock = has_clock(frame);
        if has_clock {
            self.newest = Some(dts);
        }
        let content = self.content(frame);
        self.first.get_or_insert(content);
        self.prints += 1;
        Some(Print {
            content,
            dts,
            has_clock,
        })
    }

    /// How many frames it has fingerprinted.
    pub(super) fn prints_so_far(&self) -> usize {
        self.prints
    }

    /// Of its first frame.
    pub(super) fn first_content(&self) -> Option<u64> {
        self.first
    }

    /// Whether its codecs are set up as those of `other`: at least one, and none otherwise.
    pub(super) fn is_set_up_as(&self, other: &Self) -> bool {
        let in_other = |set_up: &(Kind, u8, u64)| other.set_up.contains(set_up);
        !self.set_up.is_empty()
            && self.set_up.len() == other.set_up.len()
            && self.set_up.iter().all(in_other)
    }

    /// Remembers how a codec is set up.
    fn set_up(&mut self, header: &Frame) {
        if !sets_up(header) {
            return;
        }
        let hash = rapidhash_v3(&header.body);
        let fits = self.set_up.len() < limits::HEADERS_MAX;
        let mut known = self.set_up.iter_mut();
        match known.find(|(kind, track, _)| (*kind, *track) == (header.kind, header.track)) {
            Some((_, _, old)) => *old = hash,
            None if fits => self.set_up.push((header.kind, header.track, hash)),
            None => {}
        }
    }

    fn content(&self, frame: &Frame) -> u64 {
        let set_up = self
            .set_up
            .iter()
            .find(|(kind, track, _)| (*kind, *track) == (frame.kind, frame.track))
            .map_or(0, |(_, _, hash)| *hash);
        let kind = match frame.kind {
            Kind::Audio => 1,
            Kind::Video => 2,
            Kind::Data => 3,
        };
        let role = match frame.role {
            Role::Metadata => 1,
            Role::Config => 2,
            Role::Key => 3,
            Role::Inter => 4,
            Role::Other => 5,
        };
        let mut whole = [0; 32];
        let facts = [
            rapidhash_v3(&frame.body),
            frame.body.len() as u64,
            set_up,
            kind | role << 8 | u64::from(frame.track) << 16,
        ];
        for (place, fact) in whole.chunks_exact_mut(8).zip(facts) {
            place.copy_from_slice(&fact.to_le_bytes());
        }
        rapidhash_v3(&whole)
    }
}

/// Whether the frame's time is the media's.
pub(super) fn has_clock(frame: &Frame) -> bool {
    frame.kind != Kind::Data && matches!(frame.role, Role::Key | Role::Inter)
}

/// What was sent to a stream's players lately: the last GOPs, and the newest
/// [`limits::SPLICE_PRINTS_MAX`] frames at most.
#[derive(Debug, Default)]
pub(crate) struct Record {
    prints: VecDeque<Print>,
    /// How many were kept before the first of `prints`.
    forgotten: u64,
    /// Where key frames lie, counted from the first ever kept.
    keys: VecDeque<u64>,
    source: Source,
    newest: Option<(MediaTime, Instant)>,
}

impl Record {
    /// Remembers a frame that is sent, stamped as it is sent; `now` is when.
    pub(crate) fn sent(&mut self, frame: &Frame, now: Instant) {
        if frame.is_header() {
            self.source.set_up(frame);
            return;
        }
        let print = Print {
            content: self.source.content(frame),
            dts: frame.dts,
            has_clock: has_clock(frame),
        };
        if print.has_clock && self.newest.is_none_or(|(newest, _)| frame.dts >= newest) {
            self.newest = Some((frame.dts, now));
        }
        if frame.is_key() {
            self.keys
                .push_back(self.forgotten + self.prints.len() as u64);
        }
        self.prints.push_back(print);
        if self.keys.len() > limits::SPLICE_GOPS {
            self.keys.pop_front();
            if let Some(oldest) = self.keys.front() {
                self.forget_to(*oldest);
            }
        }
        let most = self.forgotten + self.prints.len() as u64;
        self.forget_to(most.saturating_sub(limits::SPLICE_PRINTS_MAX as u64));
    }

    /// Whether nothing was sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.prints.is_empty()
    }

    /// The oldest first.
    pub(super) fn prints(&self) -> &VecDeque<Print> {
        &self.prints
    }

    /// How the codecs were set up at last.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The latest time that was sent, and when.
    pub(super) fn newest(&self) -> Option<(MediaTime, Instant)> {
        self.newest
    }

    fn forget_to(&mut self, first: u64) {
        let past = usize::try_from(first.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        let past = past.min(self.prints.len());
        self.prints.drain(..past);
        self.forgotten += past as u64;
        while self.keys.front().is_some_and(|key| *key < self.forgotten) {
            self.keys.pop_front();
        }
    }
}
