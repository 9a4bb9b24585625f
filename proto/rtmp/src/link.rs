//! What both ends of a dialogue do alike, below the commands: handshake, chunks, windows, pings.
//!
//! A link turns bytes into [`Incoming`] and writes messages into its output. It answers pings and
//! acknowledges windows by itself; who may say what, and when, is the sessions' matter.

use crate::{
    Error, Limits,
    chunk::{self, MessageHeader, Reader},
    command::{Call, Command},
    handshake,
    limits::CHUNK_SIZE_DEFAULT,
    message::{self, Control, Media, Message, UserControl, aggregate, type_id},
    window::Window,
};
use amf::{Value, amf0};
use bytes::{Buf, Bytes, BytesMut};
use media::Kind;
use std::{net::Ipv4Addr, ops::Range};

/// The chunk stream on which we send commands.
const COMMAND_CHUNK_STREAM_ID: u32 = 3;

/// The name, as AMF0, that publishers put before metadata which the server is to keep.
pub(crate) const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";

/// The name, as AMF0, by which they take it back.
const CLEAR_DATA_FRAME: &[u8] = b"\x02\x00\x0f@clearDataFrame";

/// The handshake of either end, until it is over.
#[derive(Debug)]
pub(crate) enum Handshake {
    Server(Box<handshake::Server>),
    Client(Box<handshake::Client>),
    Over,
}

/// What a session hears from its link.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// The first message may be sent now. A proxy may have told the client's own address.
    HandshakeOver {
        proxied_address: Option<Ipv4Addr>,
    },
    Command {
        message_stream_id: u32,
        command: Command,
    },
    Media(Media),
    User(UserControl),
    /// Something that a live stream has no use for: shared objects, unknown types.
    Useless,
}

#[derive(Debug)]
pub(crate) struct Link {
    handshake: Handshake,
    reader: Reader,
    /// What is left of an aggregate message.
    aggregate: Option<aggregate::Split>,
    window: Window,
    amf_limits: amf::Limits,
    output: BytesMut,
    chunk_size: usize,
}

impl Link {
    pub(crate) fn new(handshake: Handshake, limits: &Limits) -> Self {
        let mut reader = Reader::new(limits);
        reader.set_message_bytes_max(limits.command_bytes_max);
        Self {
            handshake,
            reader,
            aggregate: None,
            window: Window::default(),
            amf_limits: amf::Limits::default(),
            output: BytesMut::new(),
            chunk_size: CHUNK_SIZE_DEFAULT as usize,
        }
    }

    /// Writes what our end says before it has heard anything: a client's C0 and C1.
    pub(crate) fn open(&mut self) {
        if let Handshake::Client(client) = &mut self.handshake {
            // With no input there is nothing to find fault with.
            let _over = client.input(&mut &[][..], &mut self.output);
        }
    }

    /// Counts bytes as they come off the socket, whether or not they are read at once.
    pub(crate) fn count_received(&mut self, bytes: usize) {
        if let Some(sequence) = self.window.receive(bytes) {
            self.send_control(&Control::Acknowledgement(sequence));
        }
    }

