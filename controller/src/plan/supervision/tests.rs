//! What is done about silent nodes: told step by step, and, for the limits, at random.

use super::*;
use proptest::prelude::*;

fn rules() -> Rules {
    Rules {
        dead_after: Duration::from_secs(10),
        probe_interval: Duration::from_secs(1),
        restarts: true,
        in_flight_max: 2,
        patience: Duration::from_secs(60),
        wait_first: Duration::from_secs(10),
        wait_max: Duration::from_secs(80),
        forgiven_after: Duration::from_secs(600),
        held_for: Duration::ZERO,
        freeze_percent: 50,
        freeze_nodes_min: 3,
        freeze_within: Duration::from_secs(300),
    }
}

fn id(name: &str) -> NodeId {
    NodeId::new(name).expect("a good id")
}

/// A node of an invented cluster.
#[derive(Debug, Clone)]
struct Fake {
    role: Role,
    incarnation: u64,
    silent_since: Option<u64>,
    dead: bool,
    answers: bool,
    has_address: bool,
}

/// An invented cluster whose clock counts seconds.
struct World {
    supervision: Supervision,
    start: Instant,
    second: u64,
    nodes: BTreeMap<NodeId, Fake>,
    /// Restarts that drivers were told to do.
    ordered: Vec<Order>,
    /// Drivers do not come to an end.
    drivers_hang: bool,
}

impl World {
    fn new(rules: Rules, edges: usize) -> Self {
        let start = Instant::now();
        let fake = Fake {
            role: Role::Edge,
            incarnation: 1,
            silent_since: None,
            dead: false,
            answers: true,
            has_address: true,
        };
        Self {
            supervision: Supervision::new(rules, start),
            start,
            second: 0,
            nodes: (1..=edges)
                .map(|number| (id(&format!("e{number}")), fake.clone()))
                .collect(),
            ordered: Vec::new(),
            drivers_hang: false,
        }
    }

    fn node(&mut self, name: &str) -> &mut Fake {
        self.nodes.get_mut(&id(name)).expect("a node")
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.second)
    }

    fn hang(&mut self, name: &str) {
        let second = self.second;
        let node = self.node(name);
        node.answers = false;
        node.silent_since.get_or_insert(second);
    }

    fn cut_off(&mut self, name: &str) {
        let second = self.second;
        self.node(name).silent_since.get_or_insert(second);
    }

    /// It reports again, as another process if `new`.
    fn comes_back(&mut self, name: &str, new: bool) {
        let node = self.node(name);
        node.incarnation += u64::from(new);
        (node.silent_since, node.dead, node.answers) = (None, false, true);
    }

    /// A second passes; what was done, in words, without probes.
    fn step(&mut self) -> Vec<String> {
        self.second += 1;
        let now = self.now();
        let seen: Vec<Seen> = self
            .nodes
            .iter()
            .map(|(node, fake)| Seen {
                node: node.clone(),
                role: fake.role,
                incarnation: Incarnation(fake.incarnation),
                presence: match (fake.dead, fake.silent_since) {
                    (true, _) => Presence::Dead,
                    (false, Some(_)) => Presence::Suspect,
                    (false, None) => Presence::Alive,
                },
                silent_for: Duration::from_secs(
                    fake.silent_since.map_or(0, |since| self.second - since),
                ),
                has_address: fake.has_address,
            })
            .collect();
        let actions = self.supervision.step(&seen, now);
        let mut said = Vec::new();
        for action in actions {
            match action {
                Action::Probe(node) => {
                    let answer = match self.nodes[&node].answers {
                        true => Ok(()),
                        false => Err("nothing".to_owned()),
                    };
                    self.supervision.probed(&node, answer);
                }
                Action::Dead { node, .. } => {
                    said.push(format!("dead {node}"));
                    self.node(node.as_str()).dead = true;
                }
                Action::Restart(order) => {
                    said.push(format!("restart {} {}", order.node, order.attempt));
                    if !self.drivers_hang {
                        self.supervision.driven(&order.node, Ok(()), now);
                    }
                    self.ordered.push(order);
                }
                Action::Restarted { node, .. } => said.push(format!("restarted {node}")),
                Action::RestartFailed { node, .. } => said.push(format!("failed {node}")),
                Action::CutOff(node) => said.push(format!("cut off {node}")),
                Action::Froze(frozen) => said.push(format!("froze {:?}", frozen.cause)),
                Action::Thawed { .. } => said.push("thawed".into()),
            }
        }
        said
    }

    /// All that is said in so many seconds, each with its second.
    fn run(&mut self, seconds: u64) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..seconds {
            let said = self.step();
            all.extend(said.iter().map(|said| format!("{} {said}", self.second)));
        }
        all
    }
}

