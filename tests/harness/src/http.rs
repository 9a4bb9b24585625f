//! One small GET, for probes, REST answers, metrics and statistics pages.

use std::{sync::LazyLock, time::Duration};

use anyhow::{Context, Result, ensure};

/// Nothing on loopback takes longer and is well.
const PATIENCE: Duration = Duration::from_secs(5);

/// A status and a body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {}", self.body))
    }
}

/// Gets `url`, whatever the status; redirects are not followed.
///
/// # Errors
/// If nobody answers, or the answer is no HTTP or does not end.
pub async fn get(url: &str) -> Result<Answer> {
    let answer = client(Some(PATIENCE))?.get(url).send().await?;
    let status = answer.status().as_u16();
    Ok(Answer {
        status,
        body: answer.text().await?,
    })
}

/// Gets `url` and wants 200.
///
/// # Errors
/// As for [`get`], and for any other status, with the body.
pub async fn get_ok(url: &str) -> Result<String> {
    let answer = get(url).await?;
    ensure!(
        answer.status == 200,
        "{url} says {}: {}",
        answer.status,
        answer.body
    );
    Ok(answer.body)
}

/// A client that follows no redirect and asks no proxy.
pub(crate) fn client(patience: Option<Duration>) -> Result<reqwest::Client> {
    // rustls wants a provider even for a client that only ever speaks plain HTTP.
    static PROVIDER: LazyLock<bool> = LazyLock::new(|| {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .is_ok()
    });
    let _ = *PROVIDER;
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    let client = match patience {
        Some(patience) => client.timeout(patience),
        None => client,
    };
    Ok(client.build()?)
}
