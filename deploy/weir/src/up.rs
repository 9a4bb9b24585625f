//! `weir up`: a whole cluster on this machine, as real programs, until Ctrl-C.
//!
//! ```text
//! find or build programs ─▶ plan (ports, configs) ─▶ start ─▶ all ready ─▶ guide ─▶ Ctrl-C ─▶ end
//!                                                      │                    ▲
//!                                                      └── a member dies: started again, said ──┘
//! ```
//!
//! This file is the order of events; the parts: [`programs`] and [`ports`] find what is there, [`plan`]
//! decides, [`child`] and [`console`] run one program,
//! [`control`] lets the controller end one that hangs, [`ready`] asks them, [`guide`] tells the
//! operator. All of it runs on the main thread: see [`child`] for why.

mod backoff;
mod child;
mod console;
mod control;
mod demo;
mod guide;
mod plan;
mod ports;
mod programs;
mod ready;

use crate::{
    plural::counted,
    state::{self, Card, OpenCard, StateDir},
};
use anyhow::Context;
use child::{Life, Restart, Stop};
use console::{Console, Log};
use control::Control;
use guide::Guide;
use plan::{Member, Plan, Program};
use ports::Ports;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tokio_util::task::TaskTracker;

/// A member that has no session to finish ends in milliseconds; players and publishers of a cluster
/// that ends have nowhere to go, so waiting longer for them serves nobody.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Start a whole cluster on this machine: a controller, origins and edges.
///
/// Every member is a program of its own, started again when it dies. Logs go to the terminal and to
/// the state directory.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  weir up --demo                      the demo clip, looped, and where to play it
  weir up --edges 4 --listen 0.0.0.0  four edges, for players on other machines
  weir up --rtmp 19350 --http 18080   origin on these ports, edges on the next ones
  weir up --etcd http://127.0.0.1:2379
                                      the controller's state in an etcd that runs already
  weir up --ephemeral --rtmp 0 --http 0 --rest 0 --grpc 0 --admin 0
                                      leaves nothing behind, on any free ports")]
pub(crate) struct Options {
    /// Publish the demo clip to /live/demo, in a loop.
    #[arg(long)]
    pub(crate) demo: bool,
    /// How many origins.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) origins: u16,
    /// How many edges.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=64))]
    pub(crate) edges: u16,
    /// Keep the controller's state in etcd, at these members, instead of in a file.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub(crate) etcd: Vec<String>,
    /// Where RTMP and HTTP listen; 0.0.0.0 lets other machines publish and play.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) listen: IpAddr,
    /// First RTMP port: origins take it and the next, then edges; 0 for any [default: 1935].
    #[arg(long, value_name = "PORT", help_heading = "Ports")]
    pub(crate) rtmp: Option<u16>,
    /// First HTTP port, likewise [default: 8080].
    #[arg(long, value_name = "PORT", help_heading = "Ports")]
    pub(crate) http: Option<u16>,
    /// The controller's REST port [default: 7080].
    #[arg(long, value_name = "PORT", help_heading = "Ports")]
    pub(crate) rest: Option<u16>,
    /// The controller's port for nodes [default: 7100].
    #[arg(long, value_name = "PORT", help_heading = "Ports")]
    pub(crate) grpc: Option<u16>,
    /// First admin port (health, metrics): the controller's, then the nodes' [default: 9100].
    #[arg(long, value_name = "PORT", help_heading = "Ports")]
    pub(crate) admin: Option<u16>,
    /// Where to keep configs, logs and the controller's store [default: ~/.local/state/weir/cluster].
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub(crate) state: Option<PathBuf>,
    /// Keep nothing: a temporary directory, removed at the end.
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Do not show the members' logs; they are in the state directory.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl Default for Options {
    /// As the command line without arguments.
    fn default() -> Self {
        Self {
            demo: false,
            origins: 1,
            edges: 2,
            etcd: Vec::new(),
            listen: Ipv4Addr::LOCALHOST.into(),
            rtmp: None,
            http: None,
            rest: None,
            grpc: None,
            admin: None,
            state: None,
            ephemeral: false,
            quiet: false,
        }
    }
}

