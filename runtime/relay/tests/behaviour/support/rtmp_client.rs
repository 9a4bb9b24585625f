//! A small RTMP client: publishes words, plays words.

use super::{soon, words};
use bytes::BytesMut;
use rtmp::{
    Status, Url,
    chunk::{MessageHeader, write_message},
    client::{Config, Event, Purpose, Session},
    command::{Call, Command},
    message::type_id::COMMAND_AMF0,
    status::code,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

pub(crate) struct RtmpClient {
    pub(crate) socket: TcpStream,
    pub(crate) session: Session,
    /// Why the server ended it, if it did say.
    pub(crate) refusal: Option<Status>,
    /// The server has said that the publisher has gone.
    pub(crate) unpublished: bool,
    pub(crate) bytes: usize,
}

impl RtmpClient {
    /// Returns when the server has said yes, or with its no.
    pub(crate) async fn open(url: &Url, purpose: Purpose) -> Result<Self, Status> {
        let socket = TcpStream::connect(url.authority()).await;
        Self::ask(socket.expect("the server listens"), url, purpose).await
    }

    /// One that takes few bytes before it blocks.
    pub(crate) async fn open_narrow(url: &Url) -> Self {
        let socket = narrow_socket(url.authority().parse().expect("an address")).await;
        let asked = Self::ask(socket, url, Purpose::Play).await;
        asked.expect("somebody publishes it")
    }

    async fn ask(socket: TcpStream, url: &Url, purpose: Purpose) -> Result<Self, Status> {
        socket.set_nodelay(true).expect("a socket");
        let mut client = Self {
            socket,
            session: Session::new(url, purpose, Config::default(), [7; 32]),
            refusal: None,
            unpublished: false,
            bytes: 0,
        };
        loop {
            match soon("the server's answer", client.event()).await {
                Some(Event::Publishing | Event::Playing) => return Ok(client),
                Some(_) => {}
                None => return Err(client.refusal.expect("a reason")),
            }
        }
    }

    pub(crate) async fn flush(&mut self) {
        let output = self.session.output().split();
        // A server that has hung up is seen by reading.
        let _ = self.socket.write_all(&output).await;
    }

    /// Publishes frames.
    pub(crate) async fn send(&mut self, script: &str) {
        for word in script.split_whitespace() {
            let spoken = words::speak(word);
            let taken = self
                .session
                .send(spoken.kind, spoken.timestamp, &spoken.body);
            assert!(taken, "{word}: {:?}", self.refusal);
        }
        soon("the server to read", self.flush()).await;
    }

    /// What the server does next; `None` when it has ended it.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.session.poll() {
                Some(Event::Ended(status)) => {
                    self.refusal = Some(status);
                    return None;
                }
                Some(event) => {
                    self.unpublished |= event == Event::Unpublished;
                    return Some(event);
                }
                None => {}
            }
            self.flush().await;
            let read = self.socket.read(&mut buffer).await.unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.bytes += read;
            self.session.input(&buffer[..read]).expect("good RTMP");
        }
    }

    /// The next frame's word; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<String> {
        loop {
            if let Event::Media(media) = self.event().await? {
                return Some(words::hear(media.kind, media.timestamp, &media.body));
            }
        }
    }

    /// Reads until the server has hung up; answers with what it said last.
    pub(crate) async fn ended(&mut self) -> Option<Status> {
        let ended = async { while self.event().await.is_some() {} };
        soon("the server to hang up", ended).await;
        self.refusal.take()
    }

    /// Asks the server to send no media for now, and waits until it says that it does so; or to go on.
    pub(crate) async fn pause(&mut self, paused: bool) {
        let position_ms = 0.0;
        let call = Call::Pause {
            paused,
            position_ms,
        };
        let mut payload = BytesMut::new();
        Command::new(0.0, call).write(&mut payload);
        let header = MessageHeader {
            timestamp: 0,
            type_id: COMMAND_AMF0,
            message_stream_id: self.session.message_stream_id(),
        };
        let chunk_size = self.session.chunk_size() as usize;
        write_message(self.session.output(), 3, &header, &payload, chunk_size);
        self.flush().await;
        let said = async {
            while let Some(event) = self.event().await {
                if matches!(event, Event::Status(status) if status.code == code::PAUSE_NOTIFY) {
                    return;
                }
            }
            panic!("the server hung up");
        };
        if paused {
            soon("the pause", said).await;
        }
    }

    /// Says goodbye and hangs up.
    pub(crate) async fn close(mut self) {
        self.session.close();
        self.flush().await;
    }
}

/// A connection whose receiver has little room.
pub(crate) async fn narrow_socket(address: std::net::SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(8 << 10).expect("a socket");
    socket.connect(address).await.expect("the server listens")
}
