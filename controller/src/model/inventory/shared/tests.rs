//! What follows from what other controllers post, and what ours are to know, without a store.

use super::*;
use crate::{
    model::{
        board::Post,
        inventory::{DialogueId, Timing},
    },
    store::Lease,
};
use control::{Addresses, Capacity, Incarnation, Load};
use std::time::{Duration, Instant};

const OURS: u64 = 1;
const THEIRS: Attending = Attending {
    run: 2,
    dialogue: 7,
};
const LEASE: Lease = Lease(5);

struct World {
    inventory: Inventory,
    start: Instant,
    revision: u64,
}

impl World {
    /// One of two controllers, that has its lease.
    fn new() -> Self {
        let start = Instant::now();
        let timing = Timing {
            suspect_after: Duration::from_secs(3),
        };
        let now = Now {
            instant: start,
            unix_ms: 0,
        };
        let mut inventory = Inventory::new(timing, now);
        inventory.share(OURS, "ours");
        inventory.hang_on(Some(LEASE));
        Self {
            inventory,
            start,
            revision: 10,
        }
    }

    fn at(&self, seconds: u64) -> Now {
        Now {
            instant: self.start + Duration::from_secs(seconds),
            unix_ms: seconds * 1000,
        }
    }

    fn next(&mut self) -> Revision {
        self.revision += 1;
        Revision(self.revision)
    }

    fn posted<T>(&mut self, value: T) -> Posted<T> {
        Posted {
            value,
            revision: self.next(),
            lease: Some(Lease(99)),
        }
    }

    /// Another controller posts that it attends the node, with these streams.
    fn attends(&mut self, by: Attending, names: &[&str], seconds: u64) {
        let now = self.at(seconds);
        for name in names {
            let report = StreamReport::new(path(name), Arrival::Published, 1);
            let posted = self.posted(Site { by, report });
            self.inventory.posted_site(&id(), posted, now);
        }
        let posted = self.posted(attended(by));
        self.inventory.posted_node(&id(), posted, now);
    }

    /// The lease of the controller that attends the node ends: all goes, in the order of the keys.
    fn lease_ends(&mut self, names: &[&str], seconds: u64) {
        let (at, now) = (self.next(), self.at(seconds));
        self.inventory.unposted_node(&id(), at, now);
        for name in names {
            self.inventory.unposted_site(&id(), &path(name), at, now);
        }
    }

    /// It registers with us, and reports.
    fn talks(&mut self, dialogue: u64, names: &[&str], seconds: u64) {
        let (dialogue, now) = (DialogueId(dialogue), self.at(seconds));
        let registered = self.inventory.register(identity(), dialogue, now);
        registered.expect("registered");
        self.reports(dialogue, names, seconds);
    }

    fn reports(&mut self, dialogue: DialogueId, names: &[&str], seconds: u64) {
        let stream = |name: &&str| StreamReport::new(path(name), Arrival::Published, 1);
        let report = Report {
            load: Load::default(),
            streams: names.iter().map(stream).collect(),
        };
        let now = self.at(seconds);
        self.inventory.report(&id(), dialogue, report, now);
    }

    /// Posts all that is to be posted, at most `limit` at a time; says what, in order.
    fn posts(&mut self, limit: usize) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let posts = self.inventory.take_unposted(limit);
            if posts.is_empty() {
                return said;
            }
            let (revision, now) = (self.next(), self.at(0));
            for post in posts {
                said.push(in_words(&post));
                self.inventory.has_posted(&post, LEASE, revision, now);
            }
        }
    }

    fn node(&self) -> &Node {
        self.inventory.nodes().get(&id()).expect("it is known")
    }

    fn streams(&self) -> Vec<&str> {
        self.node().streams.keys().map(StreamPath::name).collect()
    }
}

fn id() -> NodeId {
    NodeId::new("node").expect("a good id")
}

fn path(name: &str) -> StreamPath {
    StreamPath::new("h", "live", name).expect("a good path")
}

fn identity() -> Identity {
    Identity {
        node: id(),
        role: Role::Origin,
        incarnation: Incarnation(1),
        addresses: Addresses::default(),
        region: String::new(),
        zone: String::new(),
        capacity: Capacity::default(),
        version: String::new(),
    }
}

fn attended(by: Attending) -> Attended {
    Attended {
        by,
        controller: "theirs".into(),
        incarnation: Incarnation(1),
        talks: true,
        health: Health::Alive,
        reason: None,
        reported: true,
        registered_unix_ms: Some(0),
        load: Load::default(),
    }
}

