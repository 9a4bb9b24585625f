//! Splices one upstream to the next by content: what players already have is skipped, and the very next
//! frame follows.
//!
//! Two upstreams that carry the same input send the same frames with timestamps a constant apart. So a
//! [`Record`] keeps a fingerprint of each frame that was sent, and a [`Splice`] looks where the new
//! upstream's frames lie in it:
//!
//! ```text
//!   sent:          k1 p s p s k2 p s p s          (the old upstream ends here)
//!   new upstream:             k2 p s p s│p s k3   k2..s are skipped, p is the next frame sent
//! ```
//!
//! An alignment holds while every frame agrees, and it is believed when it reaches the newest frame sent
//! and nothing else is possible: still pictures and silence repeat, so several alignments may hold; then
//! the one whose timestamps are those that were sent is right, and where there is none, nothing is
//! believed. Inputs that are unlike are switched at a key frame.
//!
//! Pure: no clock, and memory within [`limits::SPLICE_PRINTS_MAX`] fingerprints of 24 bytes a stream, plus
//! what waits for a decision, within [`limits::GOP_BYTES_MAX`].

mod alignment;
mod record;
#[cfg(test)]
mod tests;

pub(crate) use record::Record;

use super::headers::Headers;
use crate::limits;
use alignment::{Alignment, Step};
use media::{Frame, MediaTime, Role};
use record::{Print, Source};
use std::time::{Duration, Instant};

/// Frames that have to agree where timestamps are shifted: fewer may be silence.
const RUN_MIN: usize = 4;

/// How far the new upstream may lie behind what was sent before its first frame that was: longer than any
/// two origins are apart.
const BEHIND_MAX_MILLIS: i64 = 10_000;

/// How far ahead of the wall clock the new upstream's own time may lie and still be believed to go on
/// from what was sent.
const AHEAD_SLACK_MILLIS: i64 = 1_000;

/// How much earlier than the newest frame sent the next one's time may be: sound and picture are loosely
/// interleaved.
const INTERLEAVED_MILLIS: i64 = 250;

/// How long players are made to wait for a new upstream that is behind what they have: past this a
/// repeated picture is better than none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// A new upstream that is being compared with what was sent.
pub(crate) struct Splice {
    record: Record,
    /// What was added to the old upstream's time.
    offset_millis: i64,
    source: Source,
    held: Vec<Frame>,
    held_bytes: usize,
    alignments: Vec<Alignment>,
    /// When its first frame came.
    began: Option<Instant>,
}

/// What is known of the new upstream after a frame of it.
pub(crate) enum Verdict {
    /// Not enough: the frame is held.
    Undecided,
    /// Players have every frame so far; `offset_millis` is to be added to the new upstream's time.
    Same {
        /// What was sent.
        record: Record,
        /// The new upstream's headers.
        headers: Headers,
        /// Its frames that players have.
        skipped: usize,
        /// What is to be added to its time.
        offset_millis: i64,
    },
    /// Players have none of `held`, which begin with a key frame if there is one.
    New {
        /// The new upstream's frames, stamped with its own time.
        held: Vec<Frame>,
        /// What is to be added to its time if it goes on where the old one ended; `None` if the two
        /// are unlike.
        offset_millis: Option<i64>,
    },
}

impl Splice {
    /// Compares with what `record` holds, whose source's time was shifted by `offset_millis`.
    pub(crate) fn new(record: Record, offset_millis: i64) -> Self {
        Self {
            record,
            offset_millis,
            source: Source::default(),
            held: Vec::new(),
            held_bytes: 0,
            alignments: Vec::new(),
            began: None,
        }
    }

    /// The new upstream ended before anything was decided.
    pub(crate) fn into_record(self) -> Record {
        self.record
    }

    /// Takes the next frame of the new upstream, stamped by it. Once this has decided it is not to be
    /// called again.
    pub(crate) fn offer(&mut self, mut frame: Frame, now: Instant) -> Verdict {
        let began = *self.began.get_or_insert(now);
        let print = self.source.print(&mut frame);
        self.held_bytes += frame.body.len();
        frame.detach();
        self.held.push(frame);
        let Some(print) = print else {
            return self.within_bounds(began, now);
        };
        let complete = self.advance(&print);
        match complete {
            Some(alignment) if self.believed(&alignment) => self.same(&alignment),
            Some(_) if !self.alignments.iter().any(|other| self.is_own(other)) => {
                self.unlike(Some(now))
            }
            None if self.alignments.is_empty() && !self.may_be_behind(&print) => {
                self.unlike(Some(now))
            }
            _ => self.within_bounds(began, now),
        }
    }

    /// Moves every alignment on by `print`, and answers with the one that has reached the newest frame sent.
    fn advance(&mut self, print: &Print) -> Option<Alignment> {
        let sent = self.record.prints();
        let mut complete = None;
        self.alignments
            .retain_mut(|alignment| match alignment.step(sent, print) {
                Step::Holds => true,
                Step::Complete => {
                    complete = Some(alignment.clone());
                    false
                }
                Step::Fails => false,
            });
        // The first frame may lie anywhere; a later one at the oldest that is remembered.
        let begins = if self.source.prints_so_far() == 1 {
            sent.len()
        } else {
            1.min(sent.len())
        };
        for at in 0..begins {
            let mut alignment = Alignment::at(at);
            match alignment.step(sent, print) {
                Step::Holds => self.alignments.push(alignment),
                Step::Complete => complete = Some(alignment),
                Step::Fails => {}
            }
        }
        complete
    }

