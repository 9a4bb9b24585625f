//! What follows from what nodes say and from time that passes.

use super::*;
use crate::plan::{Moves, Policy};
use control::{Addresses, Capacity, Incarnation};

const TIMING: Timing = Timing {
    suspect_after: Duration::from_secs(3),
};

struct World {
    inventory: Inventory,
    start: Instant,
    revision: u64,
}

impl World {
    fn new() -> Self {
        let start = Instant::now();
        let now = Now {
            instant: start,
            unix_ms: 0,
        };
        Self {
            inventory: Inventory::new(TIMING, now),
            start,
            revision: 0,
        }
    }

    fn at(&self, seconds: u64) -> Now {
        Now {
            instant: self.start + Duration::from_secs(seconds),
            unix_ms: seconds * 1000,
        }
    }

    fn register(&mut self, node: &Identity, dialogue: u64, seconds: u64) {
        let now = self.at(seconds);
        self.inventory
            .register(node.clone(), DialogueId(dialogue), now)
            .expect("registered");
    }

    fn report(&mut self, node: &Identity, dialogue: u64, paths: &[&str], seconds: u64) {
        let stream = |name: &&str| StreamReport::new(path(name), Arrival::Published, 1);
        let report = Report {
            streams: paths.iter().map(stream).collect(),
            ..Report::default()
        };
        let now = self.at(seconds);
        self.inventory
            .report(&node.node, DialogueId(dialogue), report, now);
    }

    /// Does what the reconciler would, until nothing is unsettled.
    fn settle(&mut self) {
        let now = self.at(0);
        for (path, facts, _) in self.inventory.take_unsettled(usize::MAX, now) {
            let decision = crate::plan::decide(&facts, &Policy::default());
            if let crate::plan::Decision::Change { owner, epoch, .. } = decision {
                self.revision += 1;
                let before = facts.placement.as_ref();
                let placement = Placement::after(before, owner, epoch, now.unix_ms);
                self.inventory
                    .stored_stream(&path, Some(placement), Revision(self.revision));
            }
        }
    }

    fn desired(&self, node: &Identity) -> control::Desired {
        let now = self.at(0);
        self.inventory.desired(&node.node, &Policy::default(), now)
    }

    fn kinds(&mut self) -> Vec<EventKind> {
        self.inventory
            .take_effects()
            .events
            .into_iter()
            .map(|event| event.kind)
            .collect()
    }

    /// `node@epoch` of the first source, or `-@epoch`.
    fn located(&self, name: &str) -> String {
        let location = self.inventory.location(&path(name), &Policy::default());
        let node = location
            .sources
            .first()
            .map_or("-", |source| source.node.as_str());
        format!("{node}@{}", location.epoch)
    }
}

fn path(name: &str) -> StreamPath {
    StreamPath::new("h", "live", name).expect("a good path")
}

fn origin(name: &str, incarnation: u64) -> Identity {
    Identity {
        node: NodeId::new(name).expect("a good id"),
        role: Role::Origin,
        incarnation: Incarnation(incarnation),
        addresses: Addresses {
            rtmp: Some(format!("{name}:1935")),
            http: None,
            admin: None,
        },
        region: String::new(),
        zone: String::new(),
        capacity: Capacity::default(),
        version: String::new(),
    }
}

#[test]
fn a_silent_node_is_suspect_then_dead_and_each_is_said_once() {
    let mut world = World::new();
    let a = origin("a", 1);
    world.register(&a, 1, 0);
    world.report(&a, 1, &["s"], 0);
    world.settle();
    assert_eq!(world.kinds(), [EventKind::NodeRegistered]);
    for (seconds, kinds, located) in [
        (2, vec![], "a@1"),
        (3, vec![EventKind::NodeSuspect], "a@1"),
        (9, vec![], "a@1"),
        (10, vec![EventKind::NodeDead], "-@1"),
        (11, vec![], "-@1"),
    ] {
        let now = world.at(seconds);
        world.inventory.tick(now);
        if seconds >= 10 {
            world.inventory.died(&a.node, "it hangs".into(), now);
        }
        world.settle();
        assert_eq!(
            (world.kinds(), world.located("s").as_str()),
            (kinds, located),
            "{seconds} s"
        );
    }
    world.report(&a, 1, &["s"], 12);
    world.settle();
    assert_eq!(world.kinds(), [EventKind::NodeBack]);
    assert_eq!(world.located("s"), "a@2");
}

