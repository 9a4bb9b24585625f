//! A dialled RTMP connection: one client session and its socket, for pulls, pushes and forwards alike.

use super::introduction::Introduction;
use crate::{
    dial::{DialError, Dialler, Socket},
    limits,
};
use rtmp::{
    Status, Url,
    client::{Config, Event, Purpose, Session},
};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time,
};

/// How long a server may take from the connection to its yes: an origin holds a player that comes
/// before the publisher for `play.wait`, five seconds by default.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(8);

/// Redirects that are followed one after the other.
const REDIRECTS_MAX: usize = 3;

/// Why a dialled connection is over. Trying again is safe in every case.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The server broke the protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(#[from] rtmp::Error),
    /// The server said no.
    #[error("the server refused: {} ({})", .0.description, .0.code)]
    Refused(Status),
    /// The server neither said yes nor no.
    #[error("the server did not answer within {ACCEPT_TIMEOUT:?}")]
    NoAnswer,
    /// The server sends from one server to the next.
    #[error("the server redirects more than {REDIRECTS_MAX} times")]
    RedirectLoop,
    /// The server reads nothing.
    #[error("the server takes nothing of what we send")]
    Deaf,
    /// The server has fallen silent.
    #[error("the server has been silent for {0:?}")]
    Silent(Duration),
}

/// A connection that publishes, or plays.
pub(super) struct Client {
    pub(super) session: Session,
    socket: Box<dyn Socket>,
    buffer: Box<[u8]>,
}

impl Client {
    /// Dials `url`, follows redirects, and returns when the server has said yes.
    pub(super) async fn open(
        dialler: &Dialler,
        url: &Url,
        purpose: Purpose,
        introduction: &Introduction,
    ) -> Result<Self, ClientError> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let opening = time::timeout(
                ACCEPT_TIMEOUT,
                Self::ask(dialler, &url, purpose, introduction),
            );
            match opening.await.unwrap_or(Err(ClientError::NoAnswer))? {
                Opened::Yes(client) => return Ok(*client),
                Opened::Elsewhere(next) => {
                    tracing::info!(from = %url, to = %next, "redirected");
                    url = next;
                }
            }
        }
        Err(ClientError::RedirectLoop)
    }

    async fn ask(
        dialler: &Dialler,
        url: &Url,
        purpose: Purpose,
        introduction: &Introduction,
    ) -> Result<Opened, ClientError> {
        let socket = dialler.dial(url).await?;
        let seed = std::array::from_fn(|_| fastrand::u8(..));
        let config = Config {
            agent: introduction.to_string(),
            ..Config::default()
        };
        let session = Session::new(url, purpose, config, seed);
        let buffer = vec![0; limits::READ_BYTES / 4].into_boxed_slice();
        let mut client = Self {
            session,
            socket,
            buffer,
        };
        loop {
            while let Some(event) = client.session.poll() {
                match event {
                    Event::Publishing | Event::Playing => return Ok(Opened::Yes(Box::new(client))),
                    Event::Redirect(next) => return Ok(Opened::Elsewhere(next)),
                    Event::Ended(status) => return Err(ClientError::Refused(status)),
                    _ => {}
                }
            }
            client.turn().await?;
        }
    }

    /// Sends all that the session has to say. Cancel safe: nothing is sent twice.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let output = self.session.output();
        while !output.is_empty() {
            self.socket.write_buf(output).await?;
        }
        self.socket.flush().await
    }

    /// Sends and reads at once, for a peer that waits for us to read must not make us wait for it to
    /// read. Returns when something was sent or read. Cancel safe.
    pub(super) async fn turn(&mut self) -> Result<(), ClientError> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.socket);
        let output = self.session.output();
        if output.len() > limits::CLIENT_BYTES_MAX {
            return Err(ClientError::Deaf);
        }
        let write = async {
            if output.is_empty() {
                writer.flush().await?;
                return std::future::pending().await;
            }
            match writer.write_buf(output).await? {
                0 => Err(io::Error::from(io::ErrorKind::WriteZero)),
                _ => Ok(()),
            }
        };
        let read = tokio::select! {
            read = reader.read(&mut self.buffer) => read?,
            sent = write => return Ok(sent?),
        };
        match read {
            0 => Err(ClientError::Broken(io::ErrorKind::UnexpectedEof.into())),
            read => Ok(self.session.input(&self.buffer[..read])?),
        }
    }
}

enum Opened {
    Yes(Box<Client>),
    Elsewhere(Url),
}
