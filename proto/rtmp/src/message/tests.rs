//! Control, user control, aggregate and media messages by the byte, in both directions.

use super::*;
use crate::{Error, Limits, chunk::Reader};
use ::media::Kind;
use bytes::BytesMut;

fn read_one(mut bytes: &[u8]) -> Message {
    let mut reader = Reader::new(&Limits::default());
    let message = reader
        .read(&mut bytes)
        .expect("no error")
        .expect("one whole message");
    assert!(bytes.is_empty());
    message
}

#[test]
fn every_control_message_has_one_form() {
    let user = |event| Control::User(event);
    let table: &[(&str, u8, &[u8], Control)] = &[
        (
            "Set Chunk Size",
            1,
            b"\0\0\xEA\x60",
            Control::SetChunkSize(60_000),
        ),
        (
            "the largest chunk size",
            1,
            b"\x7F\xFF\xFF\xFF",
            Control::SetChunkSize(0x7FFF_FFFF),
        ),
        (
            "Abort",
            2,
            b"\0\0\0\x06",
            Control::Abort { chunk_stream_id: 6 },
        ),
        (
            "Acknowledgement",
            3,
            b"\xFF\xFF\xFF\xFF",
            Control::Acknowledgement(u32::MAX),
        ),
        (
            "Window Acknowledgement Size",
            5,
            b"\0\x26\x25\xA0",
            Control::WindowAckSize(2_500_000),
        ),
        (
            "Set Peer Bandwidth, hard",
            6,
            b"\0\x26\x25\xA0\0",
            Control::SetPeerBandwidth {
                window: 2_500_000,
                limit: BandwidthLimit::Hard,
            },
        ),
        (
            "Set Peer Bandwidth, soft",
            6,
            b"\0\0\0\x01\x01",
            Control::SetPeerBandwidth {
                window: 1,
                limit: BandwidthLimit::Soft,
            },
        ),
        (
            "Set Peer Bandwidth, dynamic",
            6,
            b"\0\0\0\x01\x02",
            Control::SetPeerBandwidth {
                window: 1,
                limit: BandwidthLimit::Dynamic,
            },
        ),
        (
            "Stream Begin",
            4,
            b"\0\0\0\0\0\x01",
            user(UserControl::StreamBegin(1)),
        ),
        (
            "Stream EOF",
            4,
            b"\0\x01\0\0\0\x01",
            user(UserControl::StreamEof(1)),
        ),
        (
            "Stream Dry",
            4,
            b"\0\x02\0\0\0\x01",
            user(UserControl::StreamDry(1)),
        ),
        (
            "Set Buffer Length",
            4,
            b"\0\x03\0\0\0\x01\0\0\x0B\xB8",
            user(UserControl::SetBufferLength {
                message_stream_id: 1,
                millis: 3000,
            }),
        ),
        (
            "Stream Is Recorded",
            4,
            b"\0\x04\0\0\0\x01",
            user(UserControl::StreamIsRecorded(1)),
        ),
        (
            "Ping Request",
            4,
            b"\0\x06\x01\x02\x03\x04",
            user(UserControl::PingRequest(0x0102_0304)),
        ),
        (
            "Ping Response",
            4,
            b"\0\x07\x01\x02\x03\x04",
            user(UserControl::PingResponse(0x0102_0304)),
        ),
        (
            "an event that we do not know",
            4,
            b"\0\x1A\x01",
            user(UserControl::Other {
                event: 26,
                data: Bytes::from_static(b"\x01"),
            }),
        ),
    ];
    for (name, type_id, payload, value) in table {
        assert_eq!(
            Control::parse(*type_id, payload),
            Ok(Some(value.clone())),
            "{name}"
        );
        let mut out = BytesMut::new();
        value.write(&mut out, 128);
        let message = read_one(&out);
        assert_eq!(
            (message.type_id, &message.payload[..]),
            (*type_id, *payload),
            "{name}"
        );
        let of_the_connection = (message.chunk_stream_id, message.message_stream_id);
        assert_eq!(of_the_connection, (2, 0), "{name}");
    }
}

#[test]
fn a_control_message_without_its_fields_is_malformed() {
    for (type_id, payload, message) in [
        (1, &b"\0\0\0"[..], "Set Chunk Size"),
        (2, b"\0\0\0", "Abort"),
        (3, b"", "Acknowledgement"),
        (4, b"\0", "User Control"),
        (4, b"\0\0\0\0\0", "User Control"),
        (4, b"\0\x03\0\0\0\x01\0\0\x0B", "User Control"),
        (5, b"\0\0\0", "Window Acknowledgement Size"),
        (6, b"\0\0\0", "Set Peer Bandwidth"),
    ] {
        let error = Error::Malformed {
            message,
            bytes: payload.len(),
        };
        assert_eq!(
            Control::parse(type_id, payload),
            Err(error),
            "{type_id} {payload:?}"
        );
    }
}

