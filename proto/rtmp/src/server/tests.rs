//! What clients do to a server, in order and out of it, and what they are told.

use super::*;
use crate::{
    chunk::{self, MessageHeader},
    command::PublishKind,
    message::{self, type_id},
    transcript::Transcript,
};
use media::Kind;

/// A client by hand: says what the test wants, and keeps what it hears.
struct Client {
    server: Session,
    transcript: Transcript,
}

impl Client {
    /// Has shaken hands.
    fn new() -> Self {
        Self::with_config(Config::default())
    }

    fn with_config(config: Config) -> Self {
        let mut client = Self {
            server: Session::new(config, [3; 32]),
            transcript: Transcript::new(),
        };
        client.bytes(&[&[3][..], &[0; 2 * 1536]].concat());
        client
    }

    /// Connected to `live` at `rtmp://h/live`; the answer is heard.
    fn connected() -> Self {
        let mut client = Self::new();
        client.connect("live", "rtmp://h/live", &[]);
        client.server.accept_connect().expect("nothing undecided");
        client.heard();
        client
    }

    /// Connected, with a message stream; the answers are heard.
    fn idle() -> Self {
        let mut client = Self::connected();
        client.call(0, 4.0, Call::CreateStream);
        client.heard();
        client
    }

    fn publishing() -> Self {
        let mut client = Self::idle();
        client.publish("cam");
        client.server.accept_publish().expect("nothing undecided");
        client.heard();
        client.events();
        client
    }

    fn playing() -> Self {
        let mut client = Self::idle();
        client.play("cam");
        client.server.accept_play().expect("nothing undecided");
        client.heard();
        client.events();
        client
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.server.input(bytes).expect("an honest client");
    }

    fn connect(&mut self, app: &str, tc_url: &str, more: &[(&str, Value)]) {
        let mut object = vec![
            ("app".to_owned(), app.into()),
            ("tcUrl".to_owned(), tc_url.into()),
        ];
        object.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let call = Call::Other {
            name: "connect".into(),
            arguments: vec![Value::Object(object)],
        };
        self.call(0, 1.0, call);
    }

    fn call(&mut self, message_stream_id: u32, transaction: f64, call: Call) {
        let mut payload = BytesMut::new();
        Command::new(transaction, call).write(&mut payload);
        self.message(message_stream_id, type_id::COMMAND_AMF0, &payload);
    }

    fn publish(&mut self, name: &str) {
        self.call(
            1,
            5.0,
            Call::Publish {
                name: name.into(),
                kind: PublishKind::Live,
            },
        );
    }

    fn play(&mut self, name: &str) {
        let name = name.into();
        self.call(
            1,
            5.0,
            Call::Play {
                name,
                start: -2.0,
                duration: -1.0,
                reset: true,
            },
        );
    }

    fn message(&mut self, message_stream_id: u32, type_id: u8, payload: &[u8]) {
        let mut bytes = BytesMut::new();
        let header = MessageHeader {
            timestamp: 40,
            type_id,
            message_stream_id,
        };
        chunk::write_message(&mut bytes, 3, &header, payload, 128);
        self.bytes(&bytes);
    }

    fn audio(&mut self, message_stream_id: u32) {
        self.message(message_stream_id, type_id::AUDIO, &[0xaf, 1, 2]);
    }

    fn heard(&mut self) -> Vec<String> {
        let bytes = self.server.output().split();
        self.transcript.lines(&bytes)
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.server.poll()).collect()
    }
}

fn frame() -> Event {
    Event::Media(Media {
        kind: Kind::Audio,
        timestamp: 40,
        message_stream_id: 1,
        body: vec![0xaf, 1, 2].into(),
    })
}

#[test]
fn connect_is_answered_in_srs_s_order() {
    let mut client = Client::new();
    client.connect("live", "rtmp://h/live", &[]);
    assert!(client.server.is_deciding());
    assert_eq!(client.heard(), [""; 0]);
    client.server.accept_connect().expect("nothing undecided");
    assert_eq!(
        client.heard(),
        [
            "@0 WindowAckSize(2500000)",
            "@0 SetPeerBandwidth { window: 2500000, limit: Dynamic }",
            "@0 SetChunkSize(60000)",
            "@0 _result 1 NetConnection.Connect.Success",
            "@0 onBWDone 0",
        ]
    );
}

