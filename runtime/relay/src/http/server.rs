//! Accepts HTTP connections on one shard and splits them between our own writer and hyper.

use super::{head, pages, play, target};
use crate::{admission::Admission, limits, net, settings::Settings, shard::Shard};
use bytes::BytesMut;
use std::{io, net::SocketAddr, rc::Rc};
use tokio::{net::TcpStream, time};

/// Serves one accepted connection to its end.
pub(crate) async fn serve(
    shard: Rc<Shard>,
    socket: TcpStream,
    peer: SocketAddr,
    settings: Rc<Settings>,
    admission: Admission,
) {
    let _admitted = match admission.admit(peer.ip()) {
        Ok(admitted) => admitted,
        Err(refused) => {
            net::say_refused("http", peer, &refused);
            return;
        }
    };
    if net::tune(&socket).is_err() {
        return;
    }
    // Boxed, here and below: a connection keeps memory for what it does now, not for what it did or may do.
    let Some((read, get)) = Box::pin(greet(&shard, &socket)).await else {
        tracing::debug!(%peer, "no HTTP request came in time");
        return;
    };
    let asked = get.and_then(|get| {
        let found = target::live_stream(&get.target, get.host.as_deref(), &settings.vhosts);
        found?.ok().map(|path| Box::new(play::Asked { get, path }))
    });
    match asked {
        Some(asked) => {
            drop(read);
            play::play(&shard, socket, peer, asked, &settings.play).await;
        }
        None => {
            let rewound = head::Rewound::new(read, socket, settings.play.stall_timeout.get());
            Box::pin(pages::serve(shard, rewound, peer, settings)).await;
        }
    }
}

/// What the peer says first, if it says it in time.
async fn greet(shard: &Shard, socket: &TcpStream) -> Option<(BytesMut, Option<head::Get>)> {
    tokio::select! {
        greeting = time::timeout(limits::GREETING_TIMEOUT, read_head(shard, socket)) => greeting.ok()?.ok(),
        () = shard.closing().cancelled() => None,
    }
}

/// Reads until the first request's head is complete, or cannot become one that is for us. Answers with
/// the GET if nothing follows it, and with all that was read.
async fn read_head(shard: &Shard, socket: &TcpStream) -> io::Result<(BytesMut, Option<head::Get>)> {
    let mut read = BytesMut::new();
    loop {
        socket.readable().await?;
        shard.with_scratch(|buffer| {
            let room = limits::HTTP_HEAD_BYTES_MAX - read.len();
            if let Some(bytes) = net::read_some(socket, &mut buffer[..room])? {
                read.extend_from_slice(bytes);
            }
            io::Result::Ok(())
        })?;
        match head::parse(&read) {
            head::Head::Partial => {}
            head::Head::Get(get, length) if length == read.len() => return Ok((read, Some(get))),
            head::Head::Get(..) | head::Head::Other => return Ok((read, None)),
        }
    }
}
