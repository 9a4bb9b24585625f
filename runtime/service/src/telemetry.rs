//! Logs: for a person where a person looks (a terminal), as JSON lines for everybody else.
//!
//! All lines go to standard error, so that standard output stays what was asked for. Fields bear
//! the vocabulary's names: `stream`, `node`, `peer`, `role`.

use std::io::IsTerminal;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// What is logged, and how it looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The least level that is logged: `error`, `warn`, `info`, `debug` or `trace`; parts of the
    /// program may differ: `info,relay=debug`.
    #[garde(custom(is_filter))]
    pub level: String,
    /// How a line looks.
    #[garde(skip)]
    pub format: Format,
}

/// How a log line looks.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `human` on a terminal, `json` elsewhere.
    #[default]
    Auto,
    /// Columns and colours.
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: Format::Auto,
        }
    }
}

fn is_filter(level: &str, _context: &()) -> garde::Result {
    match EnvFilter::builder().parse(level) {
        Ok(_) => Ok(()),
        Err(error) => Err(garde::Error::new(format!(
            "{error}; expected a level, or levels by part as in `info,relay=debug`"
        ))),
    }
}

/// Sends this process's logs to standard error from now on. Only the first call of a process
/// takes effect, so that tests may call it freely.
pub fn init(config: &Config) {
    let filter = EnvFilter::builder().parse_lossy(&config.level);
    let terminal = std::io::stderr().is_terminal();
    let human = match config.format {
        Format::Auto => terminal,
        Format::Human => true,
        Format::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let installed = if human {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none();
        registry.with(lines.with_ansi(colours)).try_init()
    } else {
        let lines = lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false);
        registry.with(lines).try_init()
    };
    if installed.is_err() {
        tracing::debug!("logs were set up before");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_means_nothing_is_refused() {
        for (level, good) in [
            ("info", true),
            ("info,relay=debug", true),
            ("relay=loud", false),
            ("a=b=c", false),
        ] {
            let config = Config {
                level: level.into(),
                ..Config::default()
            };
            assert_eq!(config.validate().is_ok(), good, "{level}");
        }
    }
}
