//! Asks several upstreams, each a little after the one before; the first with media wins, the rest are
//! hung up on.
//!
//! An origin that has no such stream holds the question until somebody publishes it, so asking in turn
//! would find the right origin late; asking all at once would burden all. A head start is the middle.

use super::sources::Source;
use media::StreamPath;
use relay::{
    dial::Dialler,
    hub::Epoch,
    rtmp::pull::{self, Pulled},
};
use std::time::Duration;
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};

/// How long each upstream has before the next is asked as well: several round trips over a continent.
/// Also the pause after one has failed, in which the controller may name another.
const HEAD_START: Duration = Duration::from_millis(150);

/// How long an edge has that may have to fetch the stream from the origin first: twice the dialogue, and
/// the edges of a region that all went to the origin instead would be what a tree is there to prevent.
const HEAD_START_OF_AN_EDGE: Duration = Duration::from_secs(1);

/// The winner, or nobody; what each loser said is logged. Whoever believes in an older epoch than `epoch`
/// refuses; who has what was sent since `last` sends that, too. Dropping the future hangs up on all.
pub(super) async fn race(
    dialler: &Dialler,
    path: &StreamPath,
    sources: &[Source],
    silence: Duration,
    epoch: Epoch,
    last: Option<std::time::Instant>,
) -> Option<(Source, Pulled)> {
    let (mut racing, mut waiting) = (JoinSet::new(), sources.iter().peekable());
    let mut turn = Instant::now();
    loop {
        tokio::select! {
            Some(finished) = racing.join_next() => match finished {
                Ok((source, Ok(pulled))) => return Some((source, pulled)),
                Ok((source, Err(error))) => {
                    turn = turn.min(Instant::now() + HEAD_START);
                    let Source { name, .. } = source;
                    tracing::debug!(stream = %path, upstream = %name, %error, "not to be had there");
                }
                Err(error) => tracing::error!(stream = %path, %error, "asking an upstream failed"),
            },
            () = time::sleep_until(turn), if waiting.peek().is_some() => {
                if let Some(source) = waiting.next() {
                    turn = Instant::now() + match source.is_edge {
                        true => HEAD_START_OF_AN_EDGE,
                        false => HEAD_START,
                    };
                    racing.spawn_local(ask(dialler.clone(), path.clone(), source.clone(), silence, epoch, last));
                }
            }
            else => return None,
        }
    }
}

/// What one upstream has, or why nothing.
async fn ask(
    dialler: Dialler,
    path: StreamPath,
    source: Source,
    silence: Duration,
    epoch: Epoch,
    last: Option<std::time::Instant>,
) -> (Source, Result<Pulled, String>) {
    let opened = match source.target.url(&path) {
        Ok(url) => pull::open(
            &dialler,
            &url,
            silence,
            epoch,
            last.map(|last| last.elapsed()),
        )
        .await
        .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    (source, opened)
}
