//! Asks a controller's REST API.

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A controller on this machine or in this building answers in milliseconds; one that needs longer
/// than this is not well, and the operator should hear it.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// One controller.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    url: String,
    client: reqwest::Client,
}

impl Controller {
    /// The one at `url` (`http://host:port`).
    ///
    /// # Errors
    /// If no client can be made.
    pub(crate) fn at(url: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(ANSWER_MAX)
            .no_proxy()
            .build()?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            client,
        })
    }

    /// `GET path`, decoded.
    ///
    /// # Errors
    /// If nobody answers, or the answer is an error or not what was asked for.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let Self { url, client } = self;
        let sent = client.get(format!("{url}{path}")).send().await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                bail!("no cluster answers at {url}; start one with `weir up`")
            }
            Err(error) => return Err(error).context(format!("{url} does not answer")),
        };
        let status = answer.status();
        let body = answer
            .bytes()
            .await
            .with_context(|| format!("{url} stopped answering"))?;
        if !status.is_success() {
            let text = String::from_utf8_lossy(&body);
            bail!("{url}{path} answers {status}: {}", text.trim());
        }
        serde_json::from_slice(&body)
            .with_context(|| format!("{url}{path} answers what this weir does not understand"))
    }
}