#[test]
fn a_node_whose_dialogue_broke_is_suspect_at_once_and_keeps_its_streams_until_it_is_dead() {
    let mut world = World::new();
    let a = origin("a", 1);
    world.register(&a, 1, 0);
    world.report(&a, 1, &["s"], 0);
    world.settle();
    let now = world.at(1);
    world
        .inventory
        .ended(&a.node, DialogueId(1), false, "broken pipe", now);
    world.settle();
    assert_eq!(
        world.kinds(),
        [EventKind::NodeRegistered, EventKind::NodeSuspect]
    );
    assert_eq!(world.located("s"), "a@1");

    world.register(&a, 2, 2);
    assert_eq!(world.kinds(), [EventKind::NodeBack]);
    let now = world.at(3);
    world
        .inventory
        .ended(&a.node, DialogueId(1), false, "the old one ends late", now);
    assert_eq!(world.kinds(), []);
}

#[test]
fn a_stream_that_is_published_elsewhere_moves_at_once_when_its_owner_is_suspect() {
    let mut world = World::new();
    let (a, b) = (origin("a", 1), origin("b", 1));
    world.register(&a, 1, 0);
    world.register(&b, 2, 0);
    world.report(&a, 1, &["s"], 0);
    world.settle();
    let now = world.at(1);
    world
        .inventory
        .ended(&a.node, DialogueId(1), false, "killed", now);
    world.report(&b, 2, &["s"], 1);
    let desired = world.desired(&b);
    assert!(
        desired.leave.is_empty(),
        "sent away while it is about to be the owner"
    );
    world.settle();
    assert_eq!(world.located("s"), "b@2");

    // What the silent one last said does not get it the stream back.
    world.report(&b, 2, &[], 1);
    world.settle();
    assert_eq!(world.located("s"), "-@2");
    world.report(&b, 2, &["s"], 1);
    world.settle();
    assert_eq!(world.located("s"), "b@3");

    // The old owner was only paused: it has to leave the stream.
    world.register(&a, 3, 2);
    world.report(&a, 3, &["s"], 2);
    world.settle();
    assert_eq!(world.located("s"), "b@3");
    let desired = world.desired(&a);
    assert_eq!((desired.owned.len(), desired.leave.len()), (0, 1));
    assert_eq!(
        (desired.leave[0].owner.as_str(), desired.leave[0].epoch),
        ("b", Epoch(3))
    );
    let desired = world.desired(&b);
    assert_eq!((desired.owned.len(), desired.leave.len()), (1, 0));
}

#[test]
fn a_silent_origin_that_speaks_again_gets_back_what_nobody_took() {
    let mut world = World::new();
    let (a, b) = (origin("a", 1), origin("b", 1));
    world.register(&a, 1, 0);
    world.register(&b, 2, 0);
    world.report(&a, 1, &["s"], 0);
    world.report(&b, 2, &[], 3);
    world.settle();
    let now = world.at(4);
    world.inventory.tick(now);
    world.report(&b, 2, &["s"], 4);
    world.settle();
    world.report(&b, 2, &[], 5);
    world.settle();
    assert_eq!(world.located("s"), "-@2");
    world.report(&a, 1, &["s"], 6);
    world.settle();
    assert_eq!(world.located("s"), "a@3");
}

#[test]
fn a_duplicate_publish_changes_nothing_but_is_an_event() {
    let mut world = World::new();
    let (a, b) = (origin("a", 1), origin("b", 1));
    world.register(&a, 1, 0);
    world.register(&b, 2, 0);
    world.report(&a, 1, &["s"], 0);
    world.settle();
    world.kinds();
    for _ in 0..3 {
        world.report(&b, 2, &["s"], 1);
        world.settle();
    }
    assert_eq!(world.kinds(), [EventKind::StreamDuplicate]);
    assert_eq!(world.located("s"), "a@1");
}

#[test]
fn a_restarted_process_has_no_streams_until_it_reports_them() {
    let mut world = World::new();
    world.register(&origin("a", 1), 1, 0);
    world.report(&origin("a", 1), 1, &["s", "t"], 0);
    world.settle();
    world.register(&origin("a", 2), 2, 1);
    world.settle();
    assert_eq!(
        world.kinds(),
        [EventKind::NodeRegistered, EventKind::NodeRestarted]
    );
    assert_eq!(world.located("s"), "-@1");
    world.report(&origin("a", 2), 2, &["s"], 1);
    world.settle();
    assert_eq!(
        (world.located("s").as_str(), world.located("t").as_str()),
        ("a@2", "-@1")
    );
}

#[test]
fn a_later_process_is_not_replaced_by_an_earlier_one() {
    let mut world = World::new();
    world.register(&origin("a", 5), 1, 0);
    let now = world.at(1);
    let refused = world.inventory.register(origin("a", 4), DialogueId(2), now);
    assert!(matches!(refused, Err(RegisterError::Outlived { .. })));
    world
        .inventory
        .ended(&origin("a", 5).node, DialogueId(1), false, "killed", now);
    assert!(
        world
            .inventory
            .register(origin("a", 4), DialogueId(3), now)
            .is_ok()
    );
}

