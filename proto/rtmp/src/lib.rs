//! RTMP server and client sessions as pure state machines: bytes go in, events and bytes come out.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod address;
pub mod chunk;
mod error;
pub mod handshake;
pub mod limits;
pub mod message;
pub mod status;
pub mod url;
pub mod window;

pub use address::Address;
pub use error::Error;
pub use limits::Limits;
pub use message::{Media, Message, write_media};
pub use status::{Level, Status};
pub use url::Url;
