//! The dialogue with a controller: one gRPC stream after the other, for as long as the node runs.
//!
//! ```text
//!  connect ──▶ Register ──▶ Welcome ──▶ Report, Locate… ◀──▶ Desired, Located, Placed
//!     ▲  any failure: pause (jittered, growing), next controller           │
//!     └────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! One task owns both directions, and waits for room to send, for something to read and for news at
//! once; so neither side can block the other.

use crate::{
    handle::Shared,
    limits::{
        GOODBYE_PATIENCE, PLACING_MAX, PROBE_INTERVAL, PROBE_PATIENCE, REPORT_GAP,
        REPORT_INTERVAL_DEFAULT, REPORT_INTERVAL_MAX, REPORT_INTERVAL_MIN, RETRY_MAX, RETRY_MIN,
        SENDING_MESSAGES_MAX, WELCOME_PATIENCE,
    },
    metrics::{APPLIED, CONNECTED, DIALOGUES, FAILURES, LOCATING, REFUSED, REPORTS},
    outbox::{Next, Outbox},
};
use ::metrics::{counter, gauge};
use control::{
    ContractError, Desired, Location, Upstream,
    limits::MESSAGE_BYTES_MAX,
    wire::{self, control_client::ControlClient, from_node, to_node},
};
use service::config::{ClientPem, PemError};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

/// Somebody on the node waits for a placing.
pub(crate) struct Asked {
    pub(crate) place: wire::Place,
    /// Gets the origin, or the controller's reason why there is none.
    pub(crate) answer: oneshot::Sender<Result<Upstream, String>>,
}

/// Different reasons that get a line of their own: more than there are mistakes to make at a time.
const REASONS_MAX: usize = 16;

/// Why a dialogue ended, or never began. All of them lead to the next try.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("cannot connect: {}", root(_0))]
    Connect(tonic::transport::Error),
    #[error(transparent)]
    Certificate(#[from] PemError),
    #[error("no welcome within {WELCOME_PATIENCE:?}")]
    NoWelcome,
    #[error("{}", said(_0))]
    Status(Status),
    #[error("the controller ended it")]
    Closed,
    #[error("the controller broke the contract: {0}")]
    Contract(#[from] ContractError),
    #[error("the node ends")]
    Cancelled,
}

/// The deepest cause: gRPC's own error says `transport error` of everything.
fn root(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().unwrap_or(error).to_string()
}

/// The controller's own words; or what became of the connection, if those were never heard.
fn said(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(cause) => format!("the connection broke: {}", root(cause)),
        None => format!("{}: {}", status.code(), status.message()),
    }
}

