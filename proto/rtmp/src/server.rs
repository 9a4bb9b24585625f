//! The server's end of a dialogue: a client connects, then publishes or plays one stream.
//!
//! Bytes go in by [`Session::input`], [`Event`]s come out of [`Session::poll`], bytes to send stand
//! in [`Session::output`]. Three events are questions: the session rests, and keeps what the client
//! sends on, until the shell answers by an `accept_…` or [`Session::reject`].
//!
//! ```text
//!  Opening ─Connect?─▶ Connected ─createStream─▶ Idle ─Publish?─▶ Publishing ─┐
//!                          ▲                     ▲ │ └──Play?───▶ Playing ────┤
//!                          └────deleteStream─────┘ └◀── Unpublish, Stop ──────┘
//! ```
//!
//! A connection has one message stream for media, id [`MESSAGE_STREAM_ID`], as every encoder and
//! player uses it; after `deleteStream` it may be made again. The whole table of states is in
//! `server/table.rs`. Answers and their order are those of SRS, which clients are tested against.

mod answers;
mod event;
mod table;
#[cfg(test)]
mod tests;
mod undecided;

pub use event::{Connect, Event, Phase, Play, Publish};

use crate::{
    Address, Error, Limits, Media, Status,
    command::{self, Call, Command},
    handshake,
    link::{Handshake, Incoming, Link},
    message::{Control, UserControl},
    status::code,
};
use amf::Value;
use bytes::{Bytes, BytesMut};
use std::{collections::VecDeque, net::Ipv4Addr, ops::Range, sync::Arc};
use table::{Action, Input, State};
use undecided::Undecided;

/// The one message stream that carries media.
pub const MESSAGE_STREAM_ID: u32 = 1;

/// How a server session introduces itself and what it lets pass.
#[derive(Debug, Clone)]
pub struct Config {
    /// Payload bytes in each chunk that we send; 60,000, as SRS: a frame in one or two chunks.
    pub chunk_size: u32,
    /// How many bytes the client sends until it wants our acknowledgement; 2.5 MB, as SRS.
    pub window_ack_size: u32,
    /// What Set Peer Bandwidth says; clients answer with it as their own window.
    pub peer_bandwidth: u32,
    /// What a client may make us hold.
    pub limits: Limits,
    /// Our name and version, told in the answer to `connect`.
    pub server: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chunk_size: 60_000,
            window_ack_size: 2_500_000,
            peer_bandwidth: 2_500_000,
            limits: Limits::default(),
            server: concat!("weir/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// One client's dialogue. Pure: it owns no socket and knows no clock.
///
/// It holds at most [`Limits::held_bytes_max`] and [`Limits::undecided_bytes_max`] of the client's
/// bytes, plus the events of the last `input`: poll them before the next.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    link: Link,
    shaken_hands: bool,
    state: State,
    events: VecDeque<Event>,
    /// What came behind a request that is not decided yet.
    undecided: Undecided,
    client: Client,
    /// The `connect` that is being decided.
    asked_connect: Option<Box<command::Connect>>,
    proxied_address: Option<Ipv4Addr>,
    /// The transaction of the request that is being decided.
    asked_transaction: f64,
    /// The name that `publish` or `play` gave, without its query, for the answers' descriptions.
    asked_name: String,
    /// Whether the play that is being decided drops what played before.
    asked_reset: bool,
    /// `FCPublish` came: the publisher waits for `onFCPublish`.
    announced: bool,
    ignored_messages: u64,
    sent_bytes: u64,
}

/// What of `connect` is needed later: a server keeps thousands of sessions, and most of them play.
#[derive(Debug, Default)]
struct Client {
    /// Its app and `tcUrl`, which every stream's address needs.
    app: Box<str>,
    tc_url: Box<str>,
    is_flash_program: bool,
    understands_reconnect: bool,
}

impl Client {
    fn new(connect: &command::Connect) -> Self {
        Self {
            app: connect.app.as_str().into(),
            tc_url: connect.tc_url.as_str().into(),
            is_flash_program: connect.is_flash_program(),
            understands_reconnect: connect.enhanced.understands_reconnect(),
        }
    }

