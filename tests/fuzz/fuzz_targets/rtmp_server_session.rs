//! Any order of commands, media and decisions to a server: no panic, media only while it publishes,
//! questions only one at a time, and no state that the dialogue did not lead to.
#![no_main]

use bytes::BytesMut;
use media::Kind;
use rtmp::{
    Status,
    chunk::{MessageHeader, write_message},
    command::{Call, Command, Connect, PublishKind},
    handshake::PACKET_BYTES,
    message::{Control, UserControl, write_media},
    server::{Config, Event, Phase, Session},
    status::code,
};

fn call(which: u8, argument: u8) -> Call {
    let name = ["cam", "a/b:c?token=x", "", "...vhost...h"][usize::from(argument % 4)].to_owned();
    match which % 18 {
        0 => Call::Connect(Box::new(Connect {
            app: name,
            tc_url: "rtmp://h/live?vhost=v".into(),
            ..Connect::default()
        })),
        1 => Call::ReleaseStream { name },
        2 => Call::FcPublish { name },
        3 => Call::FcUnpublish { name },
        4 => Call::FcSubscribe { name },
        5 => Call::CreateStream,
        6 => Call::Publish {
            name,
            kind: PublishKind::Live,
        },
        7 => Call::Play {
            name,
            start: -2.0,
            duration: -1.0,
            reset: argument & 4 == 0,
        },
        8 => Call::Play2 { name },
        9 => Call::Pause {
            paused: argument & 1 == 0,
            position_ms: 0.0,
        },
        10 => Call::Seek {
            position_ms: f64::from(argument),
        },
        11 => Call::DeleteStream {
            message_stream_id: u32::from(argument % 3),
        },
        12 => Call::CloseStream,
        13 => Call::StreamLength { name },
        14 => Call::CheckBandwidth,
        15 => Call::OnStatus(Status::notice(code::PLAY_START, name)),
        16 => Call::OnBandwidthDone,
        _ => Call::Other {
            name,
            arguments: Vec::new(),
        },
    }
}

fn drain(session: &mut Session, before: Phase) {
    let mut questions = 0;
    while let Some(event) = session.poll() {
        match event {
            Event::Connect(_) | Event::Publish(_) | Event::Play(_) => questions += 1,
            Event::Media(media) => {
                assert!(matches!(media.message_stream_id, 0 | 1));
                assert!(!media.body.starts_with(b"\x02\x00\x0d@setDataFrame"));
            }
            Event::Unpublish => assert_ne!(session.phase(), Phase::Publishing),
            Event::Stop => assert_ne!(session.phase(), Phase::Playing),
            // what came behind `play` is heard when that is accepted
            Event::Pause(_) => assert!(matches!(before, Phase::Playing | Phase::Connected)),
            Event::Pong(_) | Event::BufferLength(_) => {}
        }
    }
    assert!(questions <= 1, "one question at a time");
    assert!(questions == 0 || session.is_deciding());
}

libfuzzer_sys::fuzz_target!(|script: &[u8]| {
    let mut session = Session::new(Config::default(), [1; 32]);
    session
        .input(&[&[3], &[0; 2 * PACKET_BYTES][..]].concat())
        .expect("a handshake");
    for step in script.chunks_exact(3) {
        let [what, stream, argument] = *step else {
            return;
        };
        let message_stream_id = u32::from(stream % 4);
        let before = session.phase();
        let mut bytes = BytesMut::new();
        let mut ended = Ok(());
        match what % 32 {
            0..=17 => {
                let mut payload = BytesMut::new();
                Command::new(f64::from(stream >> 4), call(what, argument)).write(&mut payload);
                let header = MessageHeader {
                    timestamp: 0,
                    type_id: 20,
                    message_stream_id,
                };
                write_message(&mut bytes, 3, &header, &payload, 128);
            }
            18 => write_media(&mut bytes, Kind::Video, 0, message_stream_id, step, 128),
            19 => write_media(&mut bytes, Kind::Data, 0, message_stream_id, step, 128),
            20 => {
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
            21 => Control::User(UserControl::PingRequest(1)).write(&mut bytes, 128),
            22 => Control::WindowAckSize(u32::from(argument)).write(&mut bytes, 128),
            23 => ended = session.accept_connect(),
            24 => ended = session.accept_publish(),
            25 => ended = session.accept_play(),
            26 => ended = session.reject(Status::redirect("rtmp://o/live/cam")),
            27 => session.send_status(Status::notice(code::PLAY_UNPUBLISH_NOTIFY, "gone")),
            28 => session.ping(u32::from(argument)),
            29 => session.reconnect_request("rtmp://o/live", "drained"),
            30 => session.stream_eof(),
            _ => session.stream_begin(),
        }
        ended = ended.and_then(|()| session.input(&bytes));
        drain(&mut session, before);
        session.output().clear();
        if ended.is_err() {
            assert_eq!(session.phase(), Phase::Closed);
            assert_eq!(session.input(b"more"), Ok(()));
            assert_eq!(session.poll(), None);
            return;
        }
    }
});
