//! Every key of the store, and how its value is written.
//!
//! | Key | Value |
//! | --- | --- |
//! | `weir/v1/nodes/<node>` | [`NodeRecord`], JSON |
//! | `weir/v1/streams/<vhost>/<app>/<name>` | [`Placement`], JSON |
//! | `weir/v1/freeze` | [`Freeze`]: whether an operator has frozen restarts |
//!
//! Beside these, which last, there is what controllers that share the store tell each other; it goes
//! with the lease of the one that wrote it:
//!
//! | Key | Value |
//! | --- | --- |
//! | `weir/v1/attended/<node>` | [`Attended`]: which controller a node talks with, its health and load |
//! | `weir/v1/leader` | [`Leader`]: who decides |
//! | `weir/v1/seen/<vhost>/<app>/<name>` | an epoch that a node knows and the store has lost |
//! | `weir/v1/sites/<node>/<vhost>/<app>/<name>` | [`Site`]: a stream on a node |
//!
//! `attended` stands before `sites`: when a lease ends, its keys go in their order, and a node is
//! known to be nobody's before its streams seem to end.
//!
//! `v1` is the version of keys and values together. Fields may be added with a default; anything
//! else needs a `v2`. A value that cannot be read is reported and passed over: it is replaced by
//! what nodes report.

mod posts;

pub use posts::{attended_value, leader_value, seen_value, site_value};

use super::Entry;
use crate::{
    model::board::{Attended, Leader, Site},
    plan::{Moves, Owner, Placement},
};
use bytes::Bytes;
use control::{Addresses, Capacity, Epoch, Identity, Incarnation, NodeId, Role};
use media::StreamPath;
use serde::{Deserialize, Serialize};

/// What all keys begin with.
pub const ALL: &str = "weir/v1/";
const NODES: &str = "weir/v1/nodes/";
const STREAMS: &str = "weir/v1/streams/";
const ATTENDED: &str = "weir/v1/attended/";
const SITES: &str = "weir/v1/sites/";
const SEEN: &str = "weir/v1/seen/";
/// Who decides.
pub const LEADER: &str = "weir/v1/leader";
/// Whether an operator has frozen restarts.
pub const FREEZE: &str = "weir/v1/freeze";

/// What an entry of the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A node that was registered.
    Node(Identity),
    /// Who owns a stream, or owned it; and why, for people.
    Stream(StreamPath, Placement, String),
    /// Which controller attends a node.
    Attended(NodeId, Attended),
    /// A stream is on a node.
    Site(NodeId, Site),
    /// A node knows a stream at this epoch.
    Seen(StreamPath, Epoch),
    /// Which controller decides.
    Leader(Leader),
    /// Whether an operator has frozen restarts.
    Freeze(Freeze),
}

/// An operator's last word on restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Why nobody is to be restarted; `None` if they are again.
    pub reason: Option<String>,
    /// When that was said.
    pub at_unix_ms: u64,
}

/// What a key is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A node.
    Node(NodeId),
    /// A stream.
    Stream(StreamPath),
    /// Which controller attends a node.
    Attended(NodeId),
    /// A stream on a node.
    Site(NodeId, StreamPath),
    /// What a node knows of a stream.
    Seen(StreamPath),
    /// Which controller decides.
    Leader,
    /// Whether restarts are frozen.
    Freeze,
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

/// The key that says which controller attends a node.
pub fn attended(node: &NodeId) -> String {
    format!("{ATTENDED}{node}")
}

/// The key of a stream on a node.
pub fn site(node: &NodeId, path: &StreamPath) -> String {
    format!("{SITES}{node}/{path}")
}

/// The key of an epoch that a node was seen with.
pub fn seen(path: &StreamPath) -> String {
    format!("{SEEN}{path}")
}