/// Keeps a dialogue with one of the controllers until the node ends.
pub(crate) async fn keep_talking(shared: Arc<Shared>, mut asked: mpsc::Receiver<Asked>) {
    gauge!(CONNECTED).set(0.0);
    // Nodes that start together shall not all choose the same one.
    let mut turn = fastrand::usize(..shared.controllers.len());
    let mut pause = RETRY_MIN;
    let mut failures: u32 = 0;
    // Reasons that were logged since the last welcome: a new one is worth a line at once.
    let mut said: Vec<String> = Vec::new();
    while !shared.cancel.is_cancelled() {
        let controller = &shared.controllers[turn % shared.controllers.len()];
        turn = turn.wrapping_add(1);
        let (ended, welcomed) = one(&shared, controller, &mut asked).await;
        if matches!(ended, Ended::Cancelled) {
            tracing::debug!(controller, reason = %ended, "dialogue with the controller ended");
        } else if welcomed {
            (pause, failures) = (RETRY_MIN, 0);
            said.clear();
            tracing::warn!(controller, error = %ended, "dialogue with the controller broke");
        } else {
            failures = failures.saturating_add(1);
            counter!(FAILURES).increment(1);
            // One line when it begins, then one each 64 tries: about every five minutes.
            let reason = ended.to_string();
            let is_new = said.len() < REASONS_MAX && !said.contains(&reason);
            if is_new {
                said.push(reason);
            }
            if is_new || failures % 64 == 1 {
                let failures = u64::from(failures);
                tracing::warn!(controller, failures, error = %ended, "no controller answers, serving on");
            }
        }
        let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        let _ = timeout(jittered, shared.cancel.cancelled()).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

/// One dialogue; also says whether there was a welcome.
async fn one(
    shared: &Shared,
    controller: &str,
    asked: &mut mpsc::Receiver<Asked>,
) -> (Ended, bool) {
    let begun = tokio::select! {
        () = shared.cancel.cancelled() => return (Ended::Cancelled, false),
        begun = timeout(WELCOME_PATIENCE, begin(shared, controller)) => begun,
    };
    let mut dialogue = match begun {
        Ok(Ok(dialogue)) => dialogue,
        Ok(Err(ended)) => return (ended, false),
        Err(_) => return (Ended::NoWelcome, false),
    };
    counter!(DIALOGUES).increment(1);
    gauge!(CONNECTED).set(1.0);
    shared.locations.unsettle();
    shared.connected.send_replace(true);
    let ended = dialogue.talk(shared, asked).await;
    shared.connected.send_replace(false);
    shared.locations.unsettle();
    gauge!(CONNECTED).set(0.0);
    if matches!(ended, Ended::Cancelled) {
        dialogue.say_goodbye().await;
    }
    (ended, true)
}

/// One dialogue that has been welcomed.
struct Dialogue {
    outward: mpsc::Sender<wire::FromNode>,
    inward: Streaming<wire::ToNode>,
    outbox: Outbox,
    report_interval: Duration,
    placing: HashMap<u64, oneshot::Sender<Result<Upstream, String>>>,
    requests: u64,
}

async fn begin(shared: &Shared, controller: &str) -> Result<Dialogue, Ended> {
    let endpoint = Endpoint::from_shared(controller.to_owned()).map_err(Ended::Connect)?;
    let endpoint = match shared.tls.read()? {
        Some(pem) => endpoint.tls_config(tls(pem)).map_err(Ended::Connect)?,
        None => endpoint,
    };
    let endpoint = endpoint
        .connect_timeout(WELCOME_PATIENCE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PROBE_INTERVAL)
        .keep_alive_timeout(PROBE_PATIENCE)
        .keep_alive_while_idle(true);
    let channel = endpoint.connect().await.map_err(Ended::Connect)?;
    let mut client = ControlClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let (outward, sending) = mpsc::channel(SENDING_MESSAGES_MAX);
    let register = wire::Register {
        identity: Some(shared.identity.clone().into()),
        token: shared
            .token
            .as_ref()
            .map(|token| token.reveal().to_owned())
            .unwrap_or_default(),
        generation: shared.desired.borrow().generation.0,
    };
    let register = from_node::Message::Register(register);
    outward
        .try_send(says(register))
        .expect("an empty channel has room");
    let answered = client
        .attend(ReceiverStream::new(sending))
        .await
        .map_err(Ended::Status)?;
    let mut inward = answered.into_inner();
    let first = inward
        .message()
        .await
        .map_err(Ended::Status)?
        .ok_or(Ended::Closed)?;
    let Some(to_node::Message::Welcome(welcome)) = first.message else {
        return Err(ContractError::Missing {
            field: "ToNode.welcome",
        }
        .into());
    };
    let report_interval = match welcome.report_interval_ms {
        0 => REPORT_INTERVAL_DEFAULT,
        ms => Duration::from_millis(ms.into()).clamp(REPORT_INTERVAL_MIN, REPORT_INTERVAL_MAX),
    };
    tracing::info!(controller, name = welcome.controller, node = %shared.identity.node, "registered");
    Ok(Dialogue {
        outward,
        inward,
        outbox: Outbox::default(),
        report_interval,
        placing: HashMap::new(),
        requests: 0,
    })
}

fn tls(pem: ClientPem) -> ClientTlsConfig {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem.authorities));
    match pem.identity {
        Some((certificate, key)) => tls.identity(Identity::from_pem(certificate, key)),
        None => tls,
    }
}