#[test]
fn a_node_that_hangs_is_probed_declared_dead_and_restarted() {
    let mut world = World::new(rules(), 4);
    assert_eq!(world.run(5), [""; 0]);
    world.hang("e1");
    assert_eq!(world.run(12), ["15 dead e1", "15 restart e1 1"]);
    let reason = &world.ordered[0].reason;
    assert_eq!(reason, "it is dead: silent for 10.0 s, nothing");
    world.comes_back("e1", true);
    assert_eq!(world.run(100), ["18 restarted e1"]);
}

#[test]
fn a_node_that_answers_or_said_goodbye_or_cannot_be_asked_is_not_restarted() {
    let mut world = World::new(rules(), 4);
    world.cut_off("e1");
    assert_eq!(world.run(100), ["2 cut off e1"]);
    world.comes_back("e1", false);
    world.nodes.remove(&id("e2"));
    world.node("e3").has_address = false;
    world.hang("e3");
    assert_eq!(world.run(100), ["110 dead e3"]);
}

#[test]
fn one_missed_report_or_one_lost_probe_restarts_nobody() {
    let mut world = World::new(rules(), 4);
    for _ in 0..50 {
        world.hang("e1");
        assert_eq!(world.run(9), [""; 0]);
        world.comes_back("e1", false);
        assert_eq!(world.run(1), [""; 0]);
    }
    // Two that fail are not two in a row when one between them is answered.
    world.hang("e1");
    world.run(2);
    world.node("e1").answers = true;
    assert_eq!(world.run(20), ["504 cut off e1"]);
    world.node("e1").answers = false;
    assert_eq!(world.run(2), [""; 0]);
    world.comes_back("e1", false);
    world.run(1);
    // Its last probe before the deadline is the first that fails.
    world.cut_off("e1");
    world.run(9);
    world.hang("e1");
    let said = world.run(1);
    assert_eq!(said, [""; 0]);
}

#[test]
fn a_node_that_dies_again_and_again_waits_longer_each_time_and_is_forgiven() {
    let mut world = World::new(rules(), 4);
    let mut restarts = Vec::new();
    for second in 0..600 {
        world.hang("e1");
        for said in world.step() {
            if said.starts_with("restart ") {
                restarts.push(second);
                world.comes_back("e1", true);
                world.step();
            }
        }
    }
    let waits: Vec<u64> = restarts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.is_sorted(), "{waits:?}");
    assert!(
        waits.iter().rev().take(3).all(|wait| *wait <= 80),
        "{waits:?}"
    );
    assert!(restarts.len() < 14, "{restarts:?}");

    world.comes_back("e1", true);
    world.run(700);
    world.hang("e1");
    assert!(
        world
            .run(20)
            .iter()
            .any(|said| said.ends_with("restart e1 1"))
    );
}

#[test]
fn a_restart_that_brings_nothing_up_has_failed_and_is_tried_again() {
    let mut world = World::new(rules(), 4);
    world.hang("e1");
    assert_eq!(world.run(10), ["10 dead e1", "10 restart e1 1"]);
    assert_eq!(world.run(64), ["71 failed e1", "73 restart e1 2"]);
    // A driver that says no is believed at once.
    let now = world.now();
    let failed = world
        .supervision
        .driven(&id("e1"), Err("no such unit".into()), now);
    let Some(Action::RestartFailed { reason, .. }) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(reason, "no such unit; attempt 2, the next not before 19 s");
    assert_eq!(world.run(30), ["93 restart e1 3"]);
}

#[test]
fn a_restart_that_came_to_nothing_does_not_let_the_freeze_go() {
    let rules = Rules {
        freeze_nodes_min: 2,
        ..rules()
    };
    let mut world = World::new(rules, 2);
    world.hang("e1");
    assert_eq!(world.run(50), ["10 dead e1", "10 restart e1 1"]);
    world.hang("e2");
    assert_eq!(world.run(50), ["52 froze TooMany", "71 failed e1"]);
}

