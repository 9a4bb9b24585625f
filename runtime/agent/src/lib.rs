//! A node's conversation with the controller: it reports what it sees, learns what is wanted of it
//! and where streams are, and goes on with what it knows when nobody answers.
//!
//! In reading order:
//!
//! * [`config`]: which controllers, and what others should know of this node.
//! * [`identity`]: who this process is: [`identify`].
//! * [`source`]: [`Source`], what the node's relay tells of itself.
//! * [`handle`]: [`Agent`], what the node's program holds: desired state, locations, placing.
//! * [`locations`]: [`Locating`], one subscription to where a stream is.
//! * [`placing`]: which origin a publish belongs to.
//! * `dialogue`, `outbox`: one gRPC stream, and what is to be said on it.
//! * [`epochs`]: at which epoch this node owns its streams.
//! * `memory`: what is kept on disk, so that a restart without a controller knows as much as before.
//! * [`limits`] and [`metrics`]: every bound, every count.
//!
//! Three promises hold whatever happens to the controller:
//!
//! 1. What was learnt stays: desired state and locations are replaced by newer ones, never by
//!    silence.
//! 2. No queue grows: what is not yet said is kept as state, of which only the newest counts.
//! 3. Nothing waits for the controller longer than [`limits::ANSWER_PATIENCE`].
//!
//! A node without controllers has an agent that knows nothing and does nothing.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use agent::{Agent, Bound, Config, Report, Role, Source};
//! use std::sync::Arc;
//!
//! struct Idle;
//! impl Source for Idle {
//!     fn report(&self) -> Report {
//!         Report::default()
//!     }
//! }
//!
//! let config = Config::default();
//! let identity = agent::identify(&config, Role::Edge, Bound::default());
//! let agent = Agent::spawn(&config, identity, Arc::new(Idle), Default::default());
//! let locating = agent.locate(&"h/live/cam".parse().expect("a path"));
//! assert!(!locating.current().known, "nobody to ask");
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod config;
mod dialogue;
pub mod epochs;
pub mod handle;
pub mod identity;
pub mod limits;
pub mod locations;
mod memory;
pub mod metrics;
mod outbox;
pub mod placing;
pub mod source;

pub use config::Config;
pub use control::{
    Addresses, Arrival, Audio, Capacity, Desired, Drain, Epoch, Forward, Generation, Identity,
    Incarnation, Leave, Load, Location, NodeId, Owned, Pushed, Report, Role, StreamReport,
    Upstream, Video,
};
pub use handle::Agent;
pub use identity::{Bound, identify};
pub use locations::Locating;
pub use placing::PlaceError;
pub use source::Source;
