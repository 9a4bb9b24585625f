//! What servers answer, right and wrong, and what the shell is told.

use super::*;
use crate::{
    chunk::{self, MessageHeader},
    message::{self, Control, type_id},
    transcript::Transcript,
};
use amf::Value;
use bytes::Bytes;

const METADATA: &[u8] = b"\x02\x00\x0aonMetaData\x03\x00\x00\x09";

/// A server by hand: says what the test wants, and keeps what it hears.
struct Server {
    client: Session,
    transcript: Transcript,
}

impl Server {
    fn new(purpose: Purpose) -> Self {
        Self::with_config(purpose, Config::default())
    }

    /// Has shaken hands; `connect` is heard.
    fn with_config(purpose: Purpose, config: Config) -> Self {
        let url = "rtmp://h:1936/live/room/cam?token=x"
            .parse()
            .expect("a good URL");
        let mut server = Self {
            client: Session::new(&url, purpose, config, [4; 32]),
            transcript: Transcript::new(),
        };
        server.bytes(&[&[3][..], &[0; 2 * 1536]].concat());
        server
    }

    /// Has answered all up to `publish` or `play`; what was said is heard.
    fn asked(purpose: Purpose) -> Self {
        let mut server = Self::new(purpose);
        server.result(1.0, Value::object([("code", code::CONNECT_SUCCESS.into())]));
        let transaction = if purpose == Purpose::Publish {
            4.0
        } else {
            2.0
        };
        server.result(transaction, Value::Number(7.0));
        server.heard();
        server
    }

    fn running(purpose: Purpose) -> Self {
        let mut server = Self::asked(purpose);
        server.status(match purpose {
            Purpose::Publish => Status::notice(code::PUBLISH_START, "go"),
            Purpose::Play => Status::notice(code::PLAY_START, "go"),
        });
        server.events();
        server
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.client.input(bytes).expect("an honest server");
    }

    fn call(&mut self, message_stream_id: u32, transaction: f64, call: Call) {
        let mut payload = BytesMut::new();
        Command::new(transaction, call).write(&mut payload);
        let header = MessageHeader {
            timestamp: 0,
            type_id: type_id::COMMAND_AMF0,
            message_stream_id,
        };
        let mut bytes = BytesMut::new();
        chunk::write_message(&mut bytes, 3, &header, &payload, 128);
        self.bytes(&bytes);
    }

    fn result(&mut self, transaction: f64, information: Value) {
        self.call(
            0,
            transaction,
            Call::Result {
                properties: Value::Null,
                information,
            },
        );
    }

    fn status(&mut self, status: Status) {
        self.call(7, 0.0, Call::OnStatus(status));
    }

    fn media(&mut self, message_stream_id: u32, kind: Kind, body: &[u8]) {
        let mut bytes = BytesMut::new();
        message::write_media(&mut bytes, kind, 40, message_stream_id, body, 128);
        self.bytes(&bytes);
    }

    fn user(&mut self, event: UserControl) {
        let mut bytes = BytesMut::new();
        Control::User(event).write(&mut bytes, 128);
        self.bytes(&bytes);
    }

    fn heard(&mut self) -> Vec<String> {
        let bytes = self.client.output().split();
        self.transcript.lines(&bytes)
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.client.poll()).collect()
    }
}

fn frame(kind: Kind, body: &'static [u8]) -> Event {
    let body = Bytes::from_static(body);
    Event::Media(Media {
        kind,
        timestamp: 40,
        message_stream_id: 7,
        body,
    })
}

#[test]
fn a_publisher_speaks_as_encoders_do() {
    let mut server = Server::new(Purpose::Publish);
    assert_eq!(server.heard(), ["@0 connect 1"]);
    server.result(1.0, Value::Undefined);
    assert_eq!(
        server.heard(),
        [
            "@0 WindowAckSize(2500000)",
            "@0 SetChunkSize(60000)",
            "@0 releaseStream 2",
            "@0 FCPublish 3",
            "@0 createStream 4",
        ]
    );
    server.result(2.0, Value::Undefined);
    server.call(
        0,
        3.0,
        Call::Error(Status::error(code::CALL_FAILED, "not known")),
    );
    assert_eq!(server.heard(), [""; 0]);
    server.result(4.0, Value::Number(7.0));
    assert_eq!(server.heard(), ["@7 publish 5 room/cam?token=x"]);
    assert_eq!(server.client.message_stream_id(), 7);
    assert!(!server.client.send(Kind::Audio, 0, &[0xaf, 1]));
    server.status(Status::notice(code::PUBLISH_START, "go"));
    assert_eq!(server.events(), [Event::Publishing]);

    assert!(server.client.send(Kind::Audio, 0, &[0xaf, 1]));
    assert!(server.client.send(Kind::Data, 0, METADATA));
    assert!(server.client.send(Kind::Data, 0, b"\x02\x00\x0aonCuePoint"));
    server.client.close();
    assert_eq!(
        server.heard(),
        [
            "@7 audio [175, 1]",
            "@7 data @setDataFrame",
            "@7 data onCuePoint",
            "@0 FCUnpublish 6",
            "@0 deleteStream 7",
        ]
    );
    assert!(server.client.is_ended());
    assert!(!server.client.send(Kind::Audio, 0, &[0xaf, 1]));
}

