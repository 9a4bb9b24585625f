//! Every key of the store, and how its value is written.
//!
//! | Key | Value |
//! | --- | --- |
//! | `weir/v1/nodes/<node>` | [`NodeRecord`], JSON |
//! | `weir/v1/streams/<vhost>/<app>/<name>` | [`Placement`], JSON |
//!
//! `v1` is the version of keys and values together. Fields may be added with a default; anything
//! else needs a `v2`. A value that cannot be read is reported and passed over: it is replaced by
//! what nodes report.

use super::Entry;
use crate::plan::{Owner, Placement};
use bytes::Bytes;
use control::{Addresses, Capacity, Epoch, Identity, Incarnation, NodeId, Role};
use media::StreamPath;
use serde::{Deserialize, Serialize};

/// What all keys begin with.
pub const ALL: &str = "weir/v1/";
const NODES: &str = "weir/v1/nodes/";
const STREAMS: &str = "weir/v1/streams/";

/// What an entry of the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A node that was registered.
    Node(Identity),
    /// Who owns a stream, or owned it.
    Stream(StreamPath, Placement),
}

/// What a key is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A node.
    Node(NodeId),
    /// A stream.
    Stream(StreamPath),
}

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadEntry {
    /// The key is none of ours.
    #[error("the key is unknown")]
    Key,
    /// The value is not what the key promises.
    #[error("the value is bad: {0}")]
    Value(#[from] serde_json::Error),
    /// A part of the value is not valid.
    #[error("the value is bad: {0}")]
    Part(#[from] control::ContractError),
}

/// A node's key.
pub fn node(node: &NodeId) -> String {
    format!("{NODES}{node}")
}

/// A stream's key.
pub fn stream(path: &StreamPath) -> String {
    format!("{STREAMS}{path}")
}

/// What a key is about.
///
/// # Errors
/// If it is none of ours.
pub fn subject(key: &str) -> Result<Subject, BadEntry> {
    if let Some(node) = key.strip_prefix(NODES) {
        return Ok(Subject::Node(NodeId::new(node)?));
    }
    let path = key.strip_prefix(STREAMS).ok_or(BadEntry::Key)?;
    path.parse().map(Subject::Stream).map_err(|_| BadEntry::Key)
}

/// What an entry says.
///
/// # Errors
/// If its key or its value is not ours.
pub fn read(entry: &Entry) -> Result<Record, BadEntry> {
    match subject(&entry.key)? {
        Subject::Node(_) => {
            let record: NodeRecord = serde_json::from_slice(&entry.value)?;
            Ok(Record::Node(record.try_into()?))
        }
        Subject::Stream(path) => {
            let record: StreamRecord = serde_json::from_slice(&entry.value)?;
            Ok(Record::Stream(path, record.try_into()?))
        }
    }
}

/// A node's value.
pub fn node_value(identity: &Identity) -> Bytes {
    let addresses = identity.addresses.clone();
    json(&NodeRecord {
        node: identity.node.to_string(),
        role: match identity.role {
            Role::Origin => RoleRecord::Origin,
            Role::Edge => RoleRecord::Edge,
        },
        incarnation: identity.incarnation.0,
        rtmp: addresses.rtmp,
        http: addresses.http,
        admin: addresses.admin,
        region: identity.region.clone(),
        zone: identity.zone.clone(),
        players_max: identity.capacity.players,
        streams_max: identity.capacity.streams,
        bits_per_second_max: identity.capacity.bits_per_second,
        version: identity.version.clone(),
    })
}

/// A stream's value.
pub fn stream_value(placement: &Placement) -> Bytes {
    json(&StreamRecord {
        owner: placement.owner.as_ref().map(|owner| OwnerRecord {
            node: owner.node.to_string(),
            incarnation: owner.incarnation.0,
        }),
        epoch: placement.epoch.0,
        since_unix_ms: placement.since_unix_ms,
    })
}

fn json(record: &impl Serialize) -> Bytes {
    serde_json::to_vec(record)
        .expect("plain structs with text keys are JSON")
        .into()
}

#[derive(Serialize, Deserialize)]
struct NodeRecord {
    node: String,
    role: RoleRecord,
    incarnation: u64,
    rtmp: Option<String>,
    http: Option<String>,
    admin: Option<String>,
    region: String,
    zone: String,
    players_max: u32,
    streams_max: u32,
    bits_per_second_max: u64,
    version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoleRecord {
    Origin,
    Edge,
}

#[derive(Serialize, Deserialize)]
struct StreamRecord {
    owner: Option<OwnerRecord>,
    epoch: u64,
    since_unix_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct OwnerRecord {
    node: String,
    incarnation: u64,
}

impl TryFrom<NodeRecord> for Identity {
    type Error = BadEntry;

    fn try_from(record: NodeRecord) -> Result<Self, BadEntry> {
        Ok(Self {
            node: NodeId::new(&record.node)?,
            role: match record.role {
                RoleRecord::Origin => Role::Origin,
                RoleRecord::Edge => Role::Edge,
            },
            incarnation: Incarnation(record.incarnation),
            addresses: Addresses {
                rtmp: record.rtmp,
                http: record.http,
                admin: record.admin,
            },
            region: record.region,
            zone: record.zone,
            capacity: Capacity {
                players: record.players_max,
                streams: record.streams_max,
                bits_per_second: record.bits_per_second_max,
            },
            version: record.version,
        })
    }
}

impl TryFrom<StreamRecord> for Placement {
    type Error = BadEntry;

    fn try_from(record: StreamRecord) -> Result<Self, BadEntry> {
        let owner = |owner: OwnerRecord| -> Result<Owner, BadEntry> {
            let node = NodeId::new(&owner.node)?;
            Ok(Owner {
                node,
                incarnation: Incarnation(owner.incarnation),
            })
        };
        Ok(Self {
            owner: record.owner.map(owner).transpose()?,
            epoch: Epoch(record.epoch),
            since_unix_ms: record.since_unix_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Revision;

    fn entry(key: String, value: Bytes) -> Entry {
        Entry {
            key,
            value,
            revision: Revision(1),
            lease: None,
        }
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let identity = Identity {
            node: NodeId::new("edge-1:1935").expect("a good id"),
            role: Role::Edge,
            incarnation: Incarnation(u64::MAX),
            addresses: Addresses {
                rtmp: Some("h:1".into()),
                http: None,
                admin: None,
            },
            region: "eu".into(),
            zone: "a".into(),
            capacity: Capacity {
                players: 1,
                streams: 2,
                bits_per_second: 3,
            },
            version: "0.1.0".into(),
        };
        let written = entry(node(&identity.node), node_value(&identity));
        assert_eq!(
            read(&written).expect("a node"),
            Record::Node(identity.clone())
        );

        let path: StreamPath = "h/live/room/239.1.1.5:1234".parse().expect("a good path");
        let owner = Owner {
            node: identity.node,
            incarnation: Incarnation(5),
        };
        for owner in [None, Some(owner)] {
            let placement = Placement {
                owner,
                epoch: Epoch(9),
                since_unix_ms: 7,
            };
            let written = entry(stream(&path), stream_value(&placement));
            assert_eq!(
                read(&written).expect("a stream"),
                Record::Stream(path.clone(), placement)
            );
        }
    }

    #[test]
    fn what_is_not_ours_is_an_error_and_no_panic() {
        for (key, value) in [
            ("other/key", "{}"),
            ("weir/v1/nodes/a", "{"),
            ("weir/v1/nodes/a/b", "{}"),
            ("weir/v1/streams/h/live", "{}"),
            ("weir/v1/streams/h/live/a", r#"{"epoch":"x"}"#),
        ] {
            let bad = entry(key.into(), Bytes::copy_from_slice(value.as_bytes()));
            assert!(read(&bad).is_err(), "{key}");
        }
    }
}