#[test]
fn other_messages_are_no_control_messages() {
    for type_id in [0, 7, 8, 9, 15, 17, 18, 20, 22, 255] {
        assert_eq!(Control::parse(type_id, b""), Ok(None));
    }
}

#[test]
fn a_peer_bandwidth_without_its_kind_is_taken_mildly() {
    let mild = Control::SetPeerBandwidth {
        window: 1,
        limit: BandwidthLimit::Dynamic,
    };
    assert_eq!(Control::parse(6, b"\0\0\0\x01"), Ok(Some(mild)));
}

/// An aggregate at `timestamp` whose tags stand at their own times.
fn aggregate_of(timestamp: u32, payload: Vec<u8>) -> Message {
    Message {
        chunk_stream_id: 6,
        timestamp,
        type_id: type_id::AGGREGATE,
        message_stream_id: 1,
        payload: payload.into(),
    }
}

fn tag(type_id: u8, timestamp: u32, body: &[u8]) -> Vec<u8> {
    let [high, t2, t1, t0] = timestamp.to_be_bytes();
    let [_, l2, l1, l0] = (body.len() as u32).to_be_bytes();
    let mut tag = vec![type_id, l2, l1, l0, t2, t1, t0, high, 0, 0, 0];
    tag.extend_from_slice(body);
    tag.extend_from_slice(&(body.len() as u32 + 11).to_be_bytes());
    tag
}

#[test]
fn an_aggregate_is_its_messages_on_the_stream_s_timeline() {
    let tags = [tag(8, 500, b"a"), tag(9, 520, b"video"), tag(8, 540, b"")].concat();
    let without_last_back_pointer = tags[..tags.len() - 4].to_vec();
    for payload in [tags, without_last_back_pointer] {
        let split: Result<Vec<_>, _> = aggregate::split(&aggregate_of(10_000, payload)).collect();
        let split = split.expect("well formed");
        let seen: Vec<_> = split
            .iter()
            .map(|m| (m.type_id, m.timestamp, &m.payload[..]))
            .collect();
        assert_eq!(
            seen,
            [
                (8, 10_000, &b"a"[..]),
                (9, 10_020, b"video"),
                (8, 10_040, b"")
            ]
        );
        assert!(
            split
                .iter()
                .all(|m| m.message_stream_id == 1 && m.chunk_stream_id == 6)
        );
    }
}

#[test]
fn an_aggregate_s_time_wraps_and_may_go_back() {
    let tags = [
        tag(8, 0xFFFF_FFF0, b"a"),
        tag(8, 0x10, b"b"),
        tag(8, 0xFFFF_FFE0, b"c"),
    ]
    .concat();
    let times: Vec<_> = aggregate::split(&aggregate_of(u32::MAX, tags))
        .map(|message| message.expect("well formed").timestamp)
        .collect();
    assert_eq!(times, [u32::MAX, 0x1F, u32::MAX - 0x10]);
}

#[test]
fn a_malformed_aggregate_ends_with_an_error() {
    let whole = tag(8, 0, b"a");
    let too_long = [&whole[..], &tag(9, 0, b"video")[..13]].concat();
    let cut = [&whole[..], b"\x09\0\0"].concat();
    let nested = [&whole[..], &tag(22, 0, b"")].concat();
    for payload in [too_long, cut, nested] {
        let bytes = payload.len();
        let mut split = aggregate::split(&aggregate_of(0, payload));
        assert!(matches!(split.next(), Some(Ok(_))));
        assert_eq!(
            split.next(),
            Some(Err(Error::Malformed {
                message: "Aggregate",
                bytes
            }))
        );
        assert_eq!(split.next(), None);
    }
}

#[test]
fn each_kind_of_media_has_its_chunk_stream() {
    for (kind, bytes) in [
        (Kind::Audio, &b"\x04\0\0\x28\0\0\x01\x08\x01\0\0\0x"[..]),
        (Kind::Data, b"\x05\0\0\x28\0\0\x01\x12\x01\0\0\0x"),
        (Kind::Video, b"\x06\0\0\x28\0\0\x01\x09\x01\0\0\0x"),
    ] {
        let mut out = BytesMut::new();
        write_media(&mut out, kind, 40, 1, b"x", 60_000);
        assert_eq!(out, bytes);
    }
}
