//! One tree of data for both versions of AMF.
//!
//! It holds what was said, not how: AMF0's long strings are [`Value::String`], AMF3's integers are
//! [`Value::Number`], references were resolved to copies. Properties keep the order of the wire.

/// A value of AMF0 or AMF3.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number; AMF0 knows no other, AMF3's 29-bit integers become one.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// Text, short or long.
    String(String),
    /// An object without a class: names with values, in the sender's order.
    Object(Vec<(String, Value)>),
    /// Null.
    Null,
    /// Undefined; also what AMF0 calls unsupported.
    Undefined,
    /// An array by name; what most encoders send as `onMetaData`.
    EcmaArray(Vec<(String, Value)>),
    /// An array by position.
    StrictArray(Vec<Value>),
    /// A moment.
    Date {
        /// Milliseconds since 1970-01-01 UTC.
        millis: f64,
        /// The sender's zone in minutes; reserved, zero from most senders, lost in AMF3.
        tz_minutes: i16,
    },
    /// An XML document as text.
    Xml(String),
    /// An object with a class' name.
    TypedObject {
        /// The class, as in `flex.messaging.messages.RemotingMessage`.
        class: String,
        /// Names with values, in the sender's order.
        properties: Vec<(String, Value)>,
    },
    /// AMF3's ByteArray; AMF0 carries it by switching to AMF3.
    Bytes(Vec<u8>),
}

impl Value {
    /// An object of these properties.
    pub fn object<const N: usize>(properties: [(&str, Value); N]) -> Self {
        Self::Object(
            properties
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        )
    }

    /// An array by name of these properties.
    pub fn ecma_array<const N: usize>(properties: [(&str, Value); N]) -> Self {
        Self::EcmaArray(
            properties
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        )
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number of a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The items of an array by position.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::StrictArray(items) => Some(items),
            _ => None,
        }
    }

    /// The properties of an object or an array by name.
    pub fn properties(&self) -> Option<&[(String, Value)]> {
        match self {
            Self::Object(properties)
            | Self::EcmaArray(properties)
            | Self::TypedObject { properties, .. } => Some(properties),
            _ => None,
        }
    }

    /// The first property of that name; none if this has no properties.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.properties()?
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// Whether nothing was said: null or undefined.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Null | Self::Undefined)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_found_by_name_in_everything_that_has_names() {
        let properties = vec![
            ("a".to_owned(), Value::from(1.0)),
            ("a".to_owned(), 2.0.into()),
        ];
        let typed = Value::TypedObject {
            class: "C".to_owned(),
            properties: properties.clone(),
        };
        for value in [
            Value::Object(properties.clone()),
            Value::EcmaArray(properties),
            typed,
        ] {
            assert_eq!(value.get("a").and_then(Value::as_f64), Some(1.0));
            assert_eq!(value.get("b"), None);
        }
        assert_eq!(Value::from("a").get("a"), None);
    }
}
