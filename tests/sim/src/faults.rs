//! What goes wrong, by lot: each run has its own choice of kinds, so that some runs see one fault often and
//! others see many together.

use crate::{
    controllers, invariants, node,
    world::{Machine, World, node_id},
};
use control::{NodeId, Role};
use controller::{program::Core, store::memory::Copy};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    CrashController,
    PauseController,
    CrashNode,
    RestartNode,
    CrashMostOfARole,
    PauseNode,
    Cut,
    CutOneWay,
    Isolate,
    Slow,
    StoreAway,
    LeasesEnd,
    Compact,
    StoreEmpty,
    StoreOld,
    EncoderTurns,
    DuplicatePublish,
}

const KINDS: [Kind; 17] = [
    Kind::CrashController,
    Kind::PauseController,
    Kind::CrashNode,
    Kind::RestartNode,
    Kind::CrashMostOfARole,
    Kind::PauseNode,
    Kind::Cut,
    Kind::CutOneWay,
    Kind::Isolate,
    Kind::Slow,
    Kind::StoreAway,
    Kind::LeasesEnd,
    Kind::Compact,
    Kind::StoreEmpty,
    Kind::StoreOld,
    Kind::EncoderTurns,
    Kind::DuplicatePublish,
];

/// Lets things go wrong until `until`, then makes good all that nobody else would.
pub async fn run(world: &Arc<World>, until: Instant) {
    let kinds = choose(world);
    let copy = world.memory.copy();
    let mut director = Director {
        world: Arc::clone(world),
        until,
        copy,
    };
    world.state().unreliable = true;
    while Instant::now() < until && !kinds.is_empty() {
        let (pause, kind) = {
            let chance = &mut world.state().chance;
            let pause = Duration::from_millis(chance.u64(100..4_000));
            (pause, kinds[chance.usize(0..kinds.len())])
        };
        tokio::time::sleep_until(until.min(Instant::now() + pause)).await;
        if Instant::now() < until {
            director.does(kind);
        }
    }
    heal(world).await;
}

fn choose(world: &World) -> Vec<Kind> {
    let chance = &mut world.state().chance;
    let often = chance.u32(1..=4);
    let chosen = KINDS.iter().filter(|_| chance.u32(0..5) < often);
    chosen.copied().collect()
}

/// The network, the machines and the store are as they should be; what is dead stays dead, unless so much
/// of it is that an operator has to help.
async fn heal(world: &Arc<World>) {
    let missing: Vec<usize> = {
        let mut state = world.state();
        state.unreliable = false;
        state.blocked.clear();
        state.slow.clear();
        state.store_down = false;
        state.history.troubled();
        for encoder in &mut state.encoders[world.size.streams..] {
            encoder.wants = false;
        }
        for running in state.controllers.values() {
            running.process.pause(false);
        }
        for node in state.nodes.values_mut() {
            if let Some(process) = &node.process {
                process.pause(false);
            }
        }
        (0..world.size.controllers)
            .filter(|number| !state.controllers.contains_key(number))
            .collect()
    };
    for number in missing {
        controllers::start(world, number, 0);
    }
    world.opened.notify_waiters();
    world.log("all faults have ended");
    // Time enough for restarts that must not be.
    tokio::time::sleep(Duration::from_secs(12)).await;
    for role in [Role::Origin, Role::Edge] {
        let frozen =
            invariants::too_many_down(&world.state(), role, Duration::ZERO, None).is_some();
        for machine in machines(world, role) {
            let node = node_id(machine);
            let helps = frozen || is_forgotten(world, &node);
            let down = world
                .state()
                .nodes
                .get(&node)
                .map(|it| it.process.is_none());
            if helps && down == Some(true) {
                world.log(format_args!("an operator starts {node}"));
                node::start(world, machine);
            }
        }
    }
}

/// Whether no controller knows of a node: it went, then the store was lost, then they were started again.
fn is_forgotten(world: &World, node: &NodeId) -> bool {
    let state = world.state();
    let cores = state.controllers.values().filter_map(|it| it.core.as_ref());
    let knows = |core: &Arc<Core>| core.model().read(|it| it.nodes().contains_key(node));
    !cores.into_iter().any(knows)
}

/// The machines of a role.
pub fn machines(world: &World, role: Role) -> Vec<Machine> {
    match role {
        Role::Origin => (0..world.size.origins).map(Machine::Origin).collect(),
        Role::Edge => (0..world.size.edges).map(Machine::Edge).collect(),
    }
}

fn all_machines(world: &World) -> Vec<Machine> {
    let mut all = vec![Machine::Store];
    all.extend((0..world.size.controllers).map(Machine::Controller));
    all.extend(machines(world, Role::Origin));
    all.extend(machines(world, Role::Edge));
    all
}

struct Director {
    world: Arc<World>,
    until: Instant,
    /// An old copy of the store.
    copy: Copy,
}

impl Director {
    fn lot(&self, of: usize) -> usize {
        self.world.state().chance.usize(0..of)
    }

    fn some_node(&self) -> Machine {
        let mut all = machines(&self.world, Role::Origin);
        all.extend(machines(&self.world, Role::Edge));
        all[self.lot(all.len())]
    }