#[test]
fn fmle_publishes_and_hears_what_it_waits_for() {
    let mut client = Client::connected();
    let name = || "cam?token=x".to_owned();
    client.call(0, 2.0, Call::ReleaseStream { name: name() });
    client.call(0, 3.0, Call::FcPublish { name: name() });
    client.call(0, 4.0, Call::CreateStream);
    assert_eq!(
        client.heard(),
        [
            "@0 _result 2 Undefined",
            "@0 _result 3 Undefined",
            "@0 _result 4 Number(1.0)"
        ]
    );
    client.events();
    client.publish(&name());
    let address = Address::new("live", "rtmp://h/live", "cam?token=x");
    let publish = Publish {
        address,
        kind: PublishKind::Live,
    };
    assert_eq!(client.events(), [Event::Publish(publish)]);
    client.server.accept_publish().expect("nothing undecided");
    assert_eq!(
        client.heard(),
        [
            "@0 User(StreamBegin(1))",
            "@1 onFCPublish 0 status NetStream.Publish.Start",
            "@1 onStatus 0 status NetStream.Publish.Start",
        ]
    );
    assert_eq!(client.server.phase(), Phase::Publishing);
    client.audio(1);
    assert_eq!(client.events(), [frame()]);

    client.call(0, 6.0, Call::FcUnpublish { name: name() });
    assert_eq!(
        client.heard(),
        [
            "@0 onFCUnpublish 0 status NetStream.Unpublish.Success",
            "@0 _result 6 Undefined",
            "@1 onStatus 0 status NetStream.Unpublish.Success",
        ]
    );
    client.call(
        0,
        7.0,
        Call::DeleteStream {
            message_stream_id: 1,
        },
    );
    assert_eq!(client.events(), [Event::Unpublish]);
    assert_eq!(client.heard(), [""; 0]);
}

#[test]
fn flash_publishes_without_announcing_and_may_come_again() {
    let mut client = Client::idle();
    for _ in 0..2 {
        client.publish("cam");
        client.server.accept_publish().expect("nothing undecided");
        assert_eq!(
            client.heard(),
            [
                "@0 User(StreamBegin(1))",
                "@1 onStatus 0 status NetStream.Publish.Start"
            ]
        );
        client.call(1, 0.0, Call::CloseStream);
        assert_eq!(
            client.heard(),
            ["@1 onStatus 0 status NetStream.Unpublish.Success"]
        );
    }
}

#[test]
fn a_player_hears_what_players_wait_for() {
    let mut client = Client::idle();
    client.events();
    client.play("mp4:room/cam?token=x");
    let address = Address::new("live", "rtmp://h/live", "mp4:room/cam?token=x");
    let play = Play {
        address,
        start: -2.0,
        duration: -1.0,
        reset: true,
    };
    assert_eq!(client.events(), [Event::Play(play)]);
    client.server.accept_play().expect("nothing undecided");
    assert_eq!(
        client.heard(),
        [
            "@0 User(StreamBegin(1))",
            "@1 onStatus 0 status NetStream.Play.Reset",
            "@1 onStatus 0 status NetStream.Play.Start",
        ]
    );
    client.server.send_media(&Media {
        kind: Kind::Video,
        timestamp: 40,
        message_stream_id: 9,
        body: vec![0x17].into(),
    });
    client
        .server
        .send_status(Status::notice(code::PLAY_UNPUBLISH_NOTIFY, "gone"));
    client.server.stream_eof();
    client.server.stream_begin();
    assert_eq!(
        client.heard(),
        [
            "@1 video [23]",
            "@1 onStatus 0 status NetStream.Play.UnpublishNotify",
            "@0 User(StreamEof(1))",
            "@0 User(StreamBegin(1))",
        ]
    );
}

