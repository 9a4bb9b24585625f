//! Controllers: the real core, all of its duties, on the simulation's store, network, clock and hands.

use crate::{
    invariants,
    link::Link,
    mutant::Mutant,
    node,
    process::Process,
    world::{Machine, Running, World, node_id},
};
use control::Identity;
use controller::{
    Config,
    program::Core,
    restart::{Hands, Touch, config::DriverKind},
};
use std::{sync::Arc, time::Duration};

/// How long a driver may take to start a node.
const DRIVING_MS: std::ops::Range<u64> = 100..1_500;

/// What an operator of this cluster has set: the default, with shorter waits.
pub fn config(mutant: Option<Mutant>) -> Config {
    let mut config = Config::default();
    let s = service::config::Duration::from_secs;
    let ms = service::config::Duration::from_millis;
    config.nodes.dead_after = s(6);
    config.restart.driver = DriverKind::Command;
    config.restart.in_flight_max = 1;
    config.restart.patience = s(15);
    config.restart.wait_first = s(5);
    config.restart.held_for = s(10);
    config.freeze.nodes_min = 2;
    match mutant {
        Some(Mutant::FreezeIgnored) => config.freeze.nodes_min = 1_000,
        Some(Mutant::RestartsUnlimited) => config.restart.in_flight_max = 1_000,
        Some(Mutant::RestartOnOneLateReport) => {
            config.nodes.suspect_after = ms(300);
            config.nodes.dead_after = ms(400);
            config.nodes.probe_interval = ms(50);
            config.restart.held_for = ms(0);
        }
        _ => {}
    }
    config
}

/// Starts a controller's process.
pub fn start(world: &Arc<World>, number: usize, skew_ms: i64) {
    let process = Process::start(world.wall(skew_ms));
    let run = {
        let mut state = world.state();
        state.runs += 1;
        let run = state.runs;
        let running = Running {
            process: process.clone(),
            core: None,
            run,
        };
        state.controllers.insert(number, running);
        run
    };
    world.log(format_args!("c{number} starts, run {run}"));
    process
        .clone()
        .spawn(begin(Arc::clone(world), number, run, process));
}

/// Ends a controller's process on the spot.
pub fn crash(world: &World, number: usize) {
    let running = world.state().controllers.remove(&number);
    if let Some(running) = running {
        running.process.kill();
        world.log(format_args!("c{number} is killed"));
    }
}

async fn begin(world: Arc<World>, number: usize, run: u64, process: Process) {
    let config = config(world.mutant);
    let link = Arc::new(Link {
        world: Arc::clone(&world),
        controller: number,
        run,
    });
    let knowing = loop {
        match Core::learn(&config, link.clone(), run).await {
            Ok(knowing) => break knowing,
            // A process that ends so is started again.
            Err(error) => {
                world.log(format_args!("c{number} cannot begin: {error}"));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    };
    let hands = Arc::new(Touching {
        world: Arc::clone(&world),
        controller: number,
        run,
    });
    let (core, duties) = knowing.begin(&config, &format!("c{number}"), hands);
    if let Some(running) = world.state().controllers.get_mut(&number) {
        running.core = Some(Arc::new(core));
    }
    for duty in duties {
        process.spawn(duty.work);
    }
}

/// How one start of a controller reaches nodes from outside.
struct Touching {
    world: Arc<World>,
    controller: usize,
    run: u64,
}

impl Touching {
    async fn answers(&self, node: Identity) -> Result<(), String> {
        let patience = Duration::from_secs(1);
        let (here, there) = (
            Machine::Controller(self.controller),
            self.world
                .machine(&node.node)
                .ok_or("there is no such machine")?,
        );
        match self.world.mutant {
            Some(Mutant::ProbeAlwaysAnswered) => return Ok(()),
            Some(Mutant::RestartOnOneLateReport) => return Err("not believed".into()),
            _ => {}
        }
        let asks = async {
            tokio::time::sleep(self.world.latency(here, there)).await;
            self.world.open(here, there).await;
            loop {
                let is_up = {
                    let state = self.world.state();
                    let node = state.nodes.get(&node.node);
                    match node.and_then(|node| node.process.as_ref()) {
                        None => return Err("connection refused".to_owned()),
                        Some(process) => !process.is_paused(),
                    }
                };
                if is_up {
                    break;
                }
                tokio::time::sleep(patience).await;
            }
            tokio::time::sleep(self.world.latency(there, here)).await;
            self.world.open(there, here).await;
            Ok(())
        };
        match tokio::time::timeout(patience, asks).await {
            Ok(answer) => answer,
            Err(_) => Err("no answer within 1 s".into()),
        }
    }

    async fn starts(&self, node: Identity) -> Result<String, String> {
        let machine = self
            .world
            .machine(&node.node)
            .ok_or("there is no such machine")?;
        let times = match self.world.has(Mutant::RestartTwice) {
            true => 2,
            false => 1,
        };
        for _ in 0..times {
            invariants::restarts(&self.world, (self.controller, self.run), &node.node);
            self.world
                .log(format_args!("c{} restarts {}", self.controller, node.node));
        }
        let (takes, fails) = {
            let mut state = self.world.state();
            let takes = Duration::from_millis(state.chance.u64(DRIVING_MS));
            let fails = state.unreliable && state.chance.u32(0..100) < 10;
            (takes, fails)
        };
        tokio::time::sleep(takes).await;
        if fails {
            self.world.state().history.restart_is_over(&node.node);
            return Err("the driver has failed".into());
        }
        // What was begun goes on, whatever becomes of the controller.
        let world = Arc::clone(&self.world);
        tokio::spawn(async move {
            node::crash(&world, &node_id(machine));
            node::start(&world, machine);
        });
        Ok("started again".into())
    }
}

impl Hands for Touching {
    fn kind(&self) -> DriverKind {
        DriverKind::Command
    }

    fn probe(&self, node: Identity) -> Touch<'_, ()> {
        Box::pin(self.answers(node))
    }

    fn restart(&self, node: Identity) -> Touch<'_, String> {
        Box::pin(self.starts(node))
    }
}
