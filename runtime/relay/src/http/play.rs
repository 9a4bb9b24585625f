//! Plays over HTTP-FLV and WebSocket-FLV on a socket of our own: headers of the response, FLV's file
//! header, then the tape.

use super::{
    format::{FLV, FLV_OVER_WEBSOCKET, append_message_header},
    head::Get,
    websocket::{self, Said},
};
use crate::{
    await_online::{Online, await_online},
    hub::{Carries, Reader, Reading},
    limits, net,
    player::{End, Heard, Player},
    settings::Play,
    shard::Shard,
    tape::index::Sink,
};
use bytes::{Bytes, BytesMut};
use media::StreamPath;
use std::{io, net::SocketAddr, rc::Rc};
use tokio::{net::TcpStream, time};

/// The head of an endless response: no length, so the connection's end is the body's end.
pub(crate) const RESPONSE_HEADERS: &str = "Content-Type: video/x-flv\r\nCache-Control: no-cache, no-store\r\n\
     Access-Control-Allow-Origin: *\r\nConnection: close\r\n";

/// What a peer wants to play, and how it asked.
pub(crate) struct Asked {
    pub(crate) get: Get,
    pub(crate) path: StreamPath,
}

/// Plays what the peer asked for, until one of both ends it.
pub(crate) async fn play(
    shard: &Shard,
    socket: TcpStream,
    peer: SocketAddr,
    asked: Box<Asked>,
    settings: &Play,
) {
    let reading = shard.hub().read(&asked.path, Reader::Player);
    let stream = reading.stream().clone();
    let path = stream.path();
    let socket = Rc::new(socket);
    // Boxed: a player keeps memory for what it does now, not for what it did.
    let Some(online) = Box::pin(wait(shard, &socket, &reading, settings)).await else {
        return;
    };
    if online == Online::No {
        let refusal = time::timeout(limits::FAREWELL_TIMEOUT, refuse(&socket, path));
        let _unsaid = Box::pin(refusal).await;
        tracing::info!(stream = %path, %peer, "player refused: nobody publishes the stream");
        return;
    }
    let websocket = asked.get.websocket_key.is_some();
    let format = if websocket { &FLV_OVER_WEBSOCKET } else { &FLV };
    let greeting = greeting(&asked.get, &reading);
    drop(asked);
    tracing::info!(stream = %path, %peer, protocol = format.name, "player joined");
    let player = Player::start(shard, socket.clone(), reading, format, greeting, settings);
    let mut inbound = websocket::Inbound::default();
    let end = loop {
        tokio::select! {
            heard = player.heard() => match heard {
                Heard::Said => {}
                Heard::Ended(end) => break end,
            },
            () = shard.closing().cancelled() => break End::StreamEnded,
        }
        let said = shard.with_scratch(|buffer| {
            let read = net::read_some(&socket, buffer)?;
            Ok(read
                .filter(|_| websocket)
                .map_or(Said::Nothing, |bytes| inbound.read(bytes)))
        });
        match said {
            Ok(Said::Nothing) => {}
            Ok(said) => {
                if let Err(end) = answer(&player, &mut inbound, said) {
                    break end;
                }
            }
            Err(error) => break End::Failed(error),
        }
    };
    if websocket && matches!(end, End::StreamEnded | End::Left) {
        player.reply(websocket::close(1000, &end.to_string()));
        player.wake();
    }
    let _unsent = player.leave();
    tracing::info!(stream = %path, %peer, protocol = format.name, reason = %end,
        bytes = player.written(), skips = player.skips(), "player left");
}

/// Waits until somebody publishes, for as long as the operator lets players wait; `None` if the peer is gone.
async fn wait(
    shard: &Shard,
    socket: &TcpStream,
    reading: &Reading,
    settings: &Play,
) -> Option<Online> {
    let gone = async { while drain(shard, socket).await.is_ok() {} };
    tokio::select! {
        online = await_online(reading.stream(), settings.wait.get()) => Some(online),
        () = gone => None,
        () = shard.closing().cancelled() => None,
    }
}

fn answer(player: &Player, inbound: &mut websocket::Inbound, mut said: Said) -> Result<(), End> {
    loop {
        match said {
            Said::Nothing => break,
            Said::Ping(pong) => {
                if !player.reply(pong) {
                    return Err(End::Deaf);
                }
            }
            Said::Close => return Err(End::Left),
            Said::Nonsense => return Err(End::Failed(io::ErrorKind::InvalidData.into())),
        }
        said = inbound.read(&[]);
    }
    // However many there were, in one go.
    player.wake();
    Ok(())
}

async fn drain(shard: &Shard, socket: &TcpStream) -> io::Result<()> {
    socket.readable().await?;
    shard.with_scratch(|buffer| net::read_some(socket, buffer).map(drop))
}

/// What precedes the tape: the response's head and FLV's file header.
fn greeting(get: &Get, reading: &Reading) -> Bytes {
    let mut greeting = BytesMut::new();
    let file_header = file_header(reading);
    match &get.websocket_key {
        Some(key) => {
            greeting.extend_from_slice(&websocket::upgrade_response(key));
            append_message_header(file_header.len(), &mut greeting);
        }
        None => {
            let version = get.version;
            greeting.extend_from_slice(
                format!("HTTP/1.{version} 200 OK\r\n{RESPONSE_HEADERS}\r\n").as_bytes(),
            );
        }
    }
    greeting.extend_from_slice(&file_header);
    greeting.freeze()
}

/// FLV's file header, with the flags of what the publisher has sent; both where it has sent nothing yet.
///
/// Not of the sequence headers alone: some codecs (MP3, G.711) have none.
pub(crate) fn file_header(reading: &Reading) -> Bytes {
    let Carries { audio, video } = reading.stream().carries();
    let unknown = !audio && !video;
    Bytes::copy_from_slice(&flv::file_header(audio || unknown, video || unknown))
}

async fn refuse(socket: &TcpStream, path: &StreamPath) {
    let body = super::errors::stream_not_found(path);
    let response = format!(
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut rest = response.as_bytes();
    while !rest.is_empty() && socket.writable().await.is_ok() {
        match socket.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
