//! What an operator can set about the nodes' port.

use crate::config::{Token, is_loopback, loopback};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{Listen, readable, together};
use std::path::PathBuf;

/// Where nodes register.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grpc {
    /// Address of the nodes' gRPC. Port 0 takes a free one, which the log names. Beyond loopback it
    /// needs a token or `tls.client_ca_file`.
    #[garde(custom(joined_by_leave(self)))]
    pub listen: Listen,
    /// The token that a node must show to join; better given by the environment than written in a
    /// file. Default: none is asked for.
    #[garde(skip)]
    pub token: Option<Token>,
    /// How nodes and the controller know each other. Files are read again when they change.
    #[garde(dive)]
    pub tls: Tls,
}

/// How nodes and the controller know each other. Files are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The controller's certificate and what leads to its authority, PEM. Default: no TLS.
    #[garde(custom(readable), custom(together("key_file", self.key_file.is_some())))]
    pub cert_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[garde(custom(readable), custom(together("cert_file", self.cert_file.is_some())))]
    pub key_file: Option<PathBuf>,
    /// The certificate authorities that sign nodes' certificates, PEM. Each node must then show a
    /// certificate that has its name, `cluster.node`, among its DNS names, where `*.rack1.example` names
    /// a whole rack. Default: nodes are asked for none.
    #[garde(custom(readable), custom(together("cert_file", self.cert_file.is_some())))]
    pub client_ca_file: Option<PathBuf>,
}

impl Default for Grpc {
    fn default() -> Self {
        Self {
            listen: loopback(7100),
            token: None,
            tls: Tls::default(),
        }
    }
}

/// Who reaches it may be a node, and is sent streams and players.
fn joined_by_leave(grpc: &Grpc) -> impl FnOnce(&Listen, &()) -> garde::Result + '_ {
    let asks = grpc.token.is_some() || grpc.tls.client_ca_file.is_some();
    move |listen, _| match asks || is_loopback(listen) {
        true => Ok(()),
        false => Err(garde::Error::new(
            "is beyond loopback and needs grpc.token (WEIR_GRPC__TOKEN) or grpc.tls.client_ca_file",
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn refused(grpc: &str) -> String {
        let loaded =
            service::config::from_text::<Config>("weir.yaml", &format!("grpc: {{{grpc}}}"));
        loaded.map_or_else(|error| error.to_string(), |_| "taken".into())
    }

    #[test]
    fn beyond_loopback_nodes_are_asked_for_something() {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let tls = format!("tls: {{cert_file: '{here}', key_file: '{here}'");
        let table = [
            ("listen: '127.0.0.1:7100'".to_owned(), "taken"),
            ("listen: ':7100'".to_owned(), "needs grpc.token"),
            (
                "listen: '0.0.0.0:7100'".to_owned(),
                "or grpc.tls.client_ca_file",
            ),
            ("listen: ':7100', token: hush".to_owned(), "taken"),
            (format!("listen: ':7100', {tls}}}"), "needs grpc.token"),
            (
                format!("listen: ':7100', {tls}, client_ca_file: '{here}'}}"),
                "taken",
            ),
            (
                format!("tls: {{client_ca_file: '{here}'}}"),
                "cert_file is not",
            ),
            (format!("tls: {{cert_file: '{here}'}}"), "key_file is not"),
            (
                "tls: {cert_file: /no/such.pem}".to_owned(),
                "/no/such.pem cannot be read",
            ),
        ];
        for (grpc, wanted) in table {
            let said = refused(&grpc);
            assert!(said.contains(wanted), "{grpc}\n{said}");
        }
    }
}
