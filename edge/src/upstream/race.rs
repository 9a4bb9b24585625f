//! Asks several upstreams, each a little after the one before; the first with media wins, the rest are
//! hung up on.
//!
//! An origin that has no such stream holds the question until somebody publishes it, so asking in turn
//! would find the right origin late; asking all at once would burden all. A head start is the middle.

use super::sources::Source;
use media::StreamPath;
use relay::{
    dial::Dialler,
    rtmp::pull::{self, Pulled},
};
use std::time::Duration;
use tokio::{task::JoinSet, time};

/// How long each upstream has before the next is asked as well: several round trips over a continent.
const HEAD_START: Duration = Duration::from_millis(150);

/// The winner, or nobody; what each loser said is logged. Dropping the future hangs up on all.
pub(super) async fn race(
    dialler: &Dialler,
    path: &StreamPath,
    sources: &[Source],
    silence: Duration,
) -> Option<(Source, Pulled)> {
    let mut racing = JoinSet::new();
    for (place, source) in (0u32..).zip(sources) {
        let (dialler, source, path) = (dialler.clone(), source.clone(), path.clone());
        racing.spawn_local(async move {
            time::sleep(HEAD_START * place).await;
            let opened = match source.target.url(&path) {
                Ok(url) => pull::open(&dialler, &url, silence)
                    .await
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            (source, opened)
        });
    }
    while let Some(finished) = racing.join_next().await {
        match finished {
            Ok((source, Ok(pulled))) => return Some((source, pulled)),
            Ok((source, Err(error))) => {
                tracing::debug!(stream = %path, upstream = %source.name, %error, "not to be had there");
            }
            Err(error) => tracing::error!(stream = %path, %error, "asking an upstream failed"),
        }
    }
    None
}
