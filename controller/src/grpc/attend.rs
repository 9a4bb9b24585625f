//! One node's dialogue: from its registration to its end.
//!
//! One task owns both directions, and waits for room to send, for something to read and for news at
//! once; so neither side can block the other.

use super::{
    Greeting,
    outbox::{Next, Outbox},
    tls,
};
use crate::{
    config::Token,
    limits::REGISTER_PATIENCE,
    metrics::{
        DESIRED, DESIRED_REFUSED, DIALOGUES, LOCATED, LOCATES, PLACES, REFUSED, REGISTERED, REPORTS,
    },
    model::{Attended, inventory::RegisterError},
    program::{Parts, now},
    reconcile,
};
use ::metrics::{counter, gauge};
use control::{
    ContractError, Desired, Epoch, Generation, Identity, NodeId, Report,
    limits::AVOID_MAX,
    wire::{self, FromNode, ToNode, from_node, to_node},
};
use media::StreamPath;
use rustls::pki_types::CertificateDer;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

/// What a node says, in order, until it ends or breaks.
pub(crate) trait Inward: Stream<Item = Result<FromNode, Status>> + Unpin + Send {}

impl<I: Stream<Item = Result<FromNode, Status>> + Unpin + Send> Inward for I {}

/// Somebody who has not said yet who they are.
pub(crate) struct Newcomer<I> {
    pub(crate) parts: Parts,
    pub(crate) leave: Leave,
    pub(crate) greeting: Greeting,
    pub(crate) peer: Option<SocketAddr>,
    /// What it says: a gRPC stream, or anything that ends as one does.
    pub(crate) inward: I,
    pub(crate) outward: mpsc::Sender<Result<ToNode, Status>>,
}

/// What lets a node in, beyond its word.
#[derive(Default)]
pub(crate) struct Leave {
    /// It must show the same; without one none is asked for.
    pub(crate) token: Option<Arc<Token>>,
    /// It has shown this, and may speak only for those whom it names; without one, for anybody.
    pub(crate) certificate: Option<CertificateDer<'static>>,
}

/// How a dialogue ended.
enum Ended {
    /// The node said goodbye, for this reason.
    Left(String),
    /// The node closed it, or its connection broke.
    Broke(String),
    /// We end it, and say why.
    Refused(Status),
}

impl<I: Inward> Newcomer<I> {
    /// Registers the node and talks with it to the end.
    pub(crate) async fn attend(mut self) {
        let outward = self.outward.clone();
        let cancel = self.parts.cancel.clone();
        let (identity, generation) = match self.introduce().await {
            Ok(introduced) => introduced,
            Err(status) => {
                tracing::warn!(
                    peer = self.peer.map(tracing::field::display),
                    reason = status.message(),
                    "no node registered"
                );
                return refuse(&outward, status).await;
            }
        };
        let node = identity.node.clone();
        let attended = match self.register(identity).await {
            Ok(attended) => attended,
            Err(status) => {
                tracing::warn!(%node, peer = self.peer.map(tracing::field::display), reason = status.message(), "node refused");
                return refuse(&outward, status).await;
            }
        };
        gauge!(DIALOGUES).increment(1.0);
        let model = Arc::clone(&self.parts.model);
        let store = Arc::clone(&self.parts.store);
        let dialogue = attended.dialogue;
        let mut talking = Talking {
            node: node.clone(),
            attended,
            generation,
            said: None,
            outbox: Outbox::default(),
            inward: self.inward,
            outward: self.outward,
            parts: self.parts,
        };
        let ended = tokio::select! {
            biased;
            ended = talking.talk() => ended,
            () = cancel.cancelled() => Ended::Refused(Status::unavailable("the controller ends")),
        };
        gauge!(DIALOGUES).decrement(1.0);
        match ended {
            Ended::Left(reason) => {
                model.ended(&node, dialogue, true, &reason, now());
                reconcile::forget_node(&*store, &node).await;
            }
            Ended::Broke(reason) => {
                let reason = format!("its dialogue broke: {reason}");
                model.ended(&node, dialogue, false, &reason, now());
            }
            Ended::Refused(status) => {
                let reason = format!("its dialogue was ended: {}", status.message());
                if !cancel.is_cancelled() {
                    model.ended(&node, dialogue, false, &reason, now());
                }
                refuse(&outward, status).await;
            }
        }
    }

