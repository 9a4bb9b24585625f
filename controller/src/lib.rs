//! The controller: knows where every stream is, tells every node what it should be doing, and shows
//! both.
//!
//! In reading order:
//!
//! * [`config`]: what an operator can set.
//! * [`store`]: what must outlive the process: who owns each stream, which nodes there are.
//! * [`plan`]: what should be, from what is; pure.
//! * [`model`]: what is, in memory, from nodes' reports and the store's watch.
//! * [`reconcile`]: makes what is into what should be.
//! * [`restart`]: probes silent nodes, declares the dead dead, has them restarted.
//! * [`replica`]: one controller among others: who decides, what they tell each other.
//! * [`grpc`]: the nodes' side: one dialogue each.
//! * [`rest`]: the operators' side.
//! * [`program`]: puts them together.
//! * [`limits`] and [`metrics`]: every bound, every count.
//!
//! ```text
//!  nodes ── report ──▶ model ── facts ──▶ plan ── decision ──▶ reconcile ── transaction ──▶ store
//!    ▲                 │  ▲                                                                  │
//!    └─ located, desired  └────────────────────────── watch ─────────────────────────────────┘
//! ```
//!
//! Media never waits for any of this: nodes serve on what they last heard.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod config;
pub mod grpc;
pub mod limits;
pub mod metrics;
pub mod model;
pub mod plan;
pub mod program;
pub mod reconcile;
pub mod replica;
pub mod rest;
pub mod restart;
pub mod store;

pub use config::Config;
pub use program::Controller;
