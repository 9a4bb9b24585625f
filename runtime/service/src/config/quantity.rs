//! Numbers with units, as an operator writes them: `350ms`, `2m`, `1MiB`.
//!
//! A bare number is refused unless it is 0: nobody should have to remember which unit a key has.

use std::{borrow::Cow, fmt, str::FromStr, time};

use garde::rules::range::{Bounds, OutOfBounds};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
];

const BYTES_UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// A time, held in microseconds: `350ms`, `10s`, `2m`, `1h30m`, `1d`, or `0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(u64);

/// A number of bytes: `512B`, `64KiB`, `1MiB`, `2GiB`, or `0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(u64);

/// Why a text is no such quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: expected {expected}")]
pub struct QuantityError {
    /// What was given.
    pub text: String,
    /// `time` or `number of bytes`.
    pub what: &'static str,
    /// How one is written.
    pub expected: &'static str,
}

impl Duration {
    /// A time of so many milliseconds.
    pub const fn from_millis(milliseconds: u32) -> Self {
        Self(milliseconds as u64 * 1_000)
    }

    /// A time of so many seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds as u64 * 1_000_000)
    }

    /// As the standard library has it.
    pub const fn get(self) -> time::Duration {
        time::Duration::from_micros(self.0)
    }

    /// Whether it is no time at all, which for many keys means *off*.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Bytes {
    /// So many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many times 1,024 bytes.
    pub const fn from_kib(kib: u32) -> Self {
        Self((kib as u64) << 10)
    }

    /// So many times 1,048,576 bytes.
    pub const fn from_mib(mib: u32) -> Self {
        Self((mib as u64) << 20)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as a length in memory; on a 32-bit machine at most what it can address.
    pub fn as_len(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.get()
    }
}

impl FromStr for Duration {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        read(text, &DURATION_UNITS).map(Self).ok_or_else(|| QuantityError {
            text: text.to_owned(),
            what: "time",
            expected: "a whole number and a unit (ms, s, m, h, d), as in `350ms`, `10s`, `1h30m`",
        })
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        read(text, &BYTES_UNITS)
            .map(Self)
            .ok_or_else(|| QuantityError {
                text: text.to_owned(),
                what: "number of bytes",
                expected: "a whole number and a unit (B, KiB, MiB, GiB), as in `64KiB`, `1MiB`",
            })
    }
}

/// Adds up `<number><unit>` pairs; each unit once, the larger before the smaller.
fn read(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut sum: u64 = 0;
    let mut rest = text;
    let mut units = units.iter();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit_len = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(*size)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

/// In the largest unit that divides it; nothing at all in the unit `zero`.
fn write(value: u64, units: &[(&str, u64)], zero: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let whole = |(_, size): &&(&str, u64)| value != 0 && value.is_multiple_of(*size);
    match units.iter().find(whole) {
        Some((name, size)) => write!(f, "{}{name}", value / size),
        None => write!(f, "{value}{zero}"),
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, &DURATION_UNITS, "s", f)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, &BYTES_UNITS, "B", f)
    }
}

macro_rules! as_text {
    ($Type:ident, $format:literal, $pattern:literal) => {
        impl fmt::Debug for $Type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $Type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $Type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $Type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($Type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern })
            }
        }

        /// A bound of a range, for the schema.
        impl From<$Type> for serde_json::Value {
            fn from(quantity: $Type) -> Self {
                Self::String(quantity.to_string())
            }
        }

        /// Lets `#[garde(range(min = …, max = …))]` bound it.
        impl Bounds for $Type {
            type Size = Self;

            const MIN: Self = Self(0);
            const MAX: Self = Self(u64::MAX);

            fn validate_bounds(&self, least: Self, most: Self) -> Result<(), OutOfBounds> {
                match self {
                    value if *value < least => Err(OutOfBounds::Lower),
                    value if *value > most => Err(OutOfBounds::Upper),
                    _ => Ok(()),
                }
            }
        }
    };
}

as_text!(Duration, "time", "^(0|([0-9]+(ms|s|m|h|d))+)$");
as_text!(Bytes, "bytes", "^(0|([0-9]+(B|KiB|MiB|GiB))+)$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_every_unit_and_written_in_the_largest_whole_one() {
        for (text, milliseconds, written) in [
            ("0", 0, "0s"),
            ("0ms", 0, "0s"),
            ("350ms", 350, "350ms"),
            ("10s", 10_000, "10s"),
            ("120s", 120_000, "2m"),
            ("1h30m", 5_400_000, "90m"),
            ("1d", 86_400_000, "1d"),
        ] {
            let duration: Duration = text.parse().expect(text);
            assert_eq!(
                duration.get(),
                time::Duration::from_millis(milliseconds),
                "{text}"
            );
            assert_eq!(duration.to_string(), written);
            assert_eq!(written.parse(), Ok(duration));
        }
        for (text, bytes, written) in [
            ("0", 0, "0B"),
            ("512B", 512, "512B"),
            ("64KiB", 65536, "64KiB"),
            ("1024KiB", 1 << 20, "1MiB"),
        ] {
            let read: Bytes = text.parse().expect(text);
            assert_eq!((read.get(), read.to_string().as_str()), (bytes, written));
        }
    }

    #[test]
    fn a_number_without_a_unit_or_with_a_strange_one_is_refused() {
        for text in [
            "",
            "10",
            "s",
            "10 s",
            "-1s",
            "1.5s",
            "1s1h",
            "1s1s",
            "99999999999999d",
            "1us",
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
        for text in ["", "10", "1MB", "1mib", "1KiB1GiB", "99999999999GiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }
}
