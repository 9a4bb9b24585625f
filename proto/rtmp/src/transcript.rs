//! For tests: what a session wrote, as lines that a person can read.

use crate::{
    chunk::Reader,
    command::{Call, Command},
    handshake::PACKET_BYTES,
    limits::Limits,
    message::{Control, type_id},
};
use amf::Value;

/// Reads one direction of a dialogue.
#[derive(Debug)]
pub(crate) struct Transcript {
    reader: Reader,
    handshake_bytes: usize,
}

impl Transcript {
    /// Of a session's output, the handshake at its front included.
    pub(crate) fn new() -> Self {
        let handshake_bytes = 1 + 2 * PACKET_BYTES;
        Self {
            reader: Reader::new(&Limits::default()),
            handshake_bytes,
        }
    }

    /// One line for each message: `@` its message stream, then what it says.
    pub(crate) fn lines(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let skipped = self.handshake_bytes.min(bytes.len());
        bytes = &bytes[skipped..];
        self.handshake_bytes -= skipped;
        let mut lines = Vec::new();
        while let Some(message) = self.reader.read(&mut bytes).expect("our own chunks") {
            let what = match message.type_id {
                type_id::COMMAND_AMF0 => {
                    let command =
                        Command::read(message.type_id, &message.payload, &amf::Limits::default());
                    command_line(&command.expect("our own command"))
                }
                type_id::DATA_AMF0 => {
                    let values = amf::amf0::read_all(&message.payload, &amf::Limits::default());
                    let values = values.expect("our own data");
                    format!(
                        "data {}",
                        values.first().and_then(Value::as_str).unwrap_or("?")
                    )
                }
                type_id::AUDIO => format!("audio {:?}", &message.payload[..]),
                type_id::VIDEO => format!("video {:?}", &message.payload[..]),
                type_id => match Control::parse(type_id, &message.payload) {
                    Ok(Some(control)) => format!("{control:?}"),
                    other => format!("type {type_id}: {other:?}"),
                },
            };
            lines.push(format!("@{} {what}", message.message_stream_id));
        }
        lines
    }
}

fn command_line(command: &Command) -> String {
    let Command { transaction, call } = command;
    let name = call.name();
    let what = match call {
        Call::Result { information, .. } => match information.get("code") {
            Some(code) => code.as_str().unwrap_or("?").to_owned(),
            None => format!("{information:?}"),
        },
        Call::Error(status)
        | Call::OnStatus(status)
        | Call::OnFcPublish(status)
        | Call::OnFcUnpublish(status)
        | Call::OnFcSubscribe(status) => format!("{} {}", status.level.as_str(), status.code),
        Call::ReconnectRequest {
            tc_url,
            description,
        } => format!("{tc_url:?} {description}"),
        Call::Publish { name, .. } | Call::Play { name, .. } => name.clone(),
        _ => String::new(),
    };
    format!("{name} {transaction} {what}").trim_end().to_owned()
}
