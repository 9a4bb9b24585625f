//! The siege: which foes come to which listener, how many at once, and what they may cost at most.

use std::{
    fmt,
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::{task::JoinSet, time};

use super::{
    foe::{Foe, Tally},
    http, http2, rtmp as by_rtmp,
    toll::mib,
};

/// Foes that attack a listener again and again at the same time.
const ATTACKERS: usize = 6;

/// Foes that do it as publishers, whom a server must believe more.
const PUBLISHERS: usize = 2;

/// Connections that say nothing, and as many that say one byte a second, on each listener.
const IDLERS: usize = 100;

/// One attack takes no longer, so that every kind has its turn.
const ATTACK: Duration = Duration::from_secs(15);

/// Rests of an attacker are random, up to this: some ten attacks a second and listener, which keep a
/// debug build on two cores busy, but leave it the time that honest clients need.
const REST: Duration = Duration::from_millis(300);

/// Connections that one attacker has at once: when it comes and goes.
const LINES_MAX: usize = 50;

/// What a connection costs that has said next to nothing: its task, and a handshake in part.
const IDLE_BYTES: usize = 16 << 10;

/// An idle connection is left open no longer than a greeting may take; twice that, because on a machine
/// that is busy with all this both ends look at the clock late (six seconds late has been seen).
pub(super) const IDLE_HELD_MAX: Duration = relay::limits::GREETING_TIMEOUT.saturating_mul(2);

/// What a listener speaks, with something that it serves.
#[derive(Debug, Clone)]
pub(super) enum Speaks {
    /// RTMP.
    Rtmp {
        /// A stream that others publish and play.
        honest: &'static str,
        /// Whether it is published here, so that nobody may take its name. What an edge pulls is
        /// ended by whoever publishes it there, as forwards do; there is no authentication yet.
        guarded: bool,
    },
    /// HTTP/1.1; a path that is answered.
    Http(&'static str),
    /// HTTP/2; a method that is answered.
    Http2(&'static str),
}

/// One listener under siege.
#[derive(Debug, Clone)]
pub(super) struct Front {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) speaks: Speaks,
    pub(super) tally: Arc<Tally>,
}

impl Front {
    pub(super) fn new(name: impl Into<String>, address: SocketAddr, speaks: Speaks) -> Self {
        Self {
            name: name.into(),
            address,
            speaks,
            tally: Arc::default(),
        }
    }

    /// What all foes together can make this listener's process hold, by its documented limits.
    pub(super) fn cost_bytes_max(&self) -> usize {
        let limits = rtmp::Limits::default();
        let attacker = match self.speaks {
            Speaks::Rtmp { .. } => {
                let unfinished = limits.chunk_streams_max * limits.command_bytes_max;
                unfinished.min(limits.partial_bytes_max)
                    + limits.undecided_bytes_max
                    + relay::limits::REPLY_BYTES_MAX
            }
            Speaks::Http(_) => {
                2 * relay::limits::HTTP_HEAD_BYTES_MAX + relay::limits::REPLY_BYTES_MAX
            }
            Speaks::Http2(_) => control_message_bytes_max(),
        };
        let publisher =
            limits.held_bytes_max() + limits.undecided_bytes_max + relay::limits::GOP_BYTES_MAX;
        let publishers = if matches!(self.speaks, Speaks::Rtmp { .. }) {
            PUBLISHERS
        } else {
            0
        };
        let idle = 2 * IDLERS + ATTACKERS * LINES_MAX;
        ATTACKERS * attacker + publishers * publisher + idle * IDLE_BYTES
    }

    pub(super) fn ensure_reachable(&self) -> Result<()> {
        let unreachable = self.tally.unreachable();
        ensure!(
            unreachable.is_none(),
            "{}: {}",
            self.name,
            unreachable.unwrap_or_default()
        );
        Ok(())
    }

    pub(super) fn connections(&self) -> u64 {
        self.tally.connections.load(Relaxed)
    }

    pub(super) fn sent_bytes(&self) -> u64 {
        self.tally.sent_bytes.load(Relaxed)
    }

    pub(super) fn idle_held(&self) -> Duration {
        Duration::from_millis(self.tally.idle_held_ms.load(Relaxed))
    }
}

impl fmt::Display for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} connections, {} MiB sent, {} hung up on; idle ones held for {:?}",
            self.name,
            self.connections(),
            mib(self.sent_bytes()),
            self.tally.hung_up.load(Relaxed),
            self.idle_held()
        )
    }
}

