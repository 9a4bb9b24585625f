//! AMF0: one table in both directions, encoders' liberties, limits, properties.

use super::*;
use proptest::prelude::*;

struct Row {
    name: &'static str,
    bytes: &'static [u8],
    value: Value,
}

fn rows() -> Vec<Row> {
    let row = |name, bytes, value| Row { name, bytes, value };
    vec![
        row("number", b"\x00\x3f\xf0\0\0\0\0\0\0", 1.0.into()),
        row("boolean", b"\x01\x01", true.into()),
        row("string", b"\x02\0\x04live", "live".into()),
        row("empty string", b"\x02\0\0", "".into()),
        row("empty object", b"\x03\0\0\x09", Value::object([])),
        row(
            "object in object",
            b"\x03\0\x01a\x03\0\x01b\x05\0\0\x09\0\0\x09",
            Value::object([("a", Value::object([("b", Value::Null)]))]),
        ),
        row(
            "a property without a name",
            b"\x03\0\0\x01\0\0\0\x09",
            Value::object([("", false.into())]),
        ),
        row("null", b"\x05", Value::Null),
        row("undefined", b"\x06", Value::Undefined),
        row(
            "ECMA array",
            b"\x08\0\0\0\x01\0\x05width\x00\x40\x94\0\0\0\0\0\0\0\0\x09",
            Value::ecma_array([("width", 1280.0.into())]),
        ),
        row(
            "strict array",
            b"\x0a\0\0\0\x02\x05\x01\0",
            Value::StrictArray(vec![Value::Null, false.into()]),
        ),
        row(
            "date",
            b"\x0b\x42\x79\0\0\0\0\0\0\xff\xc4",
            Value::Date {
                millis: 1_717_986_918_400.0,
                tz_minutes: -60,
            },
        ),
        row("XML", b"\x0f\0\0\0\x04<a/>", Value::Xml("<a/>".to_owned())),
        row(
            "typed object",
            b"\x10\0\x01C\0\x01a\x05\0\0\x09",
            Value::TypedObject {
                class: "C".to_owned(),
                properties: vec![("a".to_owned(), Value::Null)],
            },
        ),
        row(
            "switch to AMF3",
            b"\x11\x0c\x05\x01\x02",
            Value::Bytes(vec![1, 2]),
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
    for Row { name, bytes, value } in rows() {
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
fn a_string_is_long_only_if_it_must_be() {
    for (length, head) in [(65_535, &b"\x02\xff\xff"[..]), (65_536, b"\x0c\0\x01\0\0")] {
        let value = Value::from("x".repeat(length));
        let bytes = written(&value);
        assert_eq!(bytes.get(..head.len()), Some(head));
        assert_eq!(read(&mut &bytes[..], &Limits::default()), Ok(value));
    }
}

#[test]
fn the_count_of_an_ecma_array_is_only_a_hint() {
    // OBS: 20, with fewer and with more properties
    let value = Value::ecma_array([("a", Value::Null)]);
    for count in [0, 20, 255] {
        let bytes = [8, 0, 0, 0, count, 0, 1, b'a', 5, 0, 0, 9];
        assert_eq!(
            read(&mut &bytes[..], &Limits::default()).as_ref(),
            Ok(&value)
        );
    }
}

#[test]
fn an_object_at_the_end_of_the_input_needs_no_end_marker() {
    let value = Value::object([("a", Value::Null)]);
    for bytes in [&b"\x03\0\x01a\x05"[..], b"\x03\0\x01a\x05\0\0"] {
        assert_eq!(read_all(bytes, &Limits::default()), Ok(vec![value.clone()]));
    }
}

#[test]
fn a_command_reads_as_a_row_of_values() {
    let bytes = b"\x02\0\x0ccreateStream\x00\x40\0\0\0\0\0\0\0\x05\x11\x06\x03a";
    let values = vec!["createStream".into(), 2.0.into(), Value::Null, "a".into()];
    assert_eq!(read_all(bytes, &Limits::default()), Ok(values));
}

#[test]
fn bytes_that_are_not_utf_8_are_no_reason_to_refuse() {
    let value = read(&mut &b"\x02\0\x02\xd6\xd0"[..], &Limits::default());
    assert_eq!(value, Ok("\u{fffd}\u{fffd}".into()));
}

#[test]
fn wrong_bytes_say_what_and_where() {
    for (bytes, error) in [
        (
            &b""[..],
            "AMF value ends too early: a type marker expected at byte 0",
        ),
        (
            b"\x00\0",
            "AMF value ends too early: a number expected at byte 1",
        ),
        (
            b"\x02\0\x04liv",
            "AMF value ends too early: a string expected at byte 3",
        ),
        (
            b"\x03\0\x01a\x04",
            "AMF type marker 0x04 at byte 4 is not one that can be read",
        ),
        (
            b"\x07\0\x01",
            "AMF reference 1 at byte 0 points to no complete value",
        ),
        (
            b"\x0c\xff\xff\xff\xffx",
            "AMF value ends too early: a long string expected at byte 5",
        ),
        (
            b"\x0a\xff\xff\xff\xff\x05",
            "AMF value ends too early: a type marker expected at byte 6",
        ),
    ] {
        let mut input = bytes;
        let refused = read(&mut input, &Limits::default()).expect_err(error);
        assert_eq!(refused.to_string(), error);
        assert_eq!(input, bytes, "a failed read takes nothing");
    }
}

#[test]
fn every_limit_holds() {
    let limits = Limits {
        depth_max: 3,
        elements_max: 5,
        string_bytes_max: 4,
    };
    for (bytes, what) in [
        (
            &b"\x0a\0\0\0\x01\x0a\0\0\0\x01\x0a\0\0\0\x01\x0a\0\0\0\x01\x05"[..],
            "levels",
        ),
        (b"\x0a\0\0\0\x05\x05\x05\x05\x05\x05", "elements"),
        (b"\x02\0\x05abcde", "string bytes"),
        (b"\x03\0\x02ab\x02\0\x03abc\0\0\x09", "string bytes"),
    ] {
        match read(&mut &bytes[..], &limits) {
            Err(Error::Limit { what: passed, .. }) => assert_eq!(passed, what),
            other => panic!("{other:?} instead of the limit of {what}"),
        }
    }
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<f64>()
            .prop_filter("NaN is not equal to itself", |n| !n.is_nan())
            .prop_map(Value::from),
        any::<i16>().prop_map(|n| Value::Number(n.into())),
        any::<bool>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(Value::Null),
        Just(Value::Undefined),
        any::<i32>().prop_map(|n| Value::Date {
            millis: n.into(),
            tz_minutes: 0
        }),
        ".{0,20}".prop_map(Value::Xml),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let named = proptest::collection::vec((".{1,8}", inner.clone()), 1..8);
        prop_oneof![
            proptest::collection::vec(inner, 0..8).prop_map(Value::StrictArray),
            named.clone().prop_map(Value::Object),
            named.clone().prop_map(Value::EcmaArray),
            (".{1,8}", named)
                .prop_map(|(class, properties)| Value::TypedObject { class, properties }),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(values in proptest::collection::vec(any_value(), 0..4)) {
        let mut bytes = BytesMut::new();
        values.iter().for_each(|value| write(value, &mut bytes));
        prop_assert_eq!(read_all(&bytes, &Limits::default()), Ok(values));
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