#[test]
fn a_flash_player_gets_access_to_samples_and_is_told_that_data_start() {
    let mut client = Client::new();
    client.connect(
        "live",
        "rtmp://h/live",
        &[("swfUrl", "http://h/player.swf".into())],
    );
    client.server.accept_connect().expect("nothing undecided");
    client.call(0, 2.0, Call::CreateStream);
    let play = Call::Play {
        name: "cam".into(),
        start: -2.0,
        duration: -1.0,
        reset: false,
    };
    client.call(1, 0.0, play);
    client.heard();
    client.server.accept_play().expect("nothing undecided");
    assert_eq!(
        client.heard(),
        [
            "@0 User(StreamBegin(1))",
            "@1 onStatus 0 status NetStream.Play.Start",
            "@1 data |RtmpSampleAccess",
            "@1 data onStatus",
        ]
    );
}

#[test]
fn pausing_is_confirmed_and_seeking_refused_and_playing_goes_on() {
    let mut client = Client::playing();
    client.call(
        1,
        0.0,
        Call::Pause {
            paused: true,
            position_ms: 0.0,
        },
    );
    client.call(
        1,
        0.0,
        Call::Pause {
            paused: false,
            position_ms: 0.0,
        },
    );
    client.call(
        1,
        0.0,
        Call::Seek {
            position_ms: 9000.0,
        },
    );
    assert_eq!(
        client.heard(),
        [
            "@1 onStatus 0 status NetStream.Pause.Notify",
            "@0 User(StreamEof(1))",
            "@0 User(StreamBegin(1))",
            "@1 onStatus 0 status NetStream.Unpause.Notify",
            "@1 onStatus 0 error NetStream.Seek.Failed",
        ]
    );
    assert_eq!(client.events(), [Event::Pause(true), Event::Pause(false)]);
    assert_eq!(client.server.phase(), Phase::Playing);
}

#[test]
fn the_one_message_stream_may_be_made_again_after_it_was_deleted() {
    let mut client = Client::publishing();
    client.call(0, 8.0, Call::CreateStream);
    assert_eq!(
        client.heard(),
        ["@0 _error 8 error NetConnection.Call.Failed"]
    );
    client.call(
        0,
        9.0,
        Call::DeleteStream {
            message_stream_id: 1,
        },
    );
    client.call(0, 10.0, Call::CreateStream);
    assert_eq!(client.heard(), ["@0 _result 10 Number(1.0)"]);
    assert_eq!(client.events(), [Event::Unpublish]);
}

#[test]
fn what_belongs_to_another_message_stream_is_never_confused_with_ours() {
    let mut client = Client::publishing();
    client.audio(2);
    client.call(2, 0.0, Call::CloseStream);
    client.call(
        0,
        0.0,
        Call::DeleteStream {
            message_stream_id: 7,
        },
    );
    client.call(
        3,
        0.0,
        Call::Publish {
            name: "other".into(),
            kind: PublishKind::Live,
        },
    );
    assert_eq!(client.events(), []);
    assert_eq!(client.server.ignored_messages(), 1);
    assert_eq!(client.server.phase(), Phase::Publishing);
    assert_eq!(
        client.heard(),
        [
            "@2 onStatus 0 error NetStream.Failed",
            "@0 onStatus 0 error NetStream.Failed",
            "@3 onStatus 0 error NetStream.Failed",
        ]
    );
    client.audio(1);
    assert_eq!(client.events(), [frame()]);
}

#[test]
fn a_command_at_the_wrong_time_gets_a_clear_status() {
    let mut client = Client::playing();
    client.publish("cam");
    client.play("other");
    client.connect("live", "rtmp://h/live", &[]);
    assert_eq!(
        client.heard(),
        [
            "@1 onStatus 0 error NetStream.Failed",
            "@1 onStatus 0 error NetStream.Play.Failed",
            "@0 _error 1 error NetConnection.Call.Failed",
        ]
    );
    let mut client = Client::publishing();
    client.publish("other");
    assert_eq!(
        client.heard(),
        ["@1 onStatus 0 error NetStream.Publish.BadName"]
    );
    let mut client = Client::new();
    client.publish("cam");
    client.audio(1);
    assert_eq!(
        client.heard(),
        ["@0 _error 5 error NetConnection.Call.Failed"]
    );
    assert_eq!(client.events(), []);
}

