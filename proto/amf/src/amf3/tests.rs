//! AMF3: one table in both directions, references, limits, properties.

use super::*;
use crate::amf0::tests::any_value;
use proptest::prelude::*;

fn rows() -> Vec<(&'static str, &'static [u8], Value)> {
    vec![
        ("undefined", b"\x00", Value::Undefined),
        ("null", b"\x01", Value::Null),
        ("false", b"\x02", false.into()),
        ("true", b"\x03", true.into()),
        ("integer of 1 byte", b"\x04\x7f", 127.0.into()),
        ("integer of 2 bytes", b"\x04\x81\0", 128.0.into()),
        ("integer of 3 bytes", b"\x04\x81\x80\0", 16_384.0.into()),
        (
            "integer of 4 bytes",
            b"\x04\x80\xc0\x80\0",
            2_097_152.0.into(),
        ),
        (
            "largest integer",
            b"\x04\xbf\xff\xff\xff",
            268_435_455.0.into(),
        ),
        ("minus one", b"\x04\xff\xff\xff\xff", (-1.0).into()),
        (
            "smallest integer",
            b"\x04\xc0\x80\x80\0",
            (-268_435_456.0).into(),
        ),
        (
            "just too large for an integer",
            b"\x05\x41\xb0\0\0\0\0\0\0",
            268_435_456.0.into(),
        ),
        ("minus zero", b"\x05\x80\0\0\0\0\0\0\0", (-0.0).into()),
        ("double", b"\x05\x3f\xe0\0\0\0\0\0\0", 0.5.into()),
        ("string", b"\x06\x09live", "live".into()),
        ("empty string", b"\x06\x01", "".into()),
        ("XML", b"\x0b\x09<a/>", Value::Xml("<a/>".to_owned())),
        (
            "date",
            b"\x08\x01\0\0\0\0\0\0\0\0",
            Value::Date {
                millis: 0.0,
                tz_minutes: 0,
            },
        ),
        ("byte array", b"\x0c\x05\x01\x02", Value::Bytes(vec![1, 2])),
        (
            "the second time a string is a reference",
            b"\x09\x05\x01\x06\x03a\x06\0",
            Value::StrictArray(vec!["a".into(), "a".into()]),
        ),
        (
            "array by name",
            b"\x09\x01\x03a\x03\x01",
            Value::ecma_array([("a", true.into())]),
        ),
        (
            "object",
            b"\x0a\x0b\x01\x03a\x03\x03b\x02\x01",
            Value::object([("a", true.into()), ("b", false.into())]),
        ),
        (
            "typed object",
            b"\x0a\x0b\x03C\x03a\x01\x01",
            Value::TypedObject {
                class: "C".to_owned(),
                properties: vec![("a".to_owned(), Value::Null)],
            },
        ),
    ]
}

fn written(value: &Value) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(value, &mut out);
    out.to_vec()
}

#[test]
fn every_value_reads_and_writes_as_the_table_says() {
    for (name, bytes, value) in rows() {
        let mut input = bytes;
        assert_eq!(
            read(&mut input, &Limits::default()).as_ref(),
            Ok(&value),
            "{name}"
        );
        assert!(input.is_empty(), "{name}: left {input:?}");
        assert_eq!(written(&value), bytes, "{name}");
    }
}

#[test]
fn references_read_as_copies() {
    let point = |x: f64| Value::TypedObject {
        class: "P".to_owned(),
        properties: vec![("x".to_owned(), x.into())],
    };
    for (name, bytes, value) in [
        (
            "traits with a sealed name, used again",
            &b"\x09\x05\x01\x0a\x13\x03P\x03x\x04\x01\x0a\x01\x04\x02"[..],
            Value::StrictArray(vec![point(1.0), point(2.0)]),
        ),
        (
            "an object, used again",
            b"\x09\x05\x01\x0a\x13\x03P\x03x\x04\x01\x0a\x02",
            Value::StrictArray(vec![point(1.0), point(1.0)]),
        ),
        (
            "a date, used again",
            b"\x09\x05\x01\x08\x01\0\0\0\0\0\0\0\0\x08\x02",
            Value::StrictArray(vec![
                Value::Date {
                    millis: 0.0,
                    tz_minutes: 0
                };
                2
            ]),
        ),
        (
            "an array with names and positions",
            b"\x09\x03\x03a\x03\x01\x02",
            Value::ecma_array([("a", true.into()), ("0", false.into())]),
        ),
    ] {
        assert_eq!(
            read_all(bytes, &Limits::default()),
            Ok(vec![value]),
            "{name}"
        );
    }
}

