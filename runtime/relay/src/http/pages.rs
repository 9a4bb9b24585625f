//! Everything over HTTP that is not a plain GET of a live stream: answered by hyper.
//!
//! The same live streams are served here too, to browsers that reuse a connection and to requests that
//! came in pieces; there the body reads the tape through a [`Subscriber`].

use super::{errors, format::FLV, head::Rewound, play, target};
use crate::{
    await_online::{Online, await_online},
    hub::Reader,
    limits,
    settings::Settings,
    shard::Shard,
    tape::cursor::Subscriber,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use media::StreamPath;
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// Serves requests on `connection` until the peer hangs up or the shard closes.
pub(crate) async fn serve(
    shard: Rc<Shard>,
    connection: Rewound,
    peer: SocketAddr,
    settings: Rc<Settings>,
) {
    let answering = shard.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (shard, settings) = (answering.clone(), settings.clone());
        async move { Ok::<_, Infallible>(answer(&shard, &settings, peer, &request).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::GREETING_TIMEOUT)
        .max_buf_size(limits::HTTP_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(connection), service);
    tokio::select! {
        served = serving => if let Err(error) = served {
            tracing::debug!(%peer, %error, "an HTTP connection ended in an error");
        },
        () = shard.closing().cancelled() => {}
    }
}

async fn answer(
    shard: &Shard,
    settings: &Settings,
    peer: SocketAddr,
    request: &Request<Incoming>,
) -> Response<Body> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let found = target::live_stream(target, host, &settings.vhosts);
    let mut response = match (request.method(), found) {
        (&Method::OPTIONS, _) => preflight(),
        (&Method::GET, Some(Ok(path))) => live(shard, settings, peer, &path).await,
        (&Method::GET, Some(Err(error))) => failure(
            StatusCode::BAD_REQUEST,
            "bad_stream_path",
            &error.to_string(),
        ),
        (&Method::GET, None) => failure(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing here; live streams are at /app/name.flv",
        ),
        _ => {
            let mut response = failure(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "GET and OPTIONS are served",
            );
            let allowed = HeaderValue::from_static("GET, OPTIONS");
            response.headers_mut().insert(header::ALLOW, allowed);
            response
        }
    };
    let anybody = HeaderValue::from_static("*");
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
    response
}

async fn live(
    shard: &Shard,
    settings: &Settings,
    peer: SocketAddr,
    path: &StreamPath,
) -> Response<Body> {
    let reading = shard.hub().read(path, Reader::Player);
    if await_online(reading.stream(), settings.play.wait.get()).await == Online::No {
        let mut response = Response::new(Body::Whole(Some(errors::stream_not_found(path).into())));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    tracing::info!(stream = %path, %peer, protocol = FLV.name, "player joined");
    let file_header = Some(play::file_header(&reading));
    let subscriber = shard.subscribe_as(reading, &FLV);
    let mut response = Response::new(Body::Live {
        file_header,
        subscriber: Box::new(subscriber),
    });
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("video/x-flv"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store"),
    );
    response
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::Whole(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, OPTIONS"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("*"),
    );
    response
}

fn failure(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Some(errors::body(code, message).into())));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// What hyper sends: a short answer, or a live stream.
enum Body {
    Whole(Option<Bytes>),
    Live {
        file_header: Option<Bytes>,
        subscriber: Box<Subscriber>,
    },
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.get_mut() {
            Self::Whole(bytes) => bytes.take(),
            Self::Live {
                file_header,
                subscriber,
            } => match file_header.take() {
                Some(bytes) => Some(bytes),
                None => std::task::ready!(subscriber.poll_next(context)).map(|piece| {
                    let totals = subscriber.stream().totals();
                    totals.sent(piece.bytes.len() as u64);
                    piece.bytes
                }),
            },
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Live { .. } => SizeHint::default(),
        }
    }
}
