//! Whatever a peer sends, nothing crashes, memory stays bounded, honest clients are undisturbed.
//!
//! ```text
//!  WEIR_HOSTILE_SECONDS=600 cargo test -p weir-scenario --test scenario hostile:: -- --nocapture
//! ```
//!
//! An origin, an edge and a controller run; an encoder publishes, players watch, operators ask. Then
//! each listener is besieged by foes. `WEIR_SCENARIO_SEED` makes them say the same again; when each word
//! arrives is the machine's.
//!
//! * [`siege`]: how many, how often, and what they may cost by the documented limits.
//! * [`foe`]: what a foe has: sockets, mischief, a tally.
//! * [`rtmp`], [`http`], [`http2`]: what foes do, by what the listener speaks.
//! * [`honest`]: those who must not notice.
//! * [`toll`]: what a process takes of the machine.
#![expect(
    clippy::print_stdout,
    reason = "a run is long, and its figures are its result"
)]

mod foe;
mod honest;
mod http;
mod http2;
mod rtmp;
mod siege;
mod toll;

use anyhow::{Context, Result, ensure};
use harness::{Program, eventually, http as pages, program::Role};
use honest::{Honest, LENS, Met};
use serde_json::{Value, json};
use siege::{Front, IDLE_HELD_MAX, Siege, Speaks};
use std::time::Duration;
use tokio::time;
use toll::{Toll, mib};

use crate::witness::{SOON, seed};

/// How long the siege lasts where `WEIR_HOSTILE_SECONDS` does not say: each foe has come many times,
/// and every idle connection is overdue.
const SIEGE: Duration = IDLE_HELD_MAX.saturating_add(Duration::from_secs(5));

/// Time between two lines about how it goes.
const PROGRESS: Duration = Duration::from_secs(10);

/// How long after the siege's end everything may still be held: streams linger, pulls have a grace,
/// connections that were reset are found out.
const AFTERMATH: Duration = Duration::from_secs(60);

/// Descriptors that may be open after the siege and were not before: connections of operators and
/// between nodes that are kept for the next request.
const DESCRIPTORS_KEPT: usize = 8;

/// Resident memory that may stay after the siege: what an allocator keeps for the next time.
const BYTES_KEPT: u64 = 48 << 20;

/// Memory that is freed is given back at once, not kept for ten seconds (`node::memory`): what is resident
/// is what is held, and that has a bound.
const FREED_IS_GIVEN_BACK: [&str; 2] = ["MIMALLOC_PURGE_DELAY", "0"];

/// The nodes' way in, as `proto/control` names it.
const ATTEND: &str = "/weir.control.v1.Control/Attend";

/// How much of a log is shown with a fault.
const LOG_LINES_SHOWN: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_input_crashes_nothing_and_disturbs_nobody() -> Result<()> {
    let (seed, length) = (seed(), siege_length()?);
    println!(
        "WEIR_SCENARIO_SEED={seed} WEIR_HOSTILE_SECONDS={}",
        length.as_secs()
    );
    raise_descriptor_limit()?;
    let mut ground = Ground::start().await?;
    let endured = ground.endure(seed, length).await;
    endured.with_context(|| ground.members.each_ref().map(Member::news).join("\n"))
}

/// The programs under siege.
struct Ground {
    /// Origin, edge, controller.
    members: [Member; 3],
}

/// A program under siege, with what it took of the machine before.
struct Member {
    name: &'static str,
    program: Program,
    fronts: Vec<Front>,
    before: Option<Toll>,
}

impl Ground {
    async fn start() -> Result<Self> {
        let store = json!({ "path": "state/controller.redb" });
        let start = |role, config| Program::start_in(role, config, &[FREED_IS_GIVEN_BACK]);
        let controller = start(Role::Controller, json!({ "store": store })).await?;
        let cluster = |node: &str| {
            let controllers = [format!("http://{}", controller.listener("grpc"))];
            json!({ "controllers": controllers, "node": node, "state_dir": "state" })
        };
        let origin = start(Role::Origin, json!({ "cluster": cluster("origin-1") })).await?;
        let edge = start(Role::Edge, json!({ "cluster": cluster("edge-1") })).await?;
        let members = [
            ("origin", origin),
            ("edge", edge),
            ("controller", controller),
        ];
        Ok(Self {
            members: members.map(|(name, program)| Member::new(name, program)),
        })
    }

    /// The whole story: honest clients come, then foes, and when these have gone accounts are made.
    async fn endure(&mut self, seed: u64, length: Duration) -> Result<()> {
        let honest = Honest::begin(&self.nodes()).await?;
        for member in &mut self.members {
            member.before = Some(Toll::of(member.program.pid())?);
        }
        let met = self.siege(&honest, seed, length).await?;
        for member in &mut self.members {
            member.program.ensure_running()?;
        }
        self.ensure_cluster_whole().await?;
        let silence = honest.end().await?;
        println!(
            "{} newcomers, the slowest saw a key frame after {:?}; {} answers, the slowest after \
             {:?}; no watcher received nothing for longer than {silence:?}",
            met.newcomers, met.slowest_join, met.answers, met.slowest_answer
        );
        ensure!(met.newcomers > 0 && met.answers > 0, "nobody came");
        let mut faults = Vec::new();
        for member in &mut self.members {
            faults.extend(member.account().await?);
        }
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    }

    async fn siege(&self, honest: &Honest, seed: u64, length: Duration) -> Result<Met> {
        let fronts = self
            .members
            .each_ref()
            .map(|member| member.fronts.clone())
            .concat();
        let deadline = time::Instant::now() + length;
        let siege = Siege::lay(&fronts, seed)?;
        let nodes = self.nodes();
        let random = fastrand::Rng::with_seed(seed);
        let pages = self.pages();
        let met = tokio::select! {
            met = honest.meanwhile(&nodes, &pages, random, deadline) => met,
            gone = self.show_progress(&fronts) => gone.map(|()| Met::default()),
        };
        siege.lift().await;
        met
    }