/// What a key is about.
///
/// # Errors
/// If it is none of ours.
pub fn subject(key: &str) -> Result<Subject, BadEntry> {
    if let Some(node) = key.strip_prefix(NODES) {
        return Ok(Subject::Node(NodeId::new(node)?));
    }
    let path = |path: &str| path.parse().map_err(|_| BadEntry::Key);
    if let Some(stream) = key.strip_prefix(STREAMS) {
        return path(stream).map(Subject::Stream);
    }
    if let Some(node) = key.strip_prefix(ATTENDED) {
        return Ok(Subject::Attended(NodeId::new(node)?));
    }
    if let Some((node, stream)) = key
        .strip_prefix(SITES)
        .and_then(|site| site.split_once('/'))
    {
        return Ok(Subject::Site(NodeId::new(node)?, path(stream)?));
    }
    if let Some(stream) = key.strip_prefix(SEEN) {
        return path(stream).map(Subject::Seen);
    }
    match key {
        LEADER => Ok(Subject::Leader),
        FREEZE => Ok(Subject::Freeze),
        _ => Err(BadEntry::Key),
    }
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
            let mut record: StreamRecord = serde_json::from_slice(&entry.value)?;
            let reason = std::mem::take(&mut record.reason);
            Ok(Record::Stream(path, record.try_into()?, reason))
        }
        Subject::Attended(node) => Ok(Record::Attended(node, posts::attended(&entry.value)?)),
        Subject::Site(node, path) => Ok(Record::Site(node, posts::site(path, &entry.value)?)),
        Subject::Seen(path) => Ok(Record::Seen(path, posts::seen(&entry.value)?)),
        Subject::Leader => Ok(Record::Leader(posts::leader(&entry.value)?)),
        Subject::Freeze => Ok(Record::Freeze(serde_json::from_slice(&entry.value)?)),
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

/// The value of an operator's word on restarts.
pub fn freeze_value(freeze: &Freeze) -> Bytes {
    json(freeze)
}

/// A stream's value; `reason` is for people.
pub fn stream_value(placement: &Placement, reason: &str) -> Bytes {
    json(&StreamRecord {
        owner: placement.owner.as_ref().map(|owner| OwnerRecord {
            node: owner.node.to_string(),
            incarnation: owner.incarnation.0,
        }),
        epoch: placement.epoch.0,
        since_unix_ms: placement.since_unix_ms,
        last_owner: placement.moves.last_owner.as_ref().map(NodeId::to_string),
        moved_unix_ms: placement.moves.at_unix_ms.clone(),
        reason: reason.to_owned(),
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
    #[serde(default)]
    last_owner: Option<String>,
    #[serde(default)]
    moved_unix_ms: Vec<u64>,
    #[serde(default)]
    reason: String,
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
        let last_owner = record.last_owner.as_deref().map(NodeId::new);
        Ok(Self {
            owner: record.owner.map(owner).transpose()?,
            epoch: Epoch(record.epoch),
            since_unix_ms: record.since_unix_ms,
            moves: Moves {
                last_owner: last_owner.transpose()?,
                at_unix_ms: record.moved_unix_ms,
            },
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
                moves: Moves {
                    last_owner: Some(NodeId::new("edge-2").expect("a good id")),
                    at_unix_ms: vec![3, 5],
                },
            };
            let written = entry(stream(&path), stream_value(&placement, "why"));
            assert_eq!(
                read(&written).expect("a stream"),
                Record::Stream(path.clone(), placement, "why".into())
            );
        }
    }

    #[test]
    fn every_key_says_what_it_is_about() {
        let node_id = NodeId::new("edge-1:1935").expect("a good id");
        let path: StreamPath = "h/live/room/1".parse().expect("a good path");
        let table = [
            (node(&node_id), Subject::Node(node_id.clone())),
            (stream(&path), Subject::Stream(path.clone())),
            (attended(&node_id), Subject::Attended(node_id.clone())),
            (
                site(&node_id, &path),
                Subject::Site(node_id.clone(), path.clone()),
            ),
            (seen(&path), Subject::Seen(path.clone())),
            (LEADER.to_owned(), Subject::Leader),
            (FREEZE.to_owned(), Subject::Freeze),
        ];
        for (key, wanted) in table {
            assert!(key.starts_with(ALL), "{key}");
            assert_eq!(subject(&key).expect("one of ours"), wanted);
        }
    }

    #[test]
    fn what_is_not_ours_is_an_error_and_no_panic() {
        for (key, value) in [
            ("other/key", "{}"),
            ("weir/v1/nodes/a", "{"),
            ("weir/v1/nodes/a/b", "{}"),
            ("weir/v1/streams/h/live", "{}"),
            ("weir/v1/sites/node", "{}"),
            ("weir/v1/sites/node/h/live/a", "{}"),
            ("weir/v1/attended/a", "[]"),
            ("weir/v1/leader", ""),
            ("weir/v1/leaders", "{}"),
            ("weir/v1/seen/h", "{}"),
            ("weir/v1/streams/h/live/a", r#"{"epoch":"x"}"#),
        ] {
            let bad = entry(key.into(), Bytes::copy_from_slice(value.as_bytes()));
            assert!(read(&bad).is_err(), "{key}");
        }
    }
}
