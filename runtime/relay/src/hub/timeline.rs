//! One timeline a stream, whoever publishes it: puts each publisher's timestamps on the stream's own.
//!
//! An encoder restarts at zero, wraps after 49.7 days, or jumps when its clock is set; an edge changes
//! its upstream. Players must see none of it: time goes on by about one frame, and audio and video keep
//! their distance because both are moved by the same offset. Pure: the wall clock is passed in.

use media::MediaTime;
use std::time::{Duration, Instant};

/// A step that is not believed leaves this much between the last frame and the next: about one
/// picture at 25 frames a second.
const FRAME_STEP_MILLIS: i64 = 40;

/// How far a frame may lie behind the newest: audio and video are interleaved loosely by some
/// encoders (half a second has been seen of GStreamer's flvmux), never by seconds.
const STEP_BACK_MAX_MILLIS: i64 = 2_000;

/// How far media time may run ahead of the wall clock between two frames: a burst from an upstream's
/// GOP cache, or an encoder that catches up.
const STEP_AHEAD_MAX_MILLIS: i64 = 2_000;

/// Where a stream's time stands. Invariant: what [`Timeline::place`] returns never steps by more than
/// the bounds above, unless the wall clock did as well.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// What is added to the publisher's time to get the stream's.
    offset_millis: i64,
    /// The newest frame: the publisher's time, the stream's time, and when it came.
    newest: Option<Newest>,
    /// The next frame is a new publisher's first.
    spliced: bool,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    raw: MediaTime,
    placed: MediaTime,
    at: Instant,
}

/// A frame's place on the stream's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) dts: MediaTime,
    /// The publisher's own time jumped, and the jump was taken out.
    pub(crate) jumped: bool,
}

impl Timeline {
    /// The next frame comes from another publisher, or from the same one begun anew.
    pub(crate) fn splice(&mut self) {
        self.spliced = true;
    }

    /// The next frame comes from another publisher, whose time is the stream's less `offset_millis`.
    pub(crate) fn go_on(&mut self, offset_millis: i64) {
        if let Some(newest) = &mut self.newest {
            newest.raw = newest.placed.plus_millis(offset_millis.saturating_neg());
            self.offset_millis = offset_millis;
            self.spliced = false;
        }
    }

    /// How long ago the newest frame came.
    pub(crate) fn quiet_for(&self, now: Instant) -> Option<Duration> {
        self.newest
            .map(|newest| now.saturating_duration_since(newest.at))
    }

    /// What is added to the publisher's time to get the stream's.
    pub(crate) fn offset_millis(&self) -> i64 {
        self.offset_millis
    }

    /// Where a frame belongs that its publisher stamped with `wire` (milliseconds, modulo 2^32).
    pub(crate) fn place(&mut self, wire: u32, now: Instant) -> Placed {
        let Some(newest) = self.newest else {
            let dts = MediaTime::from_millis(i64::from(wire));
            self.newest = Some(Newest {
                raw: dts,
                placed: dts,
                at: now,
            });
            self.spliced = false;
            return Placed { dts, jumped: false };
        };
        let raw = if self.spliced {
            MediaTime::from_millis(i64::from(wire))
        } else {
            newest.raw.unwrap_wire(wire)
        };
        let jumped = !self.spliced && !believable(raw.millis_since(newest.raw), newest.at, now);
        if self.spliced || jumped {
            let resumed = newest.placed.plus_millis(FRAME_STEP_MILLIS);
            self.offset_millis = resumed.millis_since(raw);
            self.spliced = false;
            self.newest = Some(Newest {
                raw,
                placed: resumed,
                at: now,
            });
            return Placed {
                dts: resumed,
                jumped,
            };
        }
        let dts = raw.plus_millis(self.offset_millis);
        if dts > newest.placed {
            self.newest = Some(Newest {
                raw,
                placed: dts,
                at: now,
            });
        }
        Placed { dts, jumped: false }
    }

