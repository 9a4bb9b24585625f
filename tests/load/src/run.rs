//! Conducts a run: threads, phases, looks at the server's processes, and the report.

use crate::{
    clock::Moment,
    counters,
    crowd::{
        Crowd, Harvest,
        board::{Board, Phase},
    },
    limits,
    plan::{self, Manner, Part, Plan, PlanError},
    process::{self, Cost},
    report::Report,
};
use std::{io, sync::Arc, thread, time::Duration};

pub use crate::crowd::board::Glance;

/// How often the conductor looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Why a run gave no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan is impossible.
    #[error("the plan: {0}")]
    Plan(#[from] PlanError),
    /// The machine refused something.
    #[error("the load generator: {0}")]
    Machine(#[from] io::Error),
    /// The server would not let publishers in.
    #[error("{lost} of {wanted} publishers were not let in{}", first_reason(.reason))]
    NotPublishing {
        /// How many were to publish.
        wanted: u32,
        /// How many do not.
        lost: u32,
        /// What happened to one of them.
        reason: Option<String>,
    },
    /// A thread of ours has died of a fault of ours.
    #[error("a thread of the load generator has died")]
    Died,
}

fn first_reason(reason: &Option<String>) -> String {
    reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(": {reason}"))
}

/// What a run does now, for whoever watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Publishers come.
    Publishing,
    /// Caches fill.
    Settling,
    /// Players come.
    Joining,
    /// Everybody is there; nothing is measured yet.
    WarmingUp,
    /// What counts.
    Measuring,
}

/// Is told now and then how a run goes: the stage, how much of it is done (0 to 1), and counters.
pub trait Watcher {
    /// Called about ten times a second.
    fn see(&mut self, stage: Stage, done: f64, glance: Glance);
}

/// A watcher that does not look.
impl Watcher for () {
    fn see(&mut self, _: Stage, _: f64, _: Glance) {}
}

/// The server's processes at the moments that matter.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Costs {
    /// Before anybody came.
    pub(crate) idle: Cost,
    /// With publishers, before players.
    pub(crate) published: Cost,
    /// When the measured time began.
    pub(crate) begin: Cost,
    /// When it ended.
    pub(crate) end: Cost,
}

/// Carries out `plan` and reports.
///
/// # Errors
/// If the plan is impossible, publishers are not let in, or the machine fails. Players that fail are
/// in the report, and no error.
pub fn run(plan: &Plan, watcher: &mut dyn Watcher) -> Result<Report, RunError> {
    plan.check()?;
    let mut costs = Costs {
        idle: look(plan)?,
        ..Costs::default()
    };
    let board = Arc::new(Board::default());
    let threads = start(plan, &board)?;
    let conducted = conduct(plan, &board, &mut costs, watcher);
    board.enter(Phase::Leave);
    let mut harvest = Harvest::default();
    for thread in threads {
        merge(&mut harvest, thread.join().map_err(|_| RunError::Died)??);
    }
    match conducted {
        Ok(measured) => Ok(Report::new(plan, harvest, &costs, &measured)),
        Err(RunError::NotPublishing { wanted, lost, .. }) => Err(RunError::NotPublishing {
            wanted,
            lost,
            reason: harvest.publishers_lost.0.into_keys().next(),
        }),
        Err(error) => Err(error),
    }
}

/// The first thread publishes and checks, the others play; with one, it does everything.
fn start(
    plan: &Plan,
    board: &Arc<Board>,
) -> Result<Vec<thread::JoinHandle<io::Result<Harvest>>>, RunError> {
    let others = plan.threads.saturating_sub(1) as usize;
    let mut shares: Vec<Vec<Part>> = vec![Vec::new(); others + 1];
    for (turn, part) in plan::parts(plan).into_iter().enumerate() {
        let share = match (part.manner, others) {
            (Manner::Checks, _) | (_, 0) => 0,
            _ => 1 + turn % others,
        };
        if let Some(share) = shares.get_mut(share) {
            share.push(part);
        }
    }
    let plan = Arc::new(plan.clone());
    let publishers = plan.publish.as_ref().map_or(0, |_| plan.streams);
    let mut threads = Vec::new();
    for (number, parts) in shares.into_iter().enumerate() {
        let publishers = if number == 0 { 0..publishers } else { 0..0 };
        let (plan, board) = (plan.clone(), board.clone());
        let share = move || Crowd::new(plan, board, publishers, parts)?.run();
        let thread = thread::Builder::new().name(format!("crowd-{number}"));
        threads.push(thread.spawn(share)?);
    }
    Ok(threads)
}

