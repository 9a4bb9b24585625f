//! Operators' orders: who may give them, in what form, and what the controller answers.

use super::world::{Node, config, eventually, get, happens, start};
use controller::config::Token;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A POST with these lines in its head: status and body.
async fn post(address: SocketAddr, route: &str, head: &str, body: &str) -> (u16, Value) {
    ask(address, "POST", route, head, body).await
}

async fn ask(
    address: SocketAddr,
    method: &str,
    route: &str,
    head: &str,
    body: &str,
) -> (u16, Value) {
    let mut connection = TcpStream::connect(address).await.expect("connected");
    let request = format!(
        "{method} {route} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\
         {head}\r\n{body}",
        body.len()
    );
    connection
        .write_all(request.as_bytes())
        .await
        .expect("sent");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .await
        .expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    (status.expect("a status"), body)
}

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_token_nobody_else_reads_or_orders_anything() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = config(dir.path());
    config.rest.token = Some(Token::new("hush"));
    let controller = start(&config).await;
    let rest = controller.rest_address();
    for head in [
        "",
        "authorization: Bearer hus\r\n",
        "authorization: Basic hush\r\n",
        "authorization: hush\r\n",
    ] {
        for (method, route) in [
            ("GET", "/v1/cluster"),
            ("POST", "/v1/freeze"),
            ("GET", "/v1/no/such/route"),
        ] {
            let (status, body) = ask(rest, method, route, head, "").await;
            assert_eq!(status, 401, "{method} {route} with {head:?}: {body}");
            assert_eq!(body["error"]["code"], "unauthorized");
        }
    }
    let shown = "authorization: bearer hush\r\n";
    let (status, _) = ask(rest, "GET", "/v1/cluster", shown, "").await;
    assert_eq!(status, 200);
    let (status, _) = get(rest, "/openapi.json").await;
    assert_eq!(status, 200, "the document is no secret");
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_page_in_a_browser_could_send_unasked_is_no_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let rest = controller.rest_address();
    for head in [
        "",
        "content-type: text/plain\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
    ] {
        let (status, body) = post(rest, "/v1/freeze", head, "{}").await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (400, &"bad_request".into())
        );
    }
    let (status, _) = post(rest, "/v1/freeze", JSON, r#"{"why": "no such field"}"#).await;
    assert_eq!(status, 400);
    let (_, cluster) = get(rest, "/v1/cluster").await;
    assert_eq!(cluster["restarts"]["frozen"], Value::Null);
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_is_shown_and_said_until_it_is_ended() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let rest = controller.rest_address();
    let (status, frozen) = post(rest, "/v1/freeze", JSON, r#"{"reason": "works"}"#).await;
    assert_eq!(status, 200);
    assert_eq!(frozen["frozen"]["cause"], "operator", "{frozen}");
    let said = happens(&controller, "cluster.frozen", "").await;
    assert_eq!(said, "by an operator: works");
    let (_, cluster) = get(rest, "/v1/cluster").await;
    assert_eq!(
        cluster["restarts"]["frozen"]["reason"], "works",
        "{cluster}"
    );
    let (status, thawed) = post(rest, "/v1/unfreeze", JSON, "{}").await;
    assert_eq!((status, &thawed["frozen"]), (200, &Value::Null));
    happens(&controller, "cluster.unfrozen", "").await;
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_ordered_by_name_and_its_end_is_an_event() {
    let dir = tempfile::tempdir().expect("a directory");
    let controller = start(&config(dir.path())).await;
    let (status, body) = post(
        controller.rest_address(),
        "/v1/nodes/any/restart",
        JSON,
        "{}",
    )
    .await;
    assert_eq!((status, &body["error"]["code"]), (409, &"no_driver".into()));
    controller.stop().await;

    let text = format!(
        "grpc: {{listen: '127.0.0.1:0'}}\nrest: {{listen: '127.0.0.1:0'}}\n\
         store: {{path: '{}'}}\nnodes: {{report_interval: 100ms, suspect_after: 1s, dead_after: 2s}}\n\
         restart: {{driver: command, command: {{argv: [sh, -c, 'echo no unit $0 >&2; exit 5', '{{node}}']}}}}\n",
        dir.path().join("controller.redb").display()
    );
    let config = service::config::from_text("test.yaml", &text).expect("a good config");
    let controller = start(&config).await;
    let rest = controller.rest_address();
    let origin = Node::origin("one", &[controller.grpc_address()]);
    origin.is_connected().await;
    let (status, _) = post(rest, "/v1/nodes/none/restart", JSON, "{}").await;
    assert_eq!(status, 404);
    let ordered = eventually("the node is supervised", async || {
        let order = r#"{"reason": "it is slow"}"#;
        let (status, body) = post(rest, "/v1/nodes/one/restart", JSON, order).await;
        (status == 202).then_some(body)
    })
    .await;
    assert_eq!(
        (&ordered["driver"], &ordered["attempt"]),
        (&"command".into(), &1.into())
    );
    let begun = happens(&controller, "node.restarting", "one").await;
    assert_eq!(
        begun,
        "ordered by an operator: it is slow; by the driver command, attempt 1"
    );
    let failed = happens(&controller, "node.restart_failed", "one").await;
    assert!(
        failed.starts_with("sh: exit status: 5: no unit one; attempt 1"),
        "{failed}"
    );
    controller.stop().await;
}
