//! Waits for a publisher on behalf of a player who came first: `play.wait`.

use crate::hub::Stream;
use std::time::Duration;

/// Whether the stream came online in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Online {
    Yes,
    No,
}

/// Resolves as soon as somebody publishes `stream`, or when `patience` is at its end.
pub(crate) async fn await_online(stream: &Stream, patience: Duration) -> Online {
    let mut online = stream.online();
    match tokio::time::timeout(patience, online.wait_for(|online| *online)).await {
        Ok(Ok(_)) => Online::Yes,
        Ok(Err(_)) | Err(_) => Online::No,
    }
}