    /// The node says who it is. Returns that, and the generation that it knows.
    async fn introduce(&mut self) -> Result<(Identity, Generation), Status> {
        let first = tokio::time::timeout(REGISTER_PATIENCE, self.inward.try_next())
            .await
            .map_err(|_| Status::deadline_exceeded("nothing was said"))??;
        let Some(from_node::Message::Register(register)) = first.and_then(|first| first.message)
        else {
            return Err(Status::invalid_argument(
                "the first message is not Register",
            ));
        };
        if let Some(token) = &self.leave.token
            && !token.is(&register.token)
        {
            return Err(Status::unauthenticated("the token is wrong"));
        }
        let missing = ContractError::Missing {
            field: "Register.identity",
        };
        let identity = Identity::try_from(register.identity.ok_or(missing)?)?;
        if let Some(certificate) = &self.leave.certificate {
            tls::names(certificate, &identity.node).map_err(|error| {
                let node = &identity.node;
                Status::permission_denied(format!("the certificate is not of {node}: {error}"))
            })?;
        }
        Ok((identity, Generation(register.generation)))
    }

    async fn register(&mut self, identity: Identity) -> Result<Attended, Status> {
        let attended = self
            .parts
            .model
            .register(identity.clone(), now())
            .map_err(|error| {
                let text = error.to_string();
                match error {
                    RegisterError::Outlived { .. } => Status::already_exists(text),
                    RegisterError::Full => Status::resource_exhausted(text),
                }
            })?;
        counter!(REGISTERED).increment(1);
        tracing::info!(
            node = %identity.node,
            role = %identity.role,
            incarnation = identity.incarnation.0,
            peer = self.peer.map(tracing::field::display),
            "node registered"
        );
        let welcome = wire::Welcome {
            controller: self.parts.name.to_string(),
            report_interval_ms: millis(self.greeting.report_interval),
            suspect_after_ms: millis(self.greeting.suspect_after),
        };
        // The channel is empty: there is room.
        let _ = self
            .outward
            .try_send(Ok(says(to_node::Message::Welcome(welcome))));
        // Where there are other controllers it is posted to them, until it is there.
        if attended.is_new && !self.parts.store.is_shared() {
            reconcile::store_node(&*self.parts.store, &identity).await;
        }
        Ok(attended)
    }
}

/// A registered node's dialogue.
struct Talking<I> {
    parts: Parts,
    node: NodeId,
    attended: Attended,
    /// Of the last desired state that the node knows.
    generation: Generation,
    /// The last desired state that was sent on this dialogue.
    said: Option<Desired>,
    outbox: Outbox,
    inward: I,
    outward: mpsc::Sender<Result<ToNode, Status>>,
}

impl<I: Inward> Talking<I> {
    async fn talk(&mut self) -> Ended {
        let outward = self.outward.clone();
        let mailbox = Arc::clone(&self.attended.mailbox);
        loop {
            tokio::select! {
                biased;
                message = self.inward.try_next() => match message {
                    Ok(Some(message)) => match self.hear(message) {
                        Ok(None) => {}
                        Ok(Some(goodbye)) => return Ended::Left(goodbye),
                        Err(status) => return Ended::Refused(status),
                    },
                    Ok(None) => return Ended::Broke("the node closed it".into()),
                    Err(status) => return Ended::Broke(became(&status)),
                },
                room = outward.reserve(), if !self.outbox.is_empty() => {
                    let Ok(room) = room else {
                        return Ended::Broke("the node reads no more".into());
                    };
                    if let Some(message) = self.next() {
                        room.send(Ok(says(message)));
                    }
                }
                () = mailbox.news(), if self.outbox.has_room() => {
                    let news = mailbox.take();
                    if news.replaced {
                        return Ended::Refused(Status::aborted("the node began a later dialogue"));
                    }
                    self.outbox.take(news);
                }
            }
        }
    }

    /// What to say next; `None` if it turns out that there is nothing new.
    fn next(&mut self) -> Option<to_node::Message> {
        match self.outbox.next()? {
            Next::Placed(placed) => Some(to_node::Message::Placed(placed)),
            Next::Located(path) => {
                counter!(LOCATED).increment(1);
                let location = self.parts.model.location(&self.node, &path);
                Some(to_node::Message::Located(location.to_wire(&path)))
            }
            Next::Desired => {
                let mut desired = self.parts.model.desired(&self.node, now());
                if self.said.as_ref() == Some(&desired) {
                    return None;
                }
                self.said = Some(desired.clone());
                self.generation = Generation(self.generation.0.saturating_add(1));
                desired.generation = self.generation;
                counter!(DESIRED).increment(1);
                Some(to_node::Message::Desired(desired.into()))
            }
        }
    }