fn in_words(post: &Post) -> String {
    match post {
        Post::Identity(_) => "identity".into(),
        Post::Orphan(_) => "orphan".into(),
        Post::Node(_, None, _) => "not attended".into(),
        Post::Node(_, Some(attended), _) => match attended.reported {
            true => "has reported".into(),
            false => "attended".into(),
        },
        Post::Site(_, path, Some(_), _) => format!("+{}", path.name()),
        Post::Site(_, path, None, _) => format!("-{}", path.name()),
        Post::Seen(path, ..) => format!("seen {}", path.name()),
    }
}

#[test]
fn a_node_is_what_its_controller_says() {
    let mut world = World::new();
    world.inventory.stored_node(identity(), world.at(0));
    assert_eq!(world.node().health, Health::Suspect, "nobody has it yet");
    world.attends(THEIRS, &["a", "b"], 0);
    assert_eq!(
        (world.node().health, world.streams()),
        (Health::Alive, vec!["a", "b"])
    );
    // Its silence is not ours to judge.
    let later = world.at(100);
    world.inventory.tick(later);
    assert_eq!(world.node().health, Health::Alive);
    let (at, now) = (world.next(), world.at(101));
    world.inventory.unposted_site(&id(), &path("a"), at, now);
    assert_eq!(world.streams(), ["b"]);
    assert_eq!(world.posts(9), [""; 0], "nothing of it is ours to tell");
}

#[test]
fn a_stream_that_another_controller_told_late_ends_when_it_is_taken_back() {
    let mut world = World::new();
    world.inventory.stored_node(identity(), world.at(0));
    world.attends(THEIRS, &["a", "b"], 0);
    let before = Attending {
        run: 3,
        dialogue: 1,
    };
    let report = StreamReport::new(path("a"), Arrival::Published, 1);
    let late = world.posted(Site { by: before, report });
    world.inventory.posted_site(&id(), late, world.at(1));
    assert_eq!(
        world.streams(),
        ["a", "b"],
        "its controller has not spoken yet"
    );
    let (at, now) = (world.next(), world.at(2));
    world.inventory.unposted_site(&id(), &path("a"), at, now);
    assert_eq!(world.streams(), ["b"]);
}

#[test]
fn what_a_node_owned_is_looked_at_when_its_new_controller_has_heard_it() {
    let mut world = World::new();
    world.inventory.stored_node(identity(), world.at(0));
    let owned = crate::plan::Placement {
        owner: Some(crate::plan::Owner {
            node: id(),
            incarnation: identity().incarnation,
        }),
        epoch: Epoch(5),
        since_unix_ms: 0,
        moves: crate::plan::Moves::default(),
    };
    let revision = world.next();
    let stored = world
        .inventory
        .stored_stream(&path("a"), Some(owned), revision);
    assert!(stored.is_some());
    let silent = Attended {
        reported: false,
        ..attended(THEIRS)
    };
    let posted = world.posted(silent);
    world.inventory.posted_node(&id(), posted, world.at(0));
    world.inventory.take_unsettled(9, world.at(0));
    // It says that it has nothing; and as what it is, nothing has changed.
    world.attends(THEIRS, &[], 1);
    let unsettled = world.inventory.take_unsettled(9, world.at(1));
    let paths: Vec<_> = unsettled.iter().map(|(path, ..)| path.name()).collect();
    assert_eq!(paths, ["a"]);
}

#[test]
fn a_node_whose_controller_is_gone_is_suspect_and_keeps_its_streams() {
    let mut world = World::new();
    world.inventory.stored_node(identity(), world.at(0));
    world.attends(THEIRS, &["a", "b"], 0);
    world.lease_ends(&["a", "b"], 1);
    assert_eq!(
        (world.node().health, world.streams()),
        (Health::Suspect, vec!["a", "b"])
    );
    assert!(!world.node().talks());

    let third = Attending {
        run: 3,
        dialogue: 1,
    };
    world.inventory.take_effects();
    world.attends(third, &["a", "c"], 2);
    assert_eq!(
        (world.node().health, world.streams()),
        (Health::Alive, vec!["a", "c"])
    );
    let kinds = world.inventory.take_effects().events;
    let kinds: Vec<EventKind> = kinds.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::NodeBack]);
}

