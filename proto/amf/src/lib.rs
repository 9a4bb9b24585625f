//! AMF values, as RTMP commands and FLV metadata carry them.
//!
//! In reading order:
//!
//! * [`value`]: [`Value`], one tree of data for both versions, with getters and builders.
//! * [`amf0`]: version 0, which every encoder speaks; it may switch to version 3 for one value.
//! * [`amf3`]: version 3, with its tables of references; old Flash programs speak it.
//! * [`limits`]: [`Limits`], how much memory one read may cost, whatever the bytes say.
//! * [`error`]: [`Error`], what is wrong with the bytes, and at which of them.
//!
//! Pure: bytes in, values out. A value is always whole in memory before it is read (a message or a
//! tag was assembled first), so bytes that end too early are an error here, not a reason to wait.
//!
//! ```
//! use amf::{Limits, Value, amf0};
//!
//! let command = Value::object([("app", "live".into()), ("objectEncoding", 0.0.into())]);
//! let mut bytes = bytes::BytesMut::new();
//! amf0::write(&command, &mut bytes);
//!
//! let read = amf0::read(&mut &bytes[..], &Limits::default())?;
//! assert_eq!(read.get("app").and_then(Value::as_str), Some("live"));
//! # Ok::<(), amf::Error>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod amf0;
pub mod amf3;
mod cursor;
pub mod error;
pub mod limits;
pub mod value;

pub use error::Error;
pub use limits::Limits;
pub use value::Value;
