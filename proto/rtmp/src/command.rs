//! Commands (RTMP 1.0 §7.2): one typed value for each that a live dialogue knows, both ways.
//!
//! A command is a name, a transaction id, a command object and arguments, all AMF. The same names
//! serve both directions and both AMF versions: type 20 holds AMF0 values; type 17 the same after a
//! zero byte, where a value may switch to AMF3. We read both and write AMF0, which everybody reads.
//!
//! In reading order: [`Command`] and [`Call`] here, then [`connect`] with the one command that has
//! many fields, and [`enhanced`] with what Enhanced RTMP adds to it.
//!
//! What must be true: any bytes are a command, an error or [`Call::Other`], never a panic; a field
//! of the wrong type counts as absent, because encoders send null, numbers and strings as they like.

pub mod connect;
pub mod enhanced;
mod reply;

pub use connect::{Connect, ObjectEncoding};
pub use enhanced::Enhanced;

use crate::{Error, message::type_id, status::Status};
use amf::{Limits, Value, amf0};
use bytes::BytesMut;

/// A command with its transaction id.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Pairs a call with its answer; 0 asks for none.
    pub transaction: f64,
    /// What is called or answered.
    pub call: Call,
}

/// What a command says.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// `connect`: the first command of every dialogue.
    Connect(Box<Connect>),
    /// `releaseStream`: FMLE frees a name before it publishes.
    ReleaseStream {
        /// The name with its query.
        name: String,
    },
    /// `FCPublish`: FMLE announces a publish.
    FcPublish {
        /// The name with its query.
        name: String,
    },
    /// `FCUnpublish`: FMLE has stopped publishing.
    FcUnpublish {
        /// The name with its query.
        name: String,
    },
    /// `FCSubscribe`: players of some CDNs announce a play.
    FcSubscribe {
        /// The name with its query.
        name: String,
    },
    /// `createStream`: asks for a message stream; the answer's second value is its id.
    CreateStream,
    /// `publish`.
    Publish {
        /// The name with its query.
        name: String,
        /// Live, or to be recorded.
        kind: PublishKind,
    },
    /// `play`.
    Play {
        /// The name with its query.
        name: String,
        /// Seconds into a recording; -1 live only; -2, the default, live or else recorded.
        start: f64,
        /// Seconds to play; -1, the default, to the end.
        duration: f64,
        /// Whether what played before is dropped; true by default.
        reset: bool,
    },
    /// `play2`: switches to the same stream in another quality.
    Play2 {
        /// The name to switch to.
        name: String,
    },
    /// `pause`, also `pauseRaw`.
    Pause {
        /// Pause, or go on.
        paused: bool,
        /// Where the player stands, in milliseconds.
        position_ms: f64,
    },
    /// `seek`.
    Seek {
        /// Where to, in milliseconds.
        position_ms: f64,
    },
    /// `deleteStream`: gives a message stream back.
    DeleteStream {
        /// Which one.
        message_stream_id: u32,
    },
    /// `closeStream`: ends publishing or playing on its message stream.
    CloseStream,
    /// `getStreamLength`: asks how long a recording is.
    StreamLength {
        /// The name with its query.
        name: String,
    },
    /// `_checkbw`: asks the server to measure the bandwidth.
    CheckBandwidth,
    /// `_result`: yes. The fields' meaning is the call's that it answers.
    Result {
        /// The command object: the server's properties for `connect`, else null.
        properties: Value,
        /// The first argument: a status for `connect`, an id for `createStream`.
        information: Value,
    },
    /// `_error`: no.
    Error(Status),
    /// `onStatus`: news about the stream (or the connection) whose message stream carries it.
    OnStatus(Status),
    /// `onStatus` with [`code::CONNECT_RECONNECT_REQUEST`](crate::status::code): Enhanced RTMP v2.
    ReconnectRequest {
        /// Where to; the same address if absent.
        tc_url: Option<String>,
        /// For people.
        description: String,
    },
    /// `onFCPublish`: answer to `FCPublish`, sent when publishing may start.
    OnFcPublish(Status),
    /// `onFCUnpublish`.
    OnFcUnpublish(Status),
    /// `onFCSubscribe`.
    OnFcSubscribe(Status),
    /// `onBWDone`: bandwidth measured, or never to be.
    OnBandwidthDone,
    /// Everything else, `set…` commands included.
    Other {
        /// The name.
        name: String,
        /// The command object and what follows.
        arguments: Vec<Value>,
    },
}