    /// Undoes something after a while, and before the end.
    fn later(&self, ms: std::ops::Range<u64>, undo: impl FnOnce(&Arc<World>) + Send + 'static) {
        let after = Duration::from_millis(self.world.state().chance.u64(ms));
        let at = (Instant::now() + after).min(self.until);
        let world = Arc::clone(&self.world);
        tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            world.state().history.troubled();
            undo(&world);
        });
    }

    fn does(&mut self, kind: Kind) {
        let world = Arc::clone(&self.world);
        world.log(format_args!("fault {kind:?}"));
        if !matches!(
            kind,
            Kind::CrashNode
                | Kind::RestartNode
                | Kind::CrashMostOfARole
                | Kind::EncoderTurns
                | Kind::DuplicatePublish
                | Kind::Compact
        ) {
            world.state().history.troubled();
        }
        match kind {
            Kind::CrashController => self.crash_controller(),
            Kind::PauseController => self.pause_controller(),
            Kind::CrashNode => node::crash(&world, &node_id(self.some_node())),
            Kind::RestartNode => {
                let machine = self.some_node();
                node::crash(&world, &node_id(machine));
                self.later(200..3_000, move |world| {
                    let down = world
                        .state()
                        .nodes
                        .get(&node_id(machine))
                        .is_some_and(|node| node.process.is_none());
                    if down {
                        node::start(world, machine);
                    }
                });
            }
            Kind::CrashMostOfARole => {
                let role = [Role::Origin, Role::Edge][self.lot(2)];
                let machines = machines(&world, role);
                let most = machines.len() / 2 + 1;
                for machine in machines.into_iter().take(most) {
                    node::crash(&world, &node_id(machine));
                }
            }
            Kind::PauseNode => self.pause_node(),
            Kind::Cut => self.cut(true),
            Kind::CutOneWay => self.cut(false),
            Kind::Isolate => {
                let all = all_machines(&world);
                let lone = all[self.lot(all.len())];
                let pairs = all
                    .iter()
                    .flat_map(|other| [(lone, *other), (*other, lone)]);
                self.block(pairs.filter(|(from, to)| from != to).collect());
            }
            Kind::Slow => {
                let all = all_machines(&world);
                let slow = all[self.lot(all.len())];
                let by = Duration::from_millis(world.state().chance.u64(50..1_500));
                world.state().slow.insert(slow, by);
                world.log(format_args!("{slow} is slow by up to {by:?}"));
                self.later(2_000..10_000, move |world| {
                    world.state().slow.remove(&slow);
                });
            }
            Kind::StoreAway => {
                world.state().store_down = true;
                self.later(1_000..10_000, |world| {
                    world.state().store_down = false;
                    world.opened.notify_waiters();
                });
            }
            Kind::LeasesEnd => world.memory.end_leases(),
            Kind::Compact => world.memory.compact(),
            Kind::StoreEmpty => {
                world.state().store_lost();
                world.memory.lose();
            }
            Kind::StoreOld => {
                let copy = std::mem::replace(&mut self.copy, world.memory.copy());
                world.state().store_lost();
                world.memory.restore(copy);
            }
            Kind::EncoderTurns => {
                let which = self.lot(world.size.streams);
                world.state().encoders[which].wants = false;
                self.later(500..6_000, move |world| {
                    world.state().encoders[which].wants = true;
                });
            }
            Kind::DuplicatePublish => {
                let which = world.size.streams + self.lot(world.size.streams);
                world.state().encoders[which].wants = true;
                self.later(500..8_000, move |world| {
                    world.state().encoders[which].wants = false;
                });
            }
        }
    }

    fn crash_controller(&mut self) {
        let number = self.lot(self.world.size.controllers);
        controllers::crash(&self.world, number);
        let skew_ms = self.world.state().chance.i64(-5_000..5_000);
        self.later(200..8_000, move |world| {
            let gone = !world.state().controllers.contains_key(&number);
            if gone {
                controllers::start(world, number, skew_ms);
            }
        });
    }

    fn pause_controller(&mut self) {
        let number = self.lot(self.world.size.controllers);
        let Some(process) = self
            .world
            .state()
            .controllers
            .get(&number)
            .map(|it| it.process.clone())
        else {
            return;
        };
        process.pause(true);
        self.world.log(format_args!("c{number} is stopped"));
        self.later(500..12_000, move |world| {
            world.log(format_args!("c{number} goes on"));
            process.pause(false);
        });
    }

    fn pause_node(&mut self) {
        let node = node_id(self.some_node());
        let process = {
            let mut state = self.world.state();
            let it = state.nodes.get_mut(&node);
            let process = it.and_then(|it| it.process.clone());
            let Some(process) = process else { return };
            process
        };
        process.pause(true);
        self.world.log(format_args!("{node} is stopped"));
        self.later(500..12_000, move |world| {
            world.log(format_args!("{node} goes on"));
            process.pause(false);
        });
    }

    fn cut(&mut self, both: bool) {
        let all = all_machines(&self.world);
        let (a, b) = (self.lot(all.len()), self.lot(all.len()));
        let (a, b) = (all[a], all[b]);
        if a == b {
            return;
        }
        let pairs = match both {
            true => vec![(a, b), (b, a)],
            false => vec![(a, b)],
        };
        self.block(pairs);
    }

    fn block(&mut self, pairs: Vec<(Machine, Machine)>) {
        for (from, to) in &pairs {
            self.world.log(format_args!("{from} is not heard by {to}"));
        }
        self.world.state().blocked.extend(pairs.iter().copied());
        self.later(1_000..12_000, move |world| {
            for pair in pairs {
                world.state().blocked.remove(&pair);
            }
            world.log("some are heard again");
            world.opened.notify_waiters();
        });
    }
}
