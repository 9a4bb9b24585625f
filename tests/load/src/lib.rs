//! Load for live servers, Weir or not: players and publishers by the thousand, and what came of it.
//!
//! In reading order:
//!
//! * [`plan`]: what a run does: how many, where, how they behave.
//! * [`run()`]: carries out a plan and gives a [`Report`].
//! * [`report`]: what was found, as a table or JSON.
//! * [`footage`] and [`mod@stamp`]: what publishers send, and how a player can tell what became of it.
//! * [`check`]: what a checked player demands.
//! * [`process`]: what a server process costs; [`counters`]: what a Weir node counts itself.
//! * [`compare`]: the same load on several servers in turn; [`server`] starts them, [`floor`] is the
//!   least that any can cost.
//! * [`target`], [`clock`], [`histogram`], [`limits`]: URLs, time, quantiles, bounds.
//!
//! Few threads and an epoll each, no task a connection: a player that only discards costs the
//! generator some hundred bytes and a system call every 50 ms.
//!
//! ```no_run
//! let plan = load::Plan {
//!     publish: Some("rtmp://127.0.0.1:1935/live/cam".parse()?),
//!     play: vec!["http://127.0.0.1:8080/live/cam.flv".parse()?],
//!     players: 1_000,
//!     check: 10,
//!     ..load::Plan::default()
//! };
//! let report = load::run(&plan, &mut ())?;
//! assert!(report.is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod check;
pub mod clock;
pub mod compare;
pub mod counters;
mod crowd;
mod dialogue;
pub mod floor;
pub mod footage;
pub mod histogram;
pub mod limits;
pub mod plan;
pub mod process;
pub mod report;
pub mod run;
pub mod server;
pub mod stamp;
pub mod target;

pub use footage::Footage;
pub use plan::Plan;
pub use report::Report;
pub use run::run;
pub use target::Target;