    /// Those that carry media, the origin first.
    fn nodes(&self) -> [&Program; 2] {
        let [origin, edge, _] = &self.members;
        [&origin.program, &edge.program]
    }

    fn controller(&self) -> &Program {
        let [.., controller] = &self.members;
        &controller.program
    }

    /// What operators ask while the siege lasts.
    fn pages(&self) -> Vec<String> {
        let mut pages = vec![format!(
            "http://{}/v1/nodes",
            self.controller().listener("rest")
        )];
        for member in &self.members {
            pages.push(format!("http://{}/livez", member.program.admin()));
            pages.push(format!("http://{}/metrics", member.program.admin()));
        }
        pages
    }

    /// Fails unless the controller knows both nodes as alive, as soon as the noise is over.
    async fn ensure_cluster_whole(&self) -> Result<()> {
        let url = format!("http://{}/v1/cluster", self.controller().listener("rest"));
        eventually(SOON, async || {
            let cluster: Value = pages::get(&url).await?.json()?;
            let [origins, edges] = [&cluster["origins"]["alive"], &cluster["edges"]["alive"]];
            ensure!(origins == 1 && edges == 1, "{cluster}");
            Ok(())
        })
        .await
    }

    /// Says now and then how it goes; ends only if a process is gone.
    async fn show_progress(&self, fronts: &[Front]) -> Result<()> {
        let begun = time::Instant::now();
        loop {
            time::sleep(PROGRESS).await;
            let connections: u64 = fronts.iter().map(Front::connections).sum();
            let sent: u64 = fronts.iter().map(Front::sent_bytes).sum();
            let mut held = Vec::new();
            for member in &self.members {
                held.push(mib(Toll::of(member.program.pid())?.resident_bytes));
            }
            println!(
                "{:4} s: {connections} connections, {} MiB sent; resident {held:?} MiB",
                begun.elapsed().as_secs(),
                mib(sent)
            );
        }
    }
}

impl Member {
    fn new(name: &'static str, program: Program) -> Self {
        let front = |listener: &str, speaks| {
            Front::new(
                format!("{name} {listener}"),
                program.listener(listener),
                speaks,
            )
        };
        let admin = front("admin", Speaks::Http("/metrics"));
        let fronts = match program.role() {
            Role::Controller => vec![
                front("rest", Speaks::Http("/v1/nodes")),
                front("grpc", Speaks::Http2(ATTEND)),
                admin,
            ],
            role => vec![
                front(
                    "rtmp",
                    Speaks::Rtmp {
                        honest: LENS,
                        guarded: role == Role::Origin,
                    },
                ),
                front("http", Speaks::Http("/live/lens.flv")),
                admin,
            ],
        };
        Self {
            name,
            program,
            fronts,
            before: None,
        }
    }

    /// Prints what the siege cost, and says what was wrong.
    async fn account(&mut self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for front in &self.fronts {
            println!("{front}");
            front.ensure_reachable()?;
            if front.idle_held() > IDLE_HELD_MAX {
                faults.push(format!(
                    "{} was held for {:?}",
                    front.name,
                    front.idle_held()
                ));
            }
        }
        let (name, before) = (self.name, self.before.context("it was looked at before")?);
        let cost: usize = self.fronts.iter().map(Front::cost_bytes_max).sum();
        let bound = before.resident_bytes + cost as u64;
        let settled = eventually(AFTERMATH, async || {
            let now = Toll::of(self.program.pid())?;
            let kept = now.descriptors.saturating_sub(before.descriptors);
            ensure!(kept <= DESCRIPTORS_KEPT, "{name} keeps {kept} descriptors");
            let kept = now.resident_bytes.saturating_sub(before.resident_bytes);
            ensure!(kept <= BYTES_KEPT, "{name} keeps {} MiB", mib(kept));
            Ok(())
        });
        faults.extend(settled.await.err().map(|error| format!("{error:#}")));
        let after = Toll::of(self.program.pid())?;
        let log = self.program.log();
        println!(
            "{name}: {} MiB before, {} at most (bound {}), {} after; {} descriptors before, {} \
             after; {} KiB of log",
            mib(before.resident_bytes),
            mib(after.resident_bytes_max),
            mib(bound),
            mib(after.resident_bytes),
            before.descriptors,
            after.descriptors,
            log.len() >> 10
        );
        if after.resident_bytes_max > bound {
            faults.push(format!("{name} held {} MiB", mib(after.resident_bytes_max)));
        }
        let panic = log.lines().find(|line| line.contains("panicked"));
        faults.extend(panic.map(|line| format!("{name} panicked: {line}")));
        Ok(faults)
    }

    /// The end of what its log says of honest streams, or calls a warning.
    fn news(&self) -> String {
        let log = self.program.log();
        let of_interest = |line: &&str| {
            ["live/lens", "live/clip", "WARN", "ERROR"]
                .iter()
                .any(|word| line.contains(word))
        };
        let lines: Vec<&str> = log.lines().filter(of_interest).collect();
        let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
        format!("--- {}:\n{}", self.name, shown.join("\n"))
    }
}

fn siege_length() -> Result<Duration> {
    match std::env::var("WEIR_HOSTILE_SECONDS") {
        Ok(text) => Ok(Duration::from_secs(
            text.parse().context("WEIR_HOSTILE_SECONDS")?,
        )),
        Err(_) => Ok(SIEGE),
    }
}

/// Foes and the programs under siege need more descriptors than a shell gives at first.
fn raise_descriptor_limit() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?)
}
