//! What the controllers that share a store tell each other through it: which of them attends which
//! node, what that node says, and which of them decides.
//!
//! A copy of the store's entries, kept by the watch. What follows from them for the inventory is in
//! [`inventory::shared`](super::inventory); what of ours is not posted yet is kept here, too, as a
//! set of things to look at, never as a queue of things to say.

use super::inventory::Health;
use crate::store::{Lease, Revision};
use control::{Epoch, Identity, Incarnation, Load, NodeId, StreamReport};
use media::StreamPath;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Instant,
};

/// One dialogue of a node with one controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attending {
    /// The controller: one start of its process.
    pub run: u64,
    /// The dialogue within that.
    pub dialogue: u64,
}

/// What a controller tells the others of a node that it attends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attended {
    /// By which dialogue.
    pub by: Attending,
    /// The controller's name, for people.
    pub controller: String,
    /// The node's process.
    pub incarnation: Incarnation,
    /// The dialogue lasts.
    pub talks: bool,
    /// Whether the node is there.
    pub health: Health,
    /// Why it is in that state, if it is not alive.
    pub reason: Option<String>,
    /// It has reported in this dialogue: its sites are all of its streams.
    pub reported: bool,
    /// When the dialogue began.
    pub registered_unix_ms: Option<u64>,
    /// Its work.
    pub load: Load,
}

/// A stream on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Told in which dialogue.
    pub by: Attending,
    /// What the node says of it.
    pub report: StreamReport,
}

/// The controller that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// One start of its process.
    pub run: u64,
    /// Its name, for people.
    pub controller: String,
}

/// An entry of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted<T> {
    /// What it says.
    pub value: T,
    /// Of its last change.
    pub revision: Revision,
    /// What it hangs on.
    pub lease: Option<Lease>,
}

/// Something that the store is to have, or (`None`) no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Post {
    /// Who a node of ours is, if the store does not have it any more.
    Identity(Identity),
    /// Who a node is that nobody may attend, if a store that has lost its history does not have it.
    Orphan(Identity),
    /// A node that we attend.
    Node(NodeId, Option<Attended>, Option<Revision>),
    /// A stream on a node that we attend.
    Site(NodeId, StreamPath, Option<Site>, Option<Revision>),
    /// An epoch that the store has lost.
    Seen(StreamPath, Option<Epoch>, Option<Revision>),
}

/// The copy.
#[derive(Debug, Default)]
pub struct Board {
    /// Which controller we are; `None` if nobody shares the store.
    pub(super) run: Option<u64>,
    /// Our name, for people.
    pub(super) controller: String,
    /// What our entries are to hang on; `None` while we have none.
    pub(super) lease: Option<Lease>,
    /// Until when that lives in any case, by our own clock.
    pub(super) lease_lives_until: Option<Instant>,
    pub(super) nodes: BTreeMap<NodeId, Posted<Attended>>,
    pub(super) sites: BTreeMap<NodeId, BTreeMap<StreamPath, Posted<Site>>>,
    pub(super) seen: BTreeMap<StreamPath, Posted<Epoch>>,
    pub(super) leader: Option<Posted<Leader>>,
    pub(super) unposted: Unposted,
}

/// Where the store may differ from what it is to have.
#[derive(Debug, Default)]
pub(super) struct Unposted {
    pub(super) identities: BTreeSet<NodeId>,
    /// Nodes that were known when the store lost its history, and were not found in it since.
    pub(super) orphans: BTreeSet<NodeId>,
    pub(super) nodes: BTreeSet<NodeId>,
    pub(super) sites: BTreeMap<NodeId, BTreeSet<StreamPath>>,
    pub(super) seen: BTreeSet<StreamPath>,
}

impl Unposted {
    pub(super) fn site(&mut self, node: &NodeId, path: StreamPath) {
        self.sites.entry(node.clone()).or_default().insert(path);
    }
}

/// Older news is passed over. `true` if it was news.
pub(super) fn put<K: Ord, T>(map: &mut BTreeMap<K, Posted<T>>, key: K, new: Posted<T>) -> bool {
    let is_news = map.get(&key).is_none_or(|old| old.revision < new.revision);
    if is_news {
        map.insert(key, new);
    }
    is_news
}

/// As [`put`].
pub(super) fn remove<K: Ord, T>(map: &mut BTreeMap<K, Posted<T>>, key: &K, at: Revision) -> bool {
    let is_news = map.get(key).is_some_and(|old| old.revision < at);
    if is_news {
        map.remove(key);
    }
    is_news
}

impl Board {
    /// The store has these entries and no others: all that it does not have is gone. Returns the
    /// nodes and streams that are concerned.
    pub(super) fn keep(&mut self, kept: &Kept, at: Revision) -> Gone {
        let mut gone = Gone::default();
        let older = |revision: Revision| revision <= at;
        self.nodes.retain(|node, posted| {
            let stays = kept.nodes.contains(node) || !older(posted.revision);
            if !stays {
                gone.nodes.insert(node.clone());
            }
            stays
        });
        self.sites.retain(|node, sites| {
            sites.retain(|path, posted| {
                let key = (node.clone(), path.clone());
                let stays = kept.sites.contains(&key) || !older(posted.revision);
                if !stays {
                    gone.sites.push(key);
                }
                stays
            });
            !sites.is_empty()
        });
        self.seen.retain(|path, posted| {
            let stays = kept.seen.contains(path) || !older(posted.revision);
            if !stays {
                gone.seen.push(path.clone());
            }
            stays
        });
        if !kept.leader && self.leader.as_ref().is_some_and(|l| older(l.revision)) {
            self.leader = None;
        }
        gone
    }

    /// The store has lost its history: revisions from before mean nothing.
    pub(super) fn history_lost(&mut self) {
        let none = Revision::default();
        self.nodes.values_mut().for_each(|p| p.revision = none);
        let sites = self.sites.values_mut().flat_map(BTreeMap::values_mut);
        sites.for_each(|p| p.revision = none);
        self.seen.values_mut().for_each(|p| p.revision = none);
        self.leader = None;
    }
}

/// All that a listing of the store has.
#[derive(Debug, Default)]
pub struct Kept {
    /// Nodes whose identity it has.
    pub identities: HashSet<NodeId>,
    /// Streams with a placement.
    pub streams: HashSet<StreamPath>,
    /// Nodes that somebody attends.
    pub nodes: HashSet<NodeId>,
    /// Streams on nodes.
    pub sites: HashSet<(NodeId, StreamPath)>,
    /// Streams with an epoch that a node was seen with.
    pub seen: HashSet<StreamPath>,
    /// Somebody decides.
    pub leader: bool,
}

/// What a listing no longer has.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) nodes: BTreeSet<NodeId>,
    pub(super) sites: Vec<(NodeId, StreamPath)>,
    pub(super) seen: Vec<StreamPath>,
}