#[test]
fn connect_names_the_url_up_to_its_app_and_the_virtual_host() {
    for (vhost, tc_url) in [
        (None, "rtmp://h:1936/live"),
        (Some("tv.example"), "rtmp://tv.example:1936/live"),
    ] {
        let config = Config {
            vhost: vhost.map(str::to_owned),
            ..Config::default()
        };
        let mut server = Server::with_config(Purpose::Play, config);
        let output = server.client.output().split();
        let mut reader = chunk::Reader::new(&Limits::default());
        let message = reader
            .read(&mut &output[1 + 2 * 1536..])
            .expect("our own chunks");
        let payload = message.expect("a whole message").payload;
        let command = Command::read(type_id::COMMAND_AMF0, &payload, &amf::Limits::default());
        let Ok(Command {
            call: Call::Connect(connect),
            ..
        }) = command
        else {
            panic!("no connect")
        };
        assert_eq!(
            (connect.app.as_str(), connect.tc_url.as_str()),
            ("live", tc_url)
        );
        assert!(connect.enhanced.understands_reconnect());
    }
}

#[test]
fn a_player_plays_on_the_stream_it_was_given() {
    let mut server = Server::new(Purpose::Play);
    server.result(1.0, Value::Undefined);
    server.result(2.0, Value::Number(7.0));
    assert_eq!(
        server.heard(),
        [
            "@0 connect 1",
            "@0 WindowAckSize(2500000)",
            "@0 createStream 2",
            "@7 play 3 room/cam?token=x",
            "@0 User(SetBufferLength { message_stream_id: 7, millis: 3000 })",
        ]
    );
    server.user(UserControl::StreamBegin(7));
    server.status(Status::notice(code::PLAY_RESET, "reset"));
    server.status(Status::notice(code::PLAY_START, "go"));
    server.media(
        7,
        Kind::Data,
        b"\x02\x00\x11|RtmpSampleAccess\x01\x01\x01\x01",
    );
    server.media(7, Kind::Data, b"\x02\x00\x08onStatus\x05");
    server.media(7, Kind::Data, METADATA);
    server.media(7, Kind::Video, &[0x17, 0]);
    server.media(1, Kind::Video, &[0x17, 1]);
    assert_eq!(
        server.events(),
        [
            Event::Status(Status {
                code: code::PLAY_RESET.to_owned().into(),
                ..Status::notice(code::PLAY_RESET, "reset")
            }),
            Event::Playing,
            frame(Kind::Data, METADATA),
            frame(Kind::Video, &[0x17, 0]),
        ]
    );
    assert_eq!(server.client.ignored_messages(), 1);
    server.client.close();
    assert_eq!(server.heard(), ["@0 deleteStream 4"]);
}

#[test]
fn a_server_that_never_says_start_starts_by_its_media() {
    let mut server = Server::asked(Purpose::Play);
    server.media(7, Kind::Audio, &[0xaf, 0]);
    assert_eq!(
        server.events(),
        [Event::Playing, frame(Kind::Audio, &[0xaf, 0])]
    );
}

#[test]
fn a_ping_goes_out_behind_what_was_sent_and_its_answer_is_told() {
    let mut server = Server::running(Purpose::Publish);
    server.heard();
    server.client.send(Kind::Audio, 40, &[0xaf, 1]);
    server.client.ping(9);
    let heard = server.heard();
    assert!(heard[0].contains("audio"), "{heard:?}");
    assert!(heard[1].contains("PingRequest(9)"), "{heard:?}");
    server.user(UserControl::PingResponse(9));
    assert_eq!(server.events(), [Event::Pong(9)]);
}

#[test]
fn a_publisher_that_has_gone_upstream_is_told_once_and_so_is_its_return() {
    let mut server = Server::running(Purpose::Play);
    server.user(UserControl::StreamEof(7));
    server.user(UserControl::StreamEof(0));
    assert_eq!(server.events(), [Event::Unpublished]);
    assert!(!server.client.is_running());
    server.media(7, Kind::Audio, &[0xaf, 0]);
    assert_eq!(
        server.events(),
        [Event::Playing, frame(Kind::Audio, &[0xaf, 0])]
    );

    for code in [
        code::PLAY_UNPUBLISH_NOTIFY,
        code::PLAY_STOP,
        code::PLAY_COMPLETE,
    ] {
        let mut server = Server::running(Purpose::Play);
        server.status(Status::notice(code, "gone"));
        assert_eq!(server.events(), [Event::Unpublished], "{code}");
    }
}

