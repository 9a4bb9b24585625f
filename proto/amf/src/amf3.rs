//! AMF version 3 (Adobe, "Action Message Format -- AMF 3", 2013), as far as commands and metadata
//! use it: no vectors, no dictionaries, no classes with a format of their own.
//!
//! Strings, objects and traits that were sent before may be sent again as an index into a table of
//! their kind. The tables live for one value. A resolved object is a copy, so it is paid for from
//! the [`Limits`] each time; one that refers to itself is refused.
//!
//! The writer sends each string once and refers to it from then on; it never refers to objects.

use crate::{Error, Limits, Value, cursor::Cursor};
use bytes::{BufMut, BytesMut};
use std::collections::HashMap;

/// Type markers, section 3.1.
mod marker {
    pub(super) const UNDEFINED: u8 = 0x00;
    pub(super) const NULL: u8 = 0x01;
    pub(super) const FALSE: u8 = 0x02;
    pub(super) const TRUE: u8 = 0x03;
    pub(super) const INTEGER: u8 = 0x04;
    pub(super) const DOUBLE: u8 = 0x05;
    pub(super) const STRING: u8 = 0x06;
    pub(super) const XML_DOCUMENT: u8 = 0x07;
    pub(super) const DATE: u8 = 0x08;
    pub(super) const ARRAY: u8 = 0x09;
    pub(super) const OBJECT: u8 = 0x0a;
    pub(super) const XML: u8 = 0x0b;
    pub(super) const BYTE_ARRAY: u8 = 0x0c;
}

/// The largest number that 29 bits can hold; lengths and integers are no larger.
const U29_MAX: u32 = (1 << 29) - 1;

/// Takes one value off the front of `input`.
///
/// # Errors
/// If the bytes are no value or pass a limit; `input` then stands where it stood.
pub fn read(input: &mut &[u8], limits: &Limits) -> Result<Value, Error> {
    let mut cursor = Cursor::new(input, limits);
    cursor.spend_element()?;
    let value = value(&mut cursor)?;
    *input = cursor.rest();
    Ok(value)
}

/// Reads values until the input ends; the limits hold for all of them together.
///
/// # Errors
/// If any of them is no value or passes a limit.
pub fn read_all(input: &[u8], limits: &Limits) -> Result<Vec<Value>, Error> {
    let mut cursor = Cursor::new(input, limits);
    let mut values = Vec::new();
    while !cursor.is_empty() {
        cursor.spend_element()?;
        values.push(value(&mut cursor)?);
    }
    Ok(values)
}

/// Appends one value.
///
/// What AMF3 cannot say is lost: a date's zone, and properties with an empty name. Text and byte
/// arrays have 28 bits of length; what is longer is cut.
pub fn write(value: &Value, out: &mut BytesMut) {
    Writer {
        strings: HashMap::new(),
    }
    .value(value, out);
}

/// One value with tables of its own; the caller has paid for the element.
pub(crate) fn value(cursor: &mut Cursor<'_>) -> Result<Value, Error> {
    Tables::default().value(cursor)
}

/// What was sent before and may be referred to.
#[derive(Default)]
struct Tables {
    strings: Vec<String>,
    /// `None` while the object is still being read.
    objects: Vec<Option<Value>>,
    traits: Vec<Traits>,
}

/// A class: its name, the names whose values stand first, and whether more names may follow.
#[derive(Clone)]
struct Traits {
    class: String,
    sealed: Vec<String>,
    dynamic: bool,
}