/// The measured time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    /// Players when it began and when it ended.
    pub(crate) playing: (u32, u32),
    pub(crate) publishing: u32,
    pub(crate) joined: u64,
    /// What the generator itself used.
    pub(crate) own_cpu_seconds: f64,
}

fn conduct(
    plan: &Plan,
    board: &Board,
    costs: &mut Costs,
    watcher: &mut dyn Watcher,
) -> Result<Measured, RunError> {
    if plan.publish.is_some() {
        let wanted = plan.streams;
        let share = |glance: Glance| f64::from(glance.publishing) / f64::from(wanted);
        let done = wait(
            board,
            limits::PUBLISH_TIMEOUT,
            watcher,
            Stage::Publishing,
            |glance, _| {
                (
                    share(glance),
                    glance.publishing == wanted || glance.publishers_lost > 0,
                )
            },
        );
        if done.publishing < wanted {
            let lost = wanted - done.publishing;
            let reason = None;
            return Err(RunError::NotPublishing {
                wanted,
                lost,
                reason,
            });
        }
        pass(board, plan.settle, watcher, Stage::Settling);
    }
    costs.published = look(plan)?;
    board.enter(Phase::Join);
    if plan.players > 0 {
        let joining = Duration::from_secs_f64(f64::from(plan.players) / plan.join_rate);
        let longest = joining + limits::JOIN_TIMEOUT + LOOK_INTERVAL;
        let wanted = u64::from(plan.players);
        wait(board, longest, watcher, Stage::Joining, |glance, passed| {
            let settled = u64::from(glance.playing) + glance.lost;
            let share = settled as f64 / wanted as f64;
            (share, settled >= wanted && passed >= joining)
        });
        pass(board, plan.warm_up, watcher, Stage::WarmingUp);
    }
    costs.begin = look(plan)?;
    let own = process::cost_of(&[std::process::id()])?;
    let before = board.glance();
    let began = Moment::now();
    board.enter(Phase::Measure);
    pass(board, plan.measure, watcher, Stage::Measuring);
    let after = board.glance();
    costs.end = look(plan)?;
    let seconds = Moment::now().since(began).as_secs_f64();
    let own_end = process::cost_of(&[std::process::id()])?;
    Ok(Measured {
        seconds,
        playing: (before.playing, after.playing),
        publishing: after.publishing,
        joined: after.joined,
        own_cpu_seconds: own_end.cpu_seconds - own.cpu_seconds,
    })
}

/// What the server has cost so far.
fn look(plan: &Plan) -> io::Result<process::Cost> {
    let mut cost = process::cost_of(&plan.pids)?;
    if let Some(admin) = plan.metrics {
        let writes = counters::writes(admin)?;
        (cost.write_calls, cost.written_bytes) = (writes.calls, writes.bytes);
    }
    Ok(cost)
}

/// Looks again and again until `done` says so, or for `longest`.
fn wait(
    board: &Board,
    longest: Duration,
    watcher: &mut dyn Watcher,
    stage: Stage,
    done: impl Fn(Glance, Duration) -> (f64, bool),
) -> Glance {
    let began = Moment::now();
    loop {
        let (glance, passed) = (board.glance(), Moment::now().since(began));
        let (share, is_done) = done(glance, passed);
        watcher.see(stage, share.clamp(0.0, 1.0), glance);
        if is_done || passed >= longest {
            return glance;
        }
        thread::sleep(LOOK_INTERVAL.min(longest - passed));
    }
}

fn pass(board: &Board, time: Duration, watcher: &mut dyn Watcher, stage: Stage) {
    wait(board, time, watcher, stage, |_, passed| {
        (passed.as_secs_f64() / time.as_secs_f64().max(1e-9), false)
    });
}

fn merge(all: &mut Harvest, one: Harvest) {
    all.findings.merge(&one.findings);
    all.bytes += one.bytes;
    all.bytes_of_each.extend(one.bytes_of_each);
    all.players_lost.merge(&one.players_lost);
    all.idlers_lost.merge(&one.idlers_lost);
    all.publishers_lost.merge(&one.publishers_lost);
    all.lateness.merge(&one.lateness);
    all.frames_sent += one.frames_sent;
    all.frames_left_out += one.frames_left_out;
}
