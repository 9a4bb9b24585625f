//! The port for those who watch the process: probes, scrapes, and what a program adds.
//!
//! | Path | Answer |
//! | --- | --- |
//! | `/livez` | 200 while the process runs; failing it means *restart me*, so it depends on nothing |
//! | `/readyz` | 200 if all conditions hold and nobody drains; else 503 and the reasons |
//! | `/metrics` | Prometheus's text format |
//! | `/version` | version, commit, target |
//!
//! It has no authentication: it listens on loopback unless the config says otherwise, and it can
//! change nothing.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    Drain, Readiness, build::BUILD, config::Listen, limits, metrics::Handle, readiness::Unmet,
};

/// Where probes and scrapes are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of `/livez`, `/readyz`, `/metrics` and `/version`. Port 0 takes a free one, which
    /// the log names.
    #[garde(skip)]
    pub listen: Listen,
}

impl Config {
    /// Listens at `listen`, a program's own default.
    ///
    /// # Panics
    /// If `listen` is no address; it is written in the program.
    pub fn on(listen: &str) -> Self {
        Self {
            listen: listen
                .parse()
                .expect("a program's default address is valid"),
        }
    }
}

/// Why there is no admin port.
#[derive(Debug, thiserror::Error)]
#[error("the admin port cannot listen at {listen}")]
pub struct ListenError {
    /// What the config asked for.
    pub listen: Listen,
    /// What the system said.
    pub source: std::io::Error,
}

/// A bound admin port; it answers until its process ends or this is [closed](Self::close).
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    closing: tokio_util::sync::CancellationToken,
    task: JoinHandle<()>,
}

#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) metrics: Handle,
    pub(crate) readiness: Readiness,
    pub(crate) drain: Drain,
}

/// Binds `config.listen` and answers there; `extra` adds the program's own routes.
pub(crate) async fn serve(
    config: &Config,
    shown: Shown,
    extra: Router,
) -> Result<Admin, ListenError> {
    let listen = config.listen;
    let refused = |source| ListenError { listen, source };
    let listener = TcpListener::bind(&*listen.addresses())
        .await
        .map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let closing = tokio_util::sync::CancellationToken::new();
    let router = router(shown).merge(extra);
    let task = tokio::spawn(crate::http::serve(listener, router, closing.clone()));
    tracing::info!(%address, "admin port listens");
    Ok(Admin {
        address,
        closing,
        task,
    })
}

impl Admin {
    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers what is being asked, then closes; at most [`limits::ADMIN_CLOSE_GRACE`].
    pub async fn close(mut self) {
        self.closing.cancel();
        if tokio::time::timeout(limits::ADMIN_CLOSE_GRACE, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
        }
    }
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .route("/version", get(async || Json(BUILD)))
        .with_state(shown)
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let mut reasons = shown.readiness.unmet();
    if let Some(reason) = shown.drain.reason() {
        reasons.push(Unmet {
            condition: "draining".into(),
            reason: reason.into(),
        });
    }
    let (status, ready) = match reasons.is_empty() {
        true => (StatusCode::OK, true),
        false => (StatusCode::SERVICE_UNAVAILABLE, false),
    };
    (status, Json(json!({ "ready": ready, "reasons": reasons }))).into_response()
}

async fn scrape(State(shown): State<Shown>) -> Response {
    let format = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], shown.metrics.render()).into_response()
}
