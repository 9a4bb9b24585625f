//! The nodes' side: a gRPC server with one dialogue for each node.
//!
//! * [`attend`]: one dialogue.
//! * [`outbox`]: what it has to say.

mod attend;
mod outbox;

use crate::{
    Config,
    config::Token,
    limits::{PROBE_INTERVAL, PROBE_PATIENCE, SENDING_MESSAGES_MAX},
    program::Parts,
};
use control::{
    limits::MESSAGE_BYTES_MAX,
    wire::{
        FromNode, ToNode,
        control_server::{Control, ControlServer},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// Answers nodes until the controller ends.
pub(crate) async fn serve(
    parts: Parts,
    config: Config,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let cancel = parts.cancel.clone();
    let door = Door {
        parts,
        token: config.grpc.token.map(Arc::new),
        greeting: Greeting {
            report_interval: config.nodes.report_interval.get(),
            suspect_after: config.nodes.suspect_after.get(),
        },
    };
    let service = ControlServer::new(door)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(PROBE_INTERVAL))
        .http2_keepalive_timeout(Some(PROBE_PATIENCE))
        .add_service(service)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), cancel.cancelled_owned())
        .await?;
    Ok(())
}

/// Lets nodes in.
struct Door {
    parts: Parts,
    token: Option<Arc<Token>>,
    greeting: Greeting,
}

/// What a node is told when it is welcome.
#[derive(Clone, Copy)]
struct Greeting {
    report_interval: Duration,
    suspect_after: Duration,
}

#[tonic::async_trait]
impl Control for Door {
    type AttendStream = ReceiverStream<Result<ToNode, Status>>;

    async fn attend(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        let (outward, sending) = mpsc::channel(SENDING_MESSAGES_MAX);
        let peer = request.remote_addr();
        let dialogue = attend::Newcomer {
            parts: self.parts.clone(),
            token: self.token.clone(),
            greeting: self.greeting,
            peer,
            inward: request.into_inner(),
            outward,
        };
        self.parts.tasks.spawn(dialogue.attend());
        Ok(Response::new(ReceiverStream::new(sending)))
    }
}
