//! AMF version 0 (Adobe, "Action Message Format -- AMF 0", 2007).
//!
//! Strict where a mistake would misread what follows, lenient where real encoders err:
//!
//! * The count of an ECMA array is a hint: OBS writes 20 whatever follows. The end marker decides.
//! * An object at the very end of the input may lack its end marker, whole or in part. Metadata like
//!   that is old enough for players (flv.js) to forgive it; which tool wrote it is not on record.
//!
//! References (marker 7) are refused: no RTMP program sends them in AMF0, and each would be a copy.

use crate::{Error, Limits, Value, amf3, cursor::Cursor};
use bytes::{BufMut, BytesMut};

/// Type markers, section 2.1.
mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const REFERENCE: u8 = 0x07;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0a;
    pub(super) const DATE: u8 = 0x0b;
    pub(super) const LONG_STRING: u8 = 0x0c;
    pub(super) const UNSUPPORTED: u8 = 0x0d;
    pub(super) const XML: u8 = 0x0f;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
    pub(super) const AVM_PLUS: u8 = 0x11;
}

/// Takes one value off the front of `input`.
///
/// # Errors
/// If the bytes are no value or pass a limit; `input` then stands where it stood.
pub fn read(input: &mut &[u8], limits: &Limits) -> Result<Value, Error> {
    let mut cursor = Cursor::new(input, limits);
    let value = value(&mut cursor)?;
    *input = cursor.rest();
    Ok(value)
}

/// Reads values until the input ends, as the body of a command or data message; the limits hold for
/// all of them together.
///
/// # Errors
/// If any of them is no value or passes a limit.
pub fn read_all(input: &[u8], limits: &Limits) -> Result<Vec<Value>, Error> {
    let mut cursor = Cursor::new(input, limits);
    let mut values = Vec::new();
    while !cursor.is_empty() {
        values.push(value(&mut cursor)?);
    }
    Ok(values)
}

/// Appends one value.
///
/// Strings above 65,535 bytes become long strings; [`Value::Bytes`] switches to AMF3. A property's
/// or class' name has 16 bits of length: a longer one is cut at a character.
pub fn write(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Number(number) => {
            out.put_u8(marker::NUMBER);
            out.put_f64(*number);
        }
        Value::Boolean(truth) => {
            out.put_u8(marker::BOOLEAN);
            out.put_u8(u8::from(*truth));
        }
        Value::String(text) => match u16::try_from(text.len()) {
            Ok(bytes) => {
                out.put_u8(marker::STRING);
                out.put_u16(bytes);
                out.put_slice(text.as_bytes());
            }
            Err(_) => {
                out.put_u8(marker::LONG_STRING);
                write_long(text, out);
            }
        },
        Value::Object(properties) => {
            out.put_u8(marker::OBJECT);
            write_properties(properties, out);
        }
        Value::Null => out.put_u8(marker::NULL),
        Value::Undefined => out.put_u8(marker::UNDEFINED),
        Value::EcmaArray(properties) => {
            out.put_u8(marker::ECMA_ARRAY);
            out.put_u32(u32::try_from(properties.len()).unwrap_or(u32::MAX));
            write_properties(properties, out);
        }
        Value::StrictArray(items) => {
            out.put_u8(marker::STRICT_ARRAY);
            let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
            out.put_u32(count);
            for (item, _) in items.iter().zip(0..count) {
                write(item, out);
            }
        }
        Value::Date { millis, tz_minutes } => {
            out.put_u8(marker::DATE);
            out.put_f64(*millis);
            out.put_i16(*tz_minutes);
        }
        Value::Xml(text) => {
            out.put_u8(marker::XML);
            write_long(text, out);
        }
        Value::TypedObject { class, properties } => {
            out.put_u8(marker::TYPED_OBJECT);
            write_name(class, out);
            write_properties(properties, out);
        }
        Value::Bytes(_) => {
            out.put_u8(marker::AVM_PLUS);
            amf3::write(value, out);
        }
    }
}

