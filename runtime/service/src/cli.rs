//! The arguments that every Weir program takes.

use std::path::PathBuf;

use crate::build::VERSION;

/// Arguments of every program; flatten it into a program's own, or parse it alone.
#[derive(Debug, Clone, Default, clap::Parser)]
#[command(version = VERSION)]
pub struct Common {
    /// The config file (YAML). Without one, every key has its default.
    #[arg(short, long, value_name = "FILE", env = "WEIR_CONFIG")]
    pub config: Option<PathBuf>,
    /// Load the config, say whether it is good, and end: 0 if it is, 2 if not.
    #[arg(long)]
    pub check: bool,
    /// Print the config's JSON schema and end.
    #[arg(long)]
    pub print_schema: bool,
    /// Print the config reference (Markdown) and end.
    #[arg(long, hide = true)]
    pub print_reference: bool,
    /// Print the full example config (YAML) and end.
    #[arg(long)]
    pub print_example: bool,
}