#[test]
fn a_restart_lasts_until_its_driver_has_ended_whoever_else_starts_the_node() {
    let one_at_a_time = Rules {
        in_flight_max: 1,
        ..rules()
    };
    let mut world = World::new(one_at_a_time, 6);
    world.drivers_hang = true;
    world.hang("e1");
    world.hang("e2");
    let said = world.run(10);
    assert_eq!(said, ["10 dead e1", "10 dead e2", "10 restart e1 1"]);
    // An operator was faster; the driver is still going to end that process.
    world.comes_back("e1", true);
    assert_eq!(world.run(10), [""; 0]);
    let now = world.now();
    assert_eq!(world.supervision.driven(&id("e1"), Ok(()), now), None);
    assert_eq!(world.run(1), ["21 restarted e1", "21 restart e2 1"]);
}

#[test]
fn nobody_is_declared_dead_or_restarted_by_one_who_may_have_been_deposed() {
    let mut world = World::new(rules(), 4);
    world.supervision.election_is_doubtful(true);
    world.hang("e1");
    assert_eq!(world.run(50), ["1 froze StoreLost"]);
    world.supervision.election_is_doubtful(false);
    assert_eq!(world.run(1), ["51 thawed", "51 dead e1", "51 restart e1 1"]);
}

#[test]
fn half_of_the_edges_are_restarted_by_twos_and_three_quarters_freeze() {
    let mut world = World::new(rules(), 20);
    for number in 1..=10 {
        world.hang(&format!("e{number}"));
    }
    let said = world.run(30);
    assert_eq!(world.supervision.frozen(), None);
    assert_eq!(said.iter().filter(|s| s.contains("dead")).count(), 10);
    assert_eq!(
        said.iter().filter(|s| s.contains("restart ")).count(),
        2,
        "{said:?}"
    );
    assert_eq!(
        world.supervision.counts(),
        Counts {
            in_flight: 2,
            waiting: 8
        }
    );

    let mut world = World::new(rules(), 20);
    for number in 1..=15 {
        world.hang(&format!("e{number}"));
    }
    assert_eq!(world.run(1000), ["2 froze TooMany"]);
    let frozen = world.supervision.frozen().expect("frozen");
    assert_eq!(frozen.reason, "15 of 20 edges look dead at once");

    for number in 1..=5 {
        world.comes_back(&format!("e{number}"), false);
    }
    let said = world.run(3);
    assert_eq!(said[0], "1001 thawed", "{said:?}");
    assert_eq!(
        said.iter().filter(|s| s.contains("restart ")).count(),
        2,
        "{said:?}"
    );
}

#[test]
fn an_operator_lets_pass_what_looks_dead_now_and_no_more() {
    let mut world = World::new(rules(), 20);
    for number in 1..=15 {
        world.hang(&format!("e{number}"));
    }
    assert_eq!(world.run(20), ["2 froze TooMany"]);
    world.supervision.thaw();
    let said = world.run(1);
    assert_eq!(said[0], "21 thawed");
    assert_eq!(said.iter().filter(|s| s.contains("dead")).count(), 15);
    for number in 16..=19 {
        world.hang(&format!("e{number}"));
    }
    let said = world.run(3);
    assert!(said.contains(&"23 froze TooMany".to_owned()), "{said:?}");
}

#[test]
fn few_nodes_of_a_role_never_freeze() {
    let mut world = World::new(rules(), 2);
    world.hang("e1");
    world.hang("e2");
    let said = world.run(11);
    assert!(!said.iter().any(|s| s.contains("froze")), "{said:?}");
    assert_eq!(said.iter().filter(|s| s.contains("restart ")).count(), 2);
}

#[test]
fn nobody_is_restarted_before_the_controller_has_decided_for_a_while_or_without_a_store() {
    let held_for = Duration::from_secs(30);
    let rules = Rules {
        held_for,
        ..rules()
    };
    let mut world = World::new(rules, 4);
    world.hang("e1");
    let said = world.run(40);
    assert_eq!(said, ["10 dead e1", "30 restart e1 1"]);

    let mut world = World::new(super::tests::rules(), 4);
    world.supervision.store_is_lost(true);
    world.hang("e1");
    assert_eq!(world.run(50), ["1 froze StoreLost"]);
    world.supervision.store_is_lost(false);
    assert_eq!(world.run(1), ["51 thawed", "51 dead e1", "51 restart e1 1"]);
}

