//! Copies one stream to one target over RTMP, for as long as it is published.
//!
//! The target gets the headers and everything from the last key frame on, then each frame as it comes:
//! nothing here polls. When the connection fails it is dialled again with a growing delay. When the
//! publisher goes the target is told so, but the stream is held for a while, so that its time goes on at
//! the target, too, should the publisher come back.

use super::{
    client::{Client, ClientError},
    introduction::Introduction,
};
use crate::{
    dial::Dialler,
    forward::Running,
    hub::{Reader, Stream},
    limits,
    shard::Shard,
    tape::{FRAMES, Piece, cursor::Subscriber},
    target::Target,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use media::StreamPath;
use rtmp::{
    Url,
    client::{Event, Purpose},
};
use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time;

/// The first delay before dialling again; it doubles up to [`RETRY_DELAY_MAX`].
const RETRY_DELAY_MIN: Duration = Duration::from_millis(200);

/// The longest delay: a target that is back is found again within this.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

/// A connection that stood for this long was good: the next failure begins with the first delay.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// Runs until the stream is no longer published, and its publisher has had time to come back.
pub(crate) async fn forward(
    shard: Rc<Shard>,
    path: StreamPath,
    number: usize,
    target: Target,
    dialler: Dialler,
    running: Arc<Running>,
) {
    let url = match target.url(&path) {
        Ok(url) => url,
        Err(error) => {
            tracing::error!(stream = %path, to = %target, %error, "cannot forward");
            return;
        }
    };
    // Holds the stream, so that its coming back is seen.
    let reading = shard.hub().read(&path, Reader::Internal);
    let stream = reading.stream().clone();
    let mut delays = delays();
    loop {
        tokio::select! {
            () = back_online(&stream, shard.linger()) => {}
            () = shard.closing().cancelled() => return,
        }
        if running.may_end(&stream, number) {
            return;
        }
        let began = Instant::now();
        let error = tokio::select! {
            copied = Box::pin(copy(&shard, &stream, &target, &url, &dialler)) => match copied {
                Ok(()) => continue,
                Err(error) => error,
            },
            () = shard.closing().cancelled() => return,
        };
        if began.elapsed() > GOOD_AFTER {
            delays = self::delays();
        }
        let delay = delays.next().unwrap_or(RETRY_DELAY_MAX);
        metrics::counter!("weir_forward_failures_total").increment(1);
        tracing::warn!(stream = %path, to = %target, %error, again_in = ?delay, "forward failed");
        tokio::select! {
            () = time::sleep(delay) => {}
            () = offline(&stream) => {}
            () = shard.closing().cancelled() => return,
        }
    }
}

fn delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(RETRY_DELAY_MIN)
        .with_max_delay(RETRY_DELAY_MAX)
        .with_jitter()
        .without_max_times()
        .build()
}

async fn offline(stream: &Stream) {
    let mut online = stream.online();
    // An error means that the stream is gone altogether.
    let _gone = online.wait_for(|online| !online).await;
}

/// Waits for the publisher, if it has gone, but no longer than players would.
async fn back_online(stream: &Stream, linger: Duration) {
    let mut online = stream.online();
    // Late or not: the caller looks again, under the lock that makes it sure.
    let _late = time::timeout(linger, online.wait_for(|online| *online)).await;
}

/// Dials once and copies until the stream is offline (`Ok`) or the connection is over.
async fn copy(
    shard: &Shard,
    stream: &Arc<Stream>,
    target: &Target,
    url: &Url,
    dialler: &Dialler,
) -> Result<(), ClientError> {
    let introduction = Introduction::default();
    let mut client = tokio::select! {
        opened = Client::open(dialler, url, Purpose::Publish, &introduction) => opened?,
        () = offline(stream) => return Ok(()),
    };
    tracing::info!(stream = %stream.path(), to = %target, "forward began");
    let mut subscriber = shard.subscribe(stream.path(), &FRAMES, Reader::Internal);
    let offline = offline(stream);
    tokio::pin!(offline);
    let copied = loop {
        send_all(&mut client, stream, &mut subscriber);
        let has_room = client.session.output().len() < limits::FORWARD_BYTES_MAX;
        tokio::select! {
            piece = subscriber.next(), if has_room => match piece {
                Some(piece) => send(&mut client, stream, piece),
                None => break Ok(()),
            },
            turned = client.turn() => {
                if let Err(error) = turned.and_then(|()| heed(&mut client)) {
                    break Err(error);
                }
            }
            () = time::sleep(limits::FORWARD_STALL_TIMEOUT), if !has_room => break Err(ClientError::Deaf),
            () = &mut offline => break Ok(()),
        }
    };
    if copied.is_ok() {
        let finishing = finish(&mut client, stream, &mut subscriber);
        let _unsaid = time::timeout(limits::FAREWELL_TIMEOUT, finishing).await;
        tracing::info!(stream = %stream.path(), to = %target, "forward ended with its stream");
    }
    copied
}

/// Sends what the publisher had sent when it went, some of which may still be on its way to this shard,
/// and says goodbye.
async fn finish(
    client: &mut Client,
    stream: &Stream,
    subscriber: &mut Subscriber,
) -> Result<(), ClientError> {
    let end = stream.next_seq();
    while !subscriber.has_reached(end) {
        let has_room = client.session.output().len() < limits::FORWARD_BYTES_MAX;
        tokio::select! {
            piece = subscriber.next(), if has_room => match piece {
                Some(piece) => send(client, stream, piece),
                None => break,
            },
            turned = client.turn() => turned?,
        }
    }
    client.session.close();
    Ok(client.flush().await?)
}

fn send_all(client: &mut Client, stream: &Stream, subscriber: &mut Subscriber) {
    while client.session.output().len() < limits::FORWARD_BYTES_MAX {
        match subscriber.try_next() {
            Some(piece) => send(client, stream, piece),
            None => return,
        }
    }
}

fn send(client: &mut Client, stream: &Stream, piece: Piece) {
    stream.totals().sent(piece.bytes.len() as u64);
    client
        .session
        .send(piece.kind, piece.dts.wire(), &piece.bytes);
}

fn heed(client: &mut Client) -> Result<(), ClientError> {
    while let Some(event) = client.session.poll() {
        match event {
            Event::Ended(status) => return Err(ClientError::Refused(status)),
            // Dialling again follows the redirect.
            Event::Redirect(_) => return Err(ClientError::RedirectLoop),
            _ => {}
        }
    }
    Ok(())
}
