//! When is the cluster there? Each member is asked itself; then the controller, whether it knows all.

use super::{
    child::Life,
    console::{Console, Log},
    plan::{Member, Plan, Program},
};
use crate::rest::Controller;
use anyhow::bail;
use api::NodeState;
use std::time::{Duration, Instant};
use tokio::{sync::watch, time};

/// Nobody's start takes this long; a debug build on a busy machine needs 2 s.
const START_MAX: Duration = Duration::from_secs(30);

/// Whoever waits longer than this is told what for: longer than a start takes, and not so long that one
/// looks for a fault oneself.
const WAITS_SAID_AFTER: Duration = Duration::from_secs(3);

/// A member that dies this often before it was ever ready will not live: its config or its port is
/// wrong. Once is not enough: a port that was just given up may take a moment.
const DEATHS_MAX: u32 = 3;

/// How often a member is asked: what an operator cannot see as a delay.
const ASK_EVERY: Duration = Duration::from_millis(40);

/// Waits until a member that has just been started says that it is ready.
///
/// # Errors
/// If it dies again and again, or does not become ready; with its last words.
pub(crate) async fn at_first(
    member: &Member,
    life: watch::Receiver<Life>,
    log: &Log,
    console: &Console,
) -> anyhow::Result<()> {
    let (asker, asked) = (Asker::new()?, Instant::now());
    let mut is_said = false;
    loop {
        if asker.is_ready(member).await {
            return Ok(());
        }
        if !is_said && asked.elapsed() > WAITS_SAID_AFTER {
            is_said = true;
            let word = log.last_lines().pop().unwrap_or_default();
            console.announce(&format!(
                "weir: waits for {}, which says: {word}",
                member.name
            ));
        }
        let deaths = life.borrow().deaths_in_a_row;
        let late = asked.elapsed() > START_MAX;
        if deaths >= DEATHS_MAX || late {
            let what = if late {
                format!("is not ready after {} s", START_MAX.as_secs())
            } else {
                format!("died {deaths} times")
            };
            let words = log.last_lines().join("\n  ");
            bail!("{} {what}; its last words:\n  {words}", member.name);
        }
        time::sleep(ASK_EVERY).await;
    }
}

/// Says so each time that a member is ready again after a death. Never ends.
pub(crate) async fn again(member: Member, mut life: watch::Receiver<Life>, console: Console) {
    // Without one there would be no answer to wait for at the first start either.
    let Ok(asker) = Asker::new() else { return };
    let mut starts = life.borrow_and_update().starts;
    while life.changed().await.is_ok() {
        let now = life.borrow_and_update().clone();
        let (true, Some(pid)) = (now.starts > starts, now.pid) else {
            continue;
        };
        starts = now.starts;
        let started = Instant::now();
        while !asker.is_ready(&member).await && life.borrow().pid == Some(pid) {
            time::sleep(ASK_EVERY).await;
        }
        if life.borrow().pid == Some(pid) {
            let seconds = started.elapsed().as_secs_f64();
            console.announce(&format!(
                "weir: {} is ready again after {seconds:.2} s",
                member.name
            ));
        }
    }
}

/// Waits until the controller knows every node of `plan` and has heard from it.
///
/// # Errors
/// If it does not answer, or does not come to know them.
pub(crate) async fn all_known(plan: &Plan) -> anyhow::Result<()> {
    let controller = Controller::at(&format!("http://{}", plan.rest))?;
    let nodes: Vec<&str> = plan
        .media(Program::Origin)
        .chain(plan.media(Program::Edge))
        .map(|(name, ..)| name)
        .collect();
    let asked = Instant::now();
    loop {
        let known = controller.nodes().await;
        let alive = |name: &&str| {
            let known = known.as_deref().unwrap_or_default();
            known
                .iter()
                .any(|node| node.node == **name && node.state == NodeState::Alive)
        };
        let missing: Vec<&str> = nodes.iter().copied().filter(|name| !alive(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if asked.elapsed() > START_MAX {
            known?;
            bail!("the controller has not heard of {}", missing.join(", "));
        }
        time::sleep(ASK_EVERY).await;
    }
}

/// Asks members whether they are ready.
struct Asker(reqwest::Client);

impl Asker {
    fn new() -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            .no_proxy();
        client.build().map(Self)
    }

    async fn is_ready(&self, member: &Member) -> bool {
        let url = format!("http://{}/readyz", member.admin);
        let answered = self.0.get(url).send().await;
        answered.is_ok_and(|answer| answer.status().is_success())
    }
}
