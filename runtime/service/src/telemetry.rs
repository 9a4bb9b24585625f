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
    /// The least level that is logged: `error`, `warn`, `info`, `debug` or `trace`, or `off`; parts of
    /// the program may differ: `info,relay=debug`.
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

/// What a level may be; `off` logs nothing.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Stricter than [`EnvFilter`], which takes a lone word that is no level for a part of the program and
/// then logs that part alone: with `inf` nothing at all.
fn is_filter(level: &str, _context: &()) -> garde::Result {
    for directive in level.split(',') {
        let (part, level) = match directive.split_once('=') {
            Some((part, level)) => (Some(part), level),
            None => (None, directive),
        };
        let in_part = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
        if let Some(part) = part
            && (part.is_empty() || !part.chars().all(in_part))
        {
            return Err(garde::Error::new(format!(
                "`{part}` is no part of a program; expected levels by part as in `info,relay=debug`"
            )));
        }
        if !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
            let levels = LEVELS.join("`, `");
            return Err(garde::Error::new(format!(
                "`{level}` is no level; expected one of `{levels}`, or levels by part as in \
                 `info,relay=debug`"
            )));
        }
    }
    Ok(())
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
            ("INFO,relay::rtmp=trace", true),
            ("relay=off", true),
            ("relay=loud", false),
            ("a=b=c", false),
            ("inf", false),
            ("info,relay", false),
            ("info,", false),
            ("", false),
            ("info, relay=debug", false),
            ("re lay=debug", false),
        ] {
            let config = Config {
                level: level.into(),
                ..Config::default()
            };
            assert_eq!(config.validate().is_ok(), good, "{level}");
            // What is let through means to the filter what it means to us.
            assert!(
                !good || EnvFilter::builder().parse(level).is_ok(),
                "{level}"
            );
        }
    }

    #[test]
    fn a_mistyped_level_is_refused_at_its_place_with_those_that_there_are() {
        #[derive(Debug, Default, Serialize, Deserialize, Validate, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        struct Program {
            #[garde(dive)]
            log: Config,
        }
        let refused = crate::config::from_text::<Program>("edge.yaml", "log:\n  level: inf\n");
        let refused = refused.expect_err("no level").to_string();
        assert_eq!(
            refused.lines().next(),
            Some(
                "edge.yaml:2:10: log.level: `inf` is no level; expected one of `error`, `warn`, \
                 `info`, `debug`, `trace`, `off`, or levels by part as in `info,relay=debug`"
            )
        );
    }
}
