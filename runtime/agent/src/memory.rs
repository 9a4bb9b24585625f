//! What the node keeps on disk: the last desired state, the known locations, its incarnation.
//!
//! One file for each node, replaced whole (written beside, synced, renamed), so that after a crash
//! there is the old one or the new one. A file that cannot be read is worth a warning, never a
//! failed start: the controller will say everything again.

use crate::limits::MEMORY_BYTES_MAX;
use control::{Desired, Incarnation, Location, NodeId, wire};
use media::StreamPath;
use prost::Message;
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Rises when what the file means changes; another one's file is passed over.
const FORMAT: u32 = 1;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Memory {
    pub(crate) incarnation: Incarnation,
    pub(crate) desired: Desired,
    pub(crate) locations: Vec<(StreamPath, Location)>,
}

/// The file's form. Field numbers are never used again for something else.
#[derive(Clone, PartialEq, Message)]
struct Kept {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    node: String,
    #[prost(uint64, tag = "3")]
    incarnation: u64,
    #[prost(message, optional, tag = "4")]
    desired: Option<wire::Desired>,
    #[prost(message, repeated, tag = "5")]
    locations: Vec<wire::Located>,
}

#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is damaged: {0}")]
    Damaged(#[from] prost::DecodeError),
    #[error("it is damaged: {0}")]
    Invalid(#[from] control::ContractError),
    #[error("it has format {0}, this program reads {FORMAT}")]
    Format(u32),
    #[error("it is of node {0}")]
    Node(String),
}

/// The file of `node` in `dir`. A node id may hold `:`, which file systems elsewhere do not like.
pub(crate) fn file(dir: &Path, node: &NodeId) -> PathBuf {
    dir.join(format!("{}.agent", node.as_str().replace(':', "_")))
}

/// What was kept; nothing if there is no file, or, with a warning, if it is unreadable.
pub(crate) fn read(file: &Path, node: &NodeId) -> Memory {
    match try_read(file, node) {
        Ok(memory) => memory,
        Err(Unreadable::Io(error)) if error.kind() == io::ErrorKind::NotFound => Memory::default(),
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "kept state is unreadable, starting without");
            Memory::default()
        }
    }
}

fn try_read(file: &Path, node: &NodeId) -> Result<Memory, Unreadable> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(MEMORY_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    let kept = Kept::decode(bytes.as_slice())?;
    if kept.format != FORMAT {
        return Err(Unreadable::Format(kept.format));
    }
    if kept.node != node.as_str() {
        return Err(Unreadable::Node(kept.node));
    }
    let locations = kept
        .locations
        .into_iter()
        .map(Location::from_wire)
        .collect::<Result<_, _>>()?;
    Ok(Memory {
        incarnation: Incarnation(kept.incarnation),
        desired: kept.desired.unwrap_or_default().try_into()?,
        locations,
    })
}

/// Replaces what was kept. Blocks on the disk.
pub(crate) fn write(file: &Path, node: &NodeId, memory: Memory) -> io::Result<()> {
    let kept = Kept {
        format: FORMAT,
        node: node.to_string(),
        incarnation: memory.incarnation.0,
        desired: Some(memory.desired.into()),
        locations: memory
            .locations
            .iter()
            .map(|(path, at)| at.to_wire(path))
            .collect(),
    };
    let dir = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let beside = file.with_extension("agent.new");
    let mut new = File::create(&beside)?;
    new.write_all(&kept.encode_to_vec())?;
    new.sync_all()?;
    fs::rename(&beside, file)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::{Epoch, Generation, Upstream};

    fn node() -> NodeId {
        NodeId::new("edge-1:1935").expect("a good id")
    }

    fn memory() -> Memory {
        let upstream = Upstream {
            node: NodeId::new("origin-1").expect("a good id"),
            rtmp: "127.0.0.1:1935".into(),
            incarnation: Incarnation(5),
            edge: false,
        };
        Memory {
            incarnation: Incarnation(77),
            desired: Desired {
                generation: Generation(9),
                origins: vec![upstream.clone()],
                ..Desired::default()
            },
            locations: vec![(
                "h/live/a".parse().expect("a good path"),
                Location {
                    sources: vec![upstream],
                    standbys: vec![],
                    epoch: Epoch(4),
                    known: true,
                },
            )],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = file(&dir.path().join("made/on/demand"), &node());
        assert_eq!(read(&file, &node()), Memory::default());
        write(&file, &node(), memory()).expect("written");
        assert_eq!(read(&file, &node()), memory());
    }

    #[test]
    fn a_damaged_file_and_another_node_s_are_passed_over() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = file(dir.path(), &node());
        write(&file, &node(), memory()).expect("written");
        assert_eq!(
            read(&file, &NodeId::new("edge-2").expect("a good id")),
            Memory::default()
        );
        let bytes = fs::read(&file).expect("read");
        fs::write(&file, bytes.get(..bytes.len() / 2).expect("half")).expect("cut");
        assert_eq!(read(&file, &node()), Memory::default());
    }
}
