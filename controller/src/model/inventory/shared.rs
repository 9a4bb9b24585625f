//! The inventory of a controller that is not alone: nodes that others attend, and what the others
//! are to know of ours.
//!
//! ```text
//!            it registers here                 its dialogue broke
//!  Nobody ───────────────────────▶ Here ──────────────────────────▶ Was
//!    │  ▲                           │  ▲                              │
//!    │  └── what it hung on ended   │  └────── it registers here ─────┤
//!    └──────────▶ There ◀───────────┴── another controller has it ◀───┘
//! ```
//!
//! *There* a node is what its controller says of it: health, load, streams. When that says nothing
//! any more, the node is suspect, as one whose dialogue broke, and keeps its streams: it is on its
//! way to another controller, and nothing of it has ended.
//!
//! This file takes in what others say; `posting` is what they are to know of ours.

mod posting;

use super::{Health, Inventory, Node, Now};
use crate::{
    model::{
        board::{Attended, Attending, Kept, Leader, Posted, Site, put, remove},
        events::New,
    },
    store::{Revision, keys::Record},
};
use api::EventKind;
use control::{Arrival, Epoch, Identity, NodeId, Report, Role, StreamReport};
use media::StreamPath;
use std::collections::BTreeMap;

/// Who has a dialogue with a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attendance {
    /// No controller, as far as is known.
    Nobody,
    /// We.
    Here(Here),
    /// We had, and nobody else has since.
    Was(Here),
    /// Another controller.
    There {
        /// Which, and which dialogue.
        by: Attending,
        /// The dialogue lasts.
        talks: bool,
        /// All streams were told.
        reported: bool,
    },
}

/// A dialogue of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Here {
    pub(super) dialogue: super::DialogueId,
    /// What was said of the node when the dialogue began: it is older than ours.
    pub(super) before: Option<Attending>,
    /// The node has reported in it.
    pub(super) reported: bool,
}

impl Inventory {
    /// The store says which controller attends a node.
    pub fn posted_node(&mut self, id: &NodeId, posted: Posted<Attended>, now: Now) {
        if put(&mut self.board.nodes, id.clone(), posted) {
            self.attendance_changed(id, now);
        }
    }

    /// The store says that no controller attends a node.
    pub fn unposted_node(&mut self, id: &NodeId, at: Revision, now: Now) {
        if remove(&mut self.board.nodes, id, at) {
            self.attendance_changed(id, now);
        }
    }

    /// The store has a stream on a node.
    pub fn posted_site(&mut self, id: &NodeId, posted: Posted<Site>, now: Now) {
        let path = posted.value.report.path.clone();
        let sites = self.board.sites.entry(id.clone()).or_default();
        if put(sites, path.clone(), posted) {
            self.site_changed(id, path, now);
        }
    }

    /// The store no longer has a stream on a node.
    pub fn unposted_site(&mut self, id: &NodeId, path: &StreamPath, at: Revision, now: Now) {
        let Some(sites) = self.board.sites.get_mut(id) else {
            return;
        };
        if remove(sites, path, at) {
            if sites.is_empty() {
                self.board.sites.remove(id);
            }
            self.site_changed(id, path.clone(), now);
        }
    }

    /// The store has an epoch that a node was seen with.
    pub fn posted_seen(&mut self, path: &StreamPath, posted: Posted<Epoch>) {
        let epoch = posted.value;
        if put(&mut self.board.seen, path.clone(), posted) {
            self.seen(path, epoch);
        }
    }

    /// The store no longer has it.
    pub fn unposted_seen(&mut self, path: &StreamPath, at: Revision) {
        if remove(&mut self.board.seen, path, at) && self.seen.contains_key(path) {
            self.post_seen(path.clone());
        }
    }

    /// The store says who decides, or that nobody does.
    pub fn posted_leader(&mut self, posted: Option<Posted<Leader>>) {
        self.board.leader = posted;
        self.effects.leader = true;
    }

