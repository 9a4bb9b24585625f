//! The API's document: every route with its parameters and answers, made from this crate's types.
//!
//! The functions here are never called; they carry the routes' words. A test of the controller
//! checks that it serves exactly these routes, and a test of this crate that
//! `docs/ref/openapi.json` is up to date.
#![allow(dead_code)]

use crate::{
    Cluster, ErrorBody, EventPage, Node, NodePage, Order, Restarting, Restarts, Stream,
    StreamExplained, StreamPage,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Weir controller",
        description = "What a Weir cluster is doing, and orders to it. Fields are only ever added: \
                       pass over those that you do not know. Below `/v1`, a controller that has a \
                       token asks for it, `Authorization: Bearer …`, and answers 401 \
                       `unauthorized` without.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(index, cluster, list_nodes, get_node, restart_node, list_streams, get_stream, list_events,
        explain_stream, freeze, unfreeze, document),
    modifiers(&Token),
    security((), ("token" = [])),
    tags(
        (name = "cluster", description = "The whole cluster."),
        (name = "nodes", description = "Media servers: origins and edges."),
        (name = "streams", description = "Live streams and where they are."),
        (name = "events", description = "What happened, with reasons."),
    )
)]
struct Document;

/// Documents the bearer token.
struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", bearer);
    }
}

/// The document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The document as it is committed and served.
pub fn openapi_json() -> String {
    let mut text = openapi()
        .to_pretty_json()
        .expect("a document of our own types is JSON");
    text.push('\n');
    text
}

/// What there is to ask
#[utoipa::path(get, path = "/", tag = "cluster", security(()),
    responses((status = 200, description = "Every route with its purpose, and where the document is",
        content_type = "application/json")))]
fn index() {}

/// The cluster in one look
#[utoipa::path(get, path = "/v1/cluster", tag = "cluster",
    responses((status = 200, description = "How it stands", body = Cluster)))]
fn cluster() {}

/// Nodes, in the order of their names
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes",
    params(
        ("role" = Option<String>, Query, description = "Only `origin` or only `edge`"),
        ("state" = Option<String>, Query, description = "Only `alive`, `suspect` or `dead`"),
        ("limit" = Option<usize>, Query, description = "Items on a page: 1 to 1000, 100 if left out"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = NodePage),
        (status = 400, description = "A parameter is malformed", body = ErrorBody),
    ))]
fn list_nodes() {}

/// One node
#[utoipa::path(get, path = "/v1/nodes/{node}", tag = "nodes",
    params(("node" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The node", body = Node),
        (status = 404, description = "`node_not_found`", body = ErrorBody),
    ))]
fn get_node() {}

/// Restart a node
///
/// By the controller's driver, whatever the node looks like, also while the cluster is frozen. How
/// it ends is an event.
#[utoipa::path(post, path = "/v1/nodes/{node}/restart", tag = "nodes",
    params(("node" = String, Path, description = "Its name")),
    request_body = Order,
    responses(
        (status = 202, description = "It has begun", body = Restarting),
        (status = 400, description = "The body is malformed", body = ErrorBody),
        (status = 404, description = "`node_not_found`", body = ErrorBody),
        (status = 409, description = "`no_driver`, `restart_in_flight`", body = ErrorBody),
    ))]
fn restart_node() {}

/// Streams that have an owner or are on some node, in the order of their paths
#[utoipa::path(get, path = "/v1/streams", tag = "streams",
    params(
        ("vhost" = Option<String>, Query, description = "Only of this vhost"),
        ("app" = Option<String>, Query, description = "Only of this app"),
        ("node" = Option<String>, Query, description = "Only those on this node"),
        ("search" = Option<String>, Query, description = "Only those whose path holds this text"),
        ("limit" = Option<usize>, Query, description = "Items on a page: 1 to 1000, 100 if left out"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = StreamPage),
        (status = 400, description = "A parameter is malformed", body = ErrorBody),
    ))]
fn list_streams() {}

/// One stream
///
/// The name may hold `/` and `:` as they are: `/v1/streams/__defaultVhost__/live/room/cam`.
#[utoipa::path(get, path = "/v1/streams/{vhost}/{app}/{name}", tag = "streams",
    params(
        ("vhost" = String, Path, description = "The first part of its path"),
        ("app" = String, Path, description = "The second"),
        ("name" = String, Path, description = "All the rest"),
    ),
    responses(
        (status = 200, description = "The stream", body = Stream),
        (status = 400, description = "That is no stream path", body = ErrorBody),
        (status = 404, description = "`stream_not_found`", body = ErrorBody),
    ))]
fn get_stream() {}

/// Events after a given one, the oldest first
///
/// To follow, ask again with `after` set to the last answer's `next`, and `wait_s` so that the
/// answer waits until something happens.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(
        ("after" = Option<u64>, Query, description = "An event's id, or the `next` of an answer; 0 if left out"),
        ("limit" = Option<usize>, Query, description = "Items on a page: 1 to 1000, 100 if left out"),
        ("wait_s" = Option<u64>, Query, description = "Seconds to wait if there is none: at most 60, 0 if left out"),
    ),
    responses(
        (status = 200, description = "A page, maybe empty", body = EventPage),
        (status = 400, description = "A parameter is malformed", body = ErrorBody),
    ))]
fn list_events() {}

/// Why a stream is where it is, and where a publish of it goes
///
/// Answers for a stream that nobody has ever seen, too: it says where its publish would go.
#[utoipa::path(get, path = "/v1/explain/streams/{vhost}/{app}/{name}", tag = "streams",
    params(
        ("vhost" = String, Path, description = "The first part of its path"),
        ("app" = String, Path, description = "The second"),
        ("name" = String, Path, description = "All the rest"),
    ),
    responses(
        (status = 200, description = "Candidates, what ruled each out, scores, reasons", body = StreamExplained),
        (status = 400, description = "That is no stream path", body = ErrorBody),
    ))]
fn explain_stream() {}

/// Freeze: no node is declared dead or restarted until it is unfrozen
#[utoipa::path(post, path = "/v1/freeze", tag = "cluster",
    request_body = Order,
    responses(
        (status = 200, description = "How restarts stand", body = Restarts),
        (status = 400, description = "The body is malformed", body = ErrorBody),
    ))]
fn freeze() {}

/// Unfreeze: nodes that look dead now may be declared dead and restarted
///
/// The loss of the store cannot be ended so.
#[utoipa::path(post, path = "/v1/unfreeze", tag = "cluster",
    request_body = Order,
    responses(
        (status = 200, description = "How restarts stand", body = Restarts),
        (status = 400, description = "The body is malformed", body = ErrorBody),
    ))]
fn unfreeze() {}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "cluster",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
fn document() {}
