//! Plays a stream to an RTMP player: the session speaks, the tape streams.

use super::{
    format::RTMP,
    server::{Connection, Ended},
};
use crate::{
    await_online::{Online, await_online},
    hub::Reading,
    limits,
    player::{End, Heard, Player},
    tape::index::Sink,
};
use bytes::Bytes;
use media::StreamPath;
use rtmp::{Status, server::Event, status::code};
use std::{collections::VecDeque, io, time::Instant};
use tokio::time;

/// Plays `path` until the peer ends it (`Ok`) or the connection is over.
pub(super) async fn play(connection: &mut Connection, path: &StreamPath) -> Result<(), Ended> {
    let peer = connection.peer;
    let mut reading = connection.shard.hub().read(path, connection.reader());
    // Boxed, as the farewell below: a player keeps memory for what it does now, not for what it did.
    let online = Box::pin(wait(connection, &reading)).await?;
    if online == Online::No {
        let reason = format!("nobody publishes {path}");
        tracing::info!(stream = %path, %peer, "player refused: nobody publishes the stream");
        connection
            .session
            .reject(Status::error(code::PLAY_STREAM_NOT_FOUND, reason.clone()))?;
        return Err(Ended::Refused(reason));
    }
    let expected = connection.introduction.as_ref().map(|said| said.epoch);
    if let Err(outdated) = reading.fence(expected.unwrap_or_default()) {
        tracing::warn!(stream = %path, %peer, reason = %outdated, "a node's pull refused");
        metrics::counter!("weir_plays_fenced_total").increment(1);
        let reason = outdated.to_string();
        connection
            .session
            .reject(Status::error(code::PLAY_STREAM_NOT_FOUND, reason.clone()))?;
        return Err(Ended::Refused(reason));
    }
    if let Some(back) = connection.back() {
        reading.comes_back(back);
    }
    connection.session.accept_play()?;
    let greeting = connection.take_output();
    tracing::info!(stream = %path, %peer, protocol = "rtmp", "player joined");
    let began = Instant::now();
    let player = Player::start(
        &connection.shard,
        connection.socket.clone(),
        reading,
        &RTMP,
        greeting,
        &connection.settings.play,
    );
    let ended = feed(connection, &player).await;
    if matches!(ended, Err(Ended::Player(End::StreamEnded))) {
        connection.session.send_status(Status::notice(
            code::PLAY_UNPUBLISH_NOTIFY,
            "the stream has ended",
        ));
        connection.session.stream_eof();
    }
    let rest = player.leave();
    let reason = ended
        .as_ref()
        .err()
        .map_or_else(|| "stopped".to_owned(), ToString::to_string);
    tracing::info!(stream = %path, %peer, protocol = "rtmp", %reason, seconds = began.elapsed().as_secs(),
        bytes = player.written(), skips = player.skips(), "player left");
    if matches!(ended, Ok(()) | Err(Ended::Player(End::StreamEnded))) {
        // The peer goes on listening: it must get the rest of the piece that it has in part.
        Box::pin(finish(connection, rest)).await?;
    }
    ended
}

/// Waits until somebody publishes, for as long as the operator lets players wait.
async fn wait(connection: &mut Connection, reading: &Reading) -> Result<Online, Ended> {
    let patience = connection.settings.play.wait.get();
    let closing = connection.shard.closing().clone();
    tokio::select! {
        online = await_online(reading.stream(), patience) => Ok(online),
        ended = listen(connection) => Err(ended),
        () = closing.cancelled() => Err(Ended::Closing),
    }
}

/// Sends what must be sent before anything else may be.
async fn finish(connection: &Connection, rest: VecDeque<Bytes>) -> Result<(), Ended> {
    let sent = async {
        for bytes in rest {
            connection.write(bytes).await?;
        }
        Ok::<_, io::Error>(())
    };
    let sent = time::timeout(limits::FAREWELL_TIMEOUT, sent).await;
    Ok(sent.map_err(|_| Ended::Deaf)??)
}

/// Hears what the peer says while it waits; only its hanging up matters.
async fn listen(connection: &mut Connection) -> Ended {
    loop {
        if let Err(ended) = connection.turn().await {
            return ended;
        }
    }
}

async fn feed(connection: &mut Connection, player: &Player) -> Result<(), Ended> {
    let closing = connection.shard.closing().clone();
    loop {
        while let Some(event) = connection.session.poll() {
            match event {
                Event::Pause(paused) => player.pause(paused),
                Event::Stop | Event::Unpublish => return Ok(()),
                _ => {}
            }
        }
        let reply = connection.take_output();
        if !reply.is_empty() {
            if !player.reply(reply) {
                return Err(Ended::Deaf);
            }
            player.wake();
        }
        tokio::select! {
            heard = player.heard() => match heard {
                Heard::Said => connection.read()?,
                Heard::Ended(end) => return Err(Ended::Player(end)),
            },
            () = closing.cancelled() => return Err(Ended::Closing),
        }
    }
}
