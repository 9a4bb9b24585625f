//! One player of a node is the measure for all others there: they must hear what it heard.

use anyhow::{Context, Result, ensure};
use harness::{
    Player,
    player::{Heard, ensure_begins_well},
};
use std::time::Duration;

/// How long anything may take that takes milliseconds on an idle machine, on one that is busy with
/// hundreds of players and other tests.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// More than a frame of sound or picture lasts, less than two pictures: what `ensure_rising` allows.
pub(crate) const STEP_MAX: Duration = Duration::from_millis(60);

/// Waits for a player's first key frame.
pub(crate) async fn has_begun(player: &Player) -> Result<()> {
    player
        .until(SOON, |frames| {
            frames
                .iter()
                .find(|frame| frame.is_key())
                .context("no key frame yet")
                .map(drop)
        })
        .await
}

/// All that a player has heard, as soon as that reaches `last`.
pub(crate) async fn heard_up_to(player: &Player, last: &Heard) -> Result<Vec<Heard>> {
    player
        .until(SOON, |frames| {
            let mut backwards = frames.iter().rev().filter(|frame| frame.is_media());
            let found = backwards.any(|frame| (frame.kind, frame.hash) == (last.kind, last.hash));
            let newest = frames.iter().map(|frame| frame.timestamp).max();
            ensure!(
                found && newest >= Some(last.timestamp),
                "not yet at {last:?}"
            );
            Ok(frames.to_vec())
        })
        .await
}

/// Fails unless a player began well and from its first key frame on heard what the witness of its
/// node heard, to the witness's last frame: same bytes, same timestamps, same order, nothing missing.
pub(crate) async fn hears_as(player: &Player, witness: &[Heard]) -> Result<()> {
    let last = witness
        .iter()
        .rev()
        .find(|frame| frame.is_media())
        .context("no witness")?;
    let heard = heard_up_to(player, last).await?;
    ensure_begins_well(&heard)?;
    ensure_follows(witness, &heard)
}

/// The comparison of [`hears_as`]: it goes on to the end of whichever ends first.
pub(crate) fn ensure_follows(witness: &[Heard], heard: &[Heard]) -> Result<()> {
    let media = |frames: &[Heard]| -> Vec<(media::Kind, u32, u64)> {
        let media = frames.iter().filter(|frame| frame.is_media());
        media
            .map(|frame| (frame.kind, frame.timestamp, frame.hash))
            .collect()
    };
    let first = heard
        .iter()
        .find(|frame| frame.is_media())
        .context("nothing was heard")?;
    ensure!(first.is_key(), "the first frame is no key frame: {first:?}");
    let (witness, heard) = (media(witness), media(heard));
    let start = witness.iter().position(|frame| *frame == heard[0]);
    let start = start.context("the witness never heard its first frame")?;
    for (place, (expected, found)) in witness[start..].iter().zip(&heard).enumerate() {
        ensure!(
            expected == found,
            "frame {place} is {found:?}, should be {expected:?}"
        );
    }
    Ok(())
}

/// From the environment, to see a run again; else another one each time.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("WEIR_SCENARIO_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| fastrand::u64(..))
}

#[cfg(test)]
mod own {
    use super::*;
    use media::{Kind, Role};
    use std::time::Instant;

    fn frames() -> Vec<Heard> {
        let at = Instant::now();
        (0..40_u32)
            .map(|place| Heard {
                kind: Kind::Video,
                role: if place % 10 == 0 {
                    Role::Key
                } else {
                    Role::Inter
                },
                timestamp: place * 40,
                hash: u64::from(place),
                body_bytes: 100,
                at,
            })
            .collect()
    }

    #[test]
    fn a_frame_that_is_lost_late_swapped_or_changed_is_found_out() {
        let witness = frames();
        ensure_follows(&witness, &witness[10..]).expect("a late joiner hears the same");
        let broken: [fn(&mut Vec<Heard>); 4] = [
            |heard| {
                heard.remove(5);
            },
            |heard| heard[5].timestamp += 1,
            |heard| heard.swap(5, 6),
            |heard| heard[5].hash ^= 1,
        ];
        for (case, damage) in broken.iter().enumerate() {
            let mut heard = witness[10..].to_vec();
            damage(&mut heard);
            assert!(ensure_follows(&witness, &heard).is_err(), "case {case}");
        }
        assert!(
            ensure_follows(&witness, &witness[11..]).is_err(),
            "no key frame first"
        );
    }
}