    /// Whether an alignment that is complete is the only one that can be.
    fn believed(&self, complete: &Alignment) -> bool {
        if complete.offset_millis().is_none() {
            return false;
        }
        if self.is_own(complete) {
            return true;
        }
        self.alignments.is_empty() && (complete.run() >= RUN_MIN || self.begins_unmistakably())
    }

    /// Whether the first frame held is a picture that was sent once.
    fn begins_unmistakably(&self) -> bool {
        let first = self.held.iter().find(|frame| !frame.is_header());
        let is_key = first.is_some_and(Frame::is_key);
        let content = self.source.first_content();
        let sent = self.record.prints().iter();
        is_key && content.is_some_and(|content| sent.filter(|p| p.content == content).count() == 1)
    }

    /// Whether an alignment needs no shift, or only the one that holds already.
    fn is_own(&self, alignment: &Alignment) -> bool {
        let offset = alignment.offset_millis();
        offset.is_some_and(|offset| {
            is_same_on_the_wire(offset, 0) || is_same_on_the_wire(offset, self.offset_millis)
        })
    }

    /// Whether `print`, by its own time, comes before everything that is remembered.
    fn may_be_behind(&self, print: &Print) -> bool {
        let Some(oldest) = self.record.prints().iter().find(|print| print.has_clock) else {
            return false;
        };
        let until = self.own_offset(oldest.dts, print.dts);
        let until = until.map(|offset| oldest.dts.millis_since(print.dts.plus_millis(offset)));
        until.is_some_and(|until| (1..=BEHIND_MAX_MILLIS).contains(&until))
    }

    /// What is to be added to a time of the new upstream that is its own and lies nearest to `sent`.
    fn own_offset(&self, sent: MediaTime, raw: MediaTime) -> Option<i64> {
        let nearest = |offset: i64| {
            let wire = raw.plus_millis(offset).wire();
            sent.unwrap_wire(wire).millis_since(raw)
        };
        [0, self.offset_millis]
            .into_iter()
            .map(nearest)
            .min_by_key(|offset| raw.plus_millis(*offset).millis_since(sent).unsigned_abs())
    }

    fn within_bounds(&mut self, began: Instant, now: Instant) -> Verdict {
        let waited = now.saturating_duration_since(began) > PATIENCE;
        let full =
            self.held_bytes > limits::GOP_BYTES_MAX || self.held.len() > limits::SPLICE_PRINTS_MAX;
        if !waited && !full {
            return Verdict::Undecided;
        }
        self.unlike(None)
    }

    fn same(&mut self, complete: &Alignment) -> Verdict {
        let mut headers = Headers::default();
        for header in self.held.iter().filter(|frame| frame.is_header()) {
            headers.keep(header);
        }
        let offset_millis = complete.offset_millis().unwrap_or(0);
        Verdict::Same {
            record: std::mem::take(&mut self.record),
            headers,
            skipped: self.held.iter().filter(|frame| !frame.is_header()).count(),
            offset_millis,
        }
    }

    /// The new upstream's frames are new. `now` is given if its own time may go on.
    fn unlike(&mut self, now: Option<Instant>) -> Verdict {
        let offset_millis = now.and_then(|now| self.goes_on(now));
        let mut held = std::mem::take(&mut self.held);
        if now.is_none() {
            begin_at_newest_key(&mut held);
        }
        Verdict::New {
            held,
            offset_millis,
        }
    }

    /// What is to be added to the new upstream's time, if that goes on where the old one's ended and the
    /// codecs are the same: it may well be the same input, some frames later.
    fn goes_on(&self, now: Instant) -> Option<i64> {
        let (newest, at) = self.record.newest()?;
        if !self.source.is_set_up_as(self.record.source()) {
            return None;
        }
        let first = self
            .held
            .iter()
            .find(|frame| frame.is_key())
            .or_else(|| self.held.iter().find(|frame| record::has_clock(frame)))?;
        let offset = self.own_offset(newest, first.dts)?;
        let ahead = first.dts.plus_millis(offset).millis_since(newest);
        let passed = i64::try_from(now.saturating_duration_since(at).as_millis()).ok()?;
        (-INTERLEAVED_MILLIS..=passed.saturating_add(AHEAD_SLACK_MILLIS))
            .contains(&ahead)
            .then_some(offset)
    }
}

/// Leaves out all media before the newest key frame; headers stay.
fn begin_at_newest_key(held: &mut Vec<Frame>) {
    if let Some(key) = held.iter().rposition(Frame::is_key) {
        let mut at = 0;
        held.retain(|frame| {
            at += 1;
            at > key || frame.is_header()
        });
    }
}

fn is_same_on_the_wire(a: i64, b: i64) -> bool {
    MediaTime::from_millis(a).wire() == MediaTime::from_millis(b).wire()
}

/// Whether a header sets a codec up: metadata says things about the stream, which may differ.
fn sets_up(frame: &Frame) -> bool {
    frame.role == Role::Config
}
