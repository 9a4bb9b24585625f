//! The arguments that every Weir program takes.
//!
//! A program that has no others calls [`Program::arguments`](crate::Program::arguments); one that
//! has flattens [`Common`] into its own.

use std::path::PathBuf;

use clap::{Args, Command, FromArgMatches};

use crate::build::VERSION;

/// Arguments of every program.
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

/// The command line of a program that takes [`Common`] alone.
pub(crate) fn command(name: &'static str, about: &'static str) -> Command {
    Common::augment_args(Command::new(name))
        .version(VERSION)
        .about(about)
        .long_about(None)
}

/// Reads this process's command line; ends the process on `--help`, `--version` or a mistake.
pub(crate) fn parse(command: Command) -> Common {
    let matches = command.get_matches();
    Common::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// As a program with arguments of its own has it.
    #[derive(Debug, clap::Parser)]
    #[command(about = "Watches paint dry", version = VERSION)]
    struct Own {
        #[command(flatten)]
        common: Common,
        /// Which paint.
        #[arg(long)]
        paint: Option<String>,
    }

    #[test]
    fn a_program_bears_its_own_name_and_purpose() {
        let alone = command("weir-painter", "Paints").render_help().to_string();
        assert!(
            alone.starts_with("Paints\n\nUsage: weir-painter [OPTIONS]"),
            "{alone}"
        );
        let own = Own::command().render_help().to_string();
        assert!(
            own.starts_with("Watches paint dry\n") && own.contains("--paint"),
            "{own}"
        );
        let read = <Own as clap::Parser>::parse_from(["own", "-c", "a.yaml", "--check"]);
        assert_eq!(
            (read.common.config, read.common.check),
            (Some("a.yaml".into()), true)
        );
    }
}
