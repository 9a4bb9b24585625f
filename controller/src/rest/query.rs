//! What clients ask for. Unknown parameters are refused: a typing error must not widen an answer.

use api::{NodeState, Role, page::LIMIT_MAX};
use serde::{Deserialize, Deserializer, de};

/// Parameters of `/v1/nodes`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nodes {
    pub(super) role: Option<Role>,
    pub(super) state: Option<NodeState>,
    #[serde(default, deserialize_with = "limit")]
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
    #[serde(default, deserialize_with = "limit")]
    pub(super) limit: Option<usize>,
    pub(super) after: Option<String>,
}

/// Parameters of `/v1/events`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    pub(super) after: Option<u64>,
    #[serde(default, deserialize_with = "limit")]
    pub(super) limit: Option<usize>,
    pub(super) wait_s: Option<u64>,
}

/// How many items a page is to have.
fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.parse() {
        Ok(limit @ 1..=LIMIT_MAX) => Ok(Some(limit)),
        _ => Err(de::Error::custom(format!(
            "a page has 1 to {LIMIT_MAX} items, not {text:?}"
        ))),
    }
}
