//! Each command in one table, read and written; then what real encoders do to them.

use super::*;
use crate::status::{Level, code};

/// AMF0 by hand, so that the table's bytes are not made by what they test.
mod by_hand {
    pub(super) fn number(number: f64) -> Vec<u8> {
        [&[0][..], &number.to_be_bytes()].concat()
    }

    pub(super) fn text(text: &str) -> Vec<u8> {
        [&[2][..], &name(text)].concat()
    }

    pub(super) fn truth(truth: bool) -> Vec<u8> {
        vec![1, u8::from(truth)]
    }

    pub(super) fn null() -> Vec<u8> {
        vec![5]
    }

    pub(super) fn undefined() -> Vec<u8> {
        vec![6]
    }

    pub(super) fn object(properties: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let body = properties
            .iter()
            .flat_map(|(key, value)| [name(key), value.clone()].concat());
        [3].into_iter().chain(body).chain([0, 0, 9]).collect()
    }

    pub(super) fn list(items: &[Vec<u8>]) -> Vec<u8> {
        let count = u32::try_from(items.len()).expect("few items").to_be_bytes();
        [&[10][..], &count, &items.concat()].concat()
    }

    fn name(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len())
            .expect("a short text")
            .to_be_bytes();
        [&length[..], text.as_bytes()].concat()
    }
}
use by_hand::{list, null, number, object, text, truth, undefined};

fn read(bytes: &[u8]) -> Result<Command, Error> {
    Command::read(type_id::COMMAND_AMF0, bytes, &Limits::default())
}

fn written(command: &Command) -> Vec<u8> {
    let mut out = BytesMut::new();
    command.write(&mut out);
    out.to_vec()
}

fn name() -> String {
    "239.1.1.5:1234?token=x".to_owned()
}

fn status_bytes(level: &str, code: &str, description: &str) -> Vec<u8> {
    object(&[
        ("level", text(level)),
        ("code", text(code)),
        ("description", text(description)),
    ])
}