impl Tables {
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Result<Value, Error> {
        let offset = cursor.offset();
        match cursor.u8("a type marker")? {
            marker::UNDEFINED => Ok(Value::Undefined),
            marker::NULL => Ok(Value::Null),
            marker::FALSE => Ok(Value::Boolean(false)),
            marker::TRUE => Ok(Value::Boolean(true)),
            marker::INTEGER => {
                let bits = u29(cursor)?;
                // the sign is bit 28: shift it to bit 31 and back
                Ok(Value::Number(f64::from((bits << 3).cast_signed() >> 3)))
            }
            marker::DOUBLE => Ok(Value::Number(cursor.f64("a number")?)),
            marker::STRING => Ok(Value::String(self.text(cursor)?)),
            marker::XML_DOCUMENT | marker::XML => match head(cursor)? {
                Head::Reference(index) => self.object_again(index, offset, cursor),
                Head::Inline(bytes) => {
                    let text = Value::Xml(cursor.text(bytes, "an XML document")?);
                    self.keep(text, cursor)
                }
            },
            marker::DATE => match head(cursor)? {
                Head::Reference(index) => self.object_again(index, offset, cursor),
                Head::Inline(_) => {
                    let date = Value::Date {
                        millis: cursor.f64("a date")?,
                        tz_minutes: 0,
                    };
                    self.keep(date, cursor)
                }
            },
            marker::BYTE_ARRAY => match head(cursor)? {
                Head::Reference(index) => self.object_again(index, offset, cursor),
                Head::Inline(bytes) => {
                    let taken = cursor.take(bytes, "a byte array")?;
                    cursor.spend_string(bytes)?;
                    self.keep(Value::Bytes(taken.to_vec()), cursor)
                }
            },
            marker::ARRAY => match head(cursor)? {
                Head::Reference(index) => self.object_again(index, offset, cursor),
                Head::Inline(count) => {
                    let index = self.reserve();
                    cursor.enter()?;
                    let array = self.array(count, cursor)?;
                    cursor.leave();
                    self.complete(index, array, cursor)
                }
            },
            marker::OBJECT => match head(cursor)? {
                Head::Reference(index) => self.object_again(index, offset, cursor),
                Head::Inline(bits) => {
                    let index = self.reserve();
                    cursor.enter()?;
                    let object = self.object(bits, offset, cursor)?;
                    cursor.leave();
                    self.complete(index, object, cursor)
                }
            },
            marker => Err(Error::Marker { marker, offset }),
        }
    }

    /// Section 3.11: names first, then `count` items by position. With names it becomes an array
    /// by name, and the items are named by their position.
    fn array(&mut self, count: usize, cursor: &mut Cursor<'_>) -> Result<Value, Error> {
        let mut named = self.dynamic(cursor)?;
        if named.is_empty() {
            let mut items = Vec::new();
            for _ in 0..count {
                cursor.spend_element()?;
                items.push(self.value(cursor)?);
            }
            return Ok(Value::StrictArray(items));
        }
        for position in 0..count {
            cursor.spend_element()?;
            named.push((position.to_string(), self.value(cursor)?));
        }
        Ok(Value::EcmaArray(named))
    }

    /// Section 3.12; `bits` is the head without its lowest bit.
    fn object(
        &mut self,
        bits: usize,
        offset: usize,
        cursor: &mut Cursor<'_>,
    ) -> Result<Value, Error> {
        let traits = self.traits(bits, offset, cursor)?;
        let mut properties = Vec::new();
        for name in &traits.sealed {
            cursor.spend_element()?;
            cursor.spend_string(name.len())?;
            properties.push((name.clone(), self.value(cursor)?));
        }
        if traits.dynamic {
            properties.append(&mut self.dynamic(cursor)?);
        }
        if traits.class.is_empty() {
            return Ok(Value::Object(properties));
        }
        Ok(Value::TypedObject {
            class: traits.class,
            properties,
        })
    }

    fn traits(
        &mut self,
        bits: usize,
        offset: usize,
        cursor: &mut Cursor<'_>,
    ) -> Result<Traits, Error> {
        if bits & 1 == 0 {
            let index = bits >> 1;
            let Some(known) = self.traits.get(index) else {
                return Err(Error::Reference { index, offset });
            };
            // their names are paid for as properties; a class without any must cost something too
            cursor.spend_string(known.class.len())?;
            return Ok(known.clone());
        }
        let class = self.text(cursor)?;
        if bits & 0b10 != 0 {
            return Err(Error::Externalizable { class, offset });
        }
        let mut sealed = Vec::new();
        for _ in 0..bits >> 3 {
            cursor.spend_element()?;
            sealed.push(self.text(cursor)?);
        }
        let traits = Traits {
            class,
            sealed,
            dynamic: bits & 0b100 != 0,
        };
        self.traits.push(traits.clone());
        Ok(traits)
    }