    /// Takes in a message; its reason, if it is a goodbye.
    fn hear(&mut self, message: FromNode) -> Result<Option<String>, Status> {
        let model = &self.parts.model;
        match message.message {
            Some(from_node::Message::Report(report)) => {
                counter!(REPORTS).increment(1);
                let report = Report::try_from(report)?;
                model.report(&self.node, self.attended.dialogue, report, now());
            }
            Some(from_node::Message::Locate(locate)) => {
                counter!(LOCATES).increment(1);
                let (path, seen) = (path(&locate.path)?, Epoch(locate.epoch));
                if !model.follow(&self.node, &self.attended.mailbox, path, seen) {
                    return Err(Status::resource_exhausted("too many streams are located"));
                }
            }
            Some(from_node::Message::Forget(forget)) => {
                model.unfollow(&self.node, &self.attended.mailbox, &path(&forget.path)?);
            }
            Some(from_node::Message::Place(place)) => {
                counter!(PLACES).increment(1);
                let placed = self.place(place)?;
                if !self.outbox.placed(placed) {
                    return Err(Status::resource_exhausted(
                        "too many placings wait to be read",
                    ));
                }
            }
            Some(from_node::Message::Applied(applied)) if applied.refused.is_empty() => {}
            Some(from_node::Message::Applied(applied)) => {
                counter!(DESIRED_REFUSED).increment(1);
                let (generation, reason) = (applied.generation, applied.refused);
                tracing::warn!(node = %self.node, generation, reason, "desired state refused");
            }
            Some(from_node::Message::Goodbye(goodbye)) => return Ok(Some(goodbye.reason)),
            Some(from_node::Message::Register(_)) => {
                return Err(Status::invalid_argument("Register was said twice"));
            }
            // A kind that we do not know is to be ignored.
            None => {}
        }
        Ok(None)
    }

    fn place(&self, place: wire::Place) -> Result<wire::Placed, Status> {
        if place.avoid.len() > AVOID_MAX {
            let (field, count) = ("Place.avoid", place.avoid.len());
            return Err(ContractError::TooMany {
                field,
                count,
                max: AVOID_MAX,
            }
            .into());
        }
        let avoid: Vec<NodeId> = place
            .avoid
            .iter()
            .map(|node| NodeId::new(node))
            .collect::<Result<_, _>>()?;
        self.parts.model.accuse(&avoid, now());
        let (path, backup) = (path(&place.path)?, place.backup);
        let placed = self
            .parts
            .model
            .place(&path, &self.node, &avoid, backup, now());
        let (origin, reason) = match placed {
            Ok(origin) => (Some(origin.into()), String::new()),
            Err(reason) => (None, reason.to_owned()),
        };
        Ok(wire::Placed {
            request: place.request,
            origin,
            reason,
        })
    }
}

/// What became of a connection, in the words of whoever noticed first: gRPC's own are `h2 protocol error`.
fn became(status: &Status) -> String {
    let cause = std::error::Error::source(status);
    let deepest = std::iter::successors(cause, |error| error.source()).last();
    deepest.map_or_else(|| status.message().to_owned(), ToString::to_string)
}

/// Ends a dialogue with a status; gives up if the node does not read.
async fn refuse(outward: &mpsc::Sender<Result<ToNode, Status>>, status: Status) {
    let code = match status.code() {
        tonic::Code::Unavailable => "unavailable",
        tonic::Code::Aborted => "aborted",
        tonic::Code::Unauthenticated => "unauthenticated",
        tonic::Code::PermissionDenied => "permission_denied",
        tonic::Code::InvalidArgument => "invalid_argument",
        tonic::Code::AlreadyExists => "already_exists",
        tonic::Code::ResourceExhausted => "resource_exhausted",
        _ => "other",
    };
    counter!(REFUSED, "code" => code).increment(1);
    let _ = tokio::time::timeout(Duration::from_secs(1), outward.send(Err(status))).await;
}

fn path(text: &str) -> Result<StreamPath, Status> {
    text.parse()
        .map_err(|error| Status::invalid_argument(format!("the stream path is bad: {error}")))
}

fn says(message: to_node::Message) -> ToNode {
    ToNode {
        message: Some(message),
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
