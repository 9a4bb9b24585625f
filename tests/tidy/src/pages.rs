//! Example configs load in the programs that they are for, and the generated pages are what the
//! programs generate. `WEIR_UPDATE=1 cargo test -p weir-tidy pages` writes the pages anew.
//!
//! The programs are taken from `WEIR_BIN_DIR`, or built.

use std::{
    fmt::Write,
    path::PathBuf,
    process::{Command, Output},
    sync::OnceLock,
};

use crate::repository::{Source, root, run, sources};

/// The programs with a config. An example's file name begins with its program's.
const PROGRAMS: [&str; 3] = ["origin", "edge", "controller"];

/// A page that a program writes.
struct Page {
    path: String,
    text: String,
}

fn programs() -> &'static PathBuf {
    static PROGRAMS_DIR: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS_DIR.get_or_init(|| match std::env::var_os("WEIR_BIN_DIR") {
        Some(folder) => folder.into(),
        None => {
            let packages = PROGRAMS
                .iter()
                .map(|program| format!("--package=weir-{program}"))
                .chain(["--package=weir".to_owned()]);
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            run(Command::new(cargo)
                .args(["build", "--quiet", "--bins"])
                .args(packages));
            let test = std::env::current_exe().expect("this test's path");
            test.ancestors()
                .nth(2)
                .expect("target/debug/deps/<test>")
                .to_owned()
        }
    })
}

fn ask(program: &str, args: &[&str]) -> Output {
    let mut command = Command::new(programs().join(program));
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"WEIR_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .current_dir(root())
        .output()
        .expect("the program runs")
}

/// What the program prints.
///
/// # Panics
/// If it fails.
fn printed(program: &str, args: &[&str]) -> String {
    let output = ask(program, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {args:?} failed:\n{errors}"
    );
    String::from_utf8(output.stdout).expect("text")
}

/// The pages of `program`: its config reference and its full example.
fn pages(program: &str) -> [Page; 2] {
    let reference = format!(
        "# Config of weir-{program}\n\n\
         Made from the code by `weir-{program} --print-reference`; a test compares them. \
         A list's items end in `[]`, a `*` is a name of your choice. Each key can be given by an \
         environment variable too: `WEIR_` and the key in capitals, with two underscores for each \
         dot. The same keys as a file to start from: \
         [{program}.full.yaml](../../deploy/config/{program}.full.yaml).\n\n{}",
        printed(&format!("weir-{program}"), &["--print-reference"])
    );
    let example = format!(
        "# Every key of weir-{program} with its default, made by `weir-{program} --print-example`.\n\n{}",
        printed(&format!("weir-{program}"), &["--print-example"])
    );
    [
        Page {
            path: format!("docs/ref/config-{program}.md"),
            text: reference,
        },
        Page {
            path: format!("deploy/config/{program}.full.yaml"),
            text: example,
        },
    ]
}

/// The help of every program, and of `weir`'s commands.
fn help_page() -> Page {
    let mut text = String::from(
        "# Command lines\n\nMade from the programs' `--help`; a test compares them.\n",
    );
    for program in ["weir", "weir-origin", "weir-edge", "weir-controller"] {
        let help = printed(program, &["--help"]);
        let commands = commands(&help);
        writeln!(text, "\n## {program}\n\n```text\n{}\n```", help.trim_end()).expect("text grows");
        for command in commands {
            let help = printed(program, &[command.as_str(), "--help"]);
            writeln!(
                text,
                "\n### {program} {command}\n\n```text\n{}\n```",
                help.trim_end()
            )
            .expect("text grows");
        }
    }
    Page {
        path: "docs/ref/cli.md".into(),
        text,
    }
}

/// The names in the `Commands:` list of a help text.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let indented = list.take_while(|line| line.starts_with("  "));
    let named = indented.filter(|line| !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Whose config a file is; `None` if it is none.
fn program_of(source: &Source) -> Option<Result<&'static str, String>> {
    if !source.path.starts_with("deploy/config/") || !source.is("yaml") {
        return None;
    }
    let whose = PROGRAMS
        .into_iter()
        .find(|program| source.name().starts_with(program));
    Some(whose.ok_or_else(|| format!("{}: begins with no program's name", source.path)))
}

#[test]
fn every_example_config_loads() {
    let mut found = Vec::new();
    for source in sources() {
        match program_of(&source) {
            None => {}
            Some(Err(error)) => found.push(error),
            Some(Ok(program)) => {
                let output = ask(
                    &format!("weir-{program}"),
                    &["--check", "--config", &source.path],
                );
                if !output.status.success() {
                    found.push(String::from_utf8_lossy(&output.stderr).into_owned());
                }
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn generated_pages_are_what_the_programs_generate() {
    let update = std::env::var_os("WEIR_UPDATE").is_some();
    for Page { path, text } in PROGRAMS.into_iter().flat_map(pages).chain([help_page()]) {
        let file = root().join(&path);
        if update {
            let folder = file.parent().expect("a file is in a folder");
            std::fs::create_dir_all(folder).expect("the folder");
            std::fs::write(&file, &text).expect("the page");
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        let first = committed
            .lines()
            .zip(text.lines())
            .find(|(old, new)| old != new);
        assert!(
            committed == text,
            "{path} is not what the program prints, first at {first:?}; \
             WEIR_UPDATE=1 cargo test -p weir-tidy pages"
        );
    }
}

#[test]
fn a_planted_bad_config_is_refused() {
    let file = std::env::temp_dir().join(format!("weir-tidy-{}.yaml", std::process::id()));
    std::fs::write(&file, "no_such_key: 1\n").expect("written");
    let path = file.to_str().expect("a plain path");
    for program in PROGRAMS {
        let output = ask(&format!("weir-{program}"), &["--check", "--config", path]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && errors.contains("no_such_key"),
            "{program}: {errors}"
        );
    }
    std::fs::remove_file(&file).expect("removed");
    let help =
        "Does.\n\nCommands:\n  up      Starts\n          it\n  help    Tells\n\nOptions:\n  -h\n";
    assert_eq!(commands(help), ["up"]);
    let stray = Source::new("deploy/config/other.yaml", "");
    assert!(matches!(program_of(&stray), Some(Err(_))));
}
