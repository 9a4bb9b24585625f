//! Why a stream is where it is can be asked, and what is kept of a decision leads to it again.

use super::world::{Node, config, eventually, get, happens, path, start};
use controller::plan::{self, placing};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_decision_is_kept_with_what_led_to_it_and_leads_to_the_same_answer() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let (grpc, rest) = (controller.grpc_address(), controller.rest_address());
    let (one, two) = (Node::origin("one", &[grpc]), Node::origin("two", &[grpc]));
    let edge = Node::edge("edge", &[grpc]);
    for node in [&one, &two, &edge] {
        node.is_connected().await;
    }
    for name in ["a", "b", "c"] {
        one.publishes(name);
    }
    happens(&controller, "stream.published", "h/live/c").await;

    let placed = edge
        .agent
        .place(&path("new"), &[], false)
        .await
        .expect("an origin");
    assert_eq!(placed.node.as_str(), "two", "it has fewer streams");
    let (status, told) = get(rest, "/v1/explain/streams/h/live/new").await;
    assert_eq!(status, 200, "{told}");
    let placing = &told["placing"];
    assert_eq!(placing["was_told"], true, "{told}");
    assert_eq!(placing["chosen"], "two", "{told}");
    assert_eq!(placing["candidates"][0]["streams"], 3, "{told}");
    assert_eq!(told["owner"]["owner_is"], "nobody", "{told}");

    two.publishes("new");
    happens(&controller, "stream.published", "h/live/new").await;
    let (_, owned) = get(rest, "/v1/explain/streams/h/live/new").await;
    assert_eq!(owned["owner"]["decided"], "two", "{owned}");
    assert_eq!(owned["owner"]["changes"], false, "{owned}");
    assert_eq!(
        owned["last_change"]["reason"], "published at two",
        "{owned}"
    );

    let explanations = &controller.model().explanations;
    let kept = explanations.placing(&path("new")).expect("it is kept");
    let kept = kept.explained.clone();
    let again = placing::place(kept.question.clone(), kept.candidates.clone());
    assert_eq!(again, kept);
    let kept = explanations.ownership(&path("new")).expect("it is kept");
    let policy = &controller.model().policy;
    assert_eq!(plan::decide(&kept.facts, policy), kept.decision);

    two.leave().await;
    happens(&controller, "node.left", "two").await;
    let ruled = eventually("who is silent is ruled out", async || {
        let (_, told) = get(rest, "/v1/explain/streams/h/live/other").await;
        (told["placing"]["chosen"] == "one").then_some(told)
    })
    .await;
    assert_eq!(ruled["placing"]["was_told"], false, "{ruled}");
    controller.stop().await;
}
