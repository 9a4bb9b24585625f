//! Connects to another RTMP server, over TCP or TLS.

use rtmp::Url;
use rustls_pki_types::ServerName;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time,
};
use tokio_rustls::TlsConnector;

/// How long a connection may take until it is up, its TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A connected socket, plain or with TLS on it.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket for T {}

/// Why a server could not be reached. Trying again is safe, except where the CA file is to blame.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No TCP connection.
    #[error("cannot connect to {authority}: {source}")]
    Connect {
        /// `host:port`.
        authority: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Not in time.
    #[error("{authority} did not answer within {CONNECT_TIMEOUT:?}")]
    TimedOut {
        /// `host:port`.
        authority: String,
    },
    /// The TLS handshake failed.
    #[error("no TLS with {authority}: {source}")]
    Tls {
        /// `host:port`.
        authority: String,
        /// What went wrong: most often a certificate that no known authority has signed.
        source: io::Error,
    },
}

/// Dials servers; knows which certificate authorities are trusted. Cheap to clone.
#[derive(Clone)]
pub struct Dialler {
    tls: TlsConnector,
}

/// The certificate authorities cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file is missing or holds no certificate.
    #[error("cannot read certificates from {file}: {reason}")]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The cryptography library refuses the set-up.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

impl Dialler {
    /// Trusts the system's certificate authorities, and those of `ca_file` (PEM).
    ///
    /// # Errors
    /// If `ca_file` cannot be read or holds no certificate.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, TrustError> {
        use rustls_pki_types::{CertificateDer, pem::PemObject};
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = ca_file {
            let failed = |reason: String| TrustError::File {
                file: file.to_owned(),
                reason,
            };
            let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect)
                .map_err(|error| failed(error.to_string()))?;
            if roots.add_parsable_certificates(certificates).0 == 0 {
                return Err(failed("there is no certificate in it".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Connects to the host that `url` names.
    ///
    /// # Errors
    /// If it cannot be reached in time, or does not prove to be who it should be.
    pub(crate) async fn dial(&self, url: &Url) -> Result<Box<dyn Socket>, DialError> {
        let dialling = time::timeout(CONNECT_TIMEOUT, self.connect(url));
        dialling.await.unwrap_or_else(|_| {
            Err(DialError::TimedOut {
                authority: url.authority(),
            })
        })
    }

    async fn connect(&self, url: &Url) -> Result<Box<dyn Socket>, DialError> {
        let authority = url.authority();
        let connected = async {
            let socket = TcpStream::connect(&authority).await?;
            crate::net::tune(&socket)?;
            Ok(socket)
        };
        let socket = match connected.await {
            Ok(socket) => socket,
            Err(source) => return Err(DialError::Connect { authority, source }),
        };
        if !url.tls {
            return Ok(Box::new(socket));
        }
        let host = ServerName::try_from(url.host.clone()).map_err(io::Error::other);
        let secured = match host {
            Ok(host) => self.tls.connect(host, socket).await,
            Err(error) => Err(error),
        };
        match secured {
            Ok(socket) => Ok(Box::new(socket)),
            Err(source) => Err(DialError::Tls { authority, source }),
        }
    }
}
