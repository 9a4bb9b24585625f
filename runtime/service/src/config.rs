//! A program's config: defaults, under a YAML file, under `WEIR_…` environment variables.
//!
//! * A key that nobody knows is refused, with the nearest known one: a typing error must not turn
//!   into a default.
//! * An error names the file, the line and the key, or the variable, and what was expected.
//! * A variable spells its key in capitals, with two underscores for each level: `rtmp.listen` is
//!   `WEIR_RTMP__LISTEN`; see [`environment`] for what counts as ours.
//! * The struct is the only truth: the [`schema`], the [`reference()`] page and the [`example`] are
//!   made from it.

pub mod environment;
mod error;
mod listen;
mod quantity;
mod reference;
mod tls;

use std::path::Path;

use schemars::generate::SchemaSettings;
use serde::{Serialize, de::DeserializeOwned};

pub use error::{Error, Fault};
pub use listen::{Listen, ListenError};
pub use quantity::{Bytes, Duration, QuantityError};
pub use reference::{example, reference};
pub use tls::{ClientPem, ClientTls, PemError, readable, together};

use crate::limits;

/// What a config must be able to do; every type that derives the five has it.
///
/// `Serialize` must be the inverse of `DeserializeOwned`: it shows defaults and carries variables.
pub trait Config:
    DeserializeOwned + Serialize + Default + schemars::JsonSchema + garde::Validate<Context = ()>
{
}

impl<T> Config for T where
    T: DeserializeOwned
        + Serialize
        + Default
        + schemars::JsonSchema
        + garde::Validate<Context = ()>
{
}

/// A config, and what was passed over on the way to it.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The config; valid.
    pub config: T,
    /// Variables that begin with `WEIR_` and are no key, by name.
    pub ignored: Vec<Ignored>,
}

/// A variable that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Its name.
    pub name: String,
    /// The key that may have been meant.
    pub nearest: Option<String>,
}

/// Loads `file`, or only defaults, and the process's environment over it.
///
/// # Errors
/// If the file cannot be read, or it or a variable says what the config does not allow.
pub fn load<T: Config>(file: Option<&Path>) -> Result<Loaded<T>, Error> {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    load_with(file, variables)
}

/// As [`load`], with the given variables for the environment.
///
/// # Errors
/// As [`load`].
pub fn load_with<T: Config>(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded<T>, Error> {
    let (name, text) = match file {
        Some(file) => (file.display().to_string(), read(file)?),
        None => (String::new(), String::new()),
    };
    let from_file = parse::<T>(&name, &text)?;
    let mut overrides = environment::select::<T>(variables);
    let config = overrides.apply(from_file)?;
    if let Err(report) = config.validate() {
        return Err(error::invalid::<T>(&name, &text, &overrides, &report));
    }
    Ok(Loaded {
        config,
        ignored: std::mem::take(&mut overrides.ignored),
    })
}

/// Parses a config's `text`, which comes from `file`; no environment.
///
/// # Errors
/// If the text says what the config does not allow.
pub fn from_text<T: Config>(file: &str, text: &str) -> Result<T, Error> {
    let config = parse::<T>(file, text)?;
    match config.validate() {
        Ok(()) => Ok(config),
        Err(report) => Err(error::invalid::<T>(
            file,
            text,
            &Default::default(),
            &report,
        )),
    }
}

/// The config's JSON schema, with its default values.
pub fn schema<T: Config>() -> String {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>();
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    format!("{text}\n")
}

fn read(file: &Path) -> Result<String, Error> {
    let refused = |source| Error::Read {
        file: file.display().to_string(),
        source,
    };
    let bytes = std::fs::metadata(file).map_err(refused)?.len();
    if bytes > limits::CONFIG_FILE_BYTES_MAX {
        return Err(Error::TooLarge {
            file: file.display().to_string(),
            bytes,
        });
    }
    std::fs::read_to_string(file).map_err(refused)
}

/// A file that holds nothing but comments means the defaults.
fn parse<T: Config>(file: &str, text: &str) -> Result<T, Error> {
    let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(blank) {
        return Ok(T::default());
    }
    let mut key = String::new();
    let parsed = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            key = error.path().to_string();
            error.into_inner()
        })
    });
    if key == "." {
        key.clear(); // how the path of the whole is written
    }
    parsed.map_err(|problem| error::in_file::<T>(file, &key, &problem))
}

#[cfg(test)]
mod tests;