#[test]
fn after_a_restart_of_the_controller_placements_hold_until_their_owners_are_missed() {
    let mut world = World::new();
    let (a, b) = (origin("a", 1), origin("b", 1));
    let now = world.at(0);
    world.inventory.stored_node(a.clone(), now);
    let owner = Owner {
        node: a.node.clone(),
        incarnation: a.incarnation,
    };
    let placement = Placement {
        owner: Some(owner),
        epoch: Epoch(4),
        since_unix_ms: 0,
        moves: Moves::default(),
    };
    world
        .inventory
        .stored_stream(&path("s"), Some(placement), Revision(1));
    world.revision = 1;
    world.settle();
    assert_eq!(world.located("s"), "a@4");

    // Another origin that has it too, and is heard first, does not win by that.
    world.register(&b, 1, 1);
    world.report(&b, 1, &["s"], 1);
    world.settle();
    assert_eq!(world.located("s"), "a@4");
    let now = world.at(3);
    world.inventory.tick(now);
    world.settle();
    assert_eq!(world.located("s"), "b@5");
}

#[test]
fn a_store_that_lost_an_epoch_is_told_it_by_nodes() {
    let mut world = World::new();
    let a = origin("a", 1);
    world.register(&a, 1, 0);
    world.report(&a, 1, &["s"], 0);
    world.settle();
    assert_eq!(world.located("s"), "a@1");
    assert!(world.inventory.seen(&path("s"), Epoch(7)));
    world.settle();
    assert_eq!(world.located("s"), "a@8");
    assert!(!world.inventory.seen(&path("s"), Epoch(7)));
}

#[test]
fn a_node_that_leaves_takes_its_streams_with_it() {
    let mut world = World::new();
    let a = origin("a", 1);
    world.register(&a, 1, 0);
    world.report(&a, 1, &["s"], 0);
    world.settle();
    let now = world.at(1);
    world
        .inventory
        .ended(&a.node, DialogueId(1), true, "the node ends", now);
    world.settle();
    assert_eq!(
        world.kinds(),
        [EventKind::NodeRegistered, EventKind::NodeLeft]
    );
    assert_eq!(world.located("s"), "-@1");
    assert!(world.inventory.nodes().is_empty());
    assert!(world.inventory.sites.is_empty());
}

#[test]
fn older_news_from_the_store_is_passed_over() {
    let mut world = World::new();
    let placement = |epoch| Placement {
        owner: None,
        epoch: Epoch(epoch),
        since_unix_ms: 0,
        moves: Moves::default(),
    };
    world
        .inventory
        .stored_stream(&path("s"), Some(placement(2)), Revision(9));
    world
        .inventory
        .stored_stream(&path("s"), Some(placement(1)), Revision(8));
    assert_eq!(world.located("s"), "-@2");
    world
        .inventory
        .stored_streams_are(&HashSet::new(), Revision(8));
    assert_eq!(world.located("s"), "-@2");
    world
        .inventory
        .stored_streams_are(&HashSet::new(), Revision(9));
    assert_eq!(world.located("s"), "-@0");
}

#[test]
fn streams_are_listed_once_and_in_order_wherever_they_are_known_from() {
    let mut world = World::new();
    let a = origin("a", 1);
    world.register(&a, 1, 0);
    world.report(&a, 1, &["c", "a"], 0);
    world.settle();
    let owner = Some(Owner {
        node: a.node.clone(),
        incarnation: a.incarnation,
    });
    let placement = Placement {
        owner,
        epoch: Epoch(1),
        since_unix_ms: 0,
        moves: Moves::default(),
    };
    world
        .inventory
        .stored_stream(&path("b"), Some(placement), Revision(99));
    let names = |after: Option<&StreamPath>| -> Vec<String> {
        world
            .inventory
            .streams_after(after)
            .map(|view| view.path.name().to_owned())
            .collect()
    };
    assert_eq!(names(None), ["a", "b", "c"]);
    assert_eq!(names(Some(&path("a"))), ["b", "c"]);
}

#[test]
fn a_stream_that_is_held_is_said_once_and_looked_at_again_in_time() {
    let mut world = World::new();
    let a = path("a");
    let now = world.at(0);
    assert!(world.inventory.hold(&a, 20_000, "why", now));
    assert!(!world.inventory.hold(&a, 20_000, "why", now));
    assert_eq!(world.kinds(), [EventKind::StreamHeld]);
    for (seconds, looked_at) in [(19, 0), (20, 1), (21, 0)] {
        let now = world.at(seconds);
        world.inventory.tick(now);
        let unsettled = world.inventory.take_unsettled(usize::MAX, now);
        assert_eq!(unsettled.len(), looked_at, "{seconds}");
    }
}