    /// The store has these entries and no others, at `revision`.
    pub fn posted_are(&mut self, kept: &Kept, revision: Revision, now: Now) {
        let gone = self.board.keep(kept, revision);
        self.effects.leader = true;
        for id in gone.nodes {
            self.attendance_changed(&id, now);
        }
        for (id, path) in gone.sites {
            self.site_changed(&id, path, now);
        }
        gone.seen.into_iter().for_each(|path| self.post_seen(path));
        let lost = |(id, node): (&NodeId, &Node)| {
            let lost = node.here_or_was().is_some() && !kept.identities.contains(id);
            lost.then(|| id.clone())
        };
        if self.board.run.is_some() {
            let lost: Vec<NodeId> = self.nodes.iter().filter_map(lost).collect();
            self.board.unposted.identities.extend(lost);
        }
        self.post_all(false);
    }

    /// The store came back empty or from an old copy: its revisions mean nothing any more, and the
    /// epochs that we know must not be undercut.
    pub fn history_lost(&mut self) {
        let known: Vec<(StreamPath, Epoch)> = self
            .placements
            .iter()
            .map(|(path, stored)| (path.clone(), stored.placement.epoch))
            .collect();
        for (path, epoch) in known {
            let seen = self.seen.entry(path.clone()).or_default();
            *seen = epoch.max(*seen);
            self.unsettle(path);
        }
        for stored in self.placements.values_mut() {
            stored.revision = Revision::default();
        }
        if self.board.run.is_some() {
            // Those that are found in it are taken out again.
            self.board.unposted.orphans = self.nodes.keys().cloned().collect();
            self.effects.unposted = true;
        }
        self.board.history_lost();
        self.effects.leader = true;
    }

    /// The revision at which an entry of the store is known, and whether as what it is.
    pub fn known_as(&self, record: &Record) -> Option<(Revision, bool)> {
        fn compare<T>(known: &Posted<T>, same: impl FnOnce(&T) -> bool) -> (Revision, bool) {
            (known.revision, same(&known.value))
        }
        let board = &self.board;
        Some(match record {
            Record::Stream(path, placement, _) => {
                let stored = self.placements.get(path)?;
                (stored.revision, stored.placement == *placement)
            }
            Record::Attended(node, value) => {
                compare(board.nodes.get(node)?, |known| known.by == value.by)
            }
            Record::Site(node, value) => {
                let sites = board.sites.get(node)?;
                compare(sites.get(&value.report.path)?, |known| known.by == value.by)
            }
            Record::Seen(path, epoch) => compare(board.seen.get(path)?, |known| known == epoch),
            Record::Leader(leader) => compare(board.leader.as_ref()?, |known| known == leader),
            Record::Node(_) | Record::Freeze(_) => return None,
        })
    }

    /// The greatest revision at which anything is known.
    pub fn known_up_to(&self) -> Revision {
        let board = &self.board;
        let sites = board.sites.values().flat_map(BTreeMap::values);
        let known = self.streams_known_at().map(|(_, known)| known);
        let known = known.chain(board.nodes.values().map(|posted| posted.revision));
        let known = known.chain(sites.map(|posted| posted.revision));
        let known = known.chain(board.seen.values().map(|posted| posted.revision));
        let known = known.chain(board.leader.iter().map(|posted| posted.revision));
        known.max().unwrap_or_default()
    }

    /// All streams that the store has a placement of, and at which revision.
    pub fn streams_known_at(&self) -> impl Iterator<Item = (&StreamPath, Revision)> {
        let known = self.placements.iter();
        known.map(|(path, stored)| (path, stored.revision))
    }

