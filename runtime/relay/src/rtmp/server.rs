//! Gives one RTMP server session a socket: reads, asks the session what it means, publishes or plays.
//!
//! A connection publishes or plays one stream at a time; when that ends by the peer's wish it may ask
//! for another.

use super::{format::CHUNK_SIZE, introduction::Introduction, play, publish};
use crate::{admission::Admission, hub::Reader, limits, net, settings::Settings, shard::Shard};
use bytes::{Buf, Bytes, BytesMut};
use media::{StreamPath, path::PathError};
use rtmp::server::{Config, Event, Session};
use service::Throttle;
use socket2::SockRef;
use std::{
    future::poll_fn,
    io, mem,
    net::{Shutdown, SocketAddr},
    rc::Rc,
    sync::{Arc, LazyLock},
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, time};

/// Ten lines a second about peers that break the protocol, however many do.
static BROKEN: Throttle = Throttle::new(Duration::from_millis(100));

/// How every session introduces itself.
static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    Arc::new(Config {
        chunk_size: CHUNK_SIZE,
        ..Config::default()
    })
});

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the peer hung up: {0}")]
    Hangup(#[from] io::Error),
    #[error("the peer broke the protocol: {0}")]
    Protocol(#[from] rtmp::Error),
    #[error("the peer asked for nothing within {:?}", limits::GREETING_TIMEOUT)]
    SaidNothing,
    #[error("refused: {0}")]
    Refused(String),
    #[error("the publisher sent nothing for {0:?}")]
    PublisherSilent(std::time::Duration),
    #[error("another publisher has taken the stream over")]
    TakenOver,
    #[error("{0}")]
    Player(crate::player::End),
    #[error("the peer reads no replies")]
    Deaf,
    #[error("this node is closing")]
    Closing,
}

/// One RTMP dialogue's socket; without it, `Connection<()>`, while the shard's intake has it.
pub(crate) struct Connection<S = Rc<TcpStream>> {
    pub(crate) shard: Rc<Shard>,
    pub(crate) socket: S,
    pub(crate) peer: SocketAddr,
    pub(crate) session: Session,
    pub(crate) settings: Rc<Settings>,
    /// What it said of itself in `connect`, and when, if it is a node of ours.
    pub(super) introduction: Option<Box<Introduction>>,
    introduced: Instant,
}

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
            net::say_refused("rtmp", peer, &refused);
            return;
        }
    };
    if net::tune(&socket).is_err() {
        return;
    }
    let session = Session::new(CONFIG.clone(), random());
    // Boxed, for it is handed on: a future keeps room for what it is given, and again for what it gets back.
    let connection = Box::new(Connection {
        shard,
        socket: Rc::new(socket),
        peer,
        session,
        settings,
        introduction: None,
        introduced: Instant::now(),
    });
    let ended = match connection.run().await {
        Ok((mut connection, ended)) => {
            // Boxed, as all that a connection does: it keeps memory for what it does now, not for what it
            // may do.
            let farewell = time::timeout(limits::FAREWELL_TIMEOUT, connection.farewell(&ended));
            let _unsaid = Box::pin(farewell).await;
            ended
        }
        Err(error) => Ended::Hangup(error),
    };
    match ended {
        Ended::Protocol(error) => {
            metrics::counter!("weir_rtmp_protocol_errors_total").increment(1);
            if let Some(unsaid) = BROKEN.permit(Instant::now()) {
                tracing::info!(%peer, %error, unsaid, "RTMP connection closed: the peer broke the protocol");
            }
        }
        ended => tracing::debug!(%peer, reason = %ended, "RTMP connection closed"),
    }
}

fn random() -> [u8; 32] {
    std::array::from_fn(|_| fastrand::u8(..))
}

impl Connection {
    /// Serves until there is a reason to end, which is answered with what is to be said farewell to.
    ///
    /// # Errors
    /// If the socket was lost.
    async fn run(mut self: Box<Self>) -> io::Result<(Box<Self>, Ended)> {
        loop {
            let greeted = Box::pin(self.greet_in_time()).await;
            let served = match greeted {
                Ok(Wish::Publish(path, backup)) => {
                    let served;
                    (self, served) = Box::pin(publish::publish(self, &path, backup)).await?;
                    served
                }
                Ok(Wish::Play(path)) => Box::pin(play::play(&mut self, &path)).await,
                Err(ended) => Err(ended),
            };
            if let Err(ended) = served {
                return Ok((self, ended));
            }
        }
    }

    async fn greet_in_time(&mut self) -> Result<Wish, Ended> {
        let closing = self.shard.closing().clone();
        tokio::select! {
            greeted = time::timeout(limits::GREETING_TIMEOUT, self.greet()) => {
                greeted.unwrap_or(Err(Ended::SaidNothing))
            }
            () = closing.cancelled() => Err(Ended::Closing),
        }
    }

