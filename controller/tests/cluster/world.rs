//! A controller, nodes whose streams a test sets, and a client of the REST API.

use agent::{Agent, Arrival, Bound, Location, Report, Role, Source, StreamReport};
use controller::{Config, Controller};
use media::StreamPath;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A config on free ports with a store in `dir`, and short times.
pub(crate) fn config(dir: &Path) -> Config {
    let text = format!(
        "grpc: {{listen: '127.0.0.1:0'}}\n\
         rest: {{listen: '127.0.0.1:0'}}\n\
         store: {{path: '{}'}}\n\
         nodes: {{report_interval: 100ms, suspect_after: 1s, dead_after: 2s}}\n",
        dir.join("controller.redb").display()
    );
    service::config::from_text("test.yaml", &text).expect("a good config")
}

/// Starts a controller; waits for an earlier one in this process to let go of the store.
pub(crate) async fn start(config: &Config) -> Controller {
    eventually("the controller starts", async || {
        Controller::start(config).await.ok()
    })
    .await
}

/// Tries again until it succeeds.
pub(crate) async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(found) = attempt().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: not within {PATIENCE:?}");
}

pub(crate) fn path(name: &str) -> StreamPath {
    StreamPath::new("h", "live", name).expect("a good path")
}

/// A node whose streams a test sets.
pub(crate) struct Node {
    pub(crate) agent: Agent,
    streams: Arc<Streams>,
    cancel: CancellationToken,
}

#[derive(Default)]
struct Streams(Mutex<BTreeMap<StreamPath, StreamReport>>);

impl Source for Streams {
    fn report(&self) -> Report {
        let streams = self
            .0
            .lock()
            .expect("no panic under the lock")
            .values()
            .cloned()
            .collect();
        Report {
            streams,
            ..Report::default()
        }
    }
}

impl Node {
    /// Starts a node that knows `controllers`, and keeps its memory in `dir` if there is one.
    pub(crate) fn start(
        name: &str,
        role: Role,
        controllers: &[SocketAddr],
        dir: Option<&Path>,
    ) -> Self {
        let config = agent::Config {
            controllers: controllers
                .iter()
                .map(|address| format!("http://{address}"))
                .collect(),
            node: Some(name.to_owned()),
            state_dir: dir.map(Path::to_owned),
            ..agent::Config::default()
        };
        Self::configured(&config, role)
    }

    /// Starts a node as `config` says.
    pub(crate) fn configured(config: &agent::Config, role: Role) -> Self {
        let bound = Bound {
            rtmp: Some(([127, 0, 0, 1], 19350).into()),
            ..Bound::default()
        };
        let identity = agent::identify(config, role, bound);
        let (streams, cancel) = (Arc::new(Streams::default()), CancellationToken::new());
        let source = Arc::clone(&streams);
        let agent = Agent::spawn(config, identity, source, cancel.clone());
        Self {
            agent,
            streams,
            cancel,
        }
    }

    pub(crate) fn origin(name: &str, controllers: &[SocketAddr]) -> Self {
        Self::start(name, Role::Origin, controllers, None)
    }

    pub(crate) fn edge(name: &str, controllers: &[SocketAddr]) -> Self {
        Self::start(name, Role::Edge, controllers, None)
    }

    /// Has a stream from now on, changed by `adjust` before it is told.
    pub(crate) fn has(&self, name: &str, arrival: Arrival, adjust: impl FnOnce(&mut StreamReport)) {
        let since = std::time::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_millis();
        let since = u64::try_from(since).unwrap_or(0);
        let mut stream = StreamReport::new(path(name), arrival, since);
        adjust(&mut stream);
        self.streams
            .0
            .lock()
            .expect("no panic under the lock")
            .insert(path(name), stream);
        self.agent.nudge();
    }

    pub(crate) fn publishes(&self, name: &str) {
        self.has(name, Arrival::Published, |_| {});
    }

    pub(crate) fn ends(&self, name: &str) {
        self.streams
            .0
            .lock()
            .expect("no panic under the lock")
            .remove(&path(name));
        self.agent.nudge();
    }

    pub(crate) async fn is_connected(&self) {
        let mut connected = self.agent.connected();
        let connected = connected.wait_for(|connected| *connected);
        tokio::time::timeout(PATIENCE, connected)
            .await
            .expect("connected")
            .expect("it runs");
    }

    /// Ends as a program does that was asked to: with a goodbye.
    pub(crate) async fn leave(self) {
        self.cancel.cancel();
        self.agent.ended().await;
    }

    /// Follows a stream until it is at `node`; gives back where that is.
    pub(crate) async fn finds(&self, name: &str, node: &str) -> Location {
        let mut locating = self.agent.locate(&path(name));
        let found = async {
            let mut location = locating.answer().await;
            while at(&location) != node {
                location = locating.changed().await;
            }
            location
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| {
            panic!(
                "{name} is not at {node} but {:?}",
                self.agent.locate(&path(name)).current()
            )
        })
    }
}

/// The first source's node; `-` if there is none.
pub(crate) fn at(location: &Location) -> &str {
    location
        .sources
        .first()
        .map_or("-", |source| source.node.as_str())
}

/// A GET: status and body.
pub(crate) async fn get(address: SocketAddr, route: &str) -> (u16, Value) {
    request(address, "GET", route).await
}

pub(crate) async fn request(address: SocketAddr, method: &str, route: &str) -> (u16, Value) {
    send(address, format!("{method} {route} HTTP/1.1\r\n"), "").await
}

/// A request by its head, without what every head has: status and body.
pub(crate) async fn send(address: SocketAddr, head: String, body: &str) -> (u16, Value) {
    let mut connection = TcpStream::connect(address).await.expect("connected");
    let head = format!("{head}host: test\r\nconnection: close\r\n\r\n{body}");
    connection.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .await
        .expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (
        status.expect("a status"),
        serde_json::from_str(body).unwrap_or(Value::Null),
    )
}

/// The kinds of all events that are kept, the oldest first.
pub(crate) fn events(controller: &Controller) -> Vec<(String, String, String)> {
    let page = controller.model().events.page(0, usize::MAX);
    let event = |event: api::Event| {
        let kind = serde_json::to_value(event.kind).expect("JSON");
        let about = event.stream.or(event.node).unwrap_or_default();
        (
            kind.as_str().unwrap_or_default().to_owned(),
            about,
            event.reason,
        )
    };
    page.events.into_iter().map(event).collect()
}

/// Waits for an event of a kind about something.
pub(crate) async fn happens(controller: &Controller, kind: &str, about: &str) -> String {
    eventually(&format!("{kind} {about}"), async || {
        let found = events(controller)
            .into_iter()
            .rev()
            .find(|(k, a, _)| k == kind && a == about);
        found.map(|(_, _, reason)| reason)
    })
    .await
}