    /// All bytes that have arrived.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.window.received_bytes()
    }

    /// Takes bytes from the front of `input` up to the next thing that the session should know; media share
    /// `whole`, which `input` is part of, if they may.
    pub(crate) fn next(
        &mut self,
        input: &mut &[u8],
        whole: Option<&Bytes>,
    ) -> Result<Option<Incoming>, Error> {
        let over = match &mut self.handshake {
            Handshake::Server(server) => server.input(input, &mut self.output)?,
            Handshake::Client(client) => client.input(input, &mut self.output)?,
            Handshake::Over => return self.next_message(input, whole),
        };
        if !over {
            return Ok(None);
        }
        let proxied_address = match &self.handshake {
            Handshake::Server(server) => server.proxied_address(),
            Handshake::Client(_) | Handshake::Over => None,
        };
        self.handshake = Handshake::Over;
        Ok(Some(Incoming::HandshakeOver { proxied_address }))
    }

    fn next_message(
        &mut self,
        input: &mut &[u8],
        whole: Option<&Bytes>,
    ) -> Result<Option<Incoming>, Error> {
        loop {
            let message = match self.aggregate.as_mut().and_then(Iterator::next) {
                Some(message) => message?,
                None => {
                    self.aggregate = None;
                    match self.reader.read_of(input, whole)? {
                        Some(message) => message,
                        None => return Ok(None),
                    }
                }
            };
            if message.type_id == type_id::AGGREGATE {
                self.aggregate = Some(aggregate::split(&message));
                continue;
            }
            if let Some(incoming) = self.understand(message)? {
                return Ok(Some(incoming));
            }
        }
    }

    /// What a message means to the session; `None` if the link has dealt with it.
    fn understand(&mut self, message: Message) -> Result<Option<Incoming>, Error> {
        let Message {
            timestamp,
            type_id,
            message_stream_id,
            payload,
            ..
        } = message;
        let media = |kind, body| {
            Some(Incoming::Media(Media {
                kind,
                timestamp,
                message_stream_id,
                body,
            }))
        };
        Ok(match type_id {
            type_id::AUDIO => media(Kind::Audio, payload),
            type_id::VIDEO => media(Kind::Video, payload),
            type_id::DATA_AMF0 => data_body(payload).and_then(|body| media(Kind::Data, body)),
            type_id::DATA_AMF3 => {
                data_body(without_amf3_byte(payload)).and_then(|body| media(Kind::Data, body))
            }
            type_id::COMMAND_AMF0 | type_id::COMMAND_AMF3 => {
                let command = Command::read(type_id, &payload, &self.amf_limits)?;
                Some(Incoming::Command {
                    message_stream_id,
                    command,
                })
            }
            _ => match Control::parse(type_id, &payload)? {
                Some(control) => self.obey(control),
                None => Some(Incoming::Useless),
            },
        })
    }

    fn obey(&mut self, control: Control) -> Option<Incoming> {
        match control {
            // The reader has obeyed these two.
            Control::SetChunkSize(_) | Control::Abort { .. } => None,
            // We never wait for a peer's window: TCP holds us back.
            Control::Acknowledgement(_) | Control::SetPeerBandwidth { .. } => None,
            Control::WindowAckSize(bytes) => {
                self.window.set_size(bytes);
                None
            }
            Control::User(UserControl::PingRequest(time)) => {
                self.send_control(&Control::User(UserControl::PingResponse(time)));
                None
            }
            Control::User(event) => Some(Incoming::User(event)),
        }
    }

    /// The peer may send media from now on, as long as `limits` say.
    pub(crate) fn expect_media(&mut self, limits: &Limits) {
        self.reader.set_message_bytes_max(limits.message_bytes_max);
    }

    /// Where that lies which every message needs, beside the link itself.
    pub(crate) fn needs_at(&self) -> Range<usize> {
        self.reader.streams_at()
    }

    pub(crate) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    pub(crate) fn send_control(&mut self, control: &Control) {
        control.write(&mut self.output, self.chunk_size);
    }

    /// Announces our chunk size, and writes by it from then on.
    pub(crate) fn send_chunk_size(&mut self, size: u32) {
        self.send_control(&Control::SetChunkSize(size));
        self.chunk_size = size as usize;
    }

    pub(crate) fn send_command(&mut self, message_stream_id: u32, transaction: f64, call: Call) {
        let mut payload = BytesMut::new();
        Command::new(transaction, call).write(&mut payload);
        let header = MessageHeader {
            timestamp: 0,
            type_id: type_id::COMMAND_AMF0,
            message_stream_id,
        };
        let chunk_stream_id = COMMAND_CHUNK_STREAM_ID;
        chunk::write_message(
            &mut self.output,
            chunk_stream_id,
            &header,
            &payload,
            self.chunk_size,
        );
    }

    pub(crate) fn send_data(&mut self, message_stream_id: u32, values: &[Value]) {
        let mut body = BytesMut::new();
        for value in values {
            amf0::write(value, &mut body);
        }
        self.send_media(Kind::Data, 0, message_stream_id, &body);
    }

    pub(crate) fn send_media(&mut self, kind: Kind, timestamp: u32, id: u32, body: &[u8]) {
        message::write_media(&mut self.output, kind, timestamp, id, body, self.chunk_size);
    }
}

/// A data message's body from behind `@setDataFrame`; `None` if it only takes metadata back.
fn data_body(mut payload: Bytes) -> Option<Bytes> {
    if payload.starts_with(SET_DATA_FRAME) {
        payload.advance(SET_DATA_FRAME.len());
    }
    let empty = payload.is_empty() || payload.starts_with(CLEAR_DATA_FRAME);
    (!empty).then_some(payload)
}

/// Type 15 holds what type 18 holds, behind a byte that nothing defines.
fn without_amf3_byte(mut payload: Bytes) -> Bytes {
    if payload.first() == Some(&0) {
        payload.advance(1);
    }
    payload
}
