//! How a program and a server that it connects to know each other by certificates.

use std::{
    io,
    path::{Path, PathBuf},
};

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How we and a server that we connect to know each other, for `https`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTls {
    /// The certificate authorities that may have signed the server's certificate, PEM.
    #[garde(custom(readable))]
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, PEM, where the server asks for one.
    #[garde(custom(readable), custom(together("key_file", self.key_file.is_some())))]
    pub cert_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[garde(custom(readable), custom(together("cert_file", self.cert_file.is_some())))]
    pub key_file: Option<PathBuf>,
}

/// What the files hold, as they are now.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientPem {
    /// The authorities; PEM.
    pub authorities: Vec<u8>,
    /// Our certificate and its key, if we have one; PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// A certificate or key cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", file.display())]
pub struct PemError {
    /// Which file.
    pub file: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl ClientTls {
    /// Reads the files; `None` if no authority is given, and so no `https`.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn read(&self) -> Result<Option<ClientPem>, PemError> {
        let Some(ca_file) = &self.ca_file else {
            return Ok(None);
        };
        let identity = match (&self.cert_file, &self.key_file) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
            _ => None,
        };
        let authorities = read(ca_file)?;
        Ok(Some(ClientPem {
            authorities,
            identity,
        }))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, PemError> {
    std::fs::read(file).map_err(|source| PemError {
        file: file.to_owned(),
        source,
    })
}

/// Refuses a file that cannot be opened.
///
/// # Errors
/// If it cannot.
pub fn readable(file: &Option<PathBuf>, _: &()) -> garde::Result {
    let Some(file) = file else { return Ok(()) };
    std::fs::File::open(file)
        .map(drop)
        .map_err(|error| garde::Error::new(format!("{} cannot be read: {error}", file.display())))
}

/// Refuses a key that is given without `other`, as neither makes sense alone.
///
/// # Errors
/// If it is.
pub fn together<T>(
    other: &'static str,
    other_is_given: bool,
) -> impl FnOnce(&Option<T>, &()) -> garde::Result {
    move |value, _| match value.is_some() && !other_is_given {
        true => Err(garde::Error::new(format!("is given, and {other} is not"))),
        false => Ok(()),
    }
}
