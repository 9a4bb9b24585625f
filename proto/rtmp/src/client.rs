//! The client's end of a dialogue: connects to a server, then publishes or plays one stream.
//!
//! ```text
//!  Handshake ─▶ Connecting ─▶ Creating ─▶ Asking ─▶ Running ◀──▶ Silent (publisher gone upstream)
//!                   └────────────┴───────────┴─────────┴──▶ Ended, Redirect
//! ```
//!
//! The session says everything by itself; the shell carries bytes both ways and, when publishing,
//! hands media in after [`Event::Publishing`]. It speaks as encoders do (`releaseStream`,
//! `FCPublish`, `createStream`, `publish`), because that is what servers are tested against. It
//! never dials: [`Event::Redirect`] and [`Event::ReconnectRequest`] are the shell's to follow.

mod requests;
mod table;
#[cfg(test)]
mod tests;

use crate::{
    Error, Limits, Media, Status, Url,
    command::{Call, Command},
    handshake,
    link::{Handshake, Incoming, Link, SET_DATA_FRAME},
    message::{Control, UserControl},
    status::code,
};
use bytes::BytesMut;
use media::Kind;
use std::collections::VecDeque;
use table::{Action, Input, State};

/// The beginning of metadata as AMF0.
const ON_META_DATA: &[u8] = b"\x02\x00\x0aonMetaData";

/// What a client wants of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To send media.
    Publish,
    /// To receive media.
    Play,
}

/// How a client session introduces itself and what it lets pass.
#[derive(Debug, Clone)]
pub struct Config {
    /// Payload bytes in each chunk that we send; 60,000, as the server's.
    pub chunk_size: u32,
    /// How many bytes the server sends until it wants our acknowledgement; 2.5 MB.
    pub window_ack_size: u32,
    /// What a server may make us hold.
    pub limits: Limits,
    /// The virtual host to name in `tcUrl` where that is not the URL's host.
    pub vhost: Option<String>,
    /// Our name and version, told in `connect`.
    pub agent: String,
    /// What we say we buffer, in milliseconds; some servers send so much ahead.
    pub buffer_ms: u32,
    /// Signed, because some servers give H.264 only to clients that sign.
    pub handshake: handshake::Kind,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chunk_size: 60_000,
            window_ack_size: 2_500_000,
            limits: Limits::default(),
            vhost: None,
            agent: concat!("weir/", env!("CARGO_PKG_VERSION")).to_owned(),
            buffer_ms: 3_000,
            handshake: handshake::Kind::Digest,
        }
    }
}

/// What the server did.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// We may publish: [`Session::send`] from now on.
    Publishing,
    /// Media follow, for the first time or again after [`Event::Unpublished`].
    Playing,
    /// A frame of what we play.
    Media(Media),
    /// The publisher has gone upstream. The connection stays, and media may come again.
    Unpublished,
    /// The server answered the [`ping`](Session::ping) that carried this number: it has taken in all that
    /// was sent before it.
    Pong(u32),
    /// News that end nothing.
    Status(Status),
    /// The stream is elsewhere. The session has ended.
    Redirect(Url),
    /// The server will go away soon and asks us to come back (Enhanced RTMP v2); until then media
    /// go on.
    ReconnectRequest {
        /// Where to; the same address if absent.
        tc_url: Option<String>,
        /// For people.
        description: String,
    },
    /// The server refused or ended it. The session has ended.
    Ended(Status),
}

/// One dialogue with a server. Pure: it owns no socket and knows no clock.
///
/// It holds at most [`Limits::held_bytes_max`] of the server's bytes, plus the events of the last
/// `input`: poll them before the next.
#[derive(Debug)]
pub struct Session {
    url: Url,
    purpose: Purpose,
    config: Config,
    link: Link,
    state: State,
    /// The server's choice; 0 until it made one.
    message_stream_id: u32,
    /// Of our last call.
    transaction: f64,
    /// Of the call whose answer the state waits for.
    awaited: f64,
    events: VecDeque<Event>,
    ignored_messages: u64,
}

impl Session {
    /// A session with the server at `url`, which the shell has dialled or is about to: the first
    /// bytes to send stand in `output` at once. `random` makes its handshake differ from others;
    /// it is no secret.
    pub fn new(url: &Url, purpose: Purpose, config: Config, random: [u8; 32]) -> Self {
        let handshake = handshake::Client::new(config.handshake, random);
        let mut link = Link::new(Handshake::Client(Box::new(handshake)), &config.limits);
        link.open();
        if purpose == Purpose::Play {
            link.expect_media(&config.limits);
        }
        Self {
            url: url.clone(),
            purpose,
            config,
            link,
            state: State::Handshake,
            message_stream_id: 0,
            transaction: 0.0,
            awaited: 0.0,
            events: VecDeque::new(),
            ignored_messages: 0,
        }
    }

