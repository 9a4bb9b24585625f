//! RTMP server and client sessions as pure state machines: bytes go in, events and bytes come out.
//!
//! A session owns no socket and knows no clock. A shell of a hundred lines gives it both: it feeds
//! `input` with what it reads, writes what stands in `output`, and deals with what `poll` gives.
//!
//! In reading order, from the wire up:
//!
//! * [`limits`]: how much a peer can make us hold, and why so much; [`Error`] is what ends a session.
//! * [`handshake`]: the first 3,073 bytes of each direction, plain or signed.
//! * [`chunk`]: chunks to messages and messages to chunks; [`window`] counts what was received.
//! * [`message`]: what messages mean; [`Media`] is sound, picture and data.
//! * [`command`]: `connect`, `publish`, `onStatus` and their kin, typed; [`status`] is their news.
//! * [`address`] and [`url`]: which stream is meant, as a server is told and as a client is.
//! * [`server`] and [`client`]: the two sessions, each a table of states.
//!
//! ```text
//!            bytes                                                     events
//!  socket ──▶ handshake ──▶ chunk::Reader ──▶ message / command ──▶ session ──▶ shell
//!  socket ◀──────────────── chunk::write_message ◀───────────────── session ◀── shell
//! ```
//!
//! A client publishes one frame to a server, with no network between them:
//!
//! ```
//! use media::Kind;
//! use rtmp::{client, server};
//!
//! let url = "rtmp://tv.example/live/239.1.1.5:1234?token=x".parse()?;
//! let mut client =
//!     client::Session::new(&url, client::Purpose::Publish, client::Config::default(), [1; 32]);
//! let mut server = server::Session::new(server::Config::default(), [2; 32]);
//!
//! let mut received = None;
//! while received.is_none() {
//!     server.input(&client.output().split())?;
//!     while let Some(event) = server.poll() {
//!         match event {
//!             server::Event::Connect(_) => server.accept_connect()?,
//!             server::Event::Publish(publish) => {
//!                 assert_eq!(publish.address.path()?.as_str(), "tv.example/live/239.1.1.5:1234");
//!                 server.accept_publish()?;
//!             }
//!             server::Event::Media(media) => received = Some(media),
//!             _ => {}
//!         }
//!     }
//!     client.input(&server.output().split())?;
//!     if let Some(client::Event::Publishing) = client.poll() {
//!         client.send(Kind::Audio, 40, &[0xaf, 1, 0x21]);
//!     }
//! }
//! assert_eq!(received.map(|media| media.timestamp), Some(40));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod address;
pub mod chunk;
pub mod client;
pub mod command;
mod error;
pub mod handshake;
pub mod limits;
mod link;
pub mod message;
pub mod server;
pub mod status;
#[cfg(test)]
mod transcript;
pub mod url;
pub mod window;

pub use address::Address;
pub use error::Error;
pub use limits::Limits;
pub use message::{Media, Message, write_media};
pub use status::{Level, Status};
pub use url::Url;
