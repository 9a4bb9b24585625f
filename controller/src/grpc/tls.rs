//! TLS at the nodes' port: who the controller is, and who a node is.
//!
//! The files are looked at for each connection and read again when they have changed, so that
//! certificates that are renewed every few weeks need no restart. While what they hold is broken, the
//! last that was good is shown.

use super::config;
use control::NodeId;
use parking_lot::Mutex;
use rustls::{
    CertificateError, RootCertStore, ServerConfig,
    client::verify_server_name,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ParsedCertificate, WebPkiClientVerifier},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio_rustls::TlsAcceptor;

/// What the handshake agrees on: HTTP/2 (RFC 9113, 3.2).
const PROTOCOL: &[u8] = b"h2";

/// One line a minute about files that cannot be used.
static UNUSABLE: service::Throttle = service::Throttle::new(Duration::from_secs(60));

/// Why the nodes' port has no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file is missing, or not what it should be.
    #[error("{}: {reason}", file.display())]
    File { file: PathBuf, reason: String },
    /// Certificate and key, or the nodes' authorities, do not do.
    #[error("{0}")]
    Setup(String),
}

/// Shows the controller's certificate, and asks for the node's where an authority is named.
pub(crate) struct Certificates {
    files: Files,
    current: Mutex<Current>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    /// Who signs nodes' certificates; without, nodes are asked for none.
    nodes: Option<PathBuf>,
}

struct Current {
    acceptor: TlsAcceptor,
    changed: Changed,
}

/// When each file was changed last; none if it is not there.
type Changed = [Option<SystemTime>; 3];

impl Certificates {
    /// Reads the files; `None` if there is to be no TLS.
    pub(crate) fn open(config: &config::Tls) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&config.cert_file, &config.key_file) else {
            return Ok(None);
        };
        let files = Files {
            certificate: certificate.clone(),
            key: key.clone(),
            nodes: config.client_ca_file.clone(),
        };
        let current = Mutex::new(Current {
            changed: files.changed(),
            acceptor: files.acceptor()?,
        });
        Ok(Some(Self { files, current }))
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock();
        let changed = self.files.changed();
        if changed != current.changed {
            match self.files.acceptor() {
                Ok(acceptor) => {
                    tracing::info!(file = %self.files.certificate.display(), "certificates were read again");
                    *current = Current { acceptor, changed };
                }
                Err(error) => {
                    if UNUSABLE.permit(Instant::now()).is_some() {
                        tracing::warn!(%error, "changed certificates cannot be used, the last good ones are");
                    }
                }
            }
        }
        current.acceptor.clone()
    }
}

impl Files {
    fn changed(&self) -> Changed {
        let at = |file: &Path| {
            std::fs::metadata(file)
                .and_then(|file| file.modified())
                .ok()
        };
        let nodes = self.nodes.as_deref().and_then(at);
        [at(&self.certificate), at(&self.key), nodes]
    }

    fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| bad(&self.key, error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(setup)?;
        let builder = match &self.nodes {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut authorities = RootCertStore::empty();
                for authority in certificates(file)? {
                    let added = authorities.add(authority);
                    added.map_err(|error| bad(file, error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(setup)?)
            }
        };
        let mut config = builder
            .with_single_cert(certificates(&self.certificate)?, key)
            .map_err(|error| bad(&self.certificate, error))?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Arc::new(config).into())
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| bad(file, error))?;
    match certificates.is_empty() {
        true => Err(bad(file, "there is no certificate in it")),
        false => Ok(certificates),
    }
}

fn bad(file: &Path, reason: impl ToString) -> TlsError {
    TlsError::File {
        file: file.to_owned(),
        reason: reason.to_string(),
    }
}

fn setup(error: impl ToString) -> TlsError {
    TlsError::Setup(error.to_string())
}

/// Why a certificate lets its holder not speak for a node.
#[derive(Debug, thiserror::Error)]
pub(super) enum Misnamed {
    /// It is for others.
    #[error("it names {}", .0.join(", "))]
    Others(Vec<String>),
    /// No certificate names such a node.
    #[error("no DNS name can be like that")]
    NoName,
    /// It is not understood.
    #[error("{0}")]
    Unreadable(rustls::Error),
}

/// Whether the certificate that was shown names the node, among its DNS names or addresses
/// (RFC 9525, 6.3: `*` may stand for the first of three labels or more).
///
/// # Errors
/// What it names instead.
pub(super) fn names(shown: &CertificateDer<'_>, node: &NodeId) -> Result<(), Misnamed> {
    let name = ServerName::try_from(node.as_str()).map_err(|_| Misnamed::NoName)?;
    let certificate = ParsedCertificate::try_from(shown).map_err(Misnamed::Unreadable)?;
    verify_server_name(&certificate, &name).map_err(|error| match error {
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented,
            ..
        }) => Misnamed::Others(presented),
        error => Misnamed::Unreadable(error),
    })
}
