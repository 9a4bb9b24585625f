//! The contract between nodes and the controller: messages, client, server, and the domain types
//! that both sides work with.
//!
//! The contract itself is `control/v1/*.proto`, whose comments say who MUST do what, in which order,
//! and what happens on reconnect. In reading order:
//!
//! * [`node`]: who a node is: [`Identity`], [`NodeId`], [`Role`], [`Incarnation`].
//! * [`report`]: what a node sees of itself: [`Report`], its [`Load`] and each [`StreamReport`].
//! * [`desired`]: what the controller wants of it: [`Desired`], whole and with a [`Generation`].
//! * [`location`]: where a stream is: [`Location`], [`Upstream`], [`Epoch`].
//! * [`error`]: how a message can break the contract.
//! * [`limits`]: how much either side may say.
//! * [`wire`]: what was generated from the `.proto` files; only the ends of the gRPC stream and the
//!   conversions here see it.
//!
//! Conversions *from* the wire check everything, so a domain value is always valid; conversions *to*
//! it cannot fail. Nothing here knows a socket or a clock.
//!
//! ```
//! use control::{wire, Location};
//!
//! let sent = wire::Located { path: "h/live/cam".into(), epoch: 3, ..Default::default() };
//! let (path, location) = Location::from_wire(sent)?;
//! assert_eq!((path.name(), location.epoch.0), ("cam", 3));
//! # Ok::<(), control::ContractError>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod desired;
pub mod error;
pub mod limits;
pub mod location;
pub mod node;
pub mod report;

/// Generated from `control/v1/*.proto`; documented there.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod wire {
    tonic::include_proto!("weir.control.v1");
}

pub use desired::{Desired, Drain, Forward, Generation, Leave, Owned};
pub use error::ContractError;
pub use location::{Epoch, Location, Upstream};
pub use node::{Addresses, Capacity, Identity, Incarnation, NodeId, Role};
pub use report::{Arrival, Audio, Load, Pushed, Report, StreamReport, Video};