impl Dialogue {
    /// Talks until the controller ends it, breaks the contract, or the node ends.
    async fn talk(&mut self, shared: &Shared, asked: &mut mpsc::Receiver<Asked>) -> Ended {
        let outward = self.outward.clone();
        let mut reported = Instant::now();
        self.outbox.report(reported);
        loop {
            let now = Instant::now();
            let report_at = self.outbox.report(reported + self.report_interval);
            tokio::select! {
                biased;
                () = shared.cancel.cancelled() => return Ended::Cancelled,
                message = self.inward.message() => match message {
                    Ok(Some(message)) => {
                        if let Err(broken) = self.hear(shared, message) {
                            return broken.into();
                        }
                    }
                    Ok(None) => return Ended::Closed,
                    Err(status) => return Ended::Status(status),
                },
                room = outward.reserve(), if self.outbox.has_news(now) => {
                    let Ok(room) = room else { return Ended::Closed };
                    match self.outbox.next(now) {
                        Some(Next::Say(message)) => room.send(says(message)),
                        Some(Next::Report) => {
                            let mut report = shared.source.report();
                            shared.epochs.lock().tell(&mut report);
                            room.send(says(from_node::Message::Report(report.into())));
                            reported = now;
                            counter!(REPORTS).increment(1);
                            gauge!(LOCATING).set(shared.locations.watched() as f64);
                        }
                        None => {}
                    }
                }
                () = shared.news.notified() => {
                    self.outbox.report(now.max(reported + REPORT_GAP));
                }
                () = shared.locations.unsettled(), if self.outbox.may_settle() => {
                    self.outbox.settle(&shared.locations);
                }
                Some(ask) = asked.recv(), if self.placing.len() < PLACING_MAX => self.ask(ask),
                () = tokio::time::sleep_until(report_at), if report_at > now => {}
            }
        }
    }

    fn ask(&mut self, ask: Asked) {
        self.placing.retain(|_, answer| !answer.is_closed());
        self.requests += 1;
        self.outbox.place(wire::Place {
            request: self.requests,
            ..ask.place
        });
        self.placing.insert(self.requests, ask.answer);
    }

    fn hear(&mut self, shared: &Shared, message: wire::ToNode) -> Result<(), ContractError> {
        match message.message {
            Some(to_node::Message::Desired(desired)) => self.apply(shared, desired.try_into()?),
            Some(to_node::Message::Located(located)) => {
                let (path, location) = Location::from_wire(located)?;
                if shared.locations.learn(&path, location) {
                    shared.learnt.notify_one();
                }
            }
            Some(to_node::Message::Placed(placed)) => {
                let origin = placed.origin.map(Upstream::try_from).transpose()?;
                if let Some(answer) = self.placing.remove(&placed.request) {
                    // Whoever asked may have lost patience.
                    let _ = answer.send(origin.ok_or(placed.reason));
                }
            }
            // A later welcome says nothing new, and kinds that we do not know are to be ignored.
            Some(to_node::Message::Welcome(_)) | None => {}
        }
        Ok(())
    }

    fn apply(&mut self, shared: &Shared, desired: Desired) {
        let generation = desired.generation;
        let newer = shared.desired.send_if_modified(|current| {
            let newer = generation > current.generation;
            if newer {
                shared.epochs.lock().learn(&desired.owned);
                *current = desired;
            }
            newer
        });
        let refused = if newer {
            counter!(APPLIED).increment(1);
            shared.learnt.notify_one();
            String::new()
        } else {
            counter!(REFUSED).increment(1);
            let current = shared.desired.borrow().generation;
            tracing::warn!(%generation, %current, "desired state is not newer, ignored");
            format!("generation {generation} is not newer than {current}")
        };
        self.outbox.applied(wire::Applied {
            generation: generation.0,
            refused,
        });
    }

    /// The last words, heard or not.
    async fn say_goodbye(mut self) {
        let goodbye = wire::Goodbye {
            reason: "the node ends".into(),
        };
        let said = async {
            self.outward
                .send(says(from_node::Message::Goodbye(goodbye)))
                .await
                .ok()?;
            drop(self.outward);
            while self.inward.message().await.ok()?.is_some() {}
            Some(())
        };
        let _ = timeout(GOODBYE_PATIENCE, said).await;
    }
}

fn says(message: from_node::Message) -> wire::FromNode {
    wire::FromNode {
        message: Some(message),
    }
}
