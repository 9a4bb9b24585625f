//! The REST API as it crosses the wire: its types, its one error body, its pages and its document.
//!
//! In reading order:
//!
//! * [`node`], [`stream`], [`event`], [`cluster`]: what is answered.
//! * [`page`]: how long lists are cut, and how to ask for the rest.
//! * [`error`]: the one body of every answer that is not a success.
//! * [`openapi`]: the document, made from these types: `docs/ref/openapi.json` is its output.
//!
//! The controller serves these types and every client of it reads them. Times are milliseconds since
//! the Unix epoch (`…_unix_ms`), rates bits a second; a number that is not known is left out. Fields
//! are only ever added: a client must pass over those that it does not know.
//!
//! ```
//! let body = api::ErrorBody::new(api::ErrorCode::NodeNotFound, "there is no node edge-9");
//! let json = serde_json::to_value(&body)?;
//! assert_eq!(json["error"]["code"], "node_not_found");
//! # Ok::<(), serde_json::Error>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cluster;
pub mod error;
pub mod event;
pub mod explain;
pub mod node;
pub mod openapi;
pub mod page;
pub mod restart;
pub mod stream;

pub use cluster::{Cluster, NodeCounts};
pub use error::{ErrorBody, ErrorCode, Fault};
pub use event::{Event, EventKind, EventPage};
pub use explain::{
    CandidateExplained, Claim, OwnerExplained, PlacingExplained, Score, StreamExplained,
    TreeExplained,
};
pub use node::{Node, NodePage, NodeState, Role};
pub use openapi::openapi;
pub use restart::{FreezeCause, Frozen, Order, Restarting, Restarts};
pub use stream::{Arrival, Audio, Site, Stream, StreamPage, Video};
