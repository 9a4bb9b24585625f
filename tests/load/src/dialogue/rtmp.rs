//! A player over RTMP: the client session of `proto/rtmp`, and the few bytes that keep a connection
//! alive when the session is gone.

use super::{DialogueError, Heard};
use bytes::BytesMut;
use rtmp::{
    chunk::{self, MessageHeader},
    client::{Config, Event, Purpose, Session},
    handshake,
    message::type_id,
};

#[derive(Debug)]
pub(crate) struct Rtmp {
    session: Session,
}

/// A session that costs the generator little: no signatures.
pub(crate) fn session(url: &str, purpose: Purpose) -> Session {
    let url = url.parse().expect("a target was parsed as an RTMP URL");
    let config = Config {
        handshake: handshake::Kind::Simple,
        agent: "weir-load".to_owned(),
        ..Config::default()
    };
    let mut random = [0; 32];
    fastrand::fill(&mut random);
    Session::new(&url, purpose, config, random)
}

impl Rtmp {
    pub(super) fn play(url: &str) -> Self {
        Self {
            session: session(url, Purpose::Play),
        }
    }

    pub(super) fn input(
        &mut self,
        bytes: &[u8],
        heard: &mut Vec<Heard>,
    ) -> Result<(), DialogueError> {
        let outcome = self.session.input(bytes);
        while let Some(event) = self.session.poll() {
            match event {
                Event::Playing => heard.push(Heard::Playing),
                Event::Media(media) => heard.push(Heard::Tag {
                    kind: media.kind,
                    timestamp: media.timestamp,
                    body: media.body,
                }),
                Event::Ended(status) => return Err(DialogueError::Refused(status.code.into())),
                Event::Redirect(_) => return Err(DialogueError::Refused("a redirect".into())),
                // A publisher that goes may be back; what was missed shows in the frames.
                Event::Unpublished
                | Event::Pong(_)
                | Event::Publishing
                | Event::Status(_)
                | Event::ReconnectRequest { .. } => {}
            }
        }
        outcome.map_err(|error| DialogueError::Broken(error.to_string()))
    }

    pub(super) fn output(&mut self) -> &mut BytesMut {
        self.session.output()
    }
}

/// What a player whose session is gone says now and then: the answer to a ping, asked or not, and
/// an acknowledgement of `received_bytes`.
pub(crate) fn sign_of_life(received_bytes: u64, millis: u32) -> BytesMut {
    /// The chunk stream of control messages (RTMP 1.0, 5.4).
    const CONTROL: u32 = 2;
    /// User control event 7: ping response (7.1.7).
    const PING_RESPONSE: [u8; 2] = [0, 7];
    let header = |type_id| MessageHeader {
        timestamp: 0,
        type_id,
        message_stream_id: 0,
    };
    let mut out = BytesMut::new();
    let pong = [&PING_RESPONSE[..], &millis.to_be_bytes()].concat();
    chunk::write_message(
        &mut out,
        CONTROL,
        &header(type_id::USER_CONTROL),
        &pong,
        128,
    );
    // The sequence number is of 32 bits and wraps.
    let received = (received_bytes as u32).to_be_bytes();
    let acknowledgement = header(type_id::ACKNOWLEDGEMENT);
    chunk::write_message(&mut out, CONTROL, &acknowledgement, &received, 128);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_understands_the_sign_of_life() {
        let mut reader = chunk::Reader::new(&rtmp::Limits::default());
        let bytes = sign_of_life(5_000_000_000, 12);
        let mut rest = &bytes[..];
        let mut types = Vec::new();
        while let Some(message) = reader.read(&mut rest).expect("whole chunks") {
            types.push(message.type_id);
        }
        assert_eq!(types, [type_id::USER_CONTROL, type_id::ACKNOWLEDGEMENT]);
    }
}