    /// Names with values up to an empty name.
    fn dynamic(&mut self, cursor: &mut Cursor<'_>) -> Result<Vec<(String, Value)>, Error> {
        let mut properties = Vec::new();
        loop {
            let name = self.text(cursor)?;
            if name.is_empty() {
                return Ok(properties);
            }
            cursor.spend_element()?;
            properties.push((name, self.value(cursor)?));
        }
    }

    fn text(&mut self, cursor: &mut Cursor<'_>) -> Result<String, Error> {
        let offset = cursor.offset();
        match head(cursor)? {
            Head::Reference(index) => {
                let Some(text) = self.strings.get(index) else {
                    return Err(Error::Reference { index, offset });
                };
                cursor.spend_string(text.len())?;
                Ok(text.clone())
            }
            Head::Inline(0) => Ok(String::new()),
            Head::Inline(bytes) => {
                let text = cursor.text(bytes, "a string")?;
                cursor.spend_string(text.len())?;
                self.strings.push(text.clone());
                Ok(text)
            }
        }
    }

    fn reserve(&mut self) -> usize {
        self.objects.push(None);
        self.objects.len() - 1
    }

    fn complete(
        &mut self,
        index: usize,
        value: Value,
        cursor: &mut Cursor<'_>,
    ) -> Result<Value, Error> {
        cursor.spend_copy(&value)?;
        if let Some(place) = self.objects.get_mut(index) {
            *place = Some(value.clone());
        }
        Ok(value)
    }

    fn keep(&mut self, value: Value, cursor: &mut Cursor<'_>) -> Result<Value, Error> {
        let index = self.reserve();
        self.complete(index, value, cursor)
    }

    fn object_again(
        &self,
        index: usize,
        offset: usize,
        cursor: &mut Cursor<'_>,
    ) -> Result<Value, Error> {
        let Some(Some(value)) = self.objects.get(index) else {
            return Err(Error::Reference { index, offset });
        };
        cursor.spend_copy(value)?;
        Ok(value.clone())
    }
}

/// What begins everything that can be referred to: an index, or a length with flags.
enum Head {
    Reference(usize),
    Inline(usize),
}

fn head(cursor: &mut Cursor<'_>) -> Result<Head, Error> {
    let bits = u29(cursor)?;
    let rest = usize::try_from(bits >> 1).unwrap_or(usize::MAX);
    match bits & 1 {
        0 => Ok(Head::Reference(rest)),
        _ => Ok(Head::Inline(rest)),
    }
}

/// Section 1.3.1: seven bits a byte while the top bit is set, eight in the fourth byte.
fn u29(cursor: &mut Cursor<'_>) -> Result<u32, Error> {
    let mut bits = 0;
    for _ in 0..3 {
        let byte = cursor.u8("an integer")?;
        bits = bits << 7 | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(bits);
        }
    }
    Ok(bits << 8 | u32::from(cursor.u8("an integer")?))
}

fn write_u29(bits: u32, out: &mut BytesMut) {
    let low = |shift: u32| (bits >> shift) as u8;
    match bits {
        0..0x80 => out.put_u8(low(0)),
        0x80..0x4000 => out.put_slice(&[low(7) | 0x80, low(0) & 0x7f]),
        0x4000..0x20_0000 => out.put_slice(&[low(14) | 0x80, low(7) | 0x80, low(0) & 0x7f]),
        _ => out.put_slice(&[low(22) | 0x80, low(15) | 0x80, low(8) | 0x80, low(0)]),
    }
}

