//! What the encoder sends, and whether players heard exactly that.

use anyhow::{Context, Result, ensure};
use harness::{Clip, Player, player::Heard};
use media::Kind;
use std::hash::{DefaultHasher, Hasher};

/// Fails unless every player heard the input as if nothing had been done to any origin.
pub(super) fn nobody_noticed(clip: &Clip, players: &[Player]) -> Result<()> {
    for player in players {
        ensure!(
            player.end().is_none(),
            "{} was cut off: {:?}",
            player.url(),
            player.end()
        );
        ensure!(
            player.unpublished_count() == 0,
            "{} was told of an end",
            player.url()
        );
        ensure_is_the_input(clip, &player.frames()).with_context(|| player.url().to_owned())?;
    }
    Ok(())
}

/// What the input's media is: as they are sent, without end.
fn input(clip: &Clip, upto: u32) -> Vec<(u32, Kind, u64)> {
    let rounds = clip
        .rounds(0)
        .take_while(|(timestamp, ..)| *timestamp <= upto);
    rounds
        .map(|(timestamp, kind, body)| (timestamp, kind, hash(body)))
        .collect()
}

/// As [`Heard::hash`].
pub(super) fn hash(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    hasher.finish()
}

/// Fails unless a player heard exactly the input from its first frame on: no frame twice, none missing,
/// each at its own time.
fn ensure_is_the_input(clip: &Clip, frames: &[Heard]) -> Result<usize> {
    let heard: Vec<_> = frames.iter().filter(|frame| frame.is_media()).collect();
    let (first, last) = heard
        .first()
        .zip(heard.last())
        .context("nothing was heard")?;
    let newest = heard
        .iter()
        .map(|frame| frame.timestamp)
        .max()
        .unwrap_or(last.timestamp);
    let input = input(clip, newest.saturating_add(1_000));
    let is = |frame: &Heard| (frame.timestamp, frame.kind, frame.hash);
    let start = input
        .iter()
        .position(|sent| *sent == is(first))
        .context("it is not of the input")?;
    for (place, (heard, sent)) in heard.iter().zip(&input[start..]).enumerate() {
        ensure!(
            is(heard) == *sent,
            "frame {place}: {:?} was sent, {:?} heard",
            sent,
            is(heard)
        );
    }
    Ok(heard.len())
}