#[test]
fn a_node_comes_from_another_controller_to_us_with_all_it_has() {
    let mut world = World::new();
    world.inventory.stored_node(identity(), world.at(0));
    world.attends(THEIRS, &["a", "b"], 0);
    world.inventory.take_effects();
    let (dialogue, now) = (DialogueId(1), world.at(1));
    world
        .inventory
        .register(identity(), dialogue, now)
        .expect("registered");
    assert_eq!(
        world.streams(),
        ["a", "b"],
        "it has not said anything else yet"
    );
    assert_eq!(world.posts(9), ["identity", "attended"]);
    // What hung on the other one's lease goes; it is posted again when the node has reported.
    world.lease_ends(&["a", "b"], 2);
    assert_eq!(
        (world.node().health, world.streams()),
        (Health::Alive, vec!["a", "b"])
    );
    world.reports(dialogue, &["b", "c"], 3);
    assert_eq!(world.streams(), ["b", "c"]);
    world.posts(9);
    assert_eq!(world.posts(9), [""; 0]);
    let events = world.inventory.take_effects().events;
    assert_eq!(events, [], "nobody has noticed anything");
}

#[test]
fn who_a_node_is_is_posted_until_the_store_has_it() {
    let mut world = World::new();
    world.talks(1, &[], 0);
    let posts = world.inventory.take_unposted(1);
    assert!(matches!(posts[..], [Post::Identity(_)]), "{posts:?}");
    // It failed.
    world.inventory.unpost(posts);
    assert_eq!(world.posts(9).first().map(String::as_str), Some("identity"));
    assert!(!world.posts(9).contains(&"identity".to_owned()));
}

#[test]
fn a_node_that_has_begun_a_later_dialogue_elsewhere_is_no_longer_ours() {
    let mut world = World::new();
    world.talks(1, &["a"], 0);
    world.posts(9);
    world.inventory.take_effects();
    world.attends(THEIRS, &["a"], 1);
    assert!(world.inventory.take_effects().taken.contains(&id()));
    assert_eq!(
        (world.node().health, world.streams()),
        (Health::Alive, vec!["a"])
    );
    assert!(!world.node().is_in(DialogueId(1)));
    assert_eq!(world.posts(9), [""; 0], "what they have posted is theirs");
    // Our end of the dialogue breaks late, and means nothing.
    let now = world.at(2);
    world
        .inventory
        .ended(&id(), DialogueId(1), false, "broken", now);
    assert_eq!(world.node().health, Health::Alive);
}

#[test]
fn what_was_said_of_a_node_before_our_dialogue_does_not_end_it() {
    let mut world = World::new();
    world.inventory.stored_node(identity(), world.at(0));
    world.attends(THEIRS, &["a"], 0);
    world.talks(1, &["a"], 1);
    // The other controller has noticed that its dialogue broke.
    let broken = Attended {
        talks: false,
        health: Health::Suspect,
        ..attended(THEIRS)
    };
    let (posted, now) = (world.posted(broken), world.at(2));
    world.inventory.posted_node(&id(), posted, now);
    assert!(world.node().is_in(DialogueId(1)));
    assert_eq!(world.node().health, Health::Alive);
    assert_eq!(world.posts(9), ["identity", "+a", "has reported"]);
}

#[test]
fn streams_are_posted_before_the_word_that_they_are_all_and_only_once() {
    for limit in [1, 2, 9] {
        let mut world = World::new();
        world.talks(1, &["a", "b"], 0);
        let said = world.posts(limit);
        assert_eq!(
            said,
            ["identity", "+a", "+b", "has reported"],
            "{limit} at a time"
        );
        world.reports(DialogueId(1), &["b"], 1);
        assert_eq!(world.posts(limit), ["-a"]);
        world.reports(DialogueId(1), &["b"], 2);
        assert_eq!(world.posts(limit), [""; 0]);
    }
}

#[test]
fn what_hung_on_a_lost_lease_is_posted_again_and_nothing_without_one() {
    let mut world = World::new();
    world.talks(1, &["a"], 0);
    world.posts(9);
    world.inventory.hang_on(None);
    world.reports(DialogueId(1), &["a", "b"], 1);
    assert_eq!(world.posts(9), [""; 0]);
    world.inventory.hang_on(Some(Lease(6)));
    let posts = world.inventory.take_unposted(9);
    let said: Vec<String> = posts.iter().map(in_words).collect();
    assert_eq!(said, ["+a", "+b", "has reported"]);
    // It failed: nothing is lost.
    world.inventory.unpost(posts);
    assert_eq!(world.inventory.take_unposted(9).len(), 3);
}