    /// A node is registered with another controller, or no longer registered at all.
    fn attendance_changed(&mut self, id: &NodeId, now: Now) {
        let Some(run) = self.board.run else { return };
        let posted = self.board.nodes.get(id).map(|posted| posted.value.clone());
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        if let Some(here) = node.here_or_was() {
            let ours = here.attending(run);
            let known = |posted: &Attended| posted.by == ours || Some(posted.by) == here.before;
            if posted.as_ref().is_none_or(known) {
                return self.post_node(id);
            }
            // It has begun a later dialogue with somebody else.
            self.effects.taken.insert(id.clone());
            node.attendance = Attendance::Nobody;
            let passed_over = node.passed_over.take();
            self.post_sites(id, false);
            if let Some(identity) = passed_over {
                return self.replaced_elsewhere(identity, now);
            }
        }
        self.follow(id, posted, now);
    }

    /// Takes over what the node's controller says of it.
    pub(super) fn follow(&mut self, id: &NodeId, posted: Option<Attended>, now: Now) {
        let run = self.board.run;
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        let role = node.identity.role;
        let posted = posted.filter(|posted| {
            posted.incarnation >= node.identity.incarnation && Some(posted.by.run) != run
        });
        let Some(posted) = posted else {
            if matches!(
                node.attendance,
                Attendance::There { .. } | Attendance::Nobody
            ) {
                let was_there = node.attendance != Attendance::Nobody;
                node.attendance = Attendance::Nobody;
                if was_there && node.health == Health::Alive {
                    let reason = "the controller that attended it is gone";
                    node.heard = Some(now);
                    node.became(Health::Suspect, Some(reason.to_owned()), now);
                    let event = New::node(EventKind::NodeSuspect, id, reason);
                    self.effects.events.push(event);
                    self.owner_changed(id);
                    self.node_changed(id, role);
                }
            }
            return;
        };
        let (was, never_heard) = (node.health, node.heard.is_none());
        let same = matches!(&node.attendance, Attendance::There { by, .. } if *by == posted.by);
        let talked = node.talks();
        node.attendance = Attendance::There {
            by: posted.by,
            talks: posted.talks,
            reported: posted.reported,
        };
        node.heard = Some(now);
        node.missing = false;
        node.load = posted.load;
        node.registered_unix_ms = posted.registered_unix_ms;
        // Who was found dead here is not less dead because it is still suspect there.
        let stays_dead = same && was == Health::Dead && posted.health == Health::Suspect;
        if !stays_dead && (was != posted.health || node.reason != posted.reason) {
            let kind = match (was, posted.health) {
                (Health::Alive, Health::Suspect) => Some(EventKind::NodeSuspect),
                (Health::Alive | Health::Suspect, Health::Dead) => Some(EventKind::NodeDead),
                (Health::Suspect | Health::Dead, Health::Alive) if !never_heard => {
                    Some(EventKind::NodeBack)
                }
                _ => None,
            };
            let reason = posted
                .reason
                .clone()
                .unwrap_or_else(|| "it reports again".into());
            let event = kind.map(|kind| New::node(kind, id, reason));
            node.became(posted.health, posted.reason, now);
            self.effects.events.extend(event);
        }
        let changed = was != node.health || talked != node.talks();
        if node.health == Health::Dead && was != Health::Dead {
            self.drop_streams(id);
        } else if posted.reported {
            self.take_sites(id, posted.by, now);
        }
        if changed || role == Role::Edge {
            self.node_changed(id, role);
        }
        if changed {
            self.owner_changed(id);
            self.effects.nodes.insert(id.clone());
        }
    }

    /// A node has the streams that its controller says, and no others.
    fn take_sites(&mut self, id: &NodeId, by: Attending, now: Now) {
        let sites = self.board.sites.get(id).into_iter().flatten();
        let streams = sites
            .filter(|(_, posted)| posted.value.by == by)
            .map(|(_, posted)| posted.value.report.clone())
            .collect();
        let Some(node) = self.nodes.get(id) else {
            return;
        };
        let (load, news) = (node.load, !node.reported);
        self.take_in(id, Report { load, streams }, news, now);
    }

