//! What operators see.

use super::world::{Node, config, eventually, get, request, start};
use agent::{Arrival, Audio, Video};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_shown_with_its_origin_edges_media_and_players() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let (grpc, rest) = (controller.grpc_address(), controller.rest_address());
    let (origin, edge) = (Node::origin("origin", &[grpc]), Node::edge("edge", &[grpc]));
    origin.has("room/239.1.1.5:1234", Arrival::Published, |stream| {
        stream.players = 1;
        stream.bits_per_second = 600_000;
        stream.video = Some(Video {
            codec: "h264".into(),
            width: 1280,
            height: 720,
            fps_milli: 25_000,
        });
        stream.audio = Some(Audio {
            codec: "aac".into(),
            sample_rate: 44_100,
            channels: 2,
        });
    });
    let found = edge.finds("room/239.1.1.5:1234", "origin").await;
    edge.has("room/239.1.1.5:1234", Arrival::Pulled, |stream| {
        stream.players = 3;
        stream.upstream = "origin".into();
    });
    let route = "/v1/streams/h/live/room/239.1.1.5:1234";
    let stream = eventually("the edge is shown", async || {
        let (status, stream) = get(rest, route).await;
        (status == 200 && stream["players"] == 4).then_some(stream)
    })
    .await;
    for (key, value) in [
        ("path", json!("h/live/room/239.1.1.5:1234")),
        ("name", json!("room/239.1.1.5:1234")),
        ("origin", json!("origin")),
        ("edges", json!(["edge"])),
        ("epoch", json!(found.epoch.0)),
        ("bits_per_second", json!(600_000)),
        (
            "video",
            json!({"codec": "h264", "width": 1280, "height": 720, "fps": 25.0}),
        ),
        (
            "audio",
            json!({"codec": "aac", "sample_rate": 44_100, "channels": 2}),
        ),
    ] {
        assert_eq!(stream[key], value, "{key}");
    }
    assert_eq!(stream["sites"][1]["players"], 3);
    assert_eq!(stream["sites"][1]["upstream"], "origin");

    let (_, cluster) = get(rest, "/v1/cluster").await;
    assert_eq!(
        (&cluster["origins"]["alive"], &cluster["streams"]),
        (&json!(1), &json!(1))
    );
    let (_, node) = get(rest, "/v1/nodes/edge").await;
    assert_eq!(
        (&node["role"], &node["state"]),
        (&json!("edge"), &json!("alive"))
    );
    let (_, on_edge) = get(rest, "/v1/streams?node=edge&app=live&search=1234").await;
    assert_eq!(on_edge["streams"].as_array().map(Vec::len), Some(1));
    let (_, none) = get(rest, "/v1/streams?app=vod").await;
    assert_eq!(none["streams"], json!([]));
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_follow_one_another_through_the_whole_list() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let rest = controller.rest_address();
    let origin = Node::origin("origin", &[controller.grpc_address()]);
    let names: Vec<String> = (10..35).map(|number| format!("cam{number}")).collect();
    names.iter().for_each(|name| origin.publishes(name));
    eventually("all are published", async || {
        let (_, cluster) = get(rest, "/v1/cluster").await;
        (cluster["streams"] == 25).then_some(())
    })
    .await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = get(rest, &format!("/v1/streams?limit=10{after}")).await;
        assert_eq!(status, 200);
        let streams = page["streams"].as_array().expect("a list").iter();
        seen.extend(streams.filter_map(|stream| stream["name"].as_str().map(str::to_owned)));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, names);
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_has_the_one_body() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let rest = controller.rest_address();
    for (method, route, status, code) in [
        ("GET", "/v1/nodes/nobody", 404, "node_not_found"),
        ("GET", "/v1/nodes/no%2Fbody", 404, "node_not_found"),
        ("GET", "/v1/streams/h/live/none", 404, "stream_not_found"),
        ("GET", "/v1/streams/h/live/..", 400, "bad_request"),
        ("GET", "/v1/streams?limit=many", 400, "bad_request"),
        ("GET", "/v1/streams?limit=0", 400, "bad_request"),
        ("GET", "/v1/nodes?limit=1001", 400, "bad_request"),
        ("GET", "/v1/events?limit=-1", 400, "bad_request"),
        ("GET", "/v1/streams?lmit=1", 400, "bad_request"),
        ("GET", "/v1/streams?after=x", 400, "bad_request"),
        ("GET", "/v1/nodes?role=origins", 400, "bad_request"),
        ("GET", "/v1/nodes?after=a%2Fb", 400, "bad_request"),
        ("GET", "/v2/nodes", 404, "route_not_found"),
        ("POST", "/v1/nodes", 405, "method_not_allowed"),
    ] {
        let (found, body) = request(rest, method, route).await;
        assert_eq!(
            (found, &body["error"]["code"]),
            (status, &json!(code)),
            "{method} {route}"
        );
        assert!(
            body["error"]["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_no_items_is_refused_with_the_bounds() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let rest = controller.rest_address();
    let (_, refused) = get(rest, "/v1/streams?limit=0").await;
    assert_eq!(
        refused["error"]["message"],
        "limit: a page has 1 to 1000 items, not \"0\""
    );
    for whole in [1, 1000] {
        let (status, _) = get(rest, &format!("/v1/streams?limit={whole}")).await;
        assert_eq!(status, 200, "{whole}");
    }
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_only_the_address_is_shown_every_route() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let rest = controller.rest_address();
    let (status, index) = get(rest, "/").await;
    assert_eq!((status, &index["document"]), (200, &json!("/openapi.json")));
    assert_eq!(
        index["routes"]["GET /v1/streams"],
        "Streams that have an owner or are on some node, in the order of their paths"
    );
    assert!(index["routes"]["POST /v1/freeze"].is_string());
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_names_exactly_what_is_served() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let rest = controller.rest_address();
    let (status, document) = get(rest, "/openapi.json").await;
    assert_eq!(status, 200);
    let paths = document["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 12);
    for route in paths.keys() {
        let real = route.replace(['{', '}'], "");
        let (_, body) = get(rest, &real).await;
        assert_ne!(
            body["error"]["code"], "route_not_found",
            "{route} is not served"
        );
    }
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_events_is_answered_when_one_happens() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let (grpc, rest) = (controller.grpc_address(), controller.rest_address());
    let (_, first) = get(rest, "/v1/events").await;
    assert_eq!(first["events"][0]["kind"], "controller.started");
    let route = format!("/v1/events?wait_s=30&after={}", first["next"]);
    let waiting = tokio::spawn(async move { get(rest, &route).await });
    let _origin = Node::origin("origin", &[grpc]);
    let (status, page): (u16, Value) = waiting.await.expect("no panic");
    assert_eq!(
        (status, &page["events"][0]["kind"]),
        (200, &json!("node.registered"))
    );
    assert_eq!(page["events"][0]["node"], "origin");
    controller.stop().await;
}