/// Every command that we read and write: its bytes behind name and transaction, and its value.
fn table() -> Vec<(&'static str, f64, Vec<Vec<u8>>, Call)> {
    let named = || vec![null(), text(&name())];
    let connect = Connect {
        app: "live".into(),
        tc_url: "rtmp://h/live".into(),
        page_url: "http://p".into(),
        swf_url: "http://s".into(),
        flash_ver: "FMLE/3.0".into(),
        kind: "nonprivate".into(),
        object_encoding: ObjectEncoding::Amf3,
        enhanced: Enhanced {
            four_ccs: vec!["hvc1".into(), "av01".into()],
            video: vec![("*".into(), 4)],
            audio: vec![("Opus".into(), 3)],
            caps_ex: 3,
        },
    };
    let connect_bytes = object(&[
        ("app", text("live")),
        ("type", text("nonprivate")),
        ("flashVer", text("FMLE/3.0")),
        ("swfUrl", text("http://s")),
        ("tcUrl", text("rtmp://h/live")),
        ("pageUrl", text("http://p")),
        ("fpad", truth(false)),
        ("capabilities", number(15.0)),
        ("audioCodecs", number(4071.0)),
        ("videoCodecs", number(252.0)),
        ("videoFunction", number(1.0)),
        ("objectEncoding", number(3.0)),
        ("fourCcList", list(&[text("hvc1"), text("av01")])),
        ("videoFourCcInfoMap", object(&[("*", number(4.0))])),
        ("audioFourCcInfoMap", object(&[("Opus", number(3.0))])),
        ("capsEx", number(3.0)),
    ]);
    let play = Call::Play {
        name: name(),
        start: -2.0,
        duration: -1.0,
        reset: true,
    };
    let start = || Status::notice(code::PUBLISH_START, "go");
    let start_bytes = || vec![null(), status_bytes("status", code::PUBLISH_START, "go")];
    let mut moved = Status::redirect("rtmp://o/live/cam?t=1");
    moved.description = "moved".into();
    let moved_bytes = object(&[
        ("level", text("error")),
        ("code", text(code::CONNECT_REJECTED)),
        ("description", text("moved")),
        (
            "ex",
            object(&[
                ("code", number(302.0)),
                ("redirect", text("rtmp://o/live")),
                ("redirect2", text("rtmp://o/live/cam?t=1")),
            ]),
        ),
    ]);
    let mut moved_app = Status::redirect("rtmp://o/live");
    moved_app.description = "moved".into();
    let moved_app_bytes = object(&[
        ("level", text("error")),
        ("code", text(code::CONNECT_REJECTED)),
        ("description", text("moved")),
        (
            "ex",
            object(&[("code", number(302.0)), ("redirect", text("rtmp://o/live"))]),
        ),
    ]);
    let reconnect_bytes = object(&[
        ("level", text("status")),
        ("code", text(code::CONNECT_RECONNECT_REQUEST)),
        ("description", text("drained")),
        ("tcUrl", text("rtmp://o/live")),
    ]);
    vec![
        (
            "connect",
            1.0,
            vec![connect_bytes],
            Call::Connect(Box::new(connect)),
        ),
        (
            "releaseStream",
            2.0,
            named(),
            Call::ReleaseStream { name: name() },
        ),
        ("FCPublish", 3.0, named(), Call::FcPublish { name: name() }),
        (
            "FCUnpublish",
            6.0,
            named(),
            Call::FcUnpublish { name: name() },
        ),
        (
            "FCSubscribe",
            3.0,
            named(),
            Call::FcSubscribe { name: name() },
        ),
        (
            "getStreamLength",
            3.0,
            named(),
            Call::StreamLength { name: name() },
        ),
        ("createStream", 4.0, vec![null()], Call::CreateStream),
        (
            "publish",
            5.0,
            vec![null(), text(&name()), text("record")],
            Call::Publish {
                name: name(),
                kind: PublishKind::Record,
            },
        ),
        (
            "play",
            5.0,
            vec![
                null(),
                text(&name()),
                number(-2.0),
                number(-1.0),
                truth(true),
            ],
            play,
        ),
        (
            "play2",
            0.0,
            vec![null(), object(&[("streamName", text(&name()))])],
            Call::Play2 { name: name() },
        ),
        (
            "pause",
            0.0,
            vec![null(), truth(true), number(40.0)],
            Call::Pause {
                paused: true,
                position_ms: 40.0,
            },
        ),
        (
            "seek",
            0.0,
            vec![null(), number(9000.0)],
            Call::Seek {
                position_ms: 9000.0,
            },
        ),
        (
            "deleteStream",
            7.0,
            vec![null(), number(1.0)],
            Call::DeleteStream {
                message_stream_id: 1,
            },
        ),
        ("closeStream", 0.0, vec![null()], Call::CloseStream),
        ("_checkbw", 8.0, vec![null()], Call::CheckBandwidth),
        ("onBWDone", 0.0, vec![null()], Call::OnBandwidthDone),
        (
            "_result",
            4.0,
            vec![null(), number(1.0)],
            Call::Result {
                properties: Value::Null,
                information: Value::Number(1.0),
            },
        ),
        (
            "_result",
            2.0,
            vec![null(), undefined()],
            Call::Result {
                properties: Value::Null,
                information: Value::Undefined,
            },
        ),
        (
            "_error",
            4.0,
            vec![null(), moved_app_bytes],
            Call::Error(moved_app),
        ),
        (
            "onStatus",
            0.0,
            vec![null(), moved_bytes],
            Call::OnStatus(moved),
        ),
        ("onStatus", 0.0, start_bytes(), Call::OnStatus(start())),
        (
            "onFCPublish",
            0.0,
            start_bytes(),
            Call::OnFcPublish(start()),
        ),
        (
            "onFCUnpublish",
            0.0,
            start_bytes(),
            Call::OnFcUnpublish(start()),
        ),
        (
            "onFCSubscribe",
            0.0,
            start_bytes(),
            Call::OnFcSubscribe(start()),
        ),
        (
            "onStatus",
            0.0,
            vec![null(), reconnect_bytes],
            Call::ReconnectRequest {
                tc_url: Some("rtmp://o/live".into()),
                description: "drained".into(),
            },
        ),
        (
            "setDeviceName",
            0.0,
            vec![null(), text("cam")],
            Call::Other {
                name: "setDeviceName".into(),
                arguments: vec![Value::Null, "cam".into()],
            },
        ),
    ]
}

#[test]
fn each_command_is_read_and_written_as_the_table_says() {
    for (name, transaction, arguments, call) in table() {
        let bytes = [text(name), number(transaction), arguments.concat()].concat();
        let command = Command::new(transaction, call);
        assert_eq!(read(&bytes).as_ref(), Ok(&command), "{name}");
        assert_eq!(written(&command), bytes, "{name}");
    }
}

#[test]
fn amf3_commands_are_amf0_behind_a_byte_that_some_leave_out() {
    for (name, transaction, arguments, call) in table() {
        let bytes = [text(name), number(transaction), arguments.concat()].concat();
        let command = Command::new(transaction, call);
        let behind_zero = [&[0][..], &bytes].concat();
        for bytes in [&bytes, &behind_zero] {
            let read = Command::read(type_id::COMMAND_AMF3, bytes, &Limits::default());
            assert_eq!(read.as_ref(), Ok(&command), "{name}");
        }
    }
}

