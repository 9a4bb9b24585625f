//! Any answers and news, in any order, to a client: no panic, nothing sent or told after its end,
//! and media only between a start and an end.
#![no_main]

use amf::Value;
use bytes::BytesMut;
use media::Kind;
use rtmp::{
    Status, Url,
    chunk::{MessageHeader, write_message},
    client::{Config, Event, Purpose, Session},
    command::{Call, Command},
    handshake::{self, PACKET_BYTES},
    message::{Control, UserControl, write_media},
    status::code,
};

const CODES: [&str; 12] = [
    code::CONNECT_SUCCESS,
    code::CONNECT_REJECTED,
    code::CONNECT_CLOSED,
    code::PUBLISH_START,
    code::PUBLISH_BAD_NAME,
    code::UNPUBLISH_SUCCESS,
    code::PLAY_RESET,
    code::PLAY_START,
    code::PLAY_STOP,
    code::PLAY_UNPUBLISH_NOTIFY,
    code::PLAY_PUBLISH_NOTIFY,
    code::PLAY_STREAM_NOT_FOUND,
];

fn status(argument: u8) -> Status {
    let code = CODES[usize::from(argument) % CODES.len()];
    match argument >> 6 {
        0 | 1 => Status::notice(code, "news"),
        2 => Status::error(code, "an end"),
        _ => Status::redirect(
            ["rtmp://o/live", "rtmp://o/live/x?y", "nowhere"][usize::from(argument) % 3],
        ),
    }
}

fn call(which: u8, argument: u8) -> Call {
    match which % 6 {
        0 | 1 => Call::Result {
            properties: Value::Null,
            information: Value::Number(f64::from(argument) - 2.0),
        },
        2 => Call::Error(status(argument)),
        3 => Call::OnStatus(status(argument)),
        4 => Call::ReconnectRequest {
            tc_url: None,
            description: String::new(),
        },
        _ => Call::CheckBandwidth,
    }
}

libfuzzer_sys::fuzz_target!(|script: &[u8]| {
    let Some((&purpose, script)) = script.split_first() else {
        return;
    };
    let purpose = if purpose & 1 == 0 {
        Purpose::Publish
    } else {
        Purpose::Play
    };
    let url: Url = "rtmp://h/live/cam?token=x".parse().expect("a good URL");
    let config = Config {
        handshake: handshake::Kind::Simple,
        ..Config::default()
    };
    let mut session = Session::new(&url, purpose, config, [1; 32]);
    session
        .input(&[&[3], &[0; 2 * PACKET_BYTES][..]].concat())
        .expect("a handshake");
    let mut started = false;
    for step in script.chunks_exact(3) {
        let [what, stream, argument] = *step else {
            return;
        };
        let message_stream_id = u32::from(stream % 4);
        let was_ended = session.is_ended();
        session.output().clear();
        let mut bytes = BytesMut::new();
        match what % 16 {
            0..=8 => {
                let mut payload = BytesMut::new();
                Command::new(f64::from(stream >> 5), call(what, argument)).write(&mut payload);
                let header = MessageHeader {
                    timestamp: 0,
                    type_id: 20,
                    message_stream_id,
                };
                write_message(&mut bytes, 3, &header, &payload, 128);
            }
            9 | 10 => write_media(&mut bytes, Kind::Audio, 0, message_stream_id, step, 128),
            11 => {
                // any type with any short payload
                let header = MessageHeader {
                    timestamp: 0,
                    type_id: argument,
                    message_stream_id,
                };
                write_message(
                    &mut bytes,
                    2,
                    &header,
                    &step[..usize::from(stream % 4).min(3)],
                    128,
                );
            }
            12 => {
                let event = UserControl::StreamEof(u32::from(argument % 4));
                Control::User(event).write(&mut bytes, 128);
            }
            13 => {
                let sent = session.send(Kind::Audio, 0, &[0xaf, 1]);
                assert_eq!(sent, session.is_running() && purpose == Purpose::Publish);
            }
            14 => Control::User(UserControl::StreamBegin(1)).write(&mut bytes, 128),
            15 if argument % 2 == 1 => session.ping(7),
            _ if argument == 0 => session.close(),
            _ => {}
        }
        if session.input(&bytes).is_err() {
            assert!(session.is_ended());
            return;
        }
        while let Some(event) = session.poll() {
            assert!(!was_ended, "{event:?} after the end");
            match event {
                Event::Publishing | Event::Playing => started = true,
                Event::Media(_) => assert!(started && purpose == Purpose::Play),
                Event::Unpublished => assert!(started && !session.is_running()),
                Event::Redirect(url) => assert!(session.is_ended() && !url.name.is_empty()),
                Event::Ended(_) => assert!(session.is_ended()),
                Event::Status(_) | Event::Pong(_) | Event::ReconnectRequest { .. } => {}
            }
        }
    }
});