/// Runs the cluster until a signal ends it.
///
/// # Errors
/// If it could not be started, or a member could not live from the start; then all others are ended
/// too.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let programs = programs::directory()?;
    let mut signals = Signals::catch()?;
    let mut state = match (&options.state, options.ephemeral) {
        (_, true) => StateDir::ephemeral()?,
        (Some(path), false) => StateDir::take(path.clone())?,
        (None, false) => StateDir::take(state::home()?.join("cluster"))?,
    };
    let (mut plan, moved) = Plan::new(&options, Ports::of_this_machine())?;
    let longest_name = plan
        .members
        .iter()
        .map(|member| member.name.len())
        .max()
        .unwrap_or(0);
    let console = Console::new(longest_name + 1);
    console.say(&format!(
        "weir: a controller, {} and {} on {}; state in {}",
        counted(options.origins, "origin"),
        counted(options.edges, "edge"),
        options.listen,
        state.path().display()
    ));
    for ports::Moved { what, from, to } in moved {
        console.say(&format!(
            "weir: {what} port {from} is taken, {to} is used instead"
        ));
    }

    let started = Instant::now();
    let control = bind_control(&mut plan, &state, &console);
    let mut cluster = Cluster::start(&plan, &programs, &state, &console)?;
    let members = std::mem::take(&mut cluster.restarts);
    let asked = control.map(|control| tokio::spawn(control.serve(members)));
    let up = tokio::select! {
        up = Box::pin(serve(&options, &plan, &cluster, &state, &console, started)) => up,
        name = signals.next() => {
            console.announce(&format!("weir: {name}: ending"));
            Ok(())
        }
    };
    if up.is_err() {
        state.keep();
    }
    if let Some(asked) = asked {
        asked.abort();
    }
    tokio::select! {
        () = cluster.end() => {}
        () = async { signals.next().await; cluster.stop_nodes.now(); cluster.stop_controller.now();
            std::future::pending().await } => {}
    }
    if up.is_ok() {
        console.say("weir: all ended");
    }
    up
}

/// Waits for readiness, tells the operator, and serves for ever; returns only with an error.
async fn serve(
    options: &Options,
    plan: &Plan,
    cluster: &Cluster,
    state: &StateDir,
    console: &Console,
    started: Instant,
) -> anyhow::Result<()> {
    for running in &cluster.members {
        let Running { member, life, log } = running;
        ready::at_first(member, life.clone(), log, console)
            .await
            .with_context(|| {
                format!(
                    "the cluster cannot start; logs are in {}",
                    state.logs().display()
                )
            })?;
    }
    ready::all_known(plan).await?;
    let card = lay_card(plan, state, console);
    let weir = guide::our_name();
    let stream = if options.demo { demo::NAME } else { "NAME" };
    let guide = Guide {
        plan,
        weir: &weir,
        stream,
        published: options.demo,
        one_of_several: card.is_none() || others_run(),
    };
    console.announce(&format!(
        "weir: ready after {:.1} s",
        started.elapsed().as_secs_f64()
    ));
    console.say(&guide.text());
    if !options.quiet {
        // Only now: an operator reads the guide, not how each program comes up. Those who look for
        // that find it in the files, and a failed start shows the last of it.
        console.show_programs();
    }

    let watching = cluster.members.iter().map(|running| {
        let (member, life, console) = (
            running.member.clone(),
            running.life.clone(),
            console.clone(),
        );
        ready::again(member, life, console)
    });
    let watchers: tokio::task::JoinSet<()> = watching.collect();
    if options.demo
        && let Some((_, rtmp, _)) = plan.media(Program::Origin).next()
    {
        demo::publish(&guide::rtmp_url(rtmp), console).await?;
    }
    watchers.join_all().await;
    Ok(())
}