    /// A stream on a node began, ended or is told otherwise.
    fn site_changed(&mut self, id: &NodeId, path: StreamPath, now: Now) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        match &node.attendance {
            Attendance::Here(_) | Attendance::Was(_) => {
                self.board.unposted.site(id, path);
                self.effects.unposted = true;
            }
            Attendance::There {
                by, reported: true, ..
            } if node.health != Health::Dead => {
                let site = self.board.sites.get(id).and_then(|sites| sites.get(&path));
                match site.map(|site| &site.value) {
                    Some(site) if site.by == *by => {
                        let report = site.report.clone();
                        self.stream_is(id, report, now);
                    }
                    // Whoever attended it before came late; who does now will say it again, or delete it.
                    Some(_) => {}
                    None => self.stream_ended(id, &path),
                }
            }
            Attendance::There { .. } | Attendance::Nobody => {}
        }
    }

    fn stream_is(&mut self, id: &NodeId, report: StreamReport, now: Now) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        let (path, epoch) = (report.path.clone(), report.epoch);
        let came = |report: &StreamReport| {
            let turn = report.pushed.as_ref().map(|pushed| pushed.turn);
            (report.arrival, report.since_unix_ms, turn, report.backup)
        };
        let old = node.streams.insert(path.clone(), report.clone());
        let role = node.identity.role;
        if epoch > Epoch::NONE {
            self.seen(&path, epoch);
        }
        if old.as_ref().map(came) == Some(came(&report)) {
            return;
        }
        self.sites
            .entry(path.clone())
            .or_default()
            .insert(id.clone());
        if role == Role::Origin {
            if report.arrival == Arrival::Published {
                self.note_duplicate(&path, id, now);
            }
            self.effects.moved.insert(path.clone());
            self.unsettle(path);
            self.effects.nodes.insert(id.clone());
        }
    }

    fn stream_ended(&mut self, id: &NodeId, path: &StreamPath) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        if node.streams.remove(path).is_some() {
            let role = node.identity.role;
            self.site_gone(path, id);
            if role == Role::Origin {
                self.effects.moved.insert(path.clone());
                self.unsettle(path.clone());
                self.effects.nodes.insert(id.clone());
            }
        }
    }

    /// The store has another process of a node that we do not attend.
    pub(super) fn replaced_elsewhere(&mut self, identity: Identity, now: Now) {
        let id = identity.node.clone();
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let newer = identity.incarnation > node.identity.incarnation;
        let same = identity.incarnation == node.identity.incarnation;
        if newer && node.talks() && node.here_or_was().is_some() {
            // Whoever attends it now tells us next.
            node.passed_over = Some(identity);
            return;
        }
        if !newer && (node.here_or_was().is_some() || !same) {
            return;
        }
        if newer {
            self.effects
                .events
                .extend(super::registered_event(Some(node), &identity));
        }
        let role = identity.role;
        node.identity = identity;
        if newer {
            node.attendance = Attendance::Nobody;
            node.reported = false;
            self.drop_streams(&id);
        }
        self.owner_changed(&id);
        self.node_changed(&id, role);
        let posted = self.board.nodes.get(&id).map(|posted| posted.value.clone());
        self.follow(&id, posted, now);
    }

    /// The store no longer has a node: it said goodbye elsewhere, or is long dead.
    pub fn unstored_node(&mut self, id: &NodeId) {
        let Some(node) = self.nodes.get(id) else {
            return;
        };
        if node.here_or_was().is_some() {
            return;
        }
        if node.health != Health::Dead {
            let event = New::node(EventKind::NodeLeft, id, "it said goodbye");
            self.effects.events.push(event);
        }
        let role = node.identity.role;
        self.forget(id);
        self.node_changed(id, role);
    }
}

impl Node {
    /// Our dialogue with it, if nobody has had a later one.
    pub(super) fn here_or_was(&self) -> Option<&Here> {
        match &self.attendance {
            Attendance::Here(here) | Attendance::Was(here) => Some(here),
            Attendance::There { .. } | Attendance::Nobody => None,
        }
    }
}

impl Here {
    pub(super) fn attending(&self, run: u64) -> Attending {
        Attending {
            run,
            dialogue: self.dialogue.0,
        }
    }
}

#[cfg(test)]
mod tests;
