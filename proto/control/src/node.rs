//! Who a node is.
//!
//! A [`NodeId`] outlives restarts, an [`Incarnation`] does not: the pair names one process, and a
//! greater incarnation of the same node always means a later start.

use crate::{
    ContractError,
    error::{at_most, cut, text},
    limits::NODE_BYTES_MAX,
    wire,
};
use std::{fmt, str::FromStr, sync::Arc};

/// A node's stable name; cheap to clone.
///
/// Invariant: 1 to [`NODE_BYTES_MAX`] of `A-Z a-z 0-9 . _ : -`, so it fits a metric's label, a
/// store's key and a URL as it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// From a text that is one.
    ///
    /// # Errors
    /// If it is empty, too long or holds another character.
    pub fn new(text: &str) -> Result<Self, ContractError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
        if text.is_empty() || text.len() > NODE_BYTES_MAX || !text.bytes().all(allowed) {
            return Err(ContractError::NodeId { text: cut(text) });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = ContractError;

    fn from_str(text: &str) -> Result<Self, ContractError> {
        Self::new(text)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a node does in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Takes streams in and owns them.
    Origin,
    /// Pulls what its players ask for, and pushes on what is published to it.
    Edge,
}

impl Role {
    /// `origin` or `edge`: in logs, labels and the REST API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Edge => "edge",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One process start of a node; rises with each start, in no unit. 0 stands for "unknown".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Incarnation(pub u64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where others reach the node: `host:port` each, `None` if it does not serve that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// RTMP: publish, play, pull and push.
    pub rtmp: Option<String>,
    /// HTTP: HTTP-FLV and HLS.
    pub http: Option<String>,
    /// Health and metrics.
    pub admin: Option<String>,
}

/// What the node may be asked to carry; 0 for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capacity {
    /// Players at a time.
    pub players: u32,
    /// Streams at a time.
    pub streams: u32,
    /// Bits sent a second.
    pub bits_per_second: u64,
}

/// All that a node says of itself when it registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Stable over restarts; unique in the cluster.
    pub node: NodeId,
    /// Origin or edge.
    pub role: Role,
    /// This process start.
    pub incarnation: Incarnation,
    /// Where it is reached.
    pub addresses: Addresses,
    /// Where it stands; empty if nobody said.
    pub region: String,
    /// Which part of the region; empty if nobody said.
    pub zone: String,
    /// What it may carry.
    pub capacity: Capacity,
    /// The program's version.
    pub version: String,
}

impl From<Role> for wire::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Origin => Self::Origin,
            Role::Edge => Self::Edge,
        }
    }
}

impl From<Identity> for wire::Identity {
    fn from(identity: Identity) -> Self {
        Self {
            node: identity.node.to_string(),
            role: wire::Role::from(identity.role).into(),
            incarnation: identity.incarnation.0,
            addresses: Some(wire::Addresses {
                rtmp: identity.addresses.rtmp.unwrap_or_default(),
                http: identity.addresses.http.unwrap_or_default(),
                admin: identity.addresses.admin.unwrap_or_default(),
            }),
            region: identity.region,
            zone: identity.zone,
            capacity: Some(wire::Capacity {
                players: identity.capacity.players,
                streams: identity.capacity.streams,
                bits_per_second: identity.capacity.bits_per_second,
            }),
            version: identity.version,
        }
    }
}

impl TryFrom<wire::Identity> for Identity {
    type Error = ContractError;

