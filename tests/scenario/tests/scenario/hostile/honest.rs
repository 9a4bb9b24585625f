//! Those who must not notice: an encoder, our own publisher, watchers that stay, newcomers, operators.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{
    Clip, Player, Process, Program, Streaming, http,
    peer::ffmpeg,
    player::{ensure_begins_well, ensure_rising, ensure_same_media},
};
use tokio::time;

use crate::witness::{SOON, STEP_MAX, ensure_follows, has_begun, hears_as};

/// What a real encoder publishes, and what our own publisher does, whose every frame is known.
pub(super) const LENS: &str = "live/lens";
const CLIP: &str = "live/clip";

/// Frames after which a newcomer has seen enough.
const GLANCE: usize = 60;

/// Time between two newcomers.
const PAUSE: Duration = Duration::from_millis(500);

/// Publishers at the origin and players everywhere, for the whole time.
pub(super) struct Honest {
    encoder: Process,
    clip: Streaming,
    /// By node, then by stream, the RTMP player first: it is the witness.
    watchers: Vec<[Vec<Player>; 2]>,
}

/// What newcomers and operators met with.
#[derive(Debug, Default)]
pub(super) struct Met {
    pub(super) newcomers: usize,
    /// From a newcomer's connection to its first key frame.
    pub(super) slowest_join: Duration,
    pub(super) answers: usize,
    pub(super) slowest_answer: Duration,
}

impl Honest {
    pub(super) async fn begin(nodes: &[&Program]) -> Result<Self> {
        let origin = nodes.first().context("there is an origin")?;
        // They come before the publishers do, so that they hear all of it.
        let watch = |node: &Program, stream: &str| -> Vec<Player> {
            let urls = [
                node.rtmp_url(stream),
                node.flv_url(stream),
                node.ws_url(stream),
            ];
            urls.into_iter().map(Player::start).collect()
        };
        let watchers: Vec<[Vec<Player>; 2]> = nodes
            .iter()
            .map(|node| [LENS, CLIP].map(|stream| watch(node, stream)))
            .collect();
        let encoder = ffmpeg::publish(&origin.rtmp_url(LENS), &ffmpeg::Source::default())?;
        let clip = Streaming::start(&origin.rtmp_url(CLIP), Clip::demo()?, 0).await?;
        let honest = Self {
            encoder,
            clip,
            watchers,
        };
        for player in honest.players() {
            has_begun(player).await?;
        }
        Ok(honest)
    }

    fn players(&self) -> impl Iterator<Item = &Player> {
        self.watchers.iter().flatten().flatten()
    }

    /// Newcomers, some at a time, and operators who ask for `pages`; until `deadline`.
    ///
    /// # Errors
    /// If a newcomer is not served well, or a page does not answer.
    pub(super) async fn meanwhile(
        &self,
        nodes: &[&Program],
        pages: &[String],
        mut random: fastrand::Rng,
        deadline: time::Instant,
    ) -> Result<Met> {
        let mut newcomers = || self.newcomers(nodes, random.fork(), deadline);
        let (one, two, three, asked) =
            tokio::try_join!(newcomers(), newcomers(), newcomers(), ask(pages, deadline))?;
        Ok([one, two, three].into_iter().fold(asked, Met::and))
    }

    /// One newcomer after another.
    async fn newcomers(
        &self,
        nodes: &[&Program],
        mut random: fastrand::Rng,
        deadline: time::Instant,
    ) -> Result<Met> {
        let mut met = Met::default();
        while time::Instant::now() < deadline {
            let at = random.usize(0..nodes.len());
            let which = random.usize(0..2);
            let (node, stream) = (nodes[at], [LENS, CLIP][which]);
            let came = Instant::now();
            let player = Player::start(match random.u8(0..3) {
                0 => node.rtmp_url(stream),
                1 => node.flv_url(stream),
                _ => node.ws_url(stream),
            });
            has_begun(&player).await?;
            met.slowest_join = met.slowest_join.max(came.elapsed());
            player.hears_more(GLANCE, SOON).await?;
            let heard = player.frames();
            ensure_begins_well(&heard)
                .and_then(|()| ensure_follows(&self.watchers[at][which][0].frames(), &heard))
                .with_context(|| format!("a newcomer to {}", player.url()))?;
            met.newcomers += 1;
            self.ensure_undisturbed()?;
            time::sleep(PAUSE).await;
        }
        Ok(met)
    }

    /// Fails if somebody was disconnected.
    fn ensure_undisturbed(&self) -> Result<()> {
        ensure!(self.clip.is_running(), "our own publisher was disconnected");
        for player in self.players() {
            ensure!(
                player.end().is_none(),
                "{} ended: {:?}",
                player.url(),
                player.end()
            );
        }
        Ok(())
    }

    /// Ends the publishers and compares what everybody heard. Gives the longest time in which a
    /// watcher received nothing.
    ///
    /// # Errors
    /// If anybody was disconnected, or missed a frame, or heard another.
    pub(super) async fn end(mut self) -> Result<Duration> {
        self.ensure_undisturbed()?;
        self.encoder
            .ensure_running()
            .context("the encoder was disconnected")?;
        let sent = self.clip.sent();
        let mut silence = Duration::ZERO;
        let first = self.watchers.first().context("there is an origin")?;
        let lens = first[0][0].frames();
        for of_node in &self.watchers {
            for (players, reference) in of_node.iter().zip([&lens, &sent]) {
                let witness = players[0].frames();
                ensure_rising(&witness, STEP_MAX).with_context(|| players[0].url().to_owned())?;
                let compared = ensure_same_media(reference, &witness)
                    .with_context(|| players[0].url().to_owned())?;
                // They began when the stream did: all of it but its end is compared.
                ensure!(
                    compared > reference.len() / 10 * 9,
                    "only {compared} frames compared"
                );
                for player in players {
                    hears_as(player, &witness)
                        .await
                        .with_context(|| player.url().to_owned())?;
                    let frames = player.frames();
                    let gaps = frames.windows(2).map(|pair| pair[1].at - pair[0].at);
                    silence = silence.max(gaps.max().unwrap_or_default());
                }
            }
        }
        self.clip.stop().await?;
        Ok(silence)
    }
}

/// One question after another.
async fn ask(pages: &[String], deadline: time::Instant) -> Result<Met> {
    let mut met = Met::default();
    while time::Instant::now() < deadline {
        for page in pages {
            let asked = Instant::now();
            http::get_ok(page).await?;
            met.answers += 1;
            met.slowest_answer = met.slowest_answer.max(asked.elapsed());
        }
        time::sleep(PAUSE).await;
    }
    Ok(met)
}

impl Met {
    fn and(self, other: Self) -> Self {
        Self {
            newcomers: self.newcomers + other.newcomers,
            slowest_join: self.slowest_join.max(other.slowest_join),
            answers: self.answers + other.answers,
            slowest_answer: self.slowest_answer.max(other.slowest_answer),
        }
    }
}