/// What a publisher wants done with the stream (RTMP 1.0 §7.2.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PublishKind {
    /// Not recorded.
    #[default]
    Live,
    /// Recorded into a new file.
    Record,
    /// Recorded at the end of the old file.
    Append,
}

impl PublishKind {
    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Record => "record",
            Self::Append => "append",
        }
    }

    /// From the wire; what nobody knows (some encoders put the app's name there) is live.
    pub fn from_wire(text: &str) -> Self {
        match text {
            "record" => Self::Record,
            "append" => Self::Append,
            _ => Self::Live,
        }
    }
}

impl Command {
    /// A command with its transaction id; 0 asks for no answer.
    pub fn new(transaction: f64, call: Call) -> Self {
        Self { transaction, call }
    }

    /// Reads a command message's payload.
    ///
    /// # Errors
    /// [`Error::Command`] if the payload is no AMF, passes a limit, or names no command.
    pub fn read(message_type_id: u8, payload: &[u8], limits: &Limits) -> Result<Self, Error> {
        let payload = match (message_type_id, payload) {
            // Type 17 opens with a byte that nothing defines; some programs leave it out.
            (type_id::COMMAND_AMF3, [0, rest @ ..]) => rest,
            _ => payload,
        };
        let mut values = amf0::read_all(payload, limits)?.into_iter();
        let Some(Value::String(name)) = values.next() else {
            return Err(Error::CommandName);
        };
        let transaction = match values.next() {
            Some(Value::Number(id)) if id.is_finite() => id,
            _ => 0.0,
        };
        let arguments: Vec<Value> = values.collect();
        Ok(Self {
            transaction,
            call: Call::from_wire(name, arguments),
        })
    }

    /// Appends the payload of an AMF0 command message (type 20).
    pub fn write(&self, out: &mut BytesMut) {
        let (name, arguments) = self.call.to_wire();
        amf0::write(&Value::from(name), out);
        amf0::write(&Value::Number(self.transaction), out);
        for argument in &arguments {
            amf0::write(argument, out);
        }
    }
}