#[test]
fn an_unknown_command_is_answered_if_it_asks_for_an_answer() {
    let mut client = Client::connected();
    let call = |name: &str| Call::Other {
        name: name.into(),
        arguments: vec![Value::Null],
    };
    client.call(0, 0.0, call("setDeviceName"));
    client.call(0, 9.0, call("setStreamInfo"));
    client.call(0, 10.0, Call::CheckBandwidth);
    client.call(0, 11.0, Call::StreamLength { name: "cam".into() });
    client.call(0, 12.0, Call::FcSubscribe { name: "cam".into() });
    assert_eq!(
        client.heard(),
        [
            "@0 _error 9 error NetConnection.Call.Failed",
            "@0 _result 10 Undefined",
            "@0 _result 11 Number(0.0)",
            "@0 onFCSubscribe 0 status NetStream.Play.Start",
        ]
    );
}

#[test]
fn media_sent_at_once_behind_publish_are_kept_until_it_is_decided() {
    let mut client = Client::idle();
    client.events();
    client.publish("cam");
    client.audio(1);
    client.audio(1);
    assert_eq!(client.events().len(), 1);
    client.server.accept_publish().expect("honest bytes");
    assert_eq!(client.events(), [frame(), frame()]);
}

#[test]
fn no_more_is_kept_behind_a_request_than_the_limit_says() {
    let limits = Limits {
        undecided_bytes_max: 1000,
        ..Limits::default()
    };
    let mut client = Client::with_config(Config {
        limits,
        ..Config::default()
    });
    client.connect("live", "rtmp://h/live", &[]);
    assert_eq!(client.server.input(&[0; 1000]), Ok(()));
    assert_eq!(
        client.server.input(&[0]),
        Err(Error::TooManyUndecidedBytes { max: 1000 })
    );
    assert_eq!(client.server.phase(), Phase::Closed);
    assert_eq!(client.server.input(&[0; 4000]), Ok(()));
    assert_eq!(client.events().len(), 1);
}

#[test]
fn a_refused_publish_or_play_may_be_followed_by_another() {
    let mut client = Client::idle();
    client.publish("taken");
    client
        .server
        .reject(Status::error(code::PUBLISH_BAD_NAME, "taken"))
        .expect("honest bytes");
    client.play("missing");
    let missing = Status::error(code::PLAY_STREAM_NOT_FOUND, "no such stream");
    client.server.reject(missing).expect("honest bytes");
    client.publish("free");
    client.server.accept_publish().expect("honest bytes");
    assert_eq!(
        client.heard(),
        [
            "@1 onStatus 0 error NetStream.Publish.BadName",
            "@1 onStatus 0 error NetStream.Play.StreamNotFound",
            "@0 User(StreamBegin(1))",
            "@1 onStatus 0 status NetStream.Publish.Start",
        ]
    );
}

#[test]
fn a_refused_connect_ends_the_session() {
    let mut client = Client::new();
    client.connect("nope", "rtmp://h/nope", &[]);
    client.call(0, 4.0, Call::CreateStream);
    client
        .server
        .reject(Status::notice(code::CONNECT_REJECTED, "no"))
        .expect("nothing is read");
    client.call(0, 5.0, Call::CreateStream);
    assert_eq!(
        client.heard(),
        ["@0 _error 1 error NetConnection.Connect.Rejected"]
    );
    assert_eq!(client.server.phase(), Phase::Closed);
}

#[test]
fn a_decision_that_nobody_waits_for_changes_nothing() {
    let mut client = Client::publishing();
    client.server.accept_connect().expect("nothing happens");
    client.server.accept_play().expect("nothing happens");
    client
        .server
        .reject(Status::error(code::FAILED, "no"))
        .expect("nothing happens");
    assert_eq!(
        (client.heard(), client.server.phase()),
        (vec![], Phase::Publishing)
    );
    let mut client = Client::idle();
    client.publish("cam");
    client.server.accept_play().expect("nothing happens");
    assert!(client.server.is_deciding());
}