/// Without it a member that hangs is declared dead and stays so; no reason not to run.
fn bind_control(plan: &mut Plan, state: &StateDir, console: &Console) -> Option<Control> {
    let socket = state.path().join("control.sock");
    let bound = Control::bind(&socket).inspect_err(|error| {
        console.say(&format!(
            "weir: {error:#}; members that hang are not restarted"
        ));
    });
    let control = bound.ok()?;
    plan.control = Some(socket);
    Some(control)
}

/// Without the card `weir status` must be told where the cluster is; no reason not to run.
fn lay_card(plan: &Plan, state: &StateDir, console: &Console) -> Option<OpenCard> {
    let play = plan.media(Program::Edge);
    let card = Card {
        pid: std::process::id(),
        controller: format!("http://{}", plan.rest),
        state: state.path().to_owned(),
        publish: plan
            .media(Program::Origin)
            .map(|(_, rtmp, _)| guide::rtmp_url(rtmp))
            .collect(),
        play: play
            .flat_map(|(_, rtmp, http)| [guide::rtmp_url(rtmp), guide::http_url(http)])
            .collect(),
    };
    let laid = state::home().and_then(|home| OpenCard::lay(&home, &card));
    laid.inspect_err(|error| {
        let url = &card.controller;
        console.say(&format!(
            "weir: {error:#}; tell other commands --controller {url}"
        ));
    })
    .ok()
}

/// Whether another cluster's card lies beside ours.
fn others_run() -> bool {
    state::home().is_ok_and(|home| state::running(&home).len() > 1)
}

/// The members as they run.
struct Cluster {
    members: Vec<Running>,
    restarts: HashMap<String, Restart>,
    stop_nodes: Stop,
    stop_controller: Stop,
    nodes: TaskTracker,
    controller: TaskTracker,
}

struct Running {
    member: Member,
    life: watch::Receiver<Life>,
    log: Log,
}

impl Cluster {
    fn start(
        plan: &Plan,
        programs: &Path,
        state: &StateDir,
        console: &Console,
    ) -> anyhow::Result<Self> {
        let mut cluster = Self {
            members: Vec::new(),
            restarts: HashMap::new(),
            stop_nodes: Stop::default(),
            stop_controller: Stop::default(),
            nodes: TaskTracker::new(),
            controller: TaskTracker::new(),
        };
        let environment = child::environment();
        for (place, member) in plan.members.iter().enumerate() {
            let own_state = state.path().join(&member.name);
            std::fs::create_dir_all(&own_state)
                .with_context(|| format!("cannot make {}", own_state.display()))?;
            let file = format!("{}.yaml", member.name);
            let config = state.write(&file, &plan.config(member, &own_state))?;
            let log = console.program(&state.logs(), &member.name, place)?;
            let spec = child::Spec {
                name: member.name.clone(),
                program: programs.join(member.program.executable()),
                arguments: vec!["--config".into(), config.into()],
                environment: environment.clone(),
                patience: PATIENCE,
            };
            let (sender, life) = watch::channel(Life::default());
            let (tasks, stop) = match member.program {
                Program::Controller => (&cluster.controller, &cluster.stop_controller),
                Program::Origin | Program::Edge => (&cluster.nodes, &cluster.stop_nodes),
            };
            let (restart, restarts) = Restart::new();
            tasks.spawn(child::keep(
                spec,
                log.clone(),
                console.clone(),
                sender,
                stop.clone(),
                restarts,
            ));
            cluster.restarts.insert(member.name.clone(), restart);
            cluster.members.push(Running {
                member: member.clone(),
                life,
                log,
            });
        }
        cluster.nodes.close();
        cluster.controller.close();
        Ok(cluster)
    }

    /// Nodes first, so that none of them finds its controller gone.
    async fn end(&self) {
        self.stop_nodes.ask();
        self.nodes.wait().await;
        self.stop_controller.ask();
        self.controller.wait().await;
    }
}

/// What asks us to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "the terminal closed",
        }
    }
}