/// What a node may say to the controller in one message, twice: as it came, and decoded.
fn control_message_bytes_max() -> usize {
    2 * control::limits::MESSAGE_BYTES_MAX
}

/// All foes at work; dropping it sends them home.
pub(super) struct Siege {
    foes: JoinSet<()>,
}

impl Siege {
    /// Begins.
    pub(super) fn lay(fronts: &[Front], seed: u64) -> Result<Self> {
        let captures: Arc<[Vec<u8>]> = captures()?.into();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut foes = JoinSet::new();
        for front in fronts {
            for _ in 0..ATTACKERS {
                foes.spawn(attack(
                    front.clone(),
                    Arc::clone(&captures),
                    false,
                    random.u64(..),
                ));
            }
            if matches!(front.speaks, Speaks::Rtmp { .. }) {
                for _ in 0..PUBLISHERS {
                    foes.spawn(attack(
                        front.clone(),
                        Arc::clone(&captures),
                        true,
                        random.u64(..),
                    ));
                }
            }
            for _ in 0..IDLERS {
                foes.spawn(idle(front.clone(), true, random.u64(..)));
                foes.spawn(idle(front.clone(), false, random.u64(..)));
            }
        }
        Ok(Self { foes })
    }

    /// Ends, and waits until the last foe has gone.
    pub(super) async fn lift(mut self) {
        self.foes.shutdown().await;
    }
}

async fn attack(front: Front, captures: Arc<[Vec<u8>]>, publishes: bool, seed: u64) {
    let mut foe = Foe::new(front.address, Arc::clone(&front.tally), seed);
    loop {
        let attack = async {
            match front.speaks {
                Speaks::Rtmp { honest, guarded } => {
                    let kinds = match publishes {
                        true => by_rtmp::Attack::BY_PUBLISHERS,
                        false => by_rtmp::Attack::BY_STRANGERS,
                    };
                    let kind = kinds[foe.random.usize(0..kinds.len())];
                    if matches!(kind, by_rtmp::Attack::Usurp) && !guarded {
                        return Ok(());
                    }
                    kind.run(&mut foe, &captures, honest).await
                }
                Speaks::Http(target) => {
                    let kinds = http::Attack::ALL;
                    let kind = kinds[foe.random.usize(0..kinds.len())];
                    kind.run(&mut foe, target).await
                }
                Speaks::Http2(route) => {
                    let kinds = http2::Attack::ALL;
                    let kind = kinds[foe.random.usize(0..kinds.len())];
                    kind.run(&mut foe, route).await
                }
            }
        };
        // That the server hangs up is what it should do, and the foe's time is bounded.
        let _hung_up = time::timeout(ATTACK, attack).await;
        time::sleep(REST.mul_f64(foe.random.f64())).await;
    }
}

/// Comes again whenever the server hangs up; says one byte a second, or nothing.
async fn idle(front: Front, drips: bool, seed: u64) {
    let mut foe = Foe::new(front.address, Arc::clone(&front.tally), seed);
    loop {
        let bytes = match (drips, &front.speaks) {
            (false, _) => Vec::new(),
            (true, Speaks::Rtmp { .. }) => by_rtmp::opening(&mut foe),
            (true, Speaks::Http(target)) => http::opening(target),
            (true, Speaks::Http2(_)) => http2::opening(),
        };
        time::sleep(REST.mul_f64(10.0 * foe.random.f64())).await;
        let _hung_up = foe.drip(&bytes, Duration::from_secs(1)).await;
    }
}

/// What real clients said to a real server: the repository's captures.
fn captures() -> Result<Vec<Vec<u8>>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/captures"));
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".client.bin"))
        .collect();
    names.sort();
    ensure!(names.len() > 5, "no captures in {}", folder.display());
    Ok(names.iter().map(std::fs::read).collect::<Result<_, _>>()?)
}
