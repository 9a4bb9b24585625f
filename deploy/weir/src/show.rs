//! What a cluster is doing, as tables for people and as JSON for programs.
//!
//! The JSON is what the controller answered, in the API's own shape (`docs/ref/openapi.json`), lists
//! as arrays of all pages together.

pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod nodes;
pub(crate) mod orders;
pub(crate) mod status;
pub(crate) mod streams;
mod table;
mod units;

use crate::{rest::Controller, state};
use anyhow::{Context, bail};
use serde::Serialize;
use std::{
    io::{self, Write},
    path::PathBuf,
};

/// Where a controller listens if nobody says otherwise.
const USUAL_CONTROLLER: &str = "http://127.0.0.1:7080";

/// What all of these commands take.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The controller's REST address; without it, the cluster that runs on this machine.
    #[arg(long, value_name = "URL", env = "WEIR_CONTROLLER", global = true)]
    controller: Option<String>,
    /// A file that holds the controller's token, if it asks for one; or WEIR_TOKEN the token itself.
    #[arg(long, value_name = "FILE", env = "WEIR_TOKEN_FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

impl Common {
    /// The controller that is meant.
    fn controller(&self) -> anyhow::Result<Controller> {
        Ok(self.address()?.with_token(self.token()?))
    }

    fn token(&self) -> anyhow::Result<Option<String>> {
        let Some(file) = &self.token_file else {
            return Ok(std::env::var("WEIR_TOKEN").ok());
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the token in {}", file.display()))?;
        Ok(Some(text.trim().to_owned()))
    }

    fn address(&self) -> anyhow::Result<Controller> {
        if let Some(url) = &self.controller {
            let has_scheme = url.contains("://");
            return Controller::at(&if has_scheme {
                url.clone()
            } else {
                format!("http://{url}")
            });
        }
        let cards = state::home()
            .map(|home| state::running(&home))
            .unwrap_or_default();
        match cards.as_slice() {
            [] => Controller::at(USUAL_CONTROLLER),
            [card] => Controller::at(&card.controller),
            several => {
                let urls: Vec<_> = several
                    .iter()
                    .map(|card| card.controller.as_str())
                    .collect();
                bail!(
                    "{} clusters run here: choose one with --controller {}",
                    several.len(),
                    urls.join(" or --controller ")
                )
            }
        }
    }

    /// Prints `value` as JSON, or `text`.
    fn print<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        let printed = match self.json {
            true => serde_json::to_string_pretty(value)?,
            false => text(),
        };
        Ok(writeln!(io::stdout(), "{printed}")?)
    }
}
