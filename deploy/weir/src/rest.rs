//! A controller, asked by its REST API: one function a question, in the API's own types.

use anyhow::{Context, bail};
use api::{
    Cluster, ErrorBody, ErrorCode, EventPage, Fault, Node, NodePage, Order, Restarting, Restarts,
    Stream, StreamExplained, StreamPage,
};
use serde::de::DeserializeOwned;
use std::{fmt::Write, time::Duration};

/// A controller on this machine or in this building answers in milliseconds; one that needs longer
/// than this is not well, and the operator should hear it.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The most that the API puts on a page.
const PAGE: usize = api::page::LIMIT_MAX;

/// One controller.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    url: String,
    client: reqwest::Client,
    token: Option<String>,
}

impl Controller {
    /// The one at `url` (`http://host:port`).
    ///
    /// # Errors
    /// If no client can be made.
    pub(crate) fn at(url: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            client,
            token: None,
        })
    }

    /// The same, shown this token with each question.
    pub(crate) fn with_token(self, token: Option<String>) -> Self {
        Self { token, ..self }
    }

    /// The cluster in one look.
    ///
    /// # Errors
    /// As all of these: if nobody answers, or the answer is an error or not what was asked for.
    pub(crate) async fn cluster(&self) -> anyhow::Result<Cluster> {
        self.get("/v1/cluster", &[]).await
    }

    /// All nodes, by name.
    pub(crate) async fn nodes(&self) -> anyhow::Result<Vec<Node>> {
        let (mut nodes, mut after) = (Vec::new(), None);
        loop {
            let page: NodePage = self.get("/v1/nodes", &page_of(after)).await?;
            nodes.extend(page.nodes);
            after = page.next;
            if after.is_none() {
                return Ok(nodes);
            }
        }
    }

    /// One node.
    pub(crate) async fn node(&self, name: &str) -> anyhow::Result<Node> {
        self.get(&format!("/v1/nodes/{}", encoded(name)), &[]).await
    }

    /// All streams whose path holds `search`, by path.
    pub(crate) async fn streams(&self, search: Option<&str>) -> anyhow::Result<Vec<Stream>> {
        let (mut streams, mut after) = (Vec::new(), None);
        loop {
            let mut query = page_of(after);
            query.extend(search.map(|search| ("search", search.to_owned())));
            let page: StreamPage = self.get("/v1/streams", &query).await?;
            streams.extend(page.streams);
            after = page.next;
            if after.is_none() {
                return Ok(streams);
            }
        }
    }

    /// The stream `vhost/app/name`, if there is one.
    pub(crate) async fn stream(&self, path: &str) -> anyhow::Result<Option<Stream>> {
        let path = format!("/v1/streams/{}", encoded(path));
        match self.get(&path, &[]).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if is_stream_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Why the stream `vhost/app/name` is where it is.
    pub(crate) async fn explain_stream(&self, path: &str) -> anyhow::Result<StreamExplained> {
        self.get(&format!("/v1/explain/streams/{}", encoded(path)), &[])
            .await
    }

    /// Events after `after`; waits up to `wait` if there is none.
    pub(crate) async fn events(&self, after: u64, wait: Duration) -> anyhow::Result<EventPage> {
        let mut query = page_of(Some(after.to_string()));
        query.push(("wait_s", wait.as_secs().to_string()));
        self.get_within("/v1/events", &query, ANSWER_MAX + wait)
            .await
    }

    /// Has a node restarted.
    pub(crate) async fn restart(&self, node: &str, order: &Order) -> anyhow::Result<Restarting> {
        self.post(&format!("/v1/nodes/{}/restart", encoded(node)), order)
            .await
    }

    /// Freezes.
    pub(crate) async fn freeze(&self, order: &Order) -> anyhow::Result<Restarts> {
        self.post("/v1/freeze", order).await
    }

    /// Unfreezes.
    pub(crate) async fn unfreeze(&self, order: &Order) -> anyhow::Result<Restarts> {
        self.post("/v1/unfreeze", order).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, order: &Order) -> anyhow::Result<T> {
        let request = self.client.post(format!("{}{path}", self.url)).json(order);
        self.ask(request, path, ANSWER_MAX).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        self.get_within(path, query, ANSWER_MAX).await
    }

    async fn get_within<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        answer_max: Duration,
    ) -> anyhow::Result<T> {
        let request = self.client.get(address(&self.url, path, query));
        self.ask(request, path, answer_max).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        mut request: reqwest::RequestBuilder,
        path: &str,
        answer_max: Duration,
    ) -> anyhow::Result<T> {
        let url = &self.url;
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let sent = request.timeout(answer_max).send().await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                bail!("no cluster answers at {url}; start one with `weir up`")
            }
            Err(error) => {
                return Err(error.without_url()).context(format!("{url} does not answer"));
            }
        };
        let status = answer.status();
        let body = answer
            .bytes()
            .await
            .with_context(|| format!("{url} stopped answering"))?;
        if !status.is_success() {
            match serde_json::from_slice::<ErrorBody>(&body) {
                Ok(body) => return Err(Refused(body.error).into()),
                Err(_) => bail!("{url}{path} answers {status}: is that a Weir controller?"),
            }
        }
        serde_json::from_slice(&body)
            .with_context(|| format!("{url}{path} answers what this weir does not understand"))
    }
}

/// The controller's own no.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
struct Refused(Fault);

fn is_stream_not_found(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|Refused(fault)| fault.code == ErrorCode::StreamNotFound)
}

fn page_of(after: Option<String>) -> Vec<(&'static str, String)> {
    let limit = ("limit", PAGE.to_string());
    std::iter::once(limit)
        .chain(after.map(|after| ("after", after)))
        .collect()
}

fn address(url: &str, path: &str, query: &[(&str, String)]) -> String {
    let mut address = format!("{url}{path}");
    for (place, (key, value)) in query.iter().enumerate() {
        address.push(if place == 0 { '?' } else { '&' });
        write!(address, "{key}={}", encoded(value)).expect("a string takes everything");
    }
    address
}

/// Percent-encoding of all but what a path or a query value may hold; `/` and `:` stay, for streams'
/// names hold them.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'/' | b':' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("a string takes everything"),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_in_full() {
        let query = page_of(Some("h/live/räume & more:1".to_owned()));
        assert_eq!(
            address("http://c:7080", "/v1/streams", &query),
            "http://c:7080/v1/streams?limit=1000&after=h/live/r%C3%A4ume%20%26%20more:1"
        );
    }

    #[tokio::test]
    async fn where_nobody_listens_no_cluster_answers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let controller = Controller::at(&format!("http://{address}/")).expect("a client");
        let error = controller
            .cluster()
            .await
            .expect_err("nobody listens")
            .to_string();
        assert_eq!(
            error,
            format!("no cluster answers at http://{address}; start one with `weir up`")
        );
    }
}