    /// Takes all of `bytes`.
    ///
    /// # Errors
    /// If the server breaks the protocol or a limit. The session is dead then: flush its output and
    /// close.
    pub fn input(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.link.count_received(bytes.len());
        loop {
            match self.link.next(&mut bytes, None) {
                Ok(Some(incoming)) => self.hear(incoming),
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.state = State::Ended;
                    return Err(error);
                }
            }
        }
    }

    /// What the server did, in order; `None` until more bytes come.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Bytes to send, in order; the shell splits them off.
    ///
    /// Answers grow with what comes in: a shell that cannot write had better not read on.
    pub fn output(&mut self) -> &mut BytesMut {
        self.link.output()
    }

    /// Publishes a frame: `body` is an FLV tag body, `timestamp` absolute milliseconds. Metadata
    /// gets `@setDataFrame` before it, as servers want it. Says whether it was taken: only while we
    /// may publish.
    pub fn send(&mut self, kind: Kind, timestamp: u32, body: &[u8]) -> bool {
        if self.state != State::Running || self.purpose != Purpose::Publish {
            return false;
        }
        if kind == Kind::Data && body.starts_with(ON_META_DATA) {
            let body = [SET_DATA_FRAME, body].concat();
            self.link
                .send_media(kind, timestamp, self.message_stream_id, &body);
        } else {
            self.link
                .send_media(kind, timestamp, self.message_stream_id, body);
        }
        true
    }

    /// Asks the server for an answer (RTMP 1.0, 7.1.7, PingRequest), by a number that comes back in
    /// [`Event::Pong`]. Messages are taken in order, so the answer acknowledges all that was sent before
    /// it. Servers need not answer a client. Nothing is sent before the handshake is over.
    pub fn ping(&mut self, number: u32) {
        if !matches!(self.state, State::Handshake | State::Ended) {
            self.link
                .send_control(&Control::User(UserControl::PingRequest(number)));
        }
    }

    /// Says goodbye: `FCUnpublish` and `deleteStream`. Flush the output, then close.
    pub fn close(&mut self) {
        self.happen(Input::Close, Subject::Nothing);
    }

    /// The message stream that the server gave us; 0 until it did. A tape for this server must name
    /// it.
    pub fn message_stream_id(&self) -> u32 {
        self.message_stream_id
    }

    /// Payload bytes in each chunk that we send: what a tape for this server must be cut to.
    pub fn chunk_size(&self) -> u32 {
        self.config.chunk_size
    }

    /// Whether media may flow or do flow.
    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Whether the dialogue is over, by whomever.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// All bytes that came from the server, the handshake included.
    pub fn bytes_received(&self) -> u64 {
        self.link.received_bytes()
    }

    /// Media and other messages that came when or where nobody wanted them.
    pub fn ignored_messages(&self) -> u64 {
        self.ignored_messages
    }

    fn hear(&mut self, incoming: Incoming) {
        let (input, subject) = match incoming {
            Incoming::HandshakeOver { .. } => (Input::HandshakeOver, Subject::Nothing),
            Incoming::Command { command, .. } => self.classify(command),
            Incoming::Media(media) if media.message_stream_id == self.message_stream_id => {
                if is_announcement(&media) {
                    return;
                }
                (Input::Media, Subject::Media(media))
            }
            Incoming::User(UserControl::StreamEof(id)) if self.is_our_stream(id) => {
                let status = Status::notice(code::PLAY_UNPUBLISH_NOTIFY, "end of stream");
                (Input::Gone, Subject::Status(status))
            }
            Incoming::User(UserControl::PingResponse(number)) => {
                if self.state != State::Ended {
                    self.events.push_back(Event::Pong(number));
                }
                return;
            }
            Incoming::User(_) => return,
            Incoming::Media(_) | Incoming::Useless => {
                self.ignored_messages += 1;
                return;
            }
        };
        self.happen(input, subject);
    }

    fn is_our_stream(&self, message_stream_id: u32) -> bool {
        message_stream_id != 0 && message_stream_id == self.message_stream_id
    }

    /// What a command means in the table's words.
    fn classify(&mut self, command: Command) -> (Input, Subject) {
        let Command { transaction, call } = command;
        let is_awaited = transaction == self.awaited;
        match call {
            Call::Result { information, .. } if is_awaited => {
                if self.state != State::Creating {
                    return (Input::Accepted, Subject::Nothing);
                }
                match information.as_f64() {
                    Some(id) if id >= 1.0 && id <= f64::from(u32::MAX) => {
                        self.message_stream_id = id as u32;
                        (Input::Accepted, Subject::Nothing)
                    }
                    _ => {
                        let what = "the server gave no message stream";
                        (
                            Input::Refused,
                            Subject::Status(Status::error(code::CALL_FAILED, what)),
                        )
                    }
                }
            }
            Call::Error(status) if is_awaited => (Input::Refused, Subject::Status(status)),
            Call::Result { .. } | Call::Error(_) => (Input::OtherAnswer, Subject::Nothing),
            Call::OnStatus(status) => (self.news(&status), Subject::Status(status)),
            Call::ReconnectRequest {
                tc_url,
                description,
            } => (
                Input::Reconnect,
                Subject::Reconnect {
                    tc_url,
                    description,
                },
            ),
            // The same news as the `onStatus` that goes with it.
            Call::OnFcPublish(_)
            | Call::OnFcUnpublish(_)
            | Call::OnFcSubscribe(_)
            | Call::OnBandwidthDone => (Input::OtherAnswer, Subject::Nothing),
            call => (Input::Call, Subject::Call { transaction, call }),
        }
    }

    fn news(&self, status: &Status) -> Input {
        match (status.code.as_ref(), self.purpose) {
            _ if status.redirect.is_some() => Input::Failed,
            (code::PLAY_STREAM_NOT_FOUND | code::CONNECT_REJECTED | code::CONNECT_CLOSED, _) => {
                Input::Failed
            }
            _ if status.is_error() => Input::Failed,
            (code::PUBLISH_START, Purpose::Publish) => Input::Started,
            (code::PLAY_START, Purpose::Play) => Input::Started,
            (code::PLAY_UNPUBLISH_NOTIFY | code::PLAY_STOP | code::PLAY_COMPLETE, _) => Input::Gone,
            (code::UNPUBLISH_SUCCESS, Purpose::Publish) => Input::Failed,
            (code::PLAY_PUBLISH_NOTIFY, _) => Input::Back,
            _ => Input::News,
        }
    }

    fn happen(&mut self, input: Input, subject: Subject) {
        let plays = self.purpose == Purpose::Play;
        let (action, next) = table::step(self.state, input, plays);
        self.state = next;
        self.act(action, subject);
    }

    fn act(&mut self, action: Action, subject: Subject) {
        match (action, subject) {
            (Action::Connect, _) => self.send_connect(),
            (Action::Create, _) => self.send_create(),
            (Action::Start, _) => self.send_start(),
            (Action::Close, _) => self.send_close(),
            (Action::ReportStart, _) => self.report_start(),
            (Action::StartAndPass, Subject::Media(media)) => {
                self.report_start();
                self.events.push_back(Event::Media(media));
            }
            (Action::Pass, Subject::Media(media)) => self.events.push_back(Event::Media(media)),
            (Action::ReportGone, _) => self.events.push_back(Event::Unpublished),
            (Action::ReportEnd, Subject::Status(status)) => {
                let event = match self.redirect(&status) {
                    Some(url) => Event::Redirect(url),
                    None => Event::Ended(status),
                };
                self.events.push_back(event);
            }
            (Action::ReportNews, Subject::Status(status)) => {
                self.events.push_back(Event::Status(status));
            }
            (
                Action::ReportReconnect,
                Subject::Reconnect {
                    tc_url,
                    description,
                },
            ) => {
                self.events.push_back(Event::ReconnectRequest {
                    tc_url,
                    description,
                });
            }
            (Action::RefuseCall, Subject::Call { transaction, call }) if transaction != 0.0 => {
                let description = format!("{} is not known here", call.name());
                let status = Status::error(code::CALL_FAILED, description);
                self.link.send_command(0, transaction, Call::Error(status));
            }
            _ => self.ignored_messages += 1,
        }
    }

    /// Where a status sends us, if it does: a `tcUrl` alone gets our stream's name.
    fn redirect(&self, status: &Status) -> Option<Url> {
        let mut url: Url = status.redirect.as_ref()?.parse().ok()?;
        if url.name.is_empty() {
            url.name.clone_from(&self.url.name);
            url.query = url.query.or_else(|| self.url.query.clone());
        }
        Some(url)
    }

    fn report_start(&mut self) {
        self.events.push_back(match self.purpose {
            Purpose::Publish => Event::Publishing,
            Purpose::Play => Event::Playing,
        });
    }
}

/// What an input is about.
#[derive(Debug)]
enum Subject {
    Nothing,
    Media(Media),
    Status(Status),
    Reconnect {
        tc_url: Option<String>,
        description: String,
    },
    Call {
        transaction: f64,
        call: Call,
    },
}

/// Whether data only announce that data follow: `|RtmpSampleAccess`, `onStatus` with
/// `NetStream.Data.Start`. They are the server's words to its player and no part of the stream.
fn is_announcement(media: &Media) -> bool {
    const NAMES: [&[u8]; 2] = [b"\x02\x00\x11|RtmpSampleAccess", b"\x02\x00\x08onStatus"];
    media.kind == Kind::Data && NAMES.iter().any(|name| media.body.starts_with(name))
}
