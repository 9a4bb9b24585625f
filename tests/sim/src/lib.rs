//! The control plane under simulation: controllers, store, nodes and network in one process and one
//! thread, on a clock that jumps from event to event, with faults by seed.
//!
//! In reading order:
//!
//! * [`run`]: one run from its start to its verdict.
//! * [`world`]: what is true, whoever knows it.
//! * [`process`]: what can be killed and stopped.
//! * [`controllers`]: the real core of the controller, all of its duties.
//! * [`node`] and [`encoder`]: models of those around it.
//! * [`link`] and [`wire`]: how controllers reach the store, and nodes controllers.
//! * [`faults`]: what goes wrong.
//! * [`invariants`] and [`converge`]: what must hold at every step, and in the end.
//! * [`mutant`]: faults that are planted to see that the checks find them.
//! * [`campaign`]: many runs.
//!
//! The same seed gives the same log, byte for byte.
//!
//! ```
//! let outcome = sim::run::run(1, None);
//! assert_eq!(outcome.violation, None, "{}", outcome.log);
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod campaign;
pub mod controllers;
pub mod converge;
pub mod encoder;
pub mod faults;
pub mod invariants;
pub mod link;
pub mod mutant;
pub mod node;
pub mod process;
pub mod run;
pub mod wire;
pub mod world;
