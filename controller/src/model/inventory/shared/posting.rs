//! What other controllers are to know of the nodes that we attend.
//!
//! What the store is to have is compared with what it has, so that doing it again does nothing, and
//! a store that comes back empty is filled again.

use super::{super::Node, Inventory, Now};
use crate::{
    model::board::{Attended, Attending, Leader, Post, Posted, Site},
    store::{Lease, Revision},
};
use control::{NodeId, StreamReport};
use media::StreamPath;
use std::time::Instant;

impl Inventory {
    /// Other controllers share the store. `run` and `controller` say which one we are.
    pub fn share(&mut self, run: u64, controller: &str) {
        self.board.run = Some(run);
        controller.clone_into(&mut self.board.controller);
    }

    /// Which controller we are among others; `None` if there are none.
    pub fn run(&self) -> Option<u64> {
        self.board.run
    }

    /// What our entries hang on.
    pub fn lease(&self) -> Option<Lease> {
        self.board.lease
    }

    /// What we would stand for election with.
    pub fn candidacy(&self) -> Option<(Leader, Lease)> {
        let leader = Leader {
            run: self.board.run?,
            controller: self.board.controller.clone(),
        };
        Some((leader, self.board.lease?))
    }

    /// What our entries hang on lives until then in any case.
    pub fn lease_lives(&mut self, until: Instant) {
        self.board.lease_lives_until = Some(until);
    }

    /// Whether nobody else can have been elected: our election hangs on a lease that lives.
    pub fn leads_surely(&self, now: Instant) -> bool {
        let board = &self.board;
        let elected = board.leader.as_ref();
        let ours = elected.filter(|leader| Some(leader.value.run) == board.run);
        ours.is_some_and(|leader| leader.lease.is_some() && leader.lease == board.lease)
            && board.lease_lives_until.is_some_and(|until| now < until)
    }

    /// Who decides, and since which revision.
    pub fn leader(&self) -> Option<(&Leader, Revision)> {
        let posted = self.board.leader.as_ref()?;
        Some((&posted.value, posted.revision))
    }

    /// What our entries are to hang on from now on; all of them are to be written again.
    pub fn hang_on(&mut self, lease: Option<Lease>) {
        self.board.lease = lease;
        self.post_all(false);
    }

    /// Looks at everything again; at numbers, too, if `numbers`.
    pub fn post_all(&mut self, numbers: bool) {
        let Some(run) = self.board.run else { return };
        let ours: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.here_or_was().is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in ours {
            self.post_node(&id);
            self.post_sites(&id, numbers);
        }
        let left = self.board.nodes.iter();
        let left = left.filter(|(_, posted)| posted.value.by.run == run);
        let left: Vec<NodeId> = left.map(|(id, _)| id.clone()).collect();
        for id in left {
            self.post_node(&id);
        }
        let seen: Vec<StreamPath> = self.seen.keys().cloned().collect();
        seen.into_iter().for_each(|path| self.post_seen(path));
    }

    /// Who a node is goes with each registration: whether the store has it rightly is not kept here.
    pub(in super::super) fn post_identity(&mut self, id: &NodeId) {
        if self.board.run.is_some() {
            self.board.unposted.identities.insert(id.clone());
            self.effects.unposted = true;
        }
    }

    pub(in super::super) fn post_node(&mut self, id: &NodeId) {
        if self.board.run.is_some() {
            self.board.unposted.nodes.insert(id.clone());
            self.effects.unposted = true;
        }
    }

    pub(in super::super) fn post_seen(&mut self, path: StreamPath) {
        if self.board.run.is_some() {
            self.board.unposted.seen.insert(path);
            self.effects.unposted = true;
        }
    }

