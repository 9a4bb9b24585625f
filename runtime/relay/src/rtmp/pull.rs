//! Takes a stream from another server into the hub: what an edge does for its players.
//!
//! Two steps, so that several upstreams can be asked at once and the first with media wins:
//! [`open`] dials and waits for the first frame; a [`Feed`] makes it the stream's publisher, and can hold a
//! second one warm.

mod feed;
mod warm;

pub use feed::{Change, Feed};

use super::{
    client::{Client, ClientError},
    introduction::Introduction,
};
use crate::{
    dial::Dialler,
    hub::{Busy, Epoch},
    shard::Shard,
};
use media::StreamPath;
use rtmp::{
    Media, Url,
    client::{Event, Purpose},
};
use std::{convert::Infallible, rc::Rc, sync::Arc, time::Duration};
use tokio::time;

/// Why a pull is over. Trying again is safe in every case but `Busy`, where there is no need.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The connection was refused, or broke.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Upstream says that its publisher has gone.
    #[error("the stream has ended upstream")]
    Ended,
    /// It has sent nothing for so long, and another upstream has gone on.
    #[error("it has sent nothing for {} ms, and the stand-by has gone on", .0.as_millis())]
    Late(Duration),
    /// Somebody else publishes the stream here.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Somebody else has begun to publish the stream here.
    #[error("another publisher has taken the stream over")]
    TakenOver,
}

/// An upstream that has sent its first frame.
pub struct Pulled {
    client: Client,
    first: Media,
    silence_max: Duration,
    epoch: Epoch,
}

/// Dials `url` and waits for the first frame. Dropping the future hangs up.
///
/// `silence_max` is how long the upstream may then send nothing. An upstream of ours that believes in an
/// older epoch than `epoch` refuses. `back` is for how long we have had nothing of the stream, if we had it
/// before: an upstream of ours sends what we missed.
///
/// # Errors
/// If the upstream cannot be reached, has no such stream, or sends no frame in time.
pub async fn open(
    dialler: &Dialler,
    url: &Url,
    silence_max: Duration,
    epoch: Epoch,
    back: Option<Duration>,
) -> Result<Pulled, PullError> {
    let introduction = Introduction::pull(epoch, back);
    let mut client = Client::open(dialler, url, Purpose::Play, &introduction).await?;
    let first = async {
        loop {
            while let Some(event) = client.session.poll() {
                match event {
                    Event::Media(media) => return Ok(media),
                    Event::Unpublished => return Err(PullError::Ended),
                    Event::Ended(status) => return Err(ClientError::Refused(status).into()),
                    _ => {}
                }
            }
            client.turn().await?;
        }
    };
    let first = time::timeout(silence_max, first)
        .await
        .map_err(|_| ClientError::Silent(silence_max))??;
    Ok(Pulled {
        client,
        first,
        silence_max,
        epoch,
    })
}

impl Pulled {
    /// Feeds `path` from `shard` until the upstream, called `name`, ends, falls silent or breaks.
    ///
    /// # Errors
    /// Always: why it is over.
    pub async fn run(
        self,
        shard: &Rc<Shard>,
        path: &StreamPath,
        name: Arc<str>,
    ) -> Result<Infallible, PullError> {
        let mut feed = Feed::begin(self, shard, path, name)?;
        loop {
            feed.run().await?;
        }
    }
}
