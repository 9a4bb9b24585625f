//! Feeds a stream from one upstream, and holds another warm that has the same input.
//!
//! ```text
//!   active ──frames──▶ hub ──▶ players          the active one ends, breaks, or is late with a frame
//!   stand-by ─frames─▶ kept (two GOPs)    ──▶   that the stand-by has: the stand-by is the active one
//! ```
//!
//! What is kept of the stand-by goes to the hub as another publisher's, and the hub's splice finds the very
//! next frame in it. Who was active is hung up on: it may be a paused process, whose late frames must reach
//! nobody.

use super::{PullError, Pulled, warm::Warm};
use crate::{
    hub::{Epoch, PublisherInfo, PublisherKind},
    local::LocalPublisher,
    rtmp::{
        client::{Client, ClientError},
        publish,
    },
    shard::Shard,
};
use media::StreamPath;
use rtmp::{Media, client::Event};
use std::{
    convert::Infallible,
    future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::{self, Instant};

/// How long the active upstream has sent nothing, at least, before it is late: sound comes each 21 ms,
/// pictures each 40.
const SILENT_MIN: Duration = Duration::from_millis(80);

/// How long the stand-by has had a frame that is missing: two origins are never quite in step.
const AHEAD_MIN: Duration = Duration::from_millis(40);

/// A stream that is fed from upstream. Dropping it ends the publish.
pub struct Feed {
    shard: Rc<Shard>,
    path: StreamPath,
    /// None between two upstreams, and after them.
    publisher: Option<LocalPublisher>,
    superseded: Pin<Box<dyn Future<Output = ()>>>,
    active: Active,
    standby: Option<Standby>,
    look: Pin<Box<time::Sleep>>,
}

struct Active {
    pulled: Pulled,
    heard: Instant,
}

struct Standby {
    pulled: Pulled,
    name: Arc<str>,
    warm: Warm,
    heard: Instant,
    /// Since when it has had a frame that came after the active upstream's newest.
    ahead: Option<Instant>,
}

/// What has become of the upstreams. Players notice none of it.
#[derive(Debug)]
pub enum Change {
    /// The stand-by is the active one now, and there is no stand-by.
    Cut(PullError),
    /// The stand-by has ended or broken.
    StandbyLost(PullError),
}

impl Feed {
    /// Feeds `path` from `shard`; the upstream is called `name`.
    ///
    /// # Errors
    /// If somebody else publishes the stream here.
    pub fn begin(
        pulled: Pulled,
        shard: &Rc<Shard>,
        path: &StreamPath,
        name: Arc<str>,
    ) -> Result<Self, PullError> {
        let mut publisher = publisher(shard, path, name, pulled.epoch)?;
        accept(&mut publisher, pulled.first.clone())?;
        let now = Instant::now();
        Ok(Self {
            shard: shard.clone(),
            path: path.clone(),
            superseded: Box::pin(publisher.superseded()),
            publisher: Some(publisher),
            look: Box::pin(time::sleep(pulled.silence_max)),
            active: Active { pulled, heard: now },
            standby: None,
        })
    }

    /// Holds another upstream, called `name`, warm in place of the one before.
    pub fn hold(&mut self, pulled: Pulled, name: Arc<str>) {
        let now = Instant::now();
        let mut warm = Warm::default();
        if let Some(frame) = publish::frame(&self.path, pulled.first.clone()) {
            warm.push(frame);
        }
        self.standby = Some(Standby {
            pulled,
            name,
            warm,
            heard: now,
            ahead: None,
        });
        self.look.as_mut().reset(now + SILENT_MIN);
    }

    /// Hangs up on the stand-by, if there is one.
    pub fn let_go(&mut self) {
        self.standby = None;
    }

    /// Feeds until there is something to tell. Cancel safe.
    ///
    /// # Errors
    /// When the active upstream ends, breaks or falls silent and there is no stand-by, or somebody else
    /// publishes the stream here.
    pub async fn run(&mut self) -> Result<Change, PullError> {
        loop {
            match self.take_in() {
                Ok(()) => {}
                Err(PullError::TakenOver) => return Err(PullError::TakenOver),
                Err(error) => return self.cut(error),
            }
            if let Some(standby) = &mut self.standby
                && let Err(error) = standby.take_in(&self.path)
            {
                self.standby = None;
                return Ok(Change::StandbyLost(error));
            }
            tokio::select! {
                biased;
                never = expect(self.publisher.as_ref()) => match never {},
                turned = self.active.pulled.client.turn() => if let Err(error) = turned {
                    // What came before the end is not lost.
                    let error = self.take_in().err().unwrap_or(error.into());
                    return self.cut(error);
                },
                turned = turn(&mut self.standby) => if let Err(error) = turned {
                    self.standby = None;
                    return Ok(Change::StandbyLost(error.into()));
                },
                () = &mut self.superseded => return Err(PullError::TakenOver),
                () = &mut self.look => if let Some(error) = self.late() {
                    return self.cut(error);
                },
            }
        }
    }

    /// Publishes what the active upstream has sent.
    fn take_in(&mut self) -> Result<(), PullError> {
        let publisher = self.publisher.as_mut().ok_or(PullError::TakenOver)?;
        let mut heard = false;
        let mut ended = Ok(());
        while let Some(event) = self.active.pulled.client.session.poll() {
            ended = match event {
                Event::Media(media) => {
                    heard = true;
                    accept(publisher, media)
                }
                Event::Unpublished => Err(PullError::Ended),
                Event::Ended(status) => Err(ClientError::Refused(status).into()),
                _ => continue,
            };
            if ended.is_err() {
                break;
            }
        }
        if heard {
            publisher.flush();
            publisher.trail().note(&self.active.pulled.client.session);
            self.active.heard = Instant::now();
            if let Some(standby) = &mut self.standby {
                standby.ahead = None;
            }
        }
        ended
    }

    /// Why the active upstream is given up now, if it is; else sets the time of the next look, which is
    /// not set again for each frame.
    fn late(&mut self) -> Option<PullError> {
        let (now, heard) = (Instant::now(), self.active.heard);
        let silence_max = self.active.pulled.silence_max;
        let silent = heard + silence_max;
        if now >= silent {
            return Some(ClientError::Silent(silence_max).into());
        }
        let next = match &self.standby {
            None => silent,
            Some(_) if now < heard + SILENT_MIN => heard + SILENT_MIN,
            Some(standby) => match standby.ahead.map(|ahead| ahead + AHEAD_MIN) {
                Some(late) if now >= late => return Some(PullError::Late(now - heard)),
                Some(late) => late,
                None => now + AHEAD_MIN,
            },
        };
        self.look.as_mut().reset(next.min(silent));
        None
    }

    /// Goes on with the stand-by.
    fn cut(&mut self, error: PullError) -> Result<Change, PullError> {
        let Some(standby) = self.standby.take() else {
            return Err(error);
        };
        // It must have given the stream up before another can have it.
        drop(self.publisher.take());
        let mut publisher = publisher(&self.shard, &self.path, standby.name, standby.pulled.epoch)?;
        self.superseded = Box::pin(publisher.superseded());
        for frame in standby.warm.into_frames() {
            let published = publisher.publish(frame, std::time::Instant::now());
            published.map_err(|_| PullError::TakenOver)?;
        }
        publisher.flush();
        self.publisher = Some(publisher);
        self.active = Active {
            pulled: standby.pulled,
            heard: standby.heard,
        };
        let silent = self.active.heard + self.active.pulled.silence_max;
        self.look.as_mut().reset(silent);
        Ok(Change::Cut(error))
    }
}

impl Standby {
    /// Keeps what it has sent.
    fn take_in(&mut self, path: &StreamPath) -> Result<(), PullError> {
        let now = Instant::now();
        while let Some(event) = self.pulled.client.session.poll() {
            match event {
                Event::Media(media) => {
                    self.heard = now;
                    self.ahead.get_or_insert(now);
                    if let Some(frame) = publish::frame(path, media) {
                        self.warm.push(frame);
                    }
                }
                Event::Unpublished => return Err(PullError::Ended),
                Event::Ended(status) => return Err(ClientError::Refused(status).into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The stand-by's next turn; without one, never.
async fn turn(standby: &mut Option<Standby>) -> Result<(), ClientError> {
    match standby {
        Some(standby) => Client::turn(&mut standby.pulled.client).await,
        None => future::pending().await,
    }
}

fn publisher(
    shard: &Rc<Shard>,
    path: &StreamPath,
    name: Arc<str>,
    epoch: Epoch,
) -> Result<LocalPublisher, PullError> {
    let info = PublisherInfo {
        peer: None,
        origin: PublisherKind::Pull,
        upstream: Some(name),
        since: SystemTime::now(),
        passed_on: None,
        epoch,
        backup: false,
    };
    let publisher = shard.hub().publish(path, info)?;
    Ok(LocalPublisher::new(publisher, shard))
}

async fn expect(publisher: Option<&LocalPublisher>) -> Infallible {
    match publisher {
        Some(publisher) => publisher.expect().await,
        None => future::pending().await,
    }
}

fn accept(publisher: &mut LocalPublisher, media: Media) -> Result<(), PullError> {
    publish::accept(publisher, media, std::time::Instant::now()).map_err(|_| PullError::TakenOver)
}
