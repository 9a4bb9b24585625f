//! The operators' side: the REST API over HTTP/1.1.
//!
//! * [`views`]: the API's types from what the model knows.
//! * [`query`]: what clients ask for, parsed.
//! * [`explain`]: decisions with all that led to them.
//! * [`orders`]: what changes the cluster: restarts, the freeze.
//! * [`guard`]: who may ask.
//!
//! Routes, parameters and answers are those of
//! `docs/ref/openapi.json`, which a test compares.

mod explain;
mod guard;
mod orders;
mod query;
mod views;

use crate::{config::Token, limits::EVENT_WAIT_MAX, program::Parts};
use api::{Cluster, ErrorBody, ErrorCode, EventPage, Node, NodePage, Stream, StreamPage};
use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header, request},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use control::NodeId;
use media::StreamPath;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;

/// Answers operators until the controller ends.
pub(crate) async fn serve(
    parts: Parts,
    token: Option<Token>,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let cancel = parts.cancel.clone();
    let router = guard::guarded(router(parts), token);
    service::http::serve(listener, router, cancel).await;
    Ok(())
}

fn router(parts: Parts) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/v1/cluster", get(cluster))
        .route("/v1/nodes", get(list_nodes))
        .route("/v1/nodes/{node}", get(get_node))
        .route("/v1/nodes/{node}/restart", post(orders::restart))
        .route("/v1/freeze", post(orders::freeze))
        .route("/v1/unfreeze", post(orders::unfreeze))
        .route("/v1/streams", get(list_streams))
        .route("/v1/streams/{vhost}/{app}/{*name}", get(get_stream))
        .route(
            "/v1/explain/streams/{vhost}/{app}/{*name}",
            get(explain::stream),
        )
        .route("/v1/events", get(list_events))
        .route("/openapi.json", get(document))
        .fallback(async || Refused::new(ErrorCode::RouteNotFound, "there is no such route"))
        .method_not_allowed_fallback(async || {
            Refused::new(
                ErrorCode::MethodNotAllowed,
                "the route does not take that method",
            )
        })
        .with_state(parts)
}

/// An answer that is not a success.
struct Refused(ErrorBody);

impl Refused {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(ErrorBody::new(code, message))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.error.code.status());
        (
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            Json(self.0),
        )
            .into_response()
    }
}

/// A query, refused with the API's own error body.
struct Asked<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Refused> {
        // The framework's own words before the cause say nothing to a client.
        let bad = |error: QueryRejection| {
            let text = error.body_text();
            let cause = text.strip_prefix("Failed to deserialize query string: ");
            Refused::new(ErrorCode::BadRequest, cause.unwrap_or(&text))
        };
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(query)| Self(query))
            .map_err(bad)
    }
}

/// What the document says of each route, for somebody who has only the address.
async fn index() -> Json<Value> {
    let document = serde_json::to_value(api::openapi::openapi()).unwrap_or_default();
    let mut routes = serde_json::Map::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let route = format!("{} {path}", method.to_uppercase());
            routes.insert(route, operation["summary"].clone());
        }
    }
    Json(json!({
        "program": "weir-controller",
        "version": service::build::VERSION,
        "document": "/openapi.json",
        "routes": routes,
    }))
}

async fn cluster(State(parts): State<Parts>) -> Json<Cluster> {
    let (name, kind) = (parts.name.to_string(), parts.store.kind());
    let revision = parts.model.revision();
    let restarts = views::restarts(&parts.supervisor.standing());
    Json(
        parts
            .model
            .read(|inventory| views::cluster(inventory, name, kind, revision, restarts)),
    )
}

async fn list_nodes(
    State(parts): State<Parts>,
    Asked(query): Asked<query::Nodes>,
) -> Result<Json<NodePage>, Refused> {
    let bad =
        |error: control::ContractError| Refused::new(ErrorCode::BadRequest, error.to_string());
    let after = query
        .after
        .as_deref()
        .map(NodeId::new)
        .transpose()
        .map_err(bad)?;
    Ok(Json(parts.model.read(|inventory| {
        views::nodes(inventory, &query, after.as_ref())
    })))
}

async fn get_node(
    State(parts): State<Parts>,
    Path(node): Path<String>,
) -> Result<Json<Node>, Refused> {
    let found = NodeId::new(&node).ok().and_then(|id| {
        parts
            .model
            .read(|inventory| inventory.nodes().get(&id).map(views::node))
    });
    let missing = || Refused::new(ErrorCode::NodeNotFound, format!("there is no node {node}"));
    found.map(Json).ok_or_else(missing)
}

async fn list_streams(
    State(parts): State<Parts>,
    Asked(query): Asked<query::Streams>,
) -> Result<Json<StreamPage>, Refused> {
    let after = match query.after.as_deref() {
        Some(after) => Some(stream_path(after.parse())?),
        None => None,
    };
    let (model, after) = (&parts.model, after.as_ref());
    Ok(Json(model.read(|inventory| {
        views::streams(inventory, &model.policy, &query, after)
    })))
}

async fn get_stream(
    State(parts): State<Parts>,
    Path((vhost, app, name)): Path<(String, String, String)>,
) -> Result<Json<Stream>, Refused> {
    let path = stream_path(StreamPath::new(&vhost, &app, &name))?;
    let model = &parts.model;
    let found = model.read(|inventory| {
        let view = inventory.stream(&path)?;
        let standbys = inventory.standbys(&path, &model.policy);
        Some(views::stream(&view, &standbys))
    });
    let missing = || {
        Refused::new(
            ErrorCode::StreamNotFound,
            format!("there is no stream {path}"),
        )
    };
    found.map(Json).ok_or_else(missing)
}

async fn list_events(
    State(parts): State<Parts>,
    Asked(query): Asked<query::Events>,
) -> Json<EventPage> {
    let after = query.after.unwrap_or(0);
    let limit = api::page::limit(query.limit);
    let wait = Duration::from_secs(query.wait_s.unwrap_or(0)).min(EVENT_WAIT_MAX);
    let page = parts.model.events.page(after, limit);
    if !page.events.is_empty() || wait.is_zero() {
        return Json(page);
    }
    tokio::select! {
        () = parts.model.events.after(page.next) => {}
        () = tokio::time::sleep(wait) => {}
        () = parts.cancel.cancelled() => {}
    }
    Json(parts.model.events.page(after, limit))
}

async fn document() -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        api::openapi::openapi_json(),
    )
        .into_response()
}

fn stream_path(parsed: Result<StreamPath, media::path::PathError>) -> Result<StreamPath, Refused> {
    parsed.map_err(|error| Refused::new(ErrorCode::BadRequest, error.to_string()))
}
