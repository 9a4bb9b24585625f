//! Serves a router over HTTP/1.1 to whoever comes, at a bounded cost: for operators and scrapes.
//!
//! A connection that is not asking for anything is closed after [`limits::HTTP_HEAD_TIMEOUT`], be it
//! new, between two requests or in the middle of a head; and there are never more than
//! [`limits::HTTP_CONNECTIONS_MAX`] of them, so that one who knocks for ever costs a known amount.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Throttle, limits};

/// How long a listener rests when the operating system gives no more sockets.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// One line a second about connections that could not be taken, however many are.
static REFUSALS: Throttle = Throttle::new(Duration::from_secs(1));

/// Answers at `listener` until `closing`; then finishes the answers that are under way and returns.
pub async fn serve(listener: TcpListener, router: Router, closing: CancellationToken) {
    serve_patiently(listener, router, closing, limits::HTTP_HEAD_TIMEOUT).await;
}

async fn serve_patiently(
    listener: TcpListener,
    router: Router,
    closing: CancellationToken,
    patience: Duration,
) {
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(limits::HTTP_CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            () = closing.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => match Arc::clone(&room).try_acquire_owned() {
                Ok(place) => {
                    let (router, closing) = (router.clone(), closing.clone());
                    connections.spawn(async move {
                        match converse(socket, router, closing, patience).await {
                            Ok(()) => tracing::trace!(%peer, "HTTP connection closed"),
                            Err(error) => tracing::debug!(%peer, %error, "HTTP connection broke"),
                        }
                        drop(place);
                    });
                }
                Err(_) => {
                    let max = limits::HTTP_CONNECTIONS_MAX;
                    if let Some(unsaid) = REFUSALS.permit(Instant::now()) {
                        tracing::warn!(%peer, max, unsaid, "connection refused: too many are open");
                    }
                }
            },
            Err(error) => {
                if let Some(unsaid) = REFUSALS.permit(Instant::now()) {
                    tracing::error!(%error, unsaid, "cannot accept a connection");
                }
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

/// One connection to its end.
async fn converse(
    socket: TcpStream,
    router: Router,
    closing: CancellationToken,
    patience: Duration,
) -> hyper::Result<()> {
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(limits::HTTP_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => served,
        () = closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Longer than any of these tests takes to ask, short enough to wait for.
    const PATIENCE: Duration = Duration::from_millis(500);

    async fn server() -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let closing = CancellationToken::new();
        let router = Router::new().route("/", get(async || "here\n"));
        let serving = tokio::spawn(serve_patiently(listener, router, closing.clone(), PATIENCE));
        (address, closing, serving)
    }

    async fn answer(address: SocketAddr) -> String {
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        let request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        socket.write_all(request).await.expect("it reads");
        let mut answer = String::new();
        socket
            .read_to_string(&mut answer)
            .await
            .expect("it answers");
        answer
    }

    #[tokio::test]
    async fn a_request_is_answered_and_closing_ends_idle_connections() {
        let (address, closing, serving) = server().await;
        let mut idle = TcpStream::connect(address).await.expect("it listens");
        assert!(answer(address).await.ends_with("here\n"));
        closing.cancel();
        serving.await.expect("it ends");
        assert_eq!(idle.read(&mut [0; 1]).await.expect("it is closed"), 0);
    }

    #[tokio::test]
    async fn more_connections_than_may_be_are_closed_and_the_next_one_finds_room() {
        let (address, _closing, _serving) = server().await;
        let mut idle = Vec::new();
        for _ in 0..limits::HTTP_CONNECTIONS_MAX {
            idle.push(TcpStream::connect(address).await.expect("it listens"));
        }
        let mut further = TcpStream::connect(address).await.expect("it listens");
        assert_eq!(further.read(&mut [0; 1]).await.expect("it is closed"), 0);
        drop(idle);
        // Its place is free as soon as the server has seen one of them go.
        for _ in 0..1_000 {
            let mut socket = TcpStream::connect(address).await.expect("it listens");
            let request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            let mut answer = String::new();
            if socket.write_all(request).await.is_ok()
                && socket.read_to_string(&mut answer).await.is_ok()
                && answer.ends_with("here\n")
            {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("no room again");
    }

    #[tokio::test]
    async fn who_asks_nothing_or_asks_slowly_is_hung_up_on() {
        let (address, _closing, _serving) = server().await;
        let mut silent = TcpStream::connect(address).await.expect("it listens");
        let mut slow = TcpStream::connect(address).await.expect("it listens");
        slow.write_all(b"GET / HT").await.expect("it reads");
        for socket in [&mut silent, &mut slow] {
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).await.expect("it is closed");
        }
    }
}
