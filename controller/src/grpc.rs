//! The nodes' side: a gRPC server with one dialogue for each node.
//!
//! * [`config`]: what an operator can set about it.
//! * [`guest`]: a connection that nobody knows yet.
//! * [`tls`]: how it is known, by certificates.
//! * [`attend`]: one dialogue.
//! * [`outbox`]: what it has to say.

pub(crate) mod attend;
pub mod config;
mod guest;
mod outbox;
mod tls;

pub(crate) use tls::Certificates;

use crate::{
    Config,
    config::Token,
    limits::{GUESTS_WAITING_MAX, PROBE_INTERVAL, PROBE_PATIENCE, SENDING_MESSAGES_MAX},
    metrics::DIALOGUES,
    program::Parts,
};
use ::metrics::gauge;
use attend::Leave;
use control::{
    limits::MESSAGE_BYTES_MAX,
    wire::{
        FromNode, ToNode,
        control_server::{Control, ControlServer},
    },
};
use guest::Caller;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// Answers nodes until the controller ends.
pub(crate) async fn serve(
    parts: Parts,
    config: Config,
    certificates: Option<Certificates>,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let cancel = parts.cancel.clone();
    gauge!(DIALOGUES).set(0.0);
    let door = Door {
        parts,
        greeting: Greeting::of(&config),
        token: config.grpc.token.map(Arc::new),
    };
    let service = ControlServer::new(door)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let (admitted, guests) = mpsc::channel(GUESTS_WAITING_MAX);
    let serving = Server::builder()
        .http2_keepalive_interval(Some(PROBE_INTERVAL))
        .http2_keepalive_timeout(Some(PROBE_PATIENCE))
        .add_service(service)
        .serve_with_incoming_shutdown(ReceiverStream::new(guests), cancel.cancelled_owned());
    tokio::select! {
        served = serving => Ok(served?),
        // Ends only when nobody takes guests any more, and then so does the other.
        () = guest::admit(listener, certificates, admitted) => Ok(()),
    }
}

/// Lets nodes in.
struct Door {
    parts: Parts,
    token: Option<Arc<Token>>,
    greeting: Greeting,
}

/// What a node is told when it is welcome.
#[derive(Clone, Copy)]
pub(crate) struct Greeting {
    report_interval: Duration,
    suspect_after: Duration,
}

impl Greeting {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            report_interval: config.nodes.report_interval.get(),
            suspect_after: config.nodes.suspect_after.get(),
        }
    }
}

#[tonic::async_trait]
impl Control for Door {
    type AttendStream = ReceiverStream<Result<ToNode, Status>>;

    async fn attend(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        let (outward, sending) = mpsc::channel(SENDING_MESSAGES_MAX);
        let caller = request.extensions().get::<Caller>().cloned();
        let (peer, certificate) = match caller {
            Some(caller) => (Some(caller.peer), caller.certificate),
            None => (None, None),
        };
        let dialogue = attend::Newcomer {
            parts: self.parts.clone(),
            leave: Leave {
                token: self.token.clone(),
                certificate,
            },
            greeting: self.greeting,
            peer,
            inward: request.into_inner(),
            outward,
        };
        self.parts.tasks.spawn(dialogue.attend());
        Ok(Response::new(ReceiverStream::new(sending)))
    }
}