    /// Goes on until the peer wants to publish or to play.
    async fn greet(&mut self) -> Result<Wish, Ended> {
        loop {
            while let Some(event) = self.session.poll() {
                let wish = match event {
                    Event::Connect(connect) => {
                        let introduced = Introduction::heard(&connect.request.flash_ver);
                        let believed = introduced.map(|said| said.believed(&self.settings.secret));
                        self.introduction = believed.map(Box::new);
                        self.introduced = Instant::now();
                        self.session.accept_connect()?;
                        continue;
                    }
                    Event::Publish(publish) => {
                        let backup = publish.address.parameter("backup") == Some("1");
                        let path = self.path(&publish.address);
                        path.map(|path| Wish::Publish(path, backup))
                    }
                    Event::Play(play) => self.path(&play.address).map(Wish::Play),
                    _ => continue,
                };
                match wish {
                    Ok(wish) => return Ok(wish),
                    Err(error) => {
                        let status =
                            rtmp::Status::error(rtmp::status::code::FAILED, error.to_string());
                        self.session.reject(status)?;
                        tracing::info!(peer = %self.peer, %error, "refused: no stream has such a name");
                        return Err(Ended::Refused(error.to_string()));
                    }
                }
            }
            self.turn().await?;
        }
    }

    /// How it counts when it plays.
    pub(super) fn reader(&self) -> Reader {
        match self.introduction {
            Some(_) => Reader::Node,
            None => Reader::Player,
        }
    }

    /// For how long a node that has had the stream before has had nothing of it.
    pub(super) fn back(&self) -> Option<Duration> {
        let back = self.introduction.as_ref()?.back?;
        // It may have waited here for the publisher.
        let waited = self.introduced.elapsed();
        Some(
            back.saturating_add(waited)
                .saturating_add(limits::REJOIN_MARGIN),
        )
    }

    fn path(&self, address: &rtmp::Address) -> Result<StreamPath, PathError> {
        let vhost = self.settings.vhosts.resolve(&address.vhost);
        StreamPath::new(vhost, &address.app, &address.name)
    }

    /// Sends what the session has to say and reads what has come, whichever the socket allows: a peer
    /// that never reads our acknowledgements is heard all the same. Cancel safe.
    pub(crate) async fn turn(&mut self) -> Result<(), Ended> {
        let waiting = self.session.output().len();
        if waiting > limits::REPLY_BYTES_MAX {
            return Err(Ended::Deaf);
        }
        let socket = &self.socket;
        let (readable, writable) = poll_fn(|context| {
            let readable = socket.poll_read_ready(context)?;
            let writable = match waiting {
                0 => Poll::Pending,
                _ => socket.poll_write_ready(context)?,
            };
            match (readable.is_ready(), writable.is_ready()) {
                (false, false) => Poll::Pending,
                ready => Poll::Ready(io::Result::Ok(ready)),
            }
        })
        .await?;
        if writable {
            self.write_some()?;
        }
        if readable {
            self.read()?;
        }
        Ok(())
    }

    /// Gives the session what has come.
    pub(crate) fn read(&mut self) -> Result<(), Ended> {
        let (session, socket) = (&mut self.session, &self.socket);
        self.shard
            .with_scratch(|buffer| match net::read_some(socket, buffer) {
                Ok(Some(bytes)) => session.input(bytes).map_err(Ended::Protocol),
                Ok(None) => Ok(()),
                Err(error) => Err(Ended::Hangup(error)),
            })
    }

    /// What the session has to say, with the memory that it stands in.
    pub(crate) fn take_output(&mut self) -> Bytes {
        mem::take(self.session.output()).freeze()
    }

    fn write_some(&mut self) -> io::Result<()> {
        let output = self.session.output();
        match self.socket.try_write(output) {
            // A connection that has said all keeps no memory for it.
            Ok(written) if written == output.len() => *output = BytesMut::new(),
            Ok(written) => output.advance(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Sends what the session still has to say, above all why it refuses, and waits for the peer to hang
    /// up: a socket that is closed over bytes which nobody read takes its last words back (a reset).
    async fn farewell(&mut self, ended: &Ended) -> io::Result<()> {
        while !self.session.output().is_empty() {
            self.socket.writable().await?;
            self.write_some()?;
        }
        if matches!(ended, Ended::Hangup(_) | Ended::Closing) {
            return Ok(());
        }
        SockRef::from(&*self.socket).shutdown(Shutdown::Write)?;
        loop {
            self.socket.readable().await?;
            let (shard, socket) = (&self.shard, &self.socket);
            shard.with_scratch(|buffer| net::read_some(socket, buffer).map(drop))?;
        }
    }

    /// Sends `bytes`, which the session does not know of.
    pub(crate) async fn write(&self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            self.socket.writable().await?;
            match self.socket.try_write(&bytes) {
                Ok(written) => bytes.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<S> Connection<S> {
    /// The same dialogue on another socket, and the one that it had.
    pub(super) fn exchange<T>(self, socket: T) -> (Connection<T>, S) {
        let connection = Connection {
            shard: self.shard,
            socket,
            peer: self.peer,
            session: self.session,
            settings: self.settings,
            introduction: self.introduction,
            introduced: self.introduced,
        };
        (connection, self.socket)
    }
}

/// What a peer wants of us.
enum Wish {
    /// Whether it is a backup: another publisher, elsewhere, sends the same.
    Publish(StreamPath, bool),
    Play(StreamPath),
}