#[test]
fn set_data_frame_is_taken_off_and_clear_data_frame_swallowed() {
    let mut client = Client::publishing();
    let metadata = b"\x02\x00\x0aonMetaData\x03\x00\x00\x09";
    let set = [b"\x02\x00\x0d@setDataFrame", &metadata[..]].concat();
    let clear = b"\x02\x00\x0f@clearDataFrame\x02\x00\x0aonMetaData";
    client.message(1, type_id::DATA_AMF0, &set);
    client.message(1, type_id::DATA_AMF3, &[&[0][..], &set].concat());
    client.message(1, type_id::DATA_AMF0, metadata);
    client.message(1, type_id::DATA_AMF0, clear);
    let bodies: Vec<_> = client
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Media(Media {
                kind: Kind::Data,
                body,
                ..
            }) => body,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(bodies, [&metadata[..]; 3]);
}

#[test]
fn an_aggregate_is_its_tags_and_a_question_may_stand_in_its_middle() {
    let mut client = Client::publishing();
    let tag = |type_id: u8, timestamp: u8, body: &[u8]| {
        let length = u8::try_from(body.len()).expect("a short tag");
        let mut tag = vec![type_id, 0, 0, length, 0, 0, timestamp, 0, 0, 0, 0];
        tag.extend_from_slice(body);
        tag.extend_from_slice(&[0, 0, 0, 11 + length]);
        tag
    };
    let aggregate = [tag(8, 10, &[0xaf, 1]), tag(9, 30, &[0x27, 1])].concat();
    client.message(1, type_id::AGGREGATE, &aggregate);
    let times: Vec<_> = client
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Media(media) => (media.kind, media.timestamp),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(times, [(Kind::Audio, 40), (Kind::Video, 60)]);

    let mut client = Client::idle();
    client.events();
    let mut publish = BytesMut::new();
    let call = Call::Publish {
        name: "cam".into(),
        kind: PublishKind::Live,
    };
    Command::new(0.0, call).write(&mut publish);
    let aggregate = [tag(20, 0, &publish), tag(8, 0, &[0xaf, 1, 2])].concat();
    client.message(1, type_id::AGGREGATE, &aggregate);
    assert_eq!(client.events().len(), 1);
    client.server.accept_publish().expect("honest bytes");
    assert_eq!(client.events(), [frame()]);
}

#[test]
fn commands_in_amf3_are_understood() {
    let mut client = Client::new();
    let mut payload = BytesMut::from(&[0][..]);
    let connect = command::Connect {
        app: "live".into(),
        tc_url: "rtmp://h/live".into(),
        object_encoding: command::ObjectEncoding::Amf3,
        ..Default::default()
    };
    Command::new(1.0, Call::Connect(Box::new(connect))).write(&mut payload);
    client.message(0, type_id::COMMAND_AMF3, &payload);
    client.server.accept_connect().expect("nothing undecided");
    assert!(
        client
            .heard()
            .contains(&"@0 _result 1 NetConnection.Connect.Success".to_owned())
    );
}

#[test]
fn enhanced_rtmp_is_answered_where_it_is_spoken() {
    for (more, answered) in [
        (vec![], false),
        (
            vec![("fourCcList", Value::StrictArray(vec!["hvc1".into()]))],
            true,
        ),
        (vec![("capsEx", Value::Number(1.0))], true),
    ] {
        let mut client = Client::new();
        client.connect("live", "rtmp://h/live", &more);
        client.server.accept_connect().expect("nothing undecided");
        let output = client.server.output().split();
        let has = |text: &[u8]| output.windows(text.len()).any(|window| window == text);
        assert_eq!(has(b"videoFourCcInfoMap"), answered, "{more:?}");
        assert_eq!(has(b"capsEx"), answered, "{more:?}");
        let reconnects = more.iter().any(|(name, _)| *name == "capsEx");
        assert_eq!(client.server.understands_reconnect(), reconnects);
    }
}