/// Writes the head of something inline; gives how much of `length` it can say.
fn write_length(length: usize, out: &mut BytesMut) -> usize {
    let max = U29_MAX >> 1;
    let said = u32::try_from(length).unwrap_or(max).min(max);
    write_u29(said << 1 | 1, out);
    usize::try_from(said).unwrap_or(length)
}

struct Writer<'a> {
    strings: HashMap<&'a str, u32>,
}

impl<'a> Writer<'a> {
    fn value(&mut self, value: &'a Value, out: &mut BytesMut) {
        match value {
            Value::Undefined => out.put_u8(marker::UNDEFINED),
            Value::Null => out.put_u8(marker::NULL),
            Value::Boolean(false) => out.put_u8(marker::FALSE),
            Value::Boolean(true) => out.put_u8(marker::TRUE),
            Value::Number(number) => match as_integer(*number) {
                Some(bits) => {
                    out.put_u8(marker::INTEGER);
                    write_u29(bits, out);
                }
                None => {
                    out.put_u8(marker::DOUBLE);
                    out.put_f64(*number);
                }
            },
            Value::String(text) => {
                out.put_u8(marker::STRING);
                self.text(text, out);
            }
            Value::Xml(text) => {
                out.put_u8(marker::XML);
                write_text(text, out);
            }
            Value::Date {
                millis,
                tz_minutes: _,
            } => {
                out.put_u8(marker::DATE);
                write_length(0, out);
                out.put_f64(*millis);
            }
            Value::Bytes(bytes) => {
                out.put_u8(marker::BYTE_ARRAY);
                let said = write_length(bytes.len(), out);
                out.put_slice(&bytes[..said]);
            }
            Value::StrictArray(items) => {
                out.put_u8(marker::ARRAY);
                let said = write_length(items.len(), out);
                self.text("", out);
                for item in items.iter().take(said) {
                    self.value(item, out);
                }
            }
            Value::EcmaArray(properties) => {
                out.put_u8(marker::ARRAY);
                write_length(0, out);
                self.dynamic(properties, out);
            }
            Value::Object(properties) => self.object("", properties, out),
            Value::TypedObject { class, properties } => self.object(class, properties, out),
        }
    }

    /// A class of no sealed names: 0b1011 is inline, inline traits, not externalizable, dynamic.
    fn object(&mut self, class: &'a str, properties: &'a [(String, Value)], out: &mut BytesMut) {
        out.put_slice(&[marker::OBJECT, 0b1011]);
        self.text(class, out);
        self.dynamic(properties, out);
    }

    fn dynamic(&mut self, properties: &'a [(String, Value)], out: &mut BytesMut) {
        for (name, value) in properties.iter().filter(|(name, _)| !name.is_empty()) {
            self.text(name, out);
            self.value(value, out);
        }
        self.text("", out);
    }

    fn text(&mut self, text: &'a str, out: &mut BytesMut) {
        if let Some(index) = self.strings.get(text) {
            return write_u29(index << 1, out);
        }
        write_text(text, out);
        let next = u32::try_from(self.strings.len()).unwrap_or(u32::MAX);
        if !text.is_empty() && next <= U29_MAX >> 1 {
            self.strings.insert(text, next);
        }
    }
}

fn write_text(text: &str, out: &mut BytesMut) {
    let max = usize::try_from(U29_MAX >> 1).unwrap_or(usize::MAX);
    let text = &text[..text.floor_char_boundary(max)];
    write_length(text.len(), out);
    out.put_slice(text.as_bytes());
}

/// The 29 bits of a number that is a whole one between -2^28 and 2^28 - 1, and not minus zero.
fn as_integer(number: f64) -> Option<u32> {
    let whole = number as i32;
    let is_same = f64::from(whole).to_bits() == number.to_bits();
    let fits = (-(1 << 28)..1 << 28).contains(&whole);
    (is_same && fits).then_some(whole.cast_unsigned() & U29_MAX)
}

#[cfg(test)]
mod tests;