#[test]
fn a_store_that_comes_back_empty_is_told_everything_again() {
    let mut world = World::new();
    world.talks(1, &["a"], 0);
    world.posts(9);
    let placement = crate::plan::Placement {
        owner: None,
        epoch: Epoch(4),
        since_unix_ms: 0,
        moves: crate::plan::Moves::default(),
    };
    let revision = world.next();
    world
        .inventory
        .stored_stream(&path("a"), Some(placement), revision);

    world.inventory.history_lost();
    let (empty, now) = (Revision(1), world.at(1));
    world
        .inventory
        .stored_streams_are(&Default::default(), empty);
    world.inventory.posted_are(&Kept::default(), empty, now);
    assert_eq!(world.streams(), ["a"]);
    assert_eq!(world.posts(9), ["identity", "+a", "has reported", "seen a"]);
    let facts = world.inventory.facts(&path("a"), world.at(0));
    assert_eq!((facts.placement, facts.seen), (None, Epoch(4)));
}

#[test]
fn who_a_node_is_is_posted_again_where_the_store_has_an_older_process() {
    let mut world = World::new();
    world.talks(1, &[], 1);
    world.posts(9);
    let older = Identity {
        incarnation: Incarnation(identity().incarnation.0 - 1),
        ..identity()
    };
    let now = world.at(2);
    world.inventory.stored_node(older, now);
    assert_eq!(world.posts(9), ["identity"]);
    world.inventory.stored_node(identity(), now);
    assert_eq!(world.posts(9), [""; 0], "it has it rightly");
}

#[test]
fn a_node_that_nobody_attends_is_told_to_a_store_that_lost_its_history_by_whoever_knows_it() {
    let mut world = World::new();
    let now = world.at(0);
    world.inventory.stored_node(identity(), now);
    assert_eq!(world.posts(9), [""; 0]);
    world.inventory.history_lost();
    let posts = world.inventory.take_unposted(9);
    assert!(matches!(posts[..], [Post::Orphan(_)]), "{posts:?}");
    // It failed, and another was faster.
    world.inventory.unpost(posts);
    world.inventory.stored_node(identity(), now);
    assert_eq!(world.posts(9), [""; 0]);
}

#[test]
fn the_later_process_of_a_node_is_known_once_our_dialogue_with_the_one_before_is_found_over() {
    let mut world = World::new();
    world.talks(1, &["a"], 0);
    world.posts(9);
    let later = Incarnation(2);
    let identity = Identity {
        incarnation: later,
        ..identity()
    };
    // Nobody has told us yet that its connection is gone.
    world.inventory.stored_node(identity, world.at(1));
    assert_eq!(world.node().identity.incarnation, Incarnation(1));
    let attended = Attended {
        incarnation: later,
        ..attended(THEIRS)
    };
    let (posted, now) = (world.posted(attended), world.at(1));
    world.inventory.posted_node(&id(), posted, now);
    assert_eq!(world.node().identity.incarnation, later);
    assert_eq!(
        (world.node().health, world.streams()),
        (Health::Alive, vec![])
    );
}

#[test]
fn who_leads_is_sure_only_while_the_lease_of_the_election_lives() {
    let mut world = World::new();
    let at = |world: &World, seconds| world.at(seconds).instant;
    let until = at(&world, 3);
    world.inventory.lease_lives(until);
    assert!(!world.inventory.leads_surely(at(&world, 1)), "not elected");
    let elected = |world: &mut World, lease| Posted {
        value: Leader {
            run: OURS,
            controller: "ours".into(),
        },
        revision: world.next(),
        lease: Some(lease),
    };
    let posted = elected(&mut world, LEASE);
    world.inventory.posted_leader(Some(posted));
    assert!(world.inventory.leads_surely(at(&world, 1)));
    assert!(!world.inventory.leads_surely(at(&world, 3)), "not renewed");
    // It slept; that lease has ended, and there is another.
    world.inventory.hang_on(Some(Lease(6)));
    world.inventory.lease_lives(at(&world, 13));
    assert!(!world.inventory.leads_surely(at(&world, 11)));
    let posted = elected(&mut world, Lease(6));
    world.inventory.posted_leader(Some(posted));
    assert!(world.inventory.leads_surely(at(&world, 11)));
}

#[test]
fn an_epoch_that_fell_is_one_that_the_store_has_lost() {
    let mut world = World::new();
    let placed = |epoch| {
        Some(crate::plan::Placement {
            owner: None,
            epoch: Epoch(epoch),
            since_unix_ms: 0,
            moves: crate::plan::Moves::default(),
        })
    };
    let (a, at) = (path("a"), world.next());
    world.inventory.stored_stream(&a, placed(5), at);
    let at = world.next();
    world.inventory.stored_stream(&a, placed(4), at);
    let facts = world.inventory.facts(&a, world.at(0));
    assert_eq!(facts.seen, Epoch(5));
    assert_eq!(world.posts(9), ["seen a"]);
}
