//! What clients ask for. Unknown parameters are refused: a typing error must not widen an answer.

use api::{NodeState, Role};
use serde::Deserialize;

/// Parameters of `/v1/nodes`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nodes {
    pub(super) role: Option<Role>,
    pub(super) state: Option<NodeState>,
    pub(super) limit: Option<usize>,
    pub(super) after: Option<String>,
}

/// Parameters of `/v1/streams`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Streams {
    pub(super) vhost: Option<String>,
    pub(super) app: Option<String>,
    pub(super) node: Option<String>,
    pub(super) search: Option<String>,
    pub(super) limit: Option<usize>,
    pub(super) after: Option<String>,
}

/// Parameters of `/v1/events`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    pub(super) after: Option<u64>,
    pub(super) limit: Option<usize>,
    pub(super) wait_s: Option<u64>,
}
