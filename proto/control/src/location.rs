//! Where a stream is, and under which epoch of ownership.

use crate::{
    ContractError, Incarnation, NodeId,
    error::{at_most, path},
    limits::{SOURCES_MAX, STANDBYS_MAX},
    node::address,
    wire,
};
use media::StreamPath;
use std::fmt;

/// The version of a stream's ownership: rises with each change of owner, never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Before the first owner.
    pub const NONE: Self = Self(0);

    /// The epoch of the next owner.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A node to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Who it is.
    pub node: NodeId,
    /// Where it takes RTMP: `host:port`.
    pub rtmp: String,
    /// Which process start was meant; `Incarnation(0)` if unknown.
    pub incarnation: Incarnation,
    /// An edge, which may have to fetch the stream first.
    pub edge: bool,
}

/// Where a stream is now, as far as the one who answers knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Location {
    /// Whom to pull from, the best first; empty if nobody publishes it.
    pub sources: Vec<Upstream>,
    /// Origins that have the same input as the owner: any of them may be pulled from beside it.
    pub standbys: Vec<Upstream>,
    /// The ownership epoch; [`Epoch::NONE`] if it was never owned.
    pub epoch: Epoch,
    /// Whether a controller ever answered: `false` means that nothing is known, not that nobody
    /// publishes.
    pub known: bool,
}

impl Location {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// What a controller answered, and for which stream.
    ///
    /// # Errors
    /// If the path or a source is bad, or there are too many sources.
    pub fn from_wire(sent: wire::Located) -> Result<(StreamPath, Self), ContractError> {
        at_most("Located.sources", sent.sources.len(), SOURCES_MAX)?;
        at_most("Located.standbys", sent.standbys.len(), STANDBYS_MAX)?;
        let read = |upstreams: Vec<wire::Upstream>| {
            let upstreams = upstreams.into_iter().map(Upstream::try_from);
            upstreams.collect::<Result<Vec<_>, _>>()
        };
        let (sources, standbys) = (read(sent.sources)?, read(sent.standbys)?);
        Ok((
            path(&sent.path)?,
            Self {
                sources,
                standbys,
                epoch: Epoch(sent.epoch),
                known: true,
            },
        ))
    }

    /// As the answer for `path`.
    pub fn to_wire(&self, path: &StreamPath) -> wire::Located {
        wire::Located {
            path: path.to_string(),
            epoch: self.epoch.0,
            sources: self.sources.iter().cloned().map(Into::into).collect(),
            standbys: self.standbys.iter().cloned().map(Into::into).collect(),
        }
    }
}

impl From<Upstream> for wire::Upstream {
    fn from(upstream: Upstream) -> Self {
        Self {
            node: upstream.node.to_string(),
            rtmp: upstream.rtmp,
            incarnation: upstream.incarnation.0,
            edge: upstream.edge,
        }
    }
}

impl TryFrom<wire::Upstream> for Upstream {
    type Error = ContractError;

    fn try_from(sent: wire::Upstream) -> Result<Self, ContractError> {
        Ok(Self {
            node: NodeId::new(&sent.node)?,
            rtmp: address("Upstream.rtmp", sent.rtmp)?,
            incarnation: Incarnation(sent.incarnation),
            edge: sent.edge,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_survives_the_wire() {
        let path: StreamPath = "h/live/239.1.1.5:1234".parse().expect("a good path");
        let location = Location {
            sources: vec![Upstream {
                node: NodeId::new("origin-1").expect("a good id"),
                rtmp: "10.0.0.1:1935".into(),
                incarnation: Incarnation(8),
                edge: true,
            }],
            standbys: vec![Upstream {
                node: NodeId::new("origin-2").expect("a good id"),
                rtmp: "10.0.0.2:1935".into(),
                edge: false,
                incarnation: Incarnation(9),
            }],
            epoch: Epoch(2),
            known: true,
        };
        assert_eq!(
            Location::from_wire(location.to_wire(&path)),
            Ok((path, location))
        );
    }

    #[test]
    fn a_source_without_an_address_is_refused() {
        let sent = wire::Upstream {
            node: "origin-1".into(),
            ..Default::default()
        };
        assert!(matches!(
            Upstream::try_from(sent),
            Err(ContractError::Address { .. })
        ));
    }
}