    fn try_from(sent: wire::Identity) -> Result<Self, ContractError> {
        let role = match wire::Role::try_from(sent.role) {
            Ok(wire::Role::Origin) => Role::Origin,
            Ok(wire::Role::Edge) => Role::Edge,
            Ok(wire::Role::Unspecified) | Err(_) => {
                return Err(ContractError::Unknown {
                    field: "Identity.role",
                    value: sent.role,
                });
            }
        };
        if sent.incarnation == 0 {
            return Err(ContractError::Missing {
                field: "Identity.incarnation",
            });
        }
        let addresses = sent.addresses.unwrap_or_default();
        let capacity = sent.capacity.unwrap_or_default();
        Ok(Self {
            node: NodeId::new(&sent.node)?,
            role,
            incarnation: Incarnation(sent.incarnation),
            addresses: Addresses {
                rtmp: optional_address("Addresses.rtmp", addresses.rtmp)?,
                http: optional_address("Addresses.http", addresses.http)?,
                admin: optional_address("Addresses.admin", addresses.admin)?,
            },
            region: text("Identity.region", sent.region)?,
            zone: text("Identity.zone", sent.zone)?,
            capacity: Capacity {
                players: capacity.players,
                streams: capacity.streams,
                bits_per_second: capacity.bits_per_second,
            },
            version: text("Identity.version", sent.version)?,
        })
    }
}

fn optional_address(field: &'static str, sent: String) -> Result<Option<String>, ContractError> {
    if sent.is_empty() {
        Ok(None)
    } else {
        address(field, sent).map(Some)
    }
}

/// A text that is an address, or the error that quotes it.
pub(crate) fn address(field: &'static str, sent: String) -> Result<String, ContractError> {
    at_most(field, sent.len(), crate::limits::TEXT_BYTES_MAX)?;
    if is_address(&sent) {
        Ok(sent)
    } else {
        Err(ContractError::Address {
            field,
            text: cut(&sent),
        })
    }
}

/// Whether a text is `host:port`: the host a name, an IPv4 address or an IPv6 address in brackets,
/// the port not 0.
pub fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let plausible = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let named = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            !host.is_empty() && host.bytes().all(named)
        }
    };
    plausible && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            node: NodeId::new("origin-1").expect("a good id"),
            role: Role::Origin,
            incarnation: Incarnation(7),
            addresses: Addresses {
                rtmp: Some("10.0.0.1:1935".into()),
                http: None,
                admin: None,
            },
            region: "eu".into(),
            zone: String::new(),
            capacity: Capacity {
                players: 9,
                streams: 0,
                bits_per_second: 0,
            },
            version: "0.1.0".into(),
        }
    }

    #[test]
    fn an_identity_survives_the_wire() {
        assert_eq!(
            Identity::try_from(wire::Identity::from(identity())),
            Ok(identity())
        );
    }

    #[test]
    fn a_bad_identity_says_what_is_wrong() {
        type Spoil = fn(&mut wire::Identity);
        let table: [(Spoil, &str); 6] = [
            (
                |i| i.node.clear(),
                "\"\" is no node id: 1 to 128 of A-Z a-z 0-9 . _ : - are",
            ),
            (
                |i| i.node = "a/b".into(),
                "\"a/b\" is no node id: 1 to 128 of A-Z a-z 0-9 . _ : - are",
            ),
            (|i| i.role = 0, "Identity.role has the unknown value 0"),
            (|i| i.incarnation = 0, "Identity.incarnation is missing"),
            (
                |i| i.region = "x".repeat(513),
                "Identity.region holds 513, at most 512 are allowed",
            ),
            (
                |i| {
                    i.addresses = Some(wire::Addresses {
                        http: "h:0".into(),
                        ..Default::default()
                    })
                },
                "Addresses.http is \"h:0\", which is not host:port",
            ),
        ];
        for (spoil, said) in table {
            let mut sent = wire::Identity::from(identity());
            spoil(&mut sent);
            assert_eq!(Identity::try_from(sent).expect_err(said).to_string(), said);
        }
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in [
            "a.example:1935",
            "127.0.0.1:80",
            "[::1]:443",
            "weir_origin:1",
        ] {
            assert!(address("x", good.into()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "a:",
            ":80",
            "a:99999",
            "::1:80",
            "[::g]:80",
            "http://a:80",
            "a b:1",
        ] {
            assert!(address("x", bad.into()).is_err(), "{bad}");
        }
    }
}
