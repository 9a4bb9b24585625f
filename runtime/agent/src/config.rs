//! Which controllers the node talks to, and what others should know of it.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::ClientTls;
use std::{fmt, path::PathBuf};

/// The node's place in a cluster. Without controllers it works alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Controllers as `http://host:port`, or `https://host:port` with `tls`, tried in turn. Empty: the
    /// node works alone.
    #[garde(length(max = 16), inner(custom(is_controller(&self.tls))))]
    pub controllers: Vec<String>,
    /// The node's name: 1 to 128 of `A-Z a-z 0-9 . _ : -`, unique in the cluster and the same after
    /// a restart. Default: host name, role and port.
    #[garde(inner(custom(is_node)))]
    pub node: Option<String>,
    /// Where the node stands, for choosing near ones: a city, a data centre. Free text.
    #[garde(length(max = 128))]
    pub region: String,
    /// Which part of the region fails together: a rack, a hall. Free text.
    #[garde(length(max = 128))]
    pub zone: String,
    /// Where other nodes reach this one, if not where it listens.
    #[garde(dive)]
    pub advertise: Advertise,
    /// What the node may be asked to carry.
    #[garde(dive)]
    pub capacity: Capacity,
    /// The token that the controller demands of a node that joins; better given by the environment
    /// than written in a file.
    #[garde(skip)]
    pub token: Option<Token>,
    /// How the node and its controllers know each other, for `https`. Where controllers ask for a
    /// certificate it must have the node's name, `node`, among its DNS names. The files are read for each
    /// connection.
    #[garde(dive)]
    pub tls: ClientTls,
    /// Directory for what the node learnt from the controller, so that it knows it after a restart
    /// without one. Default: kept in memory only.
    #[garde(skip)]
    pub state_dir: Option<PathBuf>,
}

/// Addresses as seen from other nodes, `host:port`. Default: the address listened at; where that is
/// every address of the machine, the one from which the first controller is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Advertise {
    /// RTMP.
    #[garde(inner(custom(is_address)))]
    pub rtmp: Option<String>,
    /// HTTP.
    #[garde(inner(custom(is_address)))]
    pub http: Option<String>,
    /// Health and metrics.
    #[garde(inner(custom(is_address)))]
    pub admin: Option<String>,
}

/// What the node may be asked to carry; 0 for no limit.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Validate, JsonSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct Capacity {
    /// Players at a time.
    #[garde(skip)]
    pub players: u32,
    /// Streams at a time.
    #[garde(skip)]
    pub streams: u32,
    /// Bits sent a second.
    #[garde(skip)]
    pub bits_per_second: u64,
}

/// A secret that is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// From the secret itself.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret, for the controller's eyes.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn is_controller(tls: &ClientTls) -> impl Fn(&String, &()) -> garde::Result + '_ {
    move |url, _| {
        let wrong = |reason: &str| Err(garde::Error::new(format!("{url:?} {reason}")));
        let (is_secure, address) = match (url.strip_prefix("http://"), url.strip_prefix("https://"))
        {
            (Some(address), _) => (false, address),
            (_, Some(address)) => (true, address),
            (None, None) => return wrong("is not http://host:port or https://host:port"),
        };
        if !control::node::is_address(address.strip_suffix('/').unwrap_or(address)) {
            return wrong("is not http://host:port or https://host:port");
        }
        match (is_secure, tls.ca_file.is_some()) {
            (true, false) => wrong("needs cluster.tls.ca_file"),
            (false, true) => wrong("has no TLS, but cluster.tls is given"),
            _ => Ok(()),
        }
    }
}

fn is_node(node: &str, _: &()) -> garde::Result {
    control::NodeId::new(node)
        .map(drop)
        .map_err(garde::Error::new)
}

fn is_address(address: &str, _: &()) -> garde::Result {
    match control::node::is_address(address) {
        true => Ok(()),
        false => Err(garde::Error::new(format!("{address:?} is not host:port"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_node_that_works_alone() {
        let config = Config::default();
        assert!(config.validate().is_ok() && config.controllers.is_empty());
    }

    #[test]
    fn a_controller_is_a_plain_http_origin() {
        let with = |url: &str| Config {
            controllers: vec![url.into()],
            ..Config::default()
        };
        for good in [
            "http://127.0.0.1:7100",
            "http://weir-controller:7100/",
            "http://[::1]:1",
        ] {
            assert!(with(good).validate().is_ok(), "{good}");
        }
        for bad in [
            "127.0.0.1:7100",
            "https://a:1",
            "http://a",
            "http://a:1/path",
            "http://",
        ] {
            assert!(with(bad).validate().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        let config = Config {
            token: Some(Token::new("hush")),
            ..Config::default()
        };
        assert!(!format!("{config:?}").contains("hush"));
    }
}
