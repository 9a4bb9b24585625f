//! Starts real Weir programs and real peers on free loopback ports, for tests.
//!
//! In reading order:
//!
//! * [`wait`]: [`eventually`], the one way to wait: for a condition, with a bound.
//! * [`port`]: free loopback ports.
//! * [`process`]: [`Process`], a child with its log, that dies with the test.
//! * [`program`]: [`Program`], Weir's own: origin, edge, controller, `weir`.
//! * [`peer`]: everybody else's: ffmpeg, GStreamer, librtmp, VLC, mpv, OBS, nginx-rtmp, etcd, promtool.
//! * [`clip`], [`publisher`], [`player`]: our own, by the hundred: [`Player`] remembers every frame.
//! * [`recording`]: what a player wrote down, and what ffprobe and a decoder say of it.
//! * [`http`]: one small GET.
//! * [`tls`]: TLS in front of a server that has none.
//!
//! Nothing here asserts: a failure is an error that tells what was waited for and what the program
//! logged, and the test decides. When a test panics, the logs of the processes that it still owns are
//! printed. Nothing outlives the test process, however that ends.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use harness::{Program, peer::ffmpeg};
//! use serde_json::json;
//! use std::time::Duration;
//!
//! let origin = Program::origin(json!({})).await?;
//! let _publisher = ffmpeg::publish(&origin.rtmp_url("live/cam"), &ffmpeg::Source::default())?;
//! let recording = ffmpeg::record(&origin.flv_url("live/cam"), Duration::from_secs(2)).await?;
//! recording.ensure_decodes().await?;
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

pub mod clip;
mod connection;
pub mod http;
pub mod peer;
pub mod player;
pub mod port;
pub mod process;
pub mod program;
pub mod publisher;
pub mod recording;
pub mod tls;
pub mod wait;

pub use clip::Clip;
pub use player::Player;
pub use process::Process;
pub use program::Program;
pub use publisher::{Publisher, Streaming};
pub use recording::Recording;
pub use wait::eventually;