fn value(cursor: &mut Cursor<'_>) -> Result<Value, Error> {
    cursor.spend_element()?;
    let offset = cursor.offset();
    match cursor.u8("a type marker")? {
        marker::NUMBER => Ok(Value::Number(cursor.f64("a number")?)),
        marker::BOOLEAN => Ok(Value::Boolean(cursor.u8("a boolean")? != 0)),
        marker::STRING => Ok(Value::String(short_text(cursor)?)),
        marker::OBJECT => Ok(Value::Object(properties(cursor)?)),
        marker::NULL => Ok(Value::Null),
        marker::UNDEFINED | marker::UNSUPPORTED => Ok(Value::Undefined),
        marker::REFERENCE => {
            let index = usize::from(cursor.u16("a reference")?);
            Err(Error::Reference { index, offset })
        }
        marker::ECMA_ARRAY => {
            let _a_hint = cursor.u32("the count of an array")?;
            Ok(Value::EcmaArray(properties(cursor)?))
        }
        marker::STRICT_ARRAY => {
            let count = cursor.u32("the count of an array")?;
            cursor.enter()?;
            let mut items = Vec::new();
            for _ in 0..count {
                items.push(value(cursor)?);
            }
            cursor.leave();
            Ok(Value::StrictArray(items))
        }
        marker::DATE => {
            let millis = cursor.f64("a date")?;
            let tz_minutes = cursor.u16("a date's zone")?.cast_signed();
            Ok(Value::Date { millis, tz_minutes })
        }
        marker::LONG_STRING => Ok(Value::String(long_text(cursor)?)),
        marker::XML => Ok(Value::Xml(long_text(cursor)?)),
        marker::TYPED_OBJECT => {
            let class = short_text(cursor)?;
            Ok(Value::TypedObject {
                class,
                properties: properties(cursor)?,
            })
        }
        marker::AVM_PLUS => amf3::value(cursor),
        marker => Err(Error::Marker { marker, offset }),
    }
}

/// Names with values up to the end marker: an empty name and 0x09.
fn properties(cursor: &mut Cursor<'_>) -> Result<Vec<(String, Value)>, Error> {
    cursor.enter()?;
    let mut properties = Vec::new();
    while !cursor.is_empty() {
        let name = short_text(cursor)?;
        if name.is_empty() && matches!(cursor.peek(), None | Some(marker::OBJECT_END)) {
            let _the_end_marker_or_the_end = cursor.u8("the end of an object");
            break;
        }
        properties.push((name, value(cursor)?));
    }
    cursor.leave();
    Ok(properties)
}

fn short_text(cursor: &mut Cursor<'_>) -> Result<String, Error> {
    let bytes = cursor.u16("the length of a string")?;
    cursor.text(usize::from(bytes), "a string")
}

fn long_text(cursor: &mut Cursor<'_>) -> Result<String, Error> {
    let bytes = cursor.u32("the length of a long string")?;
    cursor.text(
        usize::try_from(bytes).unwrap_or(usize::MAX),
        "a long string",
    )
}

fn write_properties(properties: &[(String, Value)], out: &mut BytesMut) {
    for (name, value) in properties {
        write_name(name, out);
        write(value, out);
    }
    out.put_slice(&[0, 0, marker::OBJECT_END]);
}

fn write_name(name: &str, out: &mut BytesMut) {
    let name = &name[..name.floor_char_boundary(usize::from(u16::MAX))];
    out.put_u16(u16::try_from(name.len()).expect("cut to what 16 bits can count"));
    out.put_slice(name.as_bytes());
}

fn write_long(text: &str, out: &mut BytesMut) {
    let text = &text[..text.floor_char_boundary(usize::try_from(u32::MAX).unwrap_or(usize::MAX))];
    out.put_u32(u32::try_from(text.len()).expect("cut to what 32 bits can count"));
    out.put_slice(text.as_bytes());
}

#[cfg(test)]
pub(crate) mod tests;