    /// Finds the sites of a node of ours that the store has otherwise, or not, or no longer rightly.
    pub(in super::super) fn post_sites(&mut self, id: &NodeId, numbers: bool) {
        let Some(run) = self.board.run else { return };
        let none = Default::default();
        let posted = self.board.sites.get(id).unwrap_or(&none);
        let node = self.nodes.get(id);
        let ours = node.and_then(|node| Some((node, node.here_or_was()?)));
        let differs = |stream: &&StreamReport, by: Attending| match posted.get(&stream.path) {
            None => true,
            Some(found) => {
                found.value.by != by
                    || found.lease != self.board.lease
                    || is_news(&found.value.report, stream, numbers)
            }
        };
        let mut paths: Vec<StreamPath> = Vec::new();
        if let Some((node, here)) = ours {
            let by = here.attending(run);
            let streams = node.streams.values().filter(|stream| differs(stream, by));
            paths.extend(streams.map(|stream| stream.path.clone()));
        }
        let is_gone = |path: &StreamPath| !ours.is_some_and(|(n, _)| n.streams.contains_key(path));
        let gone = posted.iter().filter(|(path, posted)| {
            // Those of a dialogue before ours go only once the node has told us what it has.
            let known = ours.is_none_or(|(_, here)| here.reported);
            (posted.value.by.run == run || ours.is_some()) && known && is_gone(path)
        });
        paths.extend(gone.map(|(path, _)| path.clone()));
        for path in paths {
            self.board.unposted.site(id, path);
            self.effects.unposted = true;
        }
    }

    /// Takes at most `limit` things that the store is to have, or no longer. Streams come before the
    /// word that they are all of a node's streams.
    pub fn take_unposted(&mut self, limit: usize) -> Vec<Post> {
        let mut posts = Vec::new();
        let (Some(run), Some(lease)) = (self.board.run, self.board.lease) else {
            return posts;
        };
        while posts.len() < limit
            && let Some(id) = self.board.unposted.identities.pop_first()
        {
            if let Some(node) = self.nodes.get(&id).filter(|n| n.here_or_was().is_some()) {
                posts.push(Post::Identity(node.identity.clone()));
            }
        }
        while posts.len() < limit
            && let Some(id) = self.board.unposted.orphans.pop_first()
        {
            if let Some(node) = self.nodes.get(&id).filter(|n| n.here_or_was().is_none()) {
                posts.push(Post::Orphan(node.identity.clone()));
            }
        }
        while posts.len() < limit
            && let Some(mut sites) = self.board.unposted.sites.first_entry()
        {
            let id = sites.key().clone();
            match sites.get_mut().pop_first() {
                Some(path) => posts.extend(self.site_post(id, path, run, lease)),
                None => drop(sites.remove()),
            }
        }
        while posts.len() < limit
            && let Some(id) = self.board.unposted.nodes.pop_first()
        {
            posts.extend(self.node_post(id, run, lease));
        }
        while posts.len() < limit
            && let Some(path) = self.board.unposted.seen.pop_first()
        {
            posts.extend(self.seen_post(path, lease));
        }
        posts
    }

    /// These could not be posted: they are to be looked at again.
    pub fn unpost(&mut self, posts: Vec<Post>) {
        for post in posts {
            let unposted = &mut self.board.unposted;
            match post {
                Post::Identity(identity) => drop(unposted.identities.insert(identity.node)),
                Post::Orphan(identity) => drop(unposted.orphans.insert(identity.node)),
                Post::Node(id, ..) => drop(unposted.nodes.insert(id)),
                Post::Site(id, path, ..) => unposted.site(&id, path),
                Post::Seen(path, ..) => drop(unposted.seen.insert(path)),
            }
        }
        self.effects.unposted = true;
    }

