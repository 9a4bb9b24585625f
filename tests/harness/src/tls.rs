//! Certificates that nobody trusts unless told to, and TLS in front of a server that has none.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;
use tokio::{
    io,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::process::scratch;

/// A certificate authority of a test's own.
#[derive(Debug)]
pub struct Authority {
    folder: Arc<TempDir>,
    issuer: Issuer<'static, KeyPair>,
    certificate: PathBuf,
}

/// PEM files.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    /// If its file cannot be written.
    pub fn new() -> Result<Self> {
        let folder = scratch()?;
        let mut about = CertificateParams::new([])?;
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = folder.path().join("authority.pem");
        std::fs::write(&certificate, about.self_signed(&key)?.pem())?;
        Ok(Self {
            folder,
            issuer: Issuer::new(about, key),
            certificate,
        })
    }

    /// The PEM file that is to be trusted.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Signs a certificate for `name`, a DNS name or an address. The same name again is another
    /// certificate, in the same files.
    ///
    /// # Errors
    /// If it is no name, or the files cannot be written.
    pub fn issue(&self, name: &str) -> Result<Issued> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new([name.to_owned()])?.signed_by(&key, &self.issuer)?;
        let issued = Issued {
            certificate: self.folder.path().join(format!("{name}.pem")),
            key: self.folder.path().join(format!("{name}-key.pem")),
        };
        std::fs::write(&issued.certificate, certificate.pem())?;
        std::fs::write(&issued.key, key.serialize_pem())?;
        Ok(issued)
    }
}

/// Takes TLS off and passes what is in it on; dropping it closes its connections.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    certificate: PathBuf,
    _folder: Arc<TempDir>,
    task: JoinHandle<()>,
}

impl Front {
    /// Listens on a free loopback port in front of `server`.
    ///
    /// # Errors
    /// If there is no port, or no certificate can be made.
    pub async fn of(server: SocketAddr) -> Result<Self> {
        let folder = scratch()?;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let certificate = folder.path().join("certificate.pem");
        std::fs::write(&certificate, made.cert.pem())?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self {
            address: listener.local_addr()?,
            certificate,
            _folder: folder,
            task: tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), server)),
        })
    }

    /// Where it speaks TLS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The PEM file that a client must trust.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            let mut secure = acceptor.accept(socket).await?;
            let mut plain = TcpStream::connect(server).await?;
            io::copy_bidirectional(&mut secure, &mut plain).await
        });
        while connections.try_join_next().is_some() {}
    }
}
