//! Where the cluster's programs are: beside `weir` itself, brought up to date first if cargo runs us.
//!
//! `cargo run --bin weir` builds `weir` alone. So when cargo is what started us (it says so in our
//! environment), we ask the same cargo for the others, for the same profile and target directory, and
//! its progress is ours to show; what is fresh costs it a moment. They are asked for by `--bin`, too:
//! `--package` would settle features for these packages alone, and compile half of the dependencies a
//! second time. An installed `weir` finds them where it was installed, and builds nothing.

use super::plan::Program;
use anyhow::{Context, bail};
use std::{
    collections::HashMap,
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The directory that holds the programs, complete.
///
/// # Errors
/// If a program is missing, or cargo cannot build it.
pub(crate) fn directory() -> anyhow::Result<PathBuf> {
    let weir = env::current_exe().context("cannot tell where this program is")?;
    let weir = weir.canonicalize().unwrap_or(weir);
    let beside = weir.parent().unwrap_or(Path::new(".")).to_owned();
    let environment = ["CARGO", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"]
        .into_iter()
        .filter_map(|name| Some((name, env::var(name).ok()?)))
        .collect();
    if let Some(build) = Build::if_cargo_runs_us(&environment, &beside) {
        eprintln!("weir: building what has changed of the cluster's programs");
        build.run()?;
    }
    let missing: Vec<&str> = Program::ALL
        .map(Program::executable)
        .into_iter()
        .filter(|name| !beside.join(name).is_file())
        .collect();
    if missing.is_empty() {
        return Ok(beside);
    }
    bail!(
        "{} {} not in {}: install the programs of one release together; in a checkout of the sources, \
         `cargo run --release --bin weir -- up` builds them",
        missing.join(", "),
        if missing.len() == 1 { "is" } else { "are" },
        beside.display()
    )
}

/// One call of cargo.
#[derive(Debug, PartialEq, Eq)]
struct Build {
    cargo: String,
    workspace: PathBuf,
    arguments: Vec<String>,
}

impl Build {
    fn if_cargo_runs_us(environment: &HashMap<&str, String>, beside: &Path) -> Option<Self> {
        let cargo = environment.get("CARGO")?.clone();
        // A test that starts us under `cargo test` has another package's name here.
        environment
            .get("CARGO_PKG_NAME")
            .filter(|name| *name == env!("CARGO_PKG_NAME"))?;
        let workspace = Path::new(environment.get("CARGO_MANIFEST_DIR")?).join("../..");
        let output = Output::of(beside)?;
        let mut arguments = vec!["build".to_owned()];
        arguments.extend(Program::ALL.map(|program| format!("--bin={}", program.executable())));
        arguments.push(format!("--profile={}", output.profile));
        arguments.push(format!(
            "--target-dir={}",
            output.target_directory.display()
        ));
        arguments.extend(output.triple.map(|triple| format!("--target={triple}")));
        Some(Self {
            cargo,
            workspace,
            arguments,
        })
    }

    fn run(&self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.cargo);
        command.args(&self.arguments).current_dir(&self.workspace);
        // What `cargo run` told us about this package is not true of the others; build scripts that
        // look at it would run again each time.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        let status = command
            .status()
            .with_context(|| format!("cannot run {}", self.cargo))?;
        if !status.success() {
            bail!("cargo could not build the cluster's programs");
        }
        Ok(())
    }
}

/// What a directory says about the build whose programs lie in it: `TARGET[/TRIPLE]/PROFILE`.
#[derive(Debug, PartialEq, Eq)]
struct Output {
    target_directory: PathBuf,
    triple: Option<String>,
    profile: String,
}

impl Output {
    /// The target directory is the one that cargo marks as a cache.
    fn of(directory: &Path) -> Option<Self> {
        let profile = match directory.file_name()?.to_str()? {
            "debug" => "dev".to_owned(),
            profile => profile.to_owned(),
        };
        let is_target = |directory: &Path| directory.join("CACHEDIR.TAG").is_file();
        let above = directory.parent()?;
        if is_target(above) {
            return Some(Self {
                target_directory: above.to_owned(),
                triple: None,
                profile,
            });
        }
        let triple = above.file_name()?.to_str()?.to_owned();
        let target_directory = above
            .parent()
            .filter(|directory| is_target(directory))?
            .to_owned();
        Some(Self {
            target_directory,
            triple: Some(triple),
            profile,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> (tempfile::TempDir, PathBuf) {
        let held = tempfile::tempdir().expect("a directory");
        std::fs::write(held.path().join("CACHEDIR.TAG"), "").expect("written");
        let path = held.path().to_owned();
        (held, path)
    }

    fn by_cargo(package: &str) -> HashMap<&'static str, String> {
        HashMap::from([
            ("CARGO", "/bin/cargo".to_owned()),
            ("CARGO_PKG_NAME", package.to_owned()),
            ("CARGO_MANIFEST_DIR", "/src/deploy/weir".to_owned()),
        ])
    }

    #[test]
    fn cargo_is_asked_for_the_same_profile_and_target_directory() {
        let (_held, target) = target();
        for (directory, last) in [
            ("release", vec!["--profile=release"]),
            ("debug", vec!["--profile=dev"]),
            (
                "aarch64-unknown-linux-musl/release",
                vec!["--profile=release", "--target=aarch64-unknown-linux-musl"],
            ),
        ] {
            let build = Build::if_cargo_runs_us(&by_cargo("weir"), &target.join(directory));
            let build = build.expect("cargo runs us");
            assert_eq!(
                build.arguments[..4],
                [
                    "build",
                    "--bin=weir-controller",
                    "--bin=weir-origin",
                    "--bin=weir-edge"
                ]
            );
            let target_directory = format!("--target-dir={}", target.display());
            assert!(build.arguments.contains(&target_directory), "{build:?}");
            for argument in last {
                assert!(build.arguments.contains(&argument.to_owned()), "{build:?}");
            }
        }
    }

    #[test]
    fn an_installed_weir_builds_nothing() {
        let (_held, target) = target();
        let release = target.join("release");
        assert_eq!(Build::if_cargo_runs_us(&HashMap::new(), &release), None);
        assert_eq!(
            Build::if_cargo_runs_us(&by_cargo("weir-scenario"), &release),
            None
        );
        assert_eq!(
            Build::if_cargo_runs_us(&by_cargo("weir"), Path::new("/usr/local/bin")),
            None
        );
    }
}
