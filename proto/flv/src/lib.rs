//! FLV: tag bodies, which are also RTMP's audio, video and data messages, and the file around them.
//!
//! In reading order:
//!
//! * [`body`]: what stands at the front of a tag body, legacy or enhanced: role, codec, track.
//! * [`frame()`]: makes a [`media::Frame`] of a body; the one place where bodies are classified.
//!   [`composition_time`] and [`codec_config`] answer what is asked of a frame later.
//! * [`metadata`]: [`Metadata`], what `onMetaData` claims.
//! * [`tag`]: [`write_tag`](tag::write_tag) and [`FileHeader`]: a stream as a file.
//! * [`reader`]: [`Reader`], a file as tags, from bytes under any split.
//! * [`limits`]: what a file may cost to read.
//!
//! Pure: no socket, no clock. Bodies are passed on untouched, whatever they hold; what is read here
//! is only what a hub must know to start a player and what people want to see.
//!
//! ```
//! use media::{Codec, Kind, MediaTime, Role};
//!
//! let body = bytes::Bytes::from_static(&[0xaf, 0x00, 0x11, 0x90]);
//! let frame = flv::frame(Kind::Audio, MediaTime::ZERO, body)?;
//! assert_eq!((frame.role, frame.codec), (Role::Config, Some(Codec::Aac)));
//!
//! let config = flv::codec_config(&frame)?.expect("AAC has a set-up record");
//! assert_eq!((config.sample_rate, config.channels), (Some(48_000), Some(2)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod body;
mod frame;
pub mod limits;
pub mod metadata;
pub mod reader;
pub mod tag;

pub use body::BodyError;
pub use frame::{codec_config, composition_time, frame};
pub use limits::Limits;
pub use metadata::Metadata;
pub use reader::{Event, Reader};
pub use tag::{FileHeader, Tag, file_header};