#[test]
fn a_redirect_is_understood_wherever_a_server_puts_it() {
    let whole = "rtmp://o:1940/live/other?t=1";
    let whole_url: Url = whole.parse().expect("a good URL");
    let ours: Url = "rtmp://o/live/room/cam?token=x"
        .parse()
        .expect("a good URL");
    for (redirect, url) in [(whole, &whole_url), ("rtmp://o/live", &ours)] {
        let expected = [Event::Redirect(url.clone())];

        // FMS: `_error` to `connect`.
        let mut server = Server::new(Purpose::Play);
        server.call(0, 1.0, Call::Error(Status::redirect(redirect)));
        assert_eq!(server.events(), expected);

        // SRS: `onStatus` behind `play` or `publish`.
        for purpose in [Purpose::Play, Purpose::Publish] {
            let mut server = Server::asked(purpose);
            server.status(Status::redirect(redirect));
            assert_eq!(server.events(), expected);
            assert!(server.client.is_ended());
        }
    }
    let mut server = Server::new(Purpose::Play);
    server.call(0, 1.0, Call::Error(Status::redirect("http://o/")));
    let [Event::Ended(status)] = &server.events()[..] else {
        panic!("no end")
    };
    assert_eq!(status.code, code::CONNECT_REJECTED);
}

#[test]
fn a_refusal_at_any_step_ends_the_dialogue_with_its_reason() {
    let refusal = || Status::error(code::PUBLISH_BAD_NAME, "taken");
    let ended = |mut server: Server| match &server.events()[..] {
        [Event::Ended(status)] => {
            assert!(server.client.is_ended());
            status.description.clone()
        }
        other => panic!("{other:?}"),
    };
    let mut connecting = Server::new(Purpose::Publish);
    connecting.call(0, 1.0, Call::Error(refusal()));
    assert_eq!(ended(connecting), "taken");

    let mut creating = Server::new(Purpose::Publish);
    creating.result(1.0, Value::Undefined);
    creating.call(0, 4.0, Call::Error(refusal()));
    assert_eq!(ended(creating), "taken");

    let mut without_a_stream = Server::new(Purpose::Publish);
    without_a_stream.result(1.0, Value::Undefined);
    without_a_stream.result(4.0, Value::Null);
    assert_eq!(ended(without_a_stream), "the server gave no message stream");

    let mut asking = Server::asked(Purpose::Publish);
    asking.call(7, 5.0, Call::Error(refusal()));
    assert_eq!(ended(asking), "taken");

    for purpose in [Purpose::Publish, Purpose::Play] {
        let mut running = Server::running(purpose);
        running.status(refusal());
        running.status(refusal());
        assert_eq!(ended(running), "taken");
    }

    let mut unpublished = Server::running(Purpose::Publish);
    unpublished.status(Status::notice(code::UNPUBLISH_SUCCESS, "over"));
    assert_eq!(ended(unpublished), "over");
}

#[test]
fn a_server_may_ask_us_to_come_back_while_media_go_on() {
    let mut server = Server::running(Purpose::Publish);
    let tc_url = Some("rtmp://o/live".to_owned());
    let description = "drained".to_owned();
    let call = Call::ReconnectRequest {
        tc_url: tc_url.clone(),
        description: description.clone(),
    };
    server.call(0, 0.0, call);
    assert_eq!(
        server.events(),
        [Event::ReconnectRequest {
            tc_url,
            description
        }]
    );
    assert!(server.client.is_running());
}

#[test]
fn pings_are_answered_and_calls_that_ask_for_an_answer_refused() {
    let mut server = Server::running(Purpose::Play);
    server.heard();
    server.user(UserControl::PingRequest(99));
    let call = |name: &str| Call::Other {
        name: name.into(),
        arguments: vec![Value::Null],
    };
    server.call(0, 0.0, call("onBWCheck"));
    server.call(0, 3.0, call("onBWCheck"));
    server.call(0, 0.0, Call::OnBandwidthDone);
    assert_eq!(
        server.heard(),
        [
            "@0 User(PingResponse(99))",
            "@0 _error 3 error NetConnection.Call.Failed"
        ]
    );
    assert_eq!(server.events(), []);
}

#[test]
fn a_server_that_speaks_something_else_is_an_error() {
    let url = "rtmp://h/live/cam".parse().expect("a good URL");
    let mut client = Session::new(&url, Purpose::Play, Config::default(), [0; 32]);
    assert!(client.input(b"HTTP/1.1 400 Bad Request\r\n").is_err());
    assert!(client.is_ended());
}

#[test]
fn a_client_may_close_at_any_time() {
    let mut server = Server::new(Purpose::Publish);
    server.heard();
    server.client.close();
    assert_eq!(server.heard(), [""; 0]);
    server.result(1.0, Value::Undefined);
    assert_eq!((server.heard(), server.events()), (vec![], vec![]));
}
