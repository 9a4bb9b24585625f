//! What a live stream is made of, whatever carries it: frames, media time, stream paths, codecs.
//!
//! In reading order:
//!
//! * [`time`]: [`MediaTime`], the stream's own clock in milliseconds.
//! * [`path`]: [`StreamPath`], `vhost/app/name`, the one name of a live stream.
//! * [`frame`]: [`Frame`], the hub's currency: one FLV tag body's worth of media with its `dts`.
//! * [`codec`]: [`Codec`] by name, [`CodecConfig`] read from avcC, hvcC, av1C, AudioSpecificConfig, ….
//!
//! Nothing here knows a socket, a clock or a container format.
//!
//! ```
//! use media::StreamPath;
//!
//! let path = StreamPath::new("tv.example", "live", "239.1.1.5:1234")?;
//! assert_eq!(path.to_string(), "tv.example/live/239.1.1.5:1234");
//! # Ok::<(), media::path::PathError>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod codec;
pub mod frame;
pub mod path;
pub mod time;

pub use codec::{Codec, CodecConfig};
pub use frame::{Frame, Kind, Role};
pub use path::StreamPath;
pub use time::MediaTime;