    /// The store has it now.
    pub fn has_posted(&mut self, post: &Post, lease: Lease, revision: Revision, now: Now) {
        fn posted<T: Clone>(value: &T, revision: Revision, lease: Lease) -> Posted<T> {
            Posted {
                value: value.clone(),
                revision,
                lease: Some(lease),
            }
        }
        match post {
            Post::Identity(_) | Post::Orphan(_) => {}
            Post::Node(id, Some(value), _) => {
                self.posted_node(id, posted(value, revision, lease), now);
            }
            Post::Node(id, None, _) => self.unposted_node(id, revision, now),
            Post::Site(id, _, Some(value), _) => {
                self.posted_site(id, posted(value, revision, lease), now);
            }
            Post::Site(id, path, None, _) => self.unposted_site(id, path, revision, now),
            Post::Seen(path, Some(value), _) => {
                self.posted_seen(path, posted(value, revision, lease));
            }
            Post::Seen(path, None, _) => self.unposted_seen(path, revision),
        }
    }

    fn site_post(&self, id: NodeId, path: StreamPath, run: u64, lease: Lease) -> Option<Post> {
        let posted = self.board.sites.get(&id).and_then(|sites| sites.get(&path));
        let node = self.nodes.get(&id);
        let ours = node.and_then(|node| Some((node, node.here_or_was()?)));
        let wanted = ours.and_then(|(node, here)| {
            Some(Site {
                by: here.attending(run),
                report: node.streams.get(&path)?.clone(),
            })
        });
        let before = posted.map(|posted| posted.revision);
        match (&wanted, posted) {
            (None, None) => return None,
            (None, Some(posted)) if ours.is_none() && posted.value.by.run != run => return None,
            // The node has not told us yet what it has.
            (None, Some(_)) if ours.is_some_and(|(_, here)| !here.reported) => return None,
            (Some(wanted), Some(posted))
                if posted.value == *wanted && posted.lease == Some(lease) =>
            {
                return None;
            }
            _ => {}
        }
        Some(Post::Site(id, path, wanted, before))
    }

    fn node_post(&self, id: NodeId, run: u64, lease: Lease) -> Option<Post> {
        let posted = self.board.nodes.get(&id);
        let node = self.nodes.get(&id);
        let wanted = node.and_then(|node| self.attended(node, run));
        let before = posted.map(|posted| posted.revision);
        match (&wanted, posted) {
            (None, None) => return None,
            (None, Some(posted)) if posted.value.by.run != run => return None,
            (Some(wanted), Some(posted))
                if posted.value == *wanted && posted.lease == Some(lease) =>
            {
                return None;
            }
            _ => {}
        }
        Some(Post::Node(id, wanted, before))
    }

    fn seen_post(&self, path: StreamPath, lease: Lease) -> Option<Post> {
        let posted = self.board.seen.get(&path);
        let before = posted.map(|posted| posted.revision);
        match (self.seen.get(&path), posted) {
            (Some(seen), Some(posted)) if posted.value >= *seen => None,
            (Some(seen), _) => Some(Post::Seen(path, Some(*seen), before)),
            (None, Some(posted)) if posted.lease == Some(lease) => {
                Some(Post::Seen(path, None, before))
            }
            (None, _) => None,
        }
    }

    fn attended(&self, node: &Node, run: u64) -> Option<Attended> {
        let here = node.here_or_was()?;
        Some(Attended {
            by: here.attending(run),
            controller: self.board.controller.clone(),
            incarnation: node.identity.incarnation,
            talks: node.talks(),
            health: node.health,
            reason: node.reason.clone(),
            reported: here.reported,
            registered_unix_ms: node.registered_unix_ms,
            load: node.load,
        })
    }
}

/// Whether others should hear of it: of what a stream is at once, of its numbers now and then, and
/// only if they have moved.
fn is_news(posted: &StreamReport, now: &StreamReport, numbers: bool) -> bool {
    let facts = |report: &StreamReport| {
        (
            report.arrival,
            report.epoch,
            report.since_unix_ms,
            report.video.clone(),
            report.audio.clone(),
            report.upstream.clone(),
            report.pushed.clone(),
            report.backup,
        )
    };
    let moved = |before: u64, now: u64| before.abs_diff(now) > before / 4;
    facts(posted) != facts(now)
        || numbers
            && (posted.players != now.players || moved(posted.bits_per_second, now.bits_per_second))
}
