//! RTMP server and client sessions as pure state machines: bytes go in, events and bytes come out.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod address;
pub mod status;
pub mod url;

pub use address::Address;
pub use status::{Level, Status};
pub use url::Url;
