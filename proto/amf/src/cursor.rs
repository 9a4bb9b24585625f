//! A place in the bytes of one read, with what is left of its limits.
//!
//! Both versions read through it, so that a value of version 3 inside version 0 spends the same
//! budget. Nothing here panics: what is not there is [`Error::Truncated`].

use crate::{Error, Limits, Value};

pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    bytes: usize,
    limits: Limits,
    depth: usize,
    elements: usize,
    string_bytes: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(input: &'a [u8], limits: &Limits) -> Self {
        Self {
            rest: input,
            bytes: input.len(),
            limits: *limits,
            depth: 0,
            elements: 0,
            string_bytes: 0,
        }
    }

    /// Bytes taken so far.
    pub(crate) fn offset(&self) -> usize {
        self.bytes.saturating_sub(self.rest.len())
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn take(&mut self, bytes: usize, what: &'static str) -> Result<&'a [u8], Error> {
        match self.rest.split_at_checked(bytes) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Error::Truncated {
                what,
                offset: self.offset(),
            }),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(Error::Truncated {
                what,
                offset: self.offset(),
            }),
        }
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Error> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, Error> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Error> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(crate) fn f64(&mut self, what: &'static str) -> Result<f64, Error> {
        self.array(what).map(f64::from_be_bytes)
    }

    /// Text of `bytes` bytes. AMF is UTF-8; encoders on Chinese Windows put GBK into metadata, so
    /// what is not UTF-8 becomes U+FFFD instead of an error.
    pub(crate) fn text(&mut self, bytes: usize, what: &'static str) -> Result<String, Error> {
        let taken = self.take(bytes, what)?;
        self.spend_string(bytes)?;
        Ok(String::from_utf8_lossy(taken).into_owned())
    }

    /// Counts `bytes` of string.
    pub(crate) fn spend_string(&mut self, bytes: usize) -> Result<(), Error> {
        self.string_bytes = self.string_bytes.saturating_add(bytes);
        self.within(
            "string bytes",
            self.string_bytes,
            self.limits.string_bytes_max,
        )
    }

    /// Counts one value.
    pub(crate) fn spend_element(&mut self) -> Result<(), Error> {
        self.elements = self.elements.saturating_add(1);
        self.within("elements", self.elements, self.limits.elements_max)
    }

    /// Counts a whole value that is about to be copied.
    pub(crate) fn spend_copy(&mut self, value: &Value) -> Result<(), Error> {
        self.spend_element()?;
        match value {
            Value::String(text) | Value::Xml(text) => self.spend_string(text.len()),
            Value::Bytes(bytes) => self.spend_string(bytes.len()),
            Value::Object(properties) | Value::EcmaArray(properties) => {
                self.spend_properties(properties)
            }
            Value::TypedObject { class, properties } => {
                self.spend_string(class.len())?;
                self.spend_properties(properties)
            }
            Value::StrictArray(items) => items.iter().try_for_each(|item| self.spend_copy(item)),
            Value::Number(_)
            | Value::Boolean(_)
            | Value::Null
            | Value::Undefined
            | Value::Date { .. } => Ok(()),
        }
    }

    fn spend_properties(&mut self, properties: &[(String, Value)]) -> Result<(), Error> {
        for (name, value) in properties {
            self.spend_string(name.len())?;
            self.spend_copy(value)?;
        }
        Ok(())
    }

    /// One level deeper; every `Ok` is followed by a [`leave`](Self::leave).
    pub(crate) fn enter(&mut self) -> Result<(), Error> {
        self.depth = self.depth.saturating_add(1);
        self.within("levels", self.depth, self.limits.depth_max)
    }

    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn within(&self, what: &'static str, spent: usize, max: usize) -> Result<(), Error> {
        if spent > max {
            return Err(Error::Limit {
                what,
                max,
                offset: self.offset(),
            });
        }
        Ok(())
    }
}
