//! The driver `kubernetes`: deletes the node's pod; what owns the pod makes it again.
//!
//! Needs the right to `delete` pods in one namespace, and nothing else.

use super::config::Kubernetes;
use anyhow::Context;
use control::Identity;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    api::DeleteParams,
    config::{KubeConfigOptions, Kubeconfig},
};

/// An API server and a namespace of it.
pub(super) struct Pods {
    api: Api<Pod>,
    config: Kubernetes,
}

impl Pods {
    /// By a kubeconfig or by the pod's own service account. Nobody is asked yet.
    ///
    /// # Errors
    /// If there is neither, or what there is cannot be read.
    pub(super) async fn find(config: &Kubernetes) -> anyhow::Result<Self> {
        let server = match &config.kubeconfig {
            Some(file) => {
                let doing = || format!("restart.kubernetes.kubeconfig {}", file.display());
                let read = Kubeconfig::read_from(file).with_context(doing)?;
                Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                    .await
                    .with_context(doing)?
            }
            None => Config::incluster().context(
                "restart.driver kubernetes: this is no pod with a service account; name a \
                 restart.kubernetes.kubeconfig",
            )?,
        };
        Self::of(server, config)
    }

    fn of(server: Config, config: &Kubernetes) -> anyhow::Result<Self> {
        let namespace = config
            .namespace
            .clone()
            .unwrap_or_else(|| server.default_namespace.clone());
        // Fails only if somebody has installed one before, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::try_from(server).context("restart.driver kubernetes")?;
        Ok(Self {
            api: Api::namespaced(client, &namespace),
            config: config.clone(),
        })
    }

    pub(super) async fn restart(&self, node: &Identity) -> Result<String, String> {
        let pod = self.config.pod.fill(node);
        let grace = u32::try_from(self.config.grace.get().as_secs()).unwrap_or(u32::MAX);
        let parameters = DeleteParams {
            grace_period_seconds: Some(grace),
            ..DeleteParams::default()
        };
        let timeout = self.config.timeout.get();
        let deleting = tokio::time::timeout(timeout, self.api.delete(&pod, &parameters));
        match deleting.await {
            Ok(Ok(_)) => Ok(format!("pod {pod} was deleted")),
            Ok(Err(kube::Error::Api(status))) => {
                Err(format!("pod {pod}: {} ({})", status.message, status.code))
            }
            Ok(Err(error)) => Err(format!("pod {pod}: {error}")),
            Err(_) => Err(format!(
                "pod {pod}: the API server does not answer within {:.1} s",
                timeout.as_secs_f64()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restart::template::tests::edge;
    use axum::{
        Json, Router,
        body::Bytes,
        extract::Path,
        http::{HeaderMap, StatusCode},
        routing::delete,
    };
    use serde_json::{Value, json};
    use service::config::Duration;
    use std::sync::{Arc, Mutex};
    use tokio::net::TcpListener;

    type Asked = Arc<Mutex<Vec<(String, String, String, Value)>>>;

    /// Stands for an API server: knows one pod, and remembers what it was asked.
    async fn server() -> (String, Asked) {
        let asked = Asked::default();
        let remembered = Arc::clone(&asked);
        let answer = async move |Path((namespace, pod)): Path<(String, String)>,
                                 headers: HeaderMap,
                                 body: Bytes| {
            let token = headers.get("authorization").map(|value| value.to_str());
            let token = token.and_then(Result::ok).unwrap_or_default().to_owned();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let found = pod == "edge-1";
            let mut asked = remembered.lock().expect("no panic under the lock");
            asked.push((namespace, pod, token, body));
            match found {
                true => {
                    let pod =
                        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "edge-1"}});
                    (StatusCode::OK, Json(pod))
                }
                false => {
                    let status = json!({"apiVersion": "v1", "kind": "Status", "metadata": {},
                        "status": "Failure", "reason": "NotFound", "code": 404,
                        "message": "pods \"edge-9\" not found"});
                    (StatusCode::NOT_FOUND, Json(status))
                }
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let routes =
            Router::new().route("/api/v1/namespaces/{namespace}/pods/{pod}", delete(answer));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (url, asked)
    }

    fn kubeconfig(url: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{name: k, cluster: {{server: '{url}'}}}}]\n\
             users: [{{name: u, user: {{token: hush}}}}]\n\
             contexts: [{{name: c, context: {{cluster: k, user: u, namespace: streaming}}}}]\n"
        );
        std::fs::write(file.path(), text).expect("written");
        file
    }

    #[tokio::test]
    async fn a_node_s_pod_is_deleted_in_the_namespace_of_the_kubeconfig() {
        let (url, asked) = server().await;
        let file = kubeconfig(&url);
        let config = Kubernetes {
            kubeconfig: Some(file.path().to_owned()),
            ..Kubernetes::default()
        };
        let pods = Pods::find(&config).await.expect("a good kubeconfig");
        let done = pods.restart(&edge("edge-1", None)).await;
        assert_eq!(done, Ok("pod edge-1 was deleted".into()));
        let asked = asked.lock().expect("no panic under the lock").clone();
        let [(namespace, pod, token, body)] = asked.as_slice() else {
            panic!("{asked:?}");
        };
        assert_eq!(
            (namespace.as_str(), pod.as_str(), token.as_str()),
            ("streaming", "edge-1", "Bearer hush")
        );
        assert_eq!(body["gracePeriodSeconds"], 5);
    }

    #[tokio::test]
    async fn a_refusal_and_a_silence_are_failures_that_say_why() {
        let (url, _) = server().await;
        let config = Kubernetes {
            namespace: Some("other".into()),
            timeout: Duration::from_millis(300),
            ..Kubernetes::default()
        };
        let pods = Pods::of(Config::new(url.parse().expect("a URL")), &config).expect("a client");
        let failed = pods.restart(&edge("edge-9", None)).await;
        assert_eq!(
            failed,
            Err("pod edge-9: pods \"edge-9\" not found (404)".into())
        );

        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", silent.local_addr().expect("an address"));
        let pods = Pods::of(Config::new(url.parse().expect("a URL")), &config).expect("a client");
        let failed = pods.restart(&edge("edge-1", None)).await;
        assert_eq!(
            failed,
            Err("pod edge-1: the API server does not answer within 0.3 s".into())
        );
    }

    #[tokio::test]
    async fn outside_of_a_cluster_a_kubeconfig_is_asked_for() {
        let refused = Pods::find(&Kubernetes::default())
            .await
            .err()
            .expect("no pod");
        let refused = format!("{refused:#}");
        assert!(
            refused.contains("restart.kubernetes.kubeconfig"),
            "{refused}"
        );
    }
}
