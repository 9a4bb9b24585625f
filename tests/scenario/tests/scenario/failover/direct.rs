//! Encoders that publish at an origin itself and go to the other one when it is lost: players at edges
//! stay, and have what each connection sent from its first frame on, nothing twice, nothing late.

use super::{Size, encoder::Encoder, gaps::Gaps, size, world::SOON, world::World};
use anyhow::{Context, Result, ensure};
use harness::Clip;
use std::time::Duration;

/// From when an encoder is let in at the other origin to its frames at the players.
const GAP_MAX: Duration = Duration::from_secs(1);

/// So long encoders go on to send to an origin that hangs, before they give up, in milliseconds.
const UNNOTICED: std::ops::Range<u64> = 300..1_500;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Killed,
    Hangs,
}

/// All encoders are at one origin.
struct Scene {
    world: World,
    encoders: Vec<(String, Encoder)>,
    at: usize,
}

impl Scene {
    async fn start(streams: usize, players: usize) -> Result<Self> {
        let world = World::start(0, 0).await?;
        let path = |number| format!("live/s{number}");
        let encoders = (0..streams).map(|number| (path(number), Encoder::default()));
        let mut scene = Self {
            world,
            encoders: encoders.collect(),
            at: 0,
        };
        scene.encoders_come().await?;
        scene.world.seat(streams, players).await?;
        Ok(scene)
    }

    /// All encoders at once, to the origin where they are to be.
    async fn encoders_come(&mut self) -> Result<()> {
        let clip = Clip::demo()?;
        let origin = &self.world.origins[self.at];
        let coming: Vec<_> = self
            .encoders
            .iter()
            .map(|(path, encoder)| encoder.connect(origin.rtmp_url(path), clip.clone()))
            .collect();
        for ((path, encoder), coming) in self.encoders.iter_mut().zip(coming) {
            encoder.goes_on(coming.await?.with_context(|| path.clone())?);
        }
        Ok(())
    }

    /// The encoders' origin is lost, they go to the other, and the lost one comes back: how long each
    /// player waited for its encoder's new frames.
    async fn loses_its_origin(&mut self, fault: Fault) -> Result<Vec<Duration>> {
        self.world.wait_a_while().await;
        let lost = self.at;
        match fault {
            Fault::Killed => self.world.origins[lost].kill(),
            Fault::Hangs => {
                self.world.origins[lost].pause();
                self.world.wait(UNNOTICED).await;
            }
        }
        for (_, encoder) in &self.encoders {
            encoder.crash();
        }
        self.at = 1 - lost;
        self.encoders_come().await?;
        let mut gaps = Vec::new();
        for (path, encoder) in &self.encoders {
            for player in self.world.players_of(path) {
                let gap = player.until(SOON, |heard| encoder.since_it_came(heard));
                gaps.push(gap.await?);
            }
        }
        let owners = self.world.owners().await?;
        match fault {
            Fault::Killed => self.world.origins[lost].restart().await?,
            Fault::Hangs => self.world.origins[lost].resume(),
        }
        self.world.all_alive().await?;
        ensure!(
            self.world.owners().await? == owners,
            "a stream was won back"
        );
        Ok(gaps)
    }

    fn everybody_heard_everything(&self) -> Result<()> {
        for (path, encoder) in &self.encoders {
            ensure!(encoder.is_running(), "the encoder of {path} was cut off");
            for player in self.world.players_of(path) {
                let what = || player.url().to_owned();
                ensure!(player.end().is_none(), "{}: {:?}", what(), player.end());
                encoder
                    .ensure_heard(&player.frames())
                    .with_context(what)
                    .inspect_err(|_| eprintln!("{}", self.world.logs()))?;
            }
        }
        Ok(())
    }
}

async fn encoders_go_to_the_other_origin(fault: Fault, what: &str) -> Result<()> {
    let Size {
        rounds,
        streams,
        players,
    } = size();
    let mut scene = Scene::start(streams, players).await?;
    let mut gaps = Gaps::default();
    for _ in 0..rounds {
        gaps.extend(scene.loses_its_origin(fault).await?);
    }
    // What the last one that came back might still say is heard, too.
    scene.world.wait_a_while().await;
    gaps.show(what);
    scene.everybody_heard_everything()?;
    ensure!(gaps.longest() < GAP_MAX, "{:?}", gaps.longest());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn encoders_whose_origin_is_killed_are_found_at_the_other_by_every_player() -> Result<()> {
    let what = "kill -9 of the origin, encoders go to the other, from when they are let in";
    encoders_go_to_the_other_origin(Fault::Killed, what).await
}

#[tokio::test(flavor = "multi_thread")]
async fn encoders_whose_origin_hangs_are_found_at_the_other_and_nothing_old_is_heard() -> Result<()>
{
    let what = "SIGSTOP of the origin, encoders go to the other, from when they are let in";
    encoders_go_to_the_other_origin(Fault::Hangs, what).await
}