#[test]
fn a_client_may_be_asked_to_come_back_elsewhere() {
    let mut client = Client::publishing();
    client.server.reconnect_request("rtmp://o/live", "drained");
    client.server.reconnect_request("", "restarting");
    assert_eq!(
        client.heard(),
        [
            "@0 onStatus 0 Some(\"rtmp://o/live\") drained",
            "@0 onStatus 0 None restarting"
        ]
    );
}

#[test]
fn pings_go_both_ways_and_windows_are_acknowledged() {
    let mut client = Client::connected();
    let control = |client: &mut Client, control: Control| {
        let mut bytes = BytesMut::new();
        control.write(&mut bytes, 128);
        client.bytes(&bytes);
    };
    client.server.ping(77);
    control(&mut client, Control::User(UserControl::PingRequest(5)));
    control(&mut client, Control::User(UserControl::PingResponse(77)));
    let buffer = UserControl::SetBufferLength {
        message_stream_id: 1,
        millis: 3000,
    };
    control(&mut client, Control::User(buffer));
    assert_eq!(
        client.heard(),
        ["@0 User(PingRequest(77))", "@0 User(PingResponse(5))"]
    );
    let [_, rest @ ..] = &client.events()[..] else {
        panic!("no connect")
    };
    assert_eq!(rest, [Event::Pong(77), Event::BufferLength(3000)]);

    control(&mut client, Control::WindowAckSize(100));
    let before = client.server.bytes_received();
    client.audio(0);
    let after = client.server.bytes_received();
    assert!(after > before);
    let heard = client.heard();
    assert_eq!(heard, [format!("@0 Acknowledgement({after})")]);
}

#[test]
fn a_proxy_s_word_on_the_client_s_address_is_passed_on() {
    let mut client = Client {
        server: Session::new(Config::default(), [3; 32]),
        transcript: Transcript::new(),
    };
    let pre_header = [0xf3, 0, 4, 192, 0, 2, 7];
    client.bytes(&[&pre_header[..], &[3], &[0; 2 * 1536]].concat());
    client.connect("live", "rtmp://h/live", &[]);
    let [Event::Connect(connect)] = &client.events()[..] else {
        panic!("no connect")
    };
    assert_eq!(connect.proxied_address, Some([192, 0, 2, 7].into()));
}

#[test]
fn before_a_publish_is_accepted_only_short_messages_are_taken() {
    let limits = Limits {
        command_bytes_max: 2000,
        ..Limits::default()
    };
    let config = || Config {
        limits: limits.clone(),
        ..Config::default()
    };
    let mut long = BytesMut::new();
    message::write_media(&mut long, Kind::Video, 0, 1, &[0x27; 3000], 128);

    let mut client = Client::with_config(config());
    assert!(matches!(
        client.server.input(&long),
        Err(Error::MessageTooLong { max: 2000, .. })
    ));

    let mut client = Client::with_config(config());
    client.connect("live", "rtmp://h/live", &[]);
    client.server.accept_connect().expect("nothing undecided");
    client.call(0, 4.0, Call::CreateStream);
    client.publish("cam");
    client.server.accept_publish().expect("nothing undecided");
    assert_eq!(client.server.input(&long), Ok(()));
}

#[test]
fn phases_follow_the_dialogue() {
    let mut session = Session::new(Config::default(), [0; 32]);
    assert_eq!(session.phase(), Phase::Handshake);
    assert!(session.input(b"GET / HTTP/1.1\r\n").is_err());
    assert_eq!(session.phase(), Phase::Closed);
    assert_eq!(Client::new().server.phase(), Phase::Connecting);
    assert_eq!(Client::connected().server.phase(), Phase::Connected);
    assert_eq!(Client::idle().server.phase(), Phase::Connected);
    assert_eq!(Client::publishing().server.phase(), Phase::Publishing);
    assert_eq!(Client::playing().server.phase(), Phase::Playing);
}

#[test]
fn bytes_sent_are_what_the_shell_says() {
    let mut session = Session::new(Config::default(), [0; 32]);
    session.note_sent(7);
    session.note_sent(u64::MAX);
    assert_eq!(session.bytes_sent(), u64::MAX);
}
