//! A media node: the relay that carries streams and the agent that talks to the controller, composed
//! the same way for origin and edge.
//!
//! In reading order:
//!
//! * [`parts`]: the config that both programs share, part by part.
//! * [`check`]: what is wrong with it beyond each key alone.
//! * [`run`]: binds, announces, serves, drains; the one place that knows the order.
//! * [`telling`]: what the relay sees, said in the controller's words.
//! * [`fencing`]: what another origin owns is not served here.
//! * [`wishes`]: what the controller wants, done to the relay.
//! * [`memory`]: how the allocator deals with memory that was freed.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod check;
mod fencing;
pub mod memory;
pub mod parts;
pub mod run;
mod telling;
mod wishes;

pub use parts::Parts;
pub use run::{Node, run};