impl Call {
    /// The name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::Connect(_) => "connect",
            Self::ReleaseStream { .. } => "releaseStream",
            Self::FcPublish { .. } => "FCPublish",
            Self::FcUnpublish { .. } => "FCUnpublish",
            Self::FcSubscribe { .. } => "FCSubscribe",
            Self::CreateStream => "createStream",
            Self::Publish { .. } => "publish",
            Self::Play { .. } => "play",
            Self::Play2 { .. } => "play2",
            Self::Pause { .. } => "pause",
            Self::Seek { .. } => "seek",
            Self::DeleteStream { .. } => "deleteStream",
            Self::CloseStream => "closeStream",
            Self::StreamLength { .. } => "getStreamLength",
            Self::CheckBandwidth => "_checkbw",
            Self::Result { .. } => "_result",
            Self::Error(_) => "_error",
            Self::OnStatus(_) | Self::ReconnectRequest { .. } => "onStatus",
            Self::OnFcPublish(_) => "onFCPublish",
            Self::OnFcUnpublish(_) => "onFCUnpublish",
            Self::OnFcSubscribe(_) => "onFCSubscribe",
            Self::OnBandwidthDone => "onBWDone",
            Self::Other { name, .. } => name,
        }
    }

    fn from_wire(name: String, arguments: Vec<Value>) -> Self {
        // The command object comes first; arguments are counted from behind it.
        let text = |at: usize| {
            arguments
                .get(at)
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        let number = |at: usize, default: f64| {
            arguments
                .get(at)
                .and_then(Value::as_f64)
                .filter(|n| n.is_finite())
                .unwrap_or(default)
        };
        let truth = |at: usize, default: bool| match arguments.get(at) {
            Some(Value::Boolean(truth)) => *truth,
            Some(Value::Number(number)) => *number != 0.0,
            _ => default,
        };
        match name.as_str() {
            "connect" => Self::Connect(Box::new(Connect::from_value(arguments.first()))),
            "releaseStream" => Self::ReleaseStream { name: text(1) },
            "FCPublish" => Self::FcPublish { name: text(1) },
            "FCUnpublish" => Self::FcUnpublish { name: text(1) },
            "FCSubscribe" => Self::FcSubscribe { name: text(1) },
            "createStream" => Self::CreateStream,
            "publish" => Self::Publish {
                name: text(1),
                kind: PublishKind::from_wire(&text(2)),
            },
            "play" => Self::Play {
                name: text(1),
                start: number(2, -2.0),
                duration: number(3, -1.0),
                reset: truth(4, true),
            },
            "play2" => {
                let new_name = arguments
                    .get(1)
                    .and_then(|options| options.get("streamName"));
                Self::Play2 {
                    name: new_name.and_then(Value::as_str).unwrap_or("").to_owned(),
                }
            }
            "pause" | "pauseRaw" => Self::Pause {
                paused: truth(1, true),
                position_ms: number(2, 0.0),
            },
            "seek" => Self::Seek {
                position_ms: number(1, 0.0),
            },
            "deleteStream" => Self::DeleteStream {
                message_stream_id: number(1, 0.0) as u32,
            },
            "closeStream" => Self::CloseStream,
            "getStreamLength" => Self::StreamLength { name: text(1) },
            "_checkbw" => Self::CheckBandwidth,
            "onBWDone" => Self::OnBandwidthDone,
            _ => reply::from_wire(name, arguments),
        }
    }

    fn to_wire(&self) -> (&str, Vec<Value>) {
        let named = |name: &String| vec![Value::Null, Value::from(name.as_str())];
        let arguments = match self {
            Self::Connect(connect) => vec![connect.to_value()],
            Self::ReleaseStream { name }
            | Self::FcPublish { name }
            | Self::FcUnpublish { name }
            | Self::FcSubscribe { name }
            | Self::StreamLength { name } => named(name),
            Self::CreateStream | Self::CloseStream | Self::CheckBandwidth => vec![Value::Null],
            Self::Publish { name, kind } => {
                vec![
                    Value::Null,
                    Value::from(name.as_str()),
                    kind.as_str().into(),
                ]
            }
            Self::Play {
                name,
                start,
                duration,
                reset,
            } => vec![
                Value::Null,
                Value::from(name.as_str()),
                Value::Number(*start),
                Value::Number(*duration),
                Value::Boolean(*reset),
            ],
            Self::Play2 { name } => {
                vec![
                    Value::Null,
                    Value::object([("streamName", name.as_str().into())]),
                ]
            }
            Self::Pause {
                paused,
                position_ms,
            } => {
                vec![
                    Value::Null,
                    Value::Boolean(*paused),
                    Value::Number(*position_ms),
                ]
            }
            Self::Seek { position_ms } => vec![Value::Null, Value::Number(*position_ms)],
            Self::DeleteStream { message_stream_id } => {
                vec![Value::Null, Value::from(*message_stream_id)]
            }
            Self::Other { arguments, .. } => arguments.clone(),
            reply => reply::arguments(reply),
        };
        (self.name(), arguments)
    }
}

#[cfg(test)]
mod tests;
