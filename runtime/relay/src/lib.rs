//! The machinery that origin and edge share: live streams in, live streams out.
//!
//! In reading order:
//!
//! * [`hub`]: all live streams of a node. Publishers hand it frames; it knows no protocol.
//! * [`tape`]: a stream's bytes in one wire format, written once a node, read by every subscriber.
//! * [`shard`]: one thread a core; connections live and die on one. [`pace`]: how long it gathers writes.
//! * `intake`: a shard's event queue for its publishers' sockets.
//! * `local`: a publisher and the players on its own shard.
//! * `trail`: memory that is needed soon, asked for before it is.
//! * `player`: a socket fed from a tape; what RTMP, HTTP-FLV and WebSocket-FLV players share.
//! * [`rtmp`]: publishers and players in; [`rtmp::pull`] and [`rtmp::forward`] out.
//! * `http`: HTTP-FLV and WebSocket-FLV out.
//! * [`mod@forward`]: copies streams to other servers, by a list.
//! * [`target`], [`dial`]: other servers, by name and by socket, over TCP or TLS.
//! * [`settings`], [`vhosts`], [`limits`]: what an operator sets, and what is fixed.
//! * [`report`]: what a node tells about its streams; [`metrics`]: the same for Prometheus.
//!
//! A program composes them by [`Relay`]:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let relay = relay::Relay::start(relay::settings::Settings::default(), 0)?;
//! let rtmp = relay.listen("127.0.0.1:1935".parse()?)?;
//! println!("publish to rtmp://{}/live/demo", rtmp.address());
//! relay.serve_rtmp(rtmp)?;
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod admission;
mod await_online;
pub mod dial;
pub mod forward;
#[cfg(test)]
mod frames;
mod http;
pub mod hub;
mod intake;
pub mod limits;
mod local;
pub mod metrics;
pub mod net;
pub mod pace;
mod player;
pub mod report;
pub mod rtmp;
pub mod settings;
pub mod shard;
pub mod tape;
pub mod target;
mod trail;
pub mod vhosts;

pub use hub::Hub;
pub use shard::Shards;
pub use target::Target;
pub use vhosts::Vhosts;

use crate::{
    admission::Admission,
    net::{ListenError, Listening},
    pace::MergeWrite,
    settings::Settings,
    shard::{Shard, ShardBusy},
};
use service::{Throttle, config::Listen};
use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, time};
use tokio_util::sync::CancellationToken;

/// One line a second when the operating system gives no more sockets.
static ACCEPT_FAILURES: Throttle = Throttle::new(Duration::from_secs(1));

/// How long a listener rests when the operating system gives no more sockets.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// How often a drain looks whether the last connection has ended.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// A node's hub, shards and listeners.
#[derive(Clone)]
pub struct Relay {
    hub: Arc<Hub>,
    shards: Shards,
    settings: Settings,
    admission: Admission,
    accepting: CancellationToken,
}

impl Relay {
    /// Starts the shards (`0`: one a core); nobody is let in before a `serve_…`.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    pub fn start(settings: Settings, shards: usize) -> io::Result<Self> {
        let hub = Hub::new(settings.publish.duplicate);
        let setup = shard::Setup {
            count: shards,
            queue_length: settings.play.queue_length.get(),
            linger: settings.play.linger.get(),
            gop_cache: settings.play.gop_cache,
            merge_write: MergeWrite {
                min: settings.play.merge_write_min.get(),
                max: settings.play.merge_write.get(),
            },
            tcp_nodelay: settings.play.tcp_nodelay,
        };
        Ok(Self {
            shards: Shards::start(&hub, setup)?,
            admission: Admission::new(settings.limits.clone()),
            accepting: CancellationToken::new(),
            hub,
            settings,
        })
    }

    /// All live streams.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// By what this node proves to others who it is.
    pub fn secret(&self) -> &settings::Secret {
        &self.settings.secret
    }

    /// The threads.
    pub fn shards(&self) -> &Shards {
        &self.shards
    }

    /// Connections that are open now, RTMP and HTTP together.
    pub fn connections(&self) -> u32 {
        self.admission.open()
    }

    /// Binds `listen` once for each shard; nobody is let in before it is served.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub fn listen(&self, listen: Listen) -> Result<Listening, ListenError> {
        net::listen(listen, self.shards.count())
    }

    /// Lets RTMP publishers and players in.
    ///
    /// # Errors
    /// If the shards have ended.
    pub fn serve_rtmp(&self, listening: Listening) -> Result<(), ShardBusy> {
        self.serve(
            listening,
            async |shard, socket, peer, settings, admission| {
                rtmp::server::serve(shard, socket, peer, settings, admission).await;
            },
        )
    }

    /// Lets HTTP players in.
    ///
    /// # Errors
    /// If the shards have ended.
    pub fn serve_http(&self, listening: Listening) -> Result<(), ShardBusy> {
        self.serve(
            listening,
            async |shard, socket, peer, settings, admission| {
                http::server::serve(shard, socket, peer, settings, admission).await;
            },
        )
    }

    /// Lets nobody in any more; who is in stays.
    pub fn stop_accepting(&self) {
        self.accepting.cancel();
    }

    /// Resolves when nobody is in any more.
    pub async fn emptied(&self) {
        while self.connections() > 0 {
            time::sleep(DRAIN_LOOK).await;
        }
    }

    /// Ends every connection and every shard.
    pub async fn close(&self) {
        self.stop_accepting();
        self.shards.close().await;
    }

    fn serve<F>(&self, listening: Listening, serve: F) -> Result<(), ShardBusy>
    where
        F: AsyncFn(Rc<Shard>, TcpStream, SocketAddr, Rc<Settings>, Admission)
            + Copy
            + Send
            + 'static,
    {
        for (number, listener) in listening.into_listeners().enumerate() {
            let (settings, admission) = (self.settings.clone(), self.admission.clone());
            let accepting = self.accepting.clone();
            self.shards.run_on(number, move |shard| {
                let settings = Rc::new(settings);
                shard.clone().spawn(async move {
                    let accept = accept(&shard, listener, |socket, peer| {
                        let (serving, settings) = (shard.clone(), settings.clone());
                        let admission = admission.clone();
                        shard.spawn(async move {
                            serve(serving, socket, peer, settings, admission).await
                        });
                    });
                    tokio::select! {
                        ended = accept => if let Err(error) = ended {
                            tracing::error!(%error, "a listener failed");
                        },
                        () = accepting.cancelled() => {}
                        () = shard.closing().cancelled() => {}
                    }
                });
            })?;
        }
        Ok(())
    }
}

/// Accepts until the listener fails for good.
async fn accept(
    shard: &Shard,
    listener: std::net::TcpListener,
    serve: impl Fn(TcpStream, SocketAddr),
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => serve(socket, peer),
            Err(error) => {
                // Out of descriptors, or a peer that was gone before we looked: both pass.
                if let Some(unsaid) = ACCEPT_FAILURES.permit(Instant::now()) {
                    tracing::error!(%error, unsaid, shard = shard.number(), "cannot accept a connection");
                }
                time::sleep(ACCEPT_REST).await;
            }
        }
    }
}