#[test]
fn an_amf3_value_inside_a_command_is_read() {
    // `publish` from Flash with objectEncoding 3: the name is an AMF3 string behind 0x11.
    let bytes = [
        text("publish"),
        number(5.0),
        null(),
        b"\x11\x06\x07cam".to_vec(),
        text("live"),
    ]
    .concat();
    let command = Command::read(type_id::COMMAND_AMF3, &bytes, &Limits::default());
    let call = Call::Publish {
        name: "cam".into(),
        kind: PublishKind::Live,
    };
    assert_eq!(command, Ok(Command::new(5.0, call)));
}

#[test]
fn what_a_client_leaves_out_has_its_default() {
    let play = |name: &str| Call::Play {
        name: name.into(),
        start: -2.0,
        duration: -1.0,
        reset: true,
    };
    let default_connect = || Call::Connect(Box::default());
    for (arguments, call) in [
        (
            vec![text("play"), number(4.0), null(), text("cam")],
            play("cam"),
        ),
        // rtmp2sink and Flash send transaction 0 or none that is a number.
        (vec![text("play"), null(), null(), text("cam")], play("cam")),
        (
            vec![text("play"), number(f64::NAN), null(), text("cam"), null()],
            play("cam"),
        ),
        (vec![text("play")], play("")),
        (
            vec![
                text("play"),
                number(0.0),
                null(),
                text("cam"),
                number(-1000.0),
                number(5.0),
                number(0.0),
            ],
            Call::Play {
                name: "cam".into(),
                start: -1000.0,
                duration: 5.0,
                reset: false,
            },
        ),
        (
            vec![
                text("publish"),
                number(5.0),
                null(),
                text("cam"),
                text("live-app"),
            ],
            Call::Publish {
                name: "cam".into(),
                kind: PublishKind::Live,
            },
        ),
        (
            vec![
                text("pauseRaw"),
                number(0.0),
                null(),
                truth(false),
                number(7.0),
            ],
            Call::Pause {
                paused: false,
                position_ms: 7.0,
            },
        ),
        (vec![text("connect"), number(1.0)], default_connect()),
        (
            vec![text("connect"), number(1.0), null()],
            default_connect(),
        ),
        (
            vec![text("deleteStream"), number(0.0), null(), number(-5.0)],
            Call::DeleteStream {
                message_stream_id: 0,
            },
        ),
        (
            vec![text("_error"), number(4.0), null(), text("no")],
            Call::Error(Status {
                level: Level::Error,
                code: "".into(),
                description: "no".into(),
                redirect: None,
            }),
        ),
        (
            vec![text("_error"), number(4.0)],
            Call::Error(Status {
                level: Level::Error,
                code: "".into(),
                description: "".into(),
                redirect: None,
            }),
        ),
        (
            vec![
                text("onStatus"),
                number(0.0),
                null(),
                object(&[("code", text(code::CONNECT_RECONNECT_REQUEST))]),
            ],
            Call::ReconnectRequest {
                tc_url: None,
                description: "".into(),
            },
        ),
    ] {
        let command = read(&arguments.concat());
        assert_eq!(command.map(|command| command.call), Ok(call));
    }
}

#[test]
fn a_redirect_is_one_only_with_code_302() {
    let ex = |code: f64| {
        let ex = object(&[("code", number(code)), ("redirect", text("rtmp://o/live"))]);
        [
            text("_error"),
            number(1.0),
            null(),
            object(&[("code", text("X")), ("ex", ex)]),
        ]
        .concat()
    };
    for (code, redirect) in [(302.0, Some("rtmp://o/live")), (200.0, None)] {
        let Ok(Command {
            call: Call::Error(status),
            ..
        }) = read(&ex(code))
        else {
            panic!("no _error")
        };
        assert_eq!(status.redirect.as_deref(), redirect);
    }
}

#[test]
fn what_is_no_command_is_an_error_and_no_panic() {
    assert_eq!(read(&[]), Err(Error::CommandName));
    assert_eq!(read(&number(1.0)), Err(Error::CommandName));
    assert!(matches!(read(&[2, 0]), Err(Error::Command(_))));
    assert!(matches!(read(&[0xff]), Err(Error::Command(_))));
}

#[test]
fn no_more_codecs_are_kept_than_there_are() {
    let many: Vec<(String, Vec<u8>)> = (0..500).map(|at| (format!("c{at}"), number(4.0))).collect();
    let many: Vec<(&str, Vec<u8>)> = many
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    let connect = object(&[("videoFourCcInfoMap", object(&many))]);
    let command = read(&[text("connect"), number(1.0), connect].concat());
    let Ok(Command {
        call: Call::Connect(connect),
        ..
    }) = command
    else {
        panic!("no connect")
    };
    assert_eq!(connect.enhanced.video.len(), 64);
}
