//! What the tests of pushes and of pulls share: relays on free ports of this machine, an edge's node, encoders
//! in this process, patience, and what was logged.
//!
//! Every relay is a real one that listens on a real socket. The log is the whole test process's, so a test
//! that asks for a line has a stream name of its own.

use agent::{Agent, Bound, Report, Role};
use media::{Frame, Kind, MediaTime, Role as FrameRole, StreamPath, path::DEFAULT_VHOST};
use node::Node;
use parking_lot::Mutex;
use relay::{
    Relay, Target,
    dial::Dialler,
    hub::{Epoch, Publisher, PublisherInfo, PublisherKind, Stream},
    net::Listening,
    settings::Settings,
};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Once},
    time::{Duration, Instant, SystemTime},
};
use tokio::time;

/// How long anything may take that a test waits for: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(15);

/// All that was logged since the first relay of this process.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for a line of the log with all these words.
pub(crate) async fn is_said(words: &[&str]) {
    let has_all = |line: &str| words.iter().all(|word| line.contains(word));
    until(&format!("{words:?} in the log"), || {
        let log = LOG.lock();
        String::from_utf8_lossy(&log).lines().any(has_all)
    })
    .await;
}

/// Waits until it holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        while !holds() {
            time::sleep(Duration::from_millis(2)).await;
        }
    };
    let held = time::timeout(PATIENCE, held).await;
    held.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// `live/NAME`.
pub(crate) fn path(name: &str) -> StreamPath {
    StreamPath::new(DEFAULT_VHOST, "live", name).expect("a path")
}

/// A relay that listens for RTMP, and where.
pub(crate) fn relay(settings: Settings) -> (Relay, SocketAddr) {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let log = tracing_subscriber::fmt().with_ansi(false);
        log.with_max_level(tracing::Level::DEBUG)
            .with_writer(|| Log)
            .init();
    });
    let relay = Relay::start(settings, 1).expect("threads");
    let (listening, address) = listen(&relay);
    relay.serve_rtmp(listening).expect("an idle shard");
    (relay, address)
}

/// A free port of a relay's, at which nobody is let in yet.
pub(crate) fn listen(relay: &Relay) -> (Listening, SocketAddr) {
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let listening = relay.listen(any.into()).expect("a port");
    let address = listening.address();
    (listening, address)
}

/// As an operator lists it.
pub(crate) fn target(address: SocketAddr) -> Target {
    address.to_string().parse().expect("a target")
}

struct Idle;

impl agent::Source for Idle {
    fn report(&self) -> Report {
        Report::default()
    }
}

/// The edge `edge-1` around this relay, which no controller knows.
pub(crate) fn node(relay: &Relay) -> Node {
    let config = agent::Config {
        node: Some("edge-1".into()),
        ..agent::Config::default()
    };
    let identity = agent::identify(&config, Role::Edge, Bound::default());
    Node {
        relay: relay.clone(),
        agent: Agent::spawn(&config, identity, Arc::new(Idle), Default::default()),
        dialler: Dialler::new(None).expect("no CA file"),
    }
}

/// Who publishes, if it is an encoder.
pub(crate) fn encoder() -> PublisherInfo {
    PublisherInfo {
        peer: None,
        origin: PublisherKind::Publish,
        upstream: None,
        since: SystemTime::now(),
        passed_on: None,
        epoch: Epoch::NONE,
        backup: false,
    }
}

/// Publishes `path` at `relay` itself.
pub(crate) fn publish(relay: &Relay, path: &StreamPath, info: PublisherInfo) -> Publisher {
    relay.hub().publish(path, info).expect("nobody does")
}

/// Publishes one frame, whose time follows from its number.
pub(crate) fn frame(publisher: &Publisher, kind: Kind, role: FrameRole, number: u8) {
    let packet = u8::from(role != FrameRole::Config);
    let body = match kind {
        Kind::Audio => vec![0xaf, packet, number],
        _ => {
            let form = if role == FrameRole::Inter { 0x27 } else { 0x17 };
            vec![form, packet, 0, 0, 0, number]
        }
    };
    let frame = Frame {
        kind,
        role,
        codec: None,
        track: 0,
        dts: MediaTime::from_millis(i64::from(number) * 40),
        body: body.into(),
    };
    publisher
        .publish(frame, Instant::now())
        .expect("it is ours");
}

/// The stream, if somebody publishes it at `relay`.
pub(crate) fn online(relay: &Relay, path: &StreamPath) -> Option<Arc<Stream>> {
    let stream = relay.hub().find(path)?;
    stream.is_online().then_some(stream)
}
