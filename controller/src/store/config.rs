//! What an operator can set about where state is kept.

use crate::config::Token;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{ClientTls, Duration, together};
use std::path::PathBuf;

/// Where state is kept: who owns each stream, which nodes there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `embedded`: a file of this process, for one controller; `etcd`: shared by all controllers of
    /// the cluster.
    #[garde(skip)]
    pub kind: Kind,
    /// The embedded store's file. Its directory is made.
    #[garde(skip)]
    pub path: PathBuf,
    /// etcd's members: `http://host:port`, or `https://host:port` with `tls`. The controller talks
    /// with one of them, and with the next when that one fails.
    #[garde(custom(members(self.kind, &self.tls)))]
    pub endpoints: Vec<String>,
    /// What every key in etcd begins with, before `weir/`; clusters that share one etcd differ in
    /// it: `school/`.
    #[garde(length(max = 200))]
    pub prefix: String,
    /// How etcd and the controller know each other, for `https`.
    #[garde(dive)]
    pub tls: ClientTls,
    /// etcd's user. Default: none.
    #[garde(custom(together("store.password", self.password.is_some())))]
    pub user: Option<String>,
    /// Its password; better given by the environment than written in a file.
    #[garde(custom(together("store.user", self.user.is_some())))]
    pub password: Option<Token>,
    /// How long a member of etcd may take to answer before the next one is asked.
    #[garde(range(min = Duration::from_millis(100), max = Duration::from_secs(10)))]
    pub timeout: Duration,
}

/// What keeps the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A file of this process.
    #[default]
    Embedded,
    /// etcd.
    Etcd,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            kind: Kind::Embedded,
            path: "weir-controller.redb".into(),
            endpoints: Vec::new(),
            prefix: String::new(),
            tls: ClientTls::default(),
            user: None,
            password: None,
            timeout: Duration::from_secs(1),
        }
    }
}

fn members(kind: Kind, tls: &ClientTls) -> impl FnOnce(&Vec<String>, &()) -> garde::Result + '_ {
    move |endpoints, _| {
        let wrong = |reason: String| Err(garde::Error::new(reason));
        match (kind, endpoints.is_empty()) {
            (Kind::Embedded, true) => return Ok(()),
            (Kind::Embedded, false) => {
                return wrong("are for the kind `etcd`, and the kind is `embedded`".into());
            }
            (Kind::Etcd, true) => {
                return wrong("must name at least one member: `[http://127.0.0.1:2379]`".into());
            }
            (Kind::Etcd, false) => {}
        }
        for endpoint in endpoints {
            if !is_endpoint(endpoint) {
                return wrong(format!(
                    "{endpoint} is not http://host:port or https://host:port"
                ));
            }
            if endpoint.starts_with("https:") && tls.ca_file.is_none() {
                return wrong(format!("{endpoint} needs store.tls.ca_file"));
            }
            if endpoint.starts_with("http:") && *tls != ClientTls::default() {
                return wrong(format!("{endpoint} has no TLS, but store.tls is given"));
            }
        }
        Ok(())
    }
}

fn is_endpoint(endpoint: &str) -> bool {
    let rest = endpoint
        .strip_prefix("http://")
        .or_else(|| endpoint.strip_prefix("https://"));
    let authority = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    authority
        .filter(|authority| !authority.contains(['/', '@', ' ']))
        .and_then(|authority| authority.rsplit_once(':'))
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn refused(store: &str) -> String {
        let loaded =
            service::config::from_text::<Config>("weir.yaml", &format!("store: {{{store}}}"));
        loaded.map_or_else(|error| error.to_string(), |_| "taken".into())
    }

    #[test]
    fn a_store_that_cannot_work_is_refused_with_the_reason() {
        let here = file!();
        let table = [
            ("kind: etcd", "must name at least one member"),
            (
                "kind: etcd, endpoints: ['http://h:2379', 'https://[::1]:1']",
                "needs store.tls.ca_file",
            ),
            (
                "kind: etcd, endpoints: ['http://h:2379', 'http://[::1]:1/']",
                "taken",
            ),
            ("endpoints: ['http://h:2379']", "the kind is `embedded`"),
            (
                "kind: etcd, endpoints: ['h:2379']",
                "h:2379 is not http://host:port",
            ),
            (
                "kind: etcd, endpoints: ['http://h']",
                "http://h is not http://host:port",
            ),
            (
                "kind: etcd, endpoints: ['http://u:p@h:1']",
                "is not http://host:port",
            ),
            (
                "kind: etcd, endpoints: ['http://h:1'], user: weir",
                "store.password is not",
            ),
            (
                "kind: etcd, endpoints: ['http://h:1'], password: hush",
                "store.user is not",
            ),
            (
                "kind: etcd, endpoints: ['https://h:1'], tls: {ca_file: /no/such.pem}",
                "/no/such.pem cannot be read",
            ),
            (
                "kind: etcd, endpoints: ['http://h:1'], timeout: 1ms",
                "timeout",
            ),
        ];
        for (store, wanted) in table {
            let said = refused(store);
            assert!(said.contains(wanted), "{store}\n{said}");
        }
        let readable = format!("{}/../{here}", env!("CARGO_MANIFEST_DIR"));
        let tls = |rest: &str| {
            format!("kind: etcd, endpoints: ['https://h:1'], tls: {{ca_file: '{readable}'{rest}}}")
        };
        assert_eq!(refused(&tls("")), "taken");
        let half = refused(&tls(&format!(", cert_file: '{readable}'")));
        assert!(half.contains("key_file is not"), "{half}");
        let none = refused(&tls("").replace("https:", "http:"));
        assert!(none.contains("has no TLS"), "{none}");
    }
}