    fn address(&self, name: &str) -> Address {
        Address::new(&self.app, &self.tc_url, name)
    }
}

impl Session {
    /// A session for a client that has just connected. A config may be shared. `random` makes its handshake differ from
    /// others; it is no secret.
    pub fn new(config: impl Into<Arc<Config>>, random: [u8; 32]) -> Self {
        let config = config.into();
        let handshake = Handshake::Server(Box::new(handshake::Server::new(random)));
        Self {
            link: Link::new(handshake, &config.limits),
            config,
            shaken_hands: false,
            state: State::Opening,
            events: VecDeque::new(),
            undecided: Undecided::default(),
            client: Client::default(),
            asked_connect: None,
            proxied_address: None,
            asked_transaction: 0.0,
            asked_name: String::new(),
            asked_reset: true,
            announced: false,
            ignored_messages: 0,
            sent_bytes: 0,
        }
    }

    /// Takes all of `bytes`. While a request waits for its decision they are only kept, so a shell
    /// had better not read on meanwhile.
    ///
    /// # Errors
    /// If the client breaks the protocol or a limit. The session is dead then: flush its output and
    /// close.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.input_of(bytes, None)
    }

    /// The same without a copy: where a message is in one chunk, and that is all there, the event's body is
    /// a part of `bytes`. Whoever keeps it keeps all of them.
    ///
    /// # Errors
    /// As [`Session::input`].
    pub fn input_shared(&mut self, bytes: &Bytes) -> Result<(), Error> {
        self.input_of(bytes, Some(bytes))
    }

    fn input_of(&mut self, bytes: &[u8], whole: Option<&Bytes>) -> Result<(), Error> {
        self.link.count_received(bytes.len());
        let mut rest = bytes;
        self.read(&mut rest, whole)?;
        self.undecided
            .keep(rest, self.config.limits.undecided_bytes_max)
            .inspect_err(|_| self.state = State::Closed)
    }