#[test]
fn an_operator_restarts_whom_he_names_even_when_frozen_and_only_once_at_a_time() {
    let mut world = World::new(rules(), 4);
    world.supervision.operator_froze(Some("works".into()));
    assert_eq!(world.run(1), ["1 froze Operator"]);
    let now = world.now();
    let order = world
        .supervision
        .order(&id("e1"), "it is slow", now)
        .expect("ordered");
    assert_eq!((order.reason.as_str(), order.attempt), ("it is slow", 1));
    let again = world.supervision.order(&id("e1"), "", now);
    assert_eq!(again, Err(OrderError::InFlight));
    let unknown = world.supervision.order(&id("e9"), "", now);
    assert_eq!(unknown, Err(OrderError::Unknown));
    world.supervision.driven(&id("e1"), Ok(()), now);
    // It said goodbye, as a process does that is told to end, and comes back.
    let left = world.nodes.remove(&id("e1")).expect("a node");
    assert_eq!(world.run(3), [""; 0]);
    world.nodes.insert(id("e1"), left);
    world.comes_back("e1", true);
    assert_eq!(world.run(1), ["5 restarted e1"]);
}

#[test]
fn without_a_driver_the_dead_are_declared_and_stay() {
    let rules = Rules {
        restarts: false,
        ..rules()
    };
    let mut world = World::new(rules, 4);
    world.hang("e1");
    assert_eq!(world.run(100), ["10 dead e1"]);
    assert_eq!(world.supervision.counts(), Counts::default());
}

/// What befalls an invented cluster in one second.
#[derive(Debug, Clone)]
enum Fate {
    Hang(usize),
    CutOff(usize),
    Back(usize),
    Restarts(usize),
    Leaves(usize),
    StoreLost(bool),
    Thaw,
    Nothing,
}

fn fate() -> impl Strategy<Value = Fate> {
    let node = 0..8_usize;
    prop_oneof![
        3 => node.clone().prop_map(Fate::Hang),
        1 => node.clone().prop_map(Fate::CutOff),
        2 => node.clone().prop_map(Fate::Back),
        1 => node.clone().prop_map(Fate::Restarts),
        1 => node.prop_map(Fate::Leaves),
        1 => any::<bool>().prop_map(Fate::StoreLost),
        1 => Just(Fate::Thaw),
        20 => Just(Fate::Nothing),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_restarts_keep_to_their_limits(fates in prop::collection::vec(fate(), 1..400)) {
        let mut world = World::new(rules(), 8);
        let mut last_restart: BTreeMap<NodeId, (u64, u32)> = BTreeMap::new();
        for fate in fates {
            let name = |node: usize| format!("e{}", node + 1);
            let there = |world: &World, node| world.nodes.contains_key(&id(&name(node)));
            match fate {
                Fate::Hang(node) if there(&world, node) => world.hang(&name(node)),
                Fate::CutOff(node) if there(&world, node) => world.cut_off(&name(node)),
                Fate::Back(node) if there(&world, node) => world.comes_back(&name(node), false),
                Fate::Restarts(node) if there(&world, node) => world.comes_back(&name(node), true),
                Fate::Leaves(node) => {
                    world.nodes.remove(&id(&name(node)));
                }
                Fate::StoreLost(lost) => world.supervision.store_is_lost(lost),
                Fate::Thaw => world.supervision.thaw(),
                _ => {}
            }
            let before = world.ordered.len();
            world.step();
            prop_assert!(world.supervision.counts().in_flight <= 2);
            if world.ordered.len() > before {
                prop_assert!(world.supervision.frozen().is_none());
            }
            for order in &world.ordered[before..] {
                let node = &world.nodes[&order.node];
                prop_assert!(!node.answers && node.dead, "{order:?} of {node:?}");
                let silent = node.silent_since.map(|since| world.second - since);
                prop_assert!(silent >= Some(10), "{order:?} of {node:?}");
                let now = (world.second, order.attempt);
                if let Some((then, attempt)) = last_restart.insert(order.node.clone(), now)
                    && order.attempt > 1
                {
                    let wait = (10 << (attempt - 1).min(10)).min(80);
                    prop_assert!(world.second - then >= wait, "{order:?} {then} {}", world.second);
                }
            }
        }
    }
}
