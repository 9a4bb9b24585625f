//! An encoder that publishes at an origin itself: when that is lost it connects to another and begins
//! again. Each body ends with a number of its own, so that what a player heard is known frame by frame:
//! from which connection it is, and which of its frames.

use super::world::SOON;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use harness::{Clip, Publisher, player::Heard};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{task::JoinHandle, time};

/// The first connection's time when it begins; the others begin at zero, as an encoder that is started
/// again.
const HOUR_MS: u32 = 3_600_000;

/// How long an encoder that was sent away rests before it comes again.
const REST: Duration = Duration::from_millis(100);

/// One stream's encoder, with all that it has sent.
#[derive(Default)]
pub(super) struct Encoder {
    lines: Vec<Line>,
}

/// One connection: where it is among the others, and its frames in the order in which they were sent.
pub(super) struct Line {
    came: Instant,
    sent: Arc<Mutex<Vec<Heard>>>,
    task: JoinHandle<()>,
}

impl Encoder {
    /// Connects to `url`, again and again until it is let in: what [`Self::goes_on`] takes.
    pub(super) fn connect(&self, url: String, clip: Clip) -> JoinHandle<Result<Line>> {
        tokio::spawn(Line::open(url, clip, self.lines.len()))
    }

    /// Has a connection as its newest.
    pub(super) fn goes_on(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Closes its connection without a word.
    pub(super) fn crash(&self) {
        if let Some(line) = self.lines.last() {
            line.task.abort();
        }
    }

    /// Whether the server still takes what it sends.
    pub(super) fn is_running(&self) -> bool {
        self.lines
            .last()
            .is_some_and(|line| !line.task.is_finished())
    }

    /// From when it was let in last to a player's first frame of that connection.
    pub(super) fn since_it_came(&self, heard: &[Heard]) -> Result<Duration> {
        let line = self.lines.last().context("it never came")?;
        let sent = line.sent();
        let sent: HashMap<u64, usize> = sent.iter().map(|frame| frame.hash).zip(0..).collect();
        // Backwards to the first of them: what was before is long.
        let new = heard.iter().rev().filter(|frame| frame.is_media());
        let first = new
            .take_while(|frame| sent.contains_key(&frame.hash))
            .last();
        let first = first.context("nothing of its new connection was heard")?;
        Ok(first.at.saturating_duration_since(line.came))
    }

    /// Fails unless a player heard, from some key frame on, the connections one after the other: each
    /// from its first frame on, each frame once, in order, at its own time or all of them shifted alike,
    /// and nothing of a connection once the next had begun.
    pub(super) fn ensure_heard(&self, heard: &[Heard]) -> Result<()> {
        let mut sent = HashMap::new();
        for (number, line) in self.lines.iter().enumerate() {
            for (place, frame) in line.sent().iter().enumerate() {
                sent.insert(frame.hash, (number, place, frame.timestamp));
            }
        }
        let mut before: Option<(usize, usize, u32)> = None;
        for frame in heard.iter().filter(|frame| frame.is_media()) {
            let (line, place, timestamp) = *sent.get(&frame.hash).context("it was never sent")?;
            let shift = frame.timestamp.wrapping_sub(timestamp);
            match before {
                None => ensure!(
                    frame.is_key(),
                    "began at frame {place} of connection {line}"
                ),
                Some((same, last, shifted)) if same == line => ensure!(
                    place == last + 1 && shift == shifted,
                    "after frame {last} of connection {line} came {place}, shifted {shifted} and {shift} ms"
                ),
                Some((old, last, _)) => ensure!(
                    line == old + 1 && place == 0,
                    "after frame {last} of connection {old} came frame {place} of connection {line}"
                ),
            }
            before = Some((line, place, shift));
        }
        let newest = before.map(|(line, ..)| line + 1);
        ensure!(
            newest == Some(self.lines.len()),
            "it heard up to {newest:?}"
        );
        Ok(())
    }
}

impl Line {
    async fn open(url: String, clip: Clip, number: usize) -> Result<Self> {
        let begun = Instant::now();
        let (publisher, came) = loop {
            match Publisher::connect(&url).await {
                Ok(publisher) => break (publisher, Instant::now()),
                Err(refused) if begun.elapsed() > SOON => return Err(refused),
                // As long as the old owner is not known to be gone.
                Err(_) => time::sleep(REST).await,
            }
        };
        let sent = Arc::new(Mutex::new(Vec::new()));
        let sending = send(publisher, clip, number, Arc::clone(&sent));
        let task = tokio::spawn(async move {
            // That the origin is lost is what the test is about; who is cut off otherwise is asked for
            // by `is_running`.
            let _ = sending.await;
        });
        Ok(Self { came, sent, task })
    }

    fn sent(&self) -> Vec<Heard> {
        let sent = self.sent.lock();
        sent.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends the clip in real time, without end, each body numbered.
async fn send(
    mut publisher: Publisher,
    clip: Clip,
    number: usize,
    sent: Arc<Mutex<Vec<Heard>>>,
) -> Result<()> {
    let start = if number == 0 { HOUR_MS } else { 0 };
    publisher.send_headers(&clip, start).await?;
    let begun = time::Instant::now();
    for (place, (timestamp, kind, body)) in clip.rounds(start).enumerate() {
        let since = Duration::from_millis(u64::from(timestamp.wrapping_sub(start)));
        time::sleep_until(begun + since).await;
        let numbers = [number.to_be_bytes(), place.to_be_bytes()].concat();
        let body = Bytes::from([body.as_ref(), &numbers].concat());
        // Before it is sent: a player may have it before this task goes on.
        let frame = Heard::new(kind, timestamp, &body, Instant::now());
        sent.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(frame);
        publisher.send(kind, timestamp, &body).await?;
    }
    Ok(())
}

#[cfg(test)]
mod own {
    use super::*;

    /// What a connection sent: a key frame first, then others.
    fn line(number: usize) -> Vec<Heard> {
        let frame = |place: u8| {
            let body = Bytes::from(vec![
                if place == 0 { 0x17 } else { 0x27 },
                1,
                0,
                0,
                0,
                number as u8,
                place,
            ]);
            Heard::new(
                media::Kind::Video,
                u32::from(place) * 40,
                &body,
                Instant::now(),
            )
        };
        (0..10).map(frame).collect()
    }

    #[tokio::test]
    async fn what_is_old_lost_twice_or_at_another_time_is_found_out() {
        let lines = (0..2).map(|number| Line {
            came: Instant::now(),
            sent: Arc::new(Mutex::new(line(number))),
            task: tokio::spawn(async {}),
        });
        let encoder = Encoder {
            lines: lines.collect(),
        };
        // The old connection's last frames may be lost with its origin.
        let heard = [&line(0)[..7], &line(1)].concat();
        encoder
            .ensure_heard(&heard)
            .expect("each from its first on");
        let broken: [fn(&mut Vec<Heard>); 6] = [
            |heard| heard.truncate(7),
            |heard| heard.insert(9, line(0)[7]),
            |heard| heard.insert(9, heard[8]),
            |heard| _ = heard.remove(7),
            |heard| _ = heard.remove(12),
            |heard| heard[12].timestamp += 1,
        ];
        for (case, damage) in broken.iter().enumerate() {
            let mut heard = heard.clone();
            damage(&mut heard);
            assert!(encoder.ensure_heard(&heard).is_err(), "case {case}");
        }
    }
}