    /// What the client did, in order; `None` until more bytes come.
    pub fn poll(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            // The next is put in the same place again.
            self.events.clear();
        }
        event
    }

    /// Addresses of what the next message needs beside the session itself: for a shell of many sessions, which
    /// asks the core for their memory ahead.
    pub fn needs_at(&self) -> [Range<usize>; 2] {
        // Empty or not, the next event's place is among the first.
        let events = self.events.as_slices().0.as_ptr().addr();
        [events..events + size_of::<Event>(), self.link.needs_at()]
    }

    /// Bytes to send, in order; the shell splits them off.
    ///
    /// Answers grow with what comes in: a shell that cannot write had better not read on.
    pub fn output(&mut self) -> &mut BytesMut {
        self.link.output()
    }

    /// The client may connect. Does nothing unless it asked.
    ///
    /// # Errors
    /// As [`Session::input`]: what came behind the request is read now.
    pub fn accept_connect(&mut self) -> Result<(), Error> {
        self.decide(State::ConnectAsked, Input::Accept, None)
    }

    /// The client may publish: media follow as events. Does nothing unless it asked.
    ///
    /// # Errors
    /// As [`Session::input`]: what came behind the request is read now.
    pub fn accept_publish(&mut self) -> Result<(), Error> {
        self.decide(State::PublishAsked, Input::Accept, None)
    }

    /// The client may play: media may be sent now. Does nothing unless it asked.
    ///
    /// # Errors
    /// As [`Session::input`]: what came behind the request is read now.
    pub fn accept_play(&mut self) -> Result<(), Error> {
        self.decide(State::PlayAsked, Input::Accept, None)
    }

    /// Refuses the request that waits for its decision, or sends the client elsewhere
    /// ([`Status::redirect`]). A refused `connect` ends the session; a refused `publish` or `play`
    /// may be followed by another. Does nothing if no request waits.
    ///
    /// # Errors
    /// As [`Session::input`]: what came behind the request is read now.
    pub fn reject(&mut self, status: Status) -> Result<(), Error> {
        self.decide(self.state, Input::Reject, Some(status))
    }

    /// Tells the client something about its stream: a publisher that has gone, a name that is taken.
    pub fn send_status(&mut self, status: Status) {
        self.link
            .send_command(MESSAGE_STREAM_ID, 0.0, Call::OnStatus(status));
    }

    /// Sends a frame, on our message stream whatever `media` says. Players of one stream share a
    /// tape instead; see [`crate::message::write_media`].
    pub fn send_media(&mut self, media: &Media) {
        self.link
            .send_media(media.kind, media.timestamp, MESSAGE_STREAM_ID, &media.body);
    }

    /// Tells a player that the publisher has gone and nothing follows for now.
    pub fn stream_eof(&mut self) {
        self.link
            .send_control(&Control::User(UserControl::StreamEof(MESSAGE_STREAM_ID)));
    }

    /// Tells a player that media follow again.
    pub fn stream_begin(&mut self) {
        self.link
            .send_control(&Control::User(UserControl::StreamBegin(MESSAGE_STREAM_ID)));
    }

    /// Asks the client for an [`Event::Pong`] with this time in it.
    pub fn ping(&mut self, now_ms: u32) {
        self.link
            .send_control(&Control::User(UserControl::PingRequest(now_ms)));
    }

    /// Asks the client to come back, at `tc_url` if that is not empty (Enhanced RTMP v2). Clients
    /// that did not name the capability ignore it: see [`Session::understands_reconnect`].
    pub fn reconnect_request(&mut self, tc_url: &str, description: &str) {
        let tc_url = (!tc_url.is_empty()).then(|| tc_url.to_owned());
        let description = description.to_owned();
        self.link.send_command(
            0,
            0.0,
            Call::ReconnectRequest {
                tc_url,
                description,
            },
        );
    }

    /// Whether the client's `connect` said that it obeys [`Session::reconnect_request`].
    pub fn understands_reconnect(&self) -> bool {
        self.client.understands_reconnect
    }

    /// All bytes that came from the client, the handshake included.
    pub fn bytes_received(&self) -> u64 {
        self.link.received_bytes()
    }

    /// Counts bytes that the shell has written to the client, from `output` or past it (tapes).
    pub fn note_sent(&mut self, bytes: u64) {
        self.sent_bytes = self.sent_bytes.saturating_add(bytes);
    }

    /// All bytes that the shell said it had written.
    pub fn bytes_sent(&self) -> u64 {
        self.sent_bytes
    }

    /// Media and other messages that came when or where nobody wanted them.
    pub fn ignored_messages(&self) -> u64 {
        self.ignored_messages
    }

    /// Payload bytes in each chunk that we send: what a tape for this client must be cut to.
    pub fn chunk_size(&self) -> u32 {
        self.config.chunk_size
    }

    /// Whether a request waits for its decision.
    pub fn is_deciding(&self) -> bool {
        self.state.is_asked()
    }

    /// Where the dialogue stands.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Closed => Phase::Closed,
            _ if !self.shaken_hands => Phase::Handshake,
            State::Opening | State::ConnectAsked => Phase::Connecting,
            State::Connected | State::Idle | State::PublishAsked | State::PlayAsked => {
                Phase::Connected
            }
            State::Publishing => Phase::Publishing,
            State::Playing => Phase::Playing,
        }
    }

    /// Takes from the front of `bytes`, a part of `whole`, until they end or a request needs a decision.
    fn read(&mut self, bytes: &mut &[u8], whole: Option<&Bytes>) -> Result<(), Error> {
        while !self.state.is_asked() {
            if self.state == State::Closed {
                *bytes = &[];
                return Ok(());
            }
            match self.link.next(bytes, whole) {
                Ok(Some(incoming)) => self.hear(incoming),
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.state = State::Closed;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn decide(
        &mut self,
        asked: State,
        decision: Input,
        status: Option<Status>,
    ) -> Result<(), Error> {
        if self.state != asked || !asked.is_asked() {
            return Ok(());
        }
        let (action, next) = table::step(self.state, decision);
        self.state = next;
        match (action, status) {
            (Action::Connect, _) => self.answer_connect(),
            (Action::StartPublish, _) => self.start_publish(),
            (Action::StartPlay, _) => self.start_play(),
            (Action::RefuseConnect, Some(status)) => {
                let refusal = Call::Error(command::Connect::refused(status));
                self.link.send_command(0, self.asked_transaction, refusal);
            }
            (Action::RefuseStream, Some(status)) => self.send_status(status),
            _ => {}
        }
        let mut undecided = std::mem::take(&mut self.undecided);
        let mut rest = undecided.rest();
        self.read(&mut rest, None)?;
        let unread = rest.len();
        undecided.keep_last(unread);
        self.undecided = undecided;
        Ok(())
    }

    fn hear(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::HandshakeOver { proxied_address } => {
                self.shaken_hands = true;
                self.proxied_address = proxied_address;
            }
            Incoming::Command {
                message_stream_id,
                command,
            } => {
                self.hear_command(message_stream_id, command);
            }
            Incoming::Media(media) => {
                let ours = matches!(media.message_stream_id, 0 | MESSAGE_STREAM_ID);
                match table::step(self.state, Input::Media) {
                    (Action::Pass, _) if ours => self.events.push_back(Event::Media(media)),
                    _ => self.ignored_messages += 1,
                }
            }
            Incoming::User(UserControl::PingResponse(time)) => {
                self.events.push_back(Event::Pong(time));
            }
            Incoming::User(UserControl::SetBufferLength { millis, .. }) => {
                self.events.push_back(Event::BufferLength(millis));
            }
            Incoming::User(_) | Incoming::Useless => self.ignored_messages += 1,
        }
    }

    fn hear_command(&mut self, message_stream_id: u32, command: Command) {
        let Command { transaction, call } = command;
        let input = match &call {
            Call::Connect(_) => Input::Connect,
            Call::ReleaseStream { .. } => Input::ReleaseStream,
            Call::FcPublish { .. } => Input::FcPublish,
            Call::FcUnpublish { .. } => Input::FcUnpublish,
            Call::FcSubscribe { .. } => Input::FcSubscribe,
            Call::CreateStream => Input::CreateStream,
            Call::Publish { .. } => Input::Publish,
            Call::Play { .. } => Input::Play,
            Call::Play2 { .. } => Input::Play2,
            Call::Pause { .. } => Input::Pause,
            Call::Seek { .. } => Input::Seek,
            Call::DeleteStream { .. } => Input::DeleteStream,
            Call::CloseStream => Input::CloseStream,
            Call::StreamLength { .. } => Input::StreamLength,
            Call::CheckBandwidth => Input::CheckBandwidth,
            Call::Other { .. } => Input::Other,
            // Answers to calls that we never make, and a server's news: not for us.
            Call::Result { .. }
            | Call::Error(_)
            | Call::OnStatus(_)
            | Call::ReconnectRequest { .. }
            | Call::OnFcPublish(_)
            | Call::OnFcUnpublish(_)
            | Call::OnFcSubscribe(_)
            | Call::OnBandwidthDone => {
                self.ignored_messages += 1;
                return;
            }
        };
        if let Some(stream) = foreign_stream(input, message_stream_id, &call) {
            let description = format!("there is no message stream {stream}");
            let status = Status::error(code::FAILED, description);
            self.link
                .send_command(message_stream_id, 0.0, Call::OnStatus(status));
            return;
        }
        let (action, next) = table::step(self.state, input);
        self.state = next;
        self.act(action, transaction, call);
    }

    fn act(&mut self, action: Action, transaction: f64, call: Call) {
        match action {
            Action::Ask => self.ask(transaction, call),
            Action::Acknowledge => {
                self.announced |= matches!(call, Call::FcPublish { .. });
                self.acknowledge(transaction);
            }
            Action::AnswerLength => self.answer(transaction, Value::Number(0.0)),
            Action::AnswerStream => self.answer(transaction, Value::from(MESSAGE_STREAM_ID)),
            Action::AnswerSubscribe => {
                let status = Status::notice(code::PLAY_START, "subscribed");
                self.link.send_command(0, 0.0, Call::OnFcSubscribe(status));
            }
            Action::RefuseCall => {
                self.ignored_messages += 1;
                if transaction != 0.0 {
                    let description = format!("{} is not possible here or now", call.name());
                    let status = Status::error(code::CALL_FAILED, description);
                    self.link.send_command(0, transaction, Call::Error(status));
                }
            }
            Action::RefuseStatus(code) => {
                let description = format!("{} is not possible here or now", call.name());
                self.send_status(Status::error(code, description));
            }
            Action::Pause => {
                let Call::Pause { paused, .. } = call else {
                    return;
                };
                self.confirm_pause(paused);
            }
            Action::Unpublish => {
                if let Call::FcUnpublish { .. } = call {
                    let status = Status::notice(code::UNPUBLISH_SUCCESS, "unpublished");
                    self.link.send_command(0, 0.0, Call::OnFcUnpublish(status));
                    self.acknowledge(transaction);
                }
                self.send_status(Status::notice(code::UNPUBLISH_SUCCESS, "unpublished"));
                self.announced = false;
                self.events.push_back(Event::Unpublish);
            }
            Action::EndPublish => {
                self.announced = false;
                self.events.push_back(Event::Unpublish);
            }
            Action::EndPlay => self.events.push_back(Event::Stop),
            Action::Ignore => {}
            // These answer media and the shell's decisions, see `hear` and `decide`.
            Action::Hold
            | Action::Pass
            | Action::Connect
            | Action::RefuseConnect
            | Action::StartPublish
            | Action::StartPlay
            | Action::RefuseStream => {}
        }
    }

    fn ask(&mut self, transaction: f64, call: Call) {
        self.asked_transaction = transaction;
        let event = match call {
            Call::Connect(request) => {
                self.client = Client::new(&request);
                self.asked_connect = Some(request.clone());
                Event::Connect(Box::new(Connect {
                    address: self.client.address(""),
                    request: *request,
                    proxied_address: self.proxied_address,
                }))
            }
            Call::Publish { name, kind } => {
                let address = self.client.address(&name);
                self.asked_name.clone_from(&address.name);
                Event::Publish(Publish { address, kind })
            }
            Call::Play {
                name,
                start,
                duration,
                reset,
            } => {
                let address = self.client.address(&name);
                self.asked_name.clone_from(&address.name);
                self.asked_reset = reset;
                Event::Play(Play {
                    address,
                    start,
                    duration,
                    reset,
                })
            }
            _ => return,
        };
        self.events.push_back(event);
    }
}

/// The message stream that a command means, if it is none of ours. 0 passes for ours where a
/// client puts commands about its stream on the connection: there is only one that it can mean.
fn foreign_stream(input: Input, message_stream_id: u32, call: &Call) -> Option<u32> {
    let meant = match (input, call) {
        (_, Call::DeleteStream { message_stream_id }) => *message_stream_id,
        (Input::Publish | Input::Play | Input::Play2, _)
        | (Input::Pause | Input::Seek | Input::CloseStream, _) => message_stream_id,
        _ => 0,
    };
    (!matches!(meant, 0 | MESSAGE_STREAM_ID)).then_some(meant)
}