    /// Where something belongs that does not carry the clock: a cue point, an end of sequence. What some
    /// encoders stamp those with (zero, most often) must not move the pictures' time.
    pub(crate) fn beside(&self, wire: u32, now: Instant) -> MediaTime {
        let Some(newest) = self.newest.filter(|_| !self.spliced) else {
            return self.newest(wire);
        };
        let raw = newest.raw.unwrap_wire(wire);
        if believable(raw.millis_since(newest.raw), newest.at, now) {
            raw.plus_millis(self.offset_millis)
        } else {
            newest.placed
        }
    }

    /// The newest frame's place, or `wire` before there is any: where a header belongs, which has no
    /// time of its own (some encoders stamp it with zero at any moment).
    pub(crate) fn newest(&self, wire: u32) -> MediaTime {
        self.newest
            .map_or(MediaTime::from_millis(i64::from(wire)), |newest| {
                newest.placed
            })
    }
}

fn believable(step_millis: i64, then: Instant, now: Instant) -> bool {
    let elapsed =
        now.saturating_duration_since(then) + Duration::from_millis(STEP_AHEAD_MAX_MILLIS as u64);
    step_millis >= -STEP_BACK_MAX_MILLIS
        && u128::try_from(step_millis.max(0)).is_ok_and(|step| step <= elapsed.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places frames that arrive in real time for as long as their stamps allow.
    fn place_all(timeline: &mut Timeline, wires: &[u32]) -> Vec<i64> {
        let now = Instant::now();
        wires
            .iter()
            .map(|wire| timeline.place(*wire, now).dts.as_millis())
            .collect()
    }

    #[test]
    fn a_first_publisher_keeps_its_own_time() {
        let mut timeline = Timeline::default();
        assert_eq!(
            place_all(&mut timeline, &[90_000, 90_040, 90_021, 90_080]),
            [90_000, 90_040, 90_021, 90_080]
        );
    }

    #[test]
    fn a_second_publisher_goes_on_where_the_first_ended() {
        let mut timeline = Timeline::default();
        place_all(&mut timeline, &[0, 40, 80]);
        timeline.splice();
        assert_eq!(
            place_all(&mut timeline, &[5_000, 5_023, 5_040]),
            [120, 143, 160]
        );
    }

    #[test]
    fn time_goes_on_over_the_wrap() {
        let mut timeline = Timeline::default();
        let placed = place_all(&mut timeline, &[u32::MAX - 10, 9, 29]);
        assert_eq!(placed, [4_294_967_285, 4_294_967_305, 4_294_967_325]);
    }

    #[test]
    fn a_jump_is_taken_out_and_said() {
        let mut timeline = Timeline::default();
        let now = Instant::now();
        timeline.place(1_000, now);
        assert_eq!(
            timeline.place(3_600_000, now),
            Placed {
                dts: MediaTime::from_millis(1_040),
                jumped: true
            }
        );
        assert_eq!(
            timeline.place(3_600_040, now),
            Placed {
                dts: MediaTime::from_millis(1_080),
                jumped: false
            }
        );
        assert_eq!(
            timeline.place(0, now),
            Placed {
                dts: MediaTime::from_millis(1_120),
                jumped: true
            }
        );
    }

    #[test]
    fn what_does_not_carry_the_clock_does_not_move_it() {
        let mut timeline = Timeline::default();
        let now = Instant::now();
        let beside = |timeline: &Timeline, wire| timeline.beside(wire, now).as_millis();
        assert_eq!(beside(&timeline, 7), 7, "nothing to stand beside");
        timeline.place(90_000, now);
        assert_eq!(
            beside(&timeline, 90_010),
            90_010,
            "a stamp of the same clock"
        );
        assert_eq!(beside(&timeline, 0), 90_000, "a stamp of no clock");
        assert_eq!(place_all(&mut timeline, &[90_040]), [90_040]);
        timeline.splice();
        assert_eq!(beside(&timeline, 90_050), 90_040, "another publisher's");
        assert_eq!(place_all(&mut timeline, &[5_000]), [90_080]);
    }

    #[test]
    fn a_pause_as_long_on_the_wall_clock_is_no_jump() {
        let mut timeline = Timeline::default();
        let now = Instant::now();
        timeline.place(0, now);
        let later = timeline.place(60_000, now + Duration::from_secs(60));
        assert_eq!(
            later,
            Placed {
                dts: MediaTime::from_millis(60_000),
                jumped: false
            }
        );
    }
}