#[test]
fn wrong_bytes_say_what_and_where() {
    for (bytes, error) in [
        (
            &b"\x06\x02"[..],
            "AMF reference 1 at byte 1 points to no complete value",
        ),
        (
            b"\x09\x03\x01\x09\0",
            "AMF reference 0 at byte 3 points to no complete value",
        ),
        (
            b"\x0a\x01",
            "AMF reference 0 at byte 0 points to no complete value",
        ),
        (
            b"\x0a\x07\x03C",
            "AMF3 object at byte 0 has a format of its own (class \"C\")",
        ),
        (
            b"\x0d\x01\0",
            "AMF type marker 0x0d at byte 0 is not one that can be read",
        ),
        (
            b"\x06\xff\xff\xff\xff",
            "AMF value ends too early: a string expected at byte 5",
        ),
        (
            b"\x04\x80",
            "AMF value ends too early: an integer expected at byte 2",
        ),
    ] {
        let mut input = bytes;
        let refused = read(&mut input, &Limits::default()).expect_err(error);
        assert_eq!(refused.to_string(), error);
        assert_eq!(input, bytes, "a failed read takes nothing");
    }
}

#[test]
fn references_cannot_multiply_past_the_limits() {
    // a string of 200 bytes, then references to it: two bytes each on the wire
    let mut strings = vec![0x09];
    let mut count = BytesMut::new();
    write_length(6_001, &mut count);
    strings.extend_from_slice(&count);
    strings.extend_from_slice(b"\x01\x06\x83\x11");
    strings.extend_from_slice(&[b'x'; 200]);
    strings.extend([0x06, 0x00].repeat(6_000));
    let refused = read(&mut &strings[..], &Limits::default());
    assert!(
        matches!(
            refused,
            Err(Error::Limit {
                what: "string bytes",
                ..
            })
        ),
        "{refused:?}"
    );

    let deep = read(&mut &b"\x09\x03\x01".repeat(17)[..], &Limits::default());
    assert!(
        matches!(deep, Err(Error::Limit { what: "levels", .. })),
        "{deep:?}"
    );

    // arrays that each hold the one before twice: 2^14 values from 104 bytes
    let mut wide = vec![0x09, 0x1f, 0x01, 0x09, 0x01, 0x01];
    for before in 1..15u8 {
        wide.extend_from_slice(&[0x09, 0x05, 0x01, 0x09, before << 1, 0x09, before << 1]);
    }
    let wide = read(
        &mut &wide[..],
        &Limits {
            elements_max: 1_000,
            ..Limits::default()
        },
    );
    assert!(
        matches!(
            wide,
            Err(Error::Limit {
                what: "elements",
                ..
            })
        ),
        "{wide:?}"
    );
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(value in any_value()) {
        let bytes = written(&value);
        let limits = Limits { elements_max: 1 << 20, ..Limits::default() };
        prop_assert_eq!(read_all(&bytes, &limits), Ok(vec![value]));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        if let Err(error) = read_all(&bytes, &Limits::default()) {
            prop_assert!(error.offset() <= bytes.len());
        }
    }

    #[test]
    fn a_damaged_value_never_panics(value in any_value(), at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = written(&value);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _either = read_all(&bytes, &Limits::default());
        bytes.truncate(at);
        let _either = read_all(&bytes, &Limits::default());
    }
}
