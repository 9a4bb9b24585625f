//! What git tracks, and what cargo says of the crates. Read once, by each check anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// What an operator installs.
const PROGRAMS: [&str; 4] = ["weir-origin", "weir-edge", "weir-controller", "weir"];

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("tests/tidy is two below the root")
        .to_owned()
}

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    pub(crate) fn is(&self, extension: &str) -> bool {
        self.path
            .rsplit_once('.')
            .is_some_and(|(_, found)| found == extension)
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// Every text file that git tracks or would track.
pub(crate) fn sources() -> Vec<Source> {
    let args = [
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ];
    let listed = run(Command::new("git").args(args));
    let read = |path: &str| {
        let text = std::fs::read(root().join(path)).ok()?;
        Some(Source {
            path: path.to_owned(),
            text: String::from_utf8(text).ok()?,
        })
    };
    let sources: Vec<_> = listed.split('\0').filter_map(read).collect();
    assert!(
        sources.len() > 50,
        "git lists only {} text files",
        sources.len()
    );
    sources
}

/// Runs a command at the root; its output.
///
/// # Panics
/// If it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .current_dir(root())
        .output()
        .expect("the command runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// One package of cargo's resolved graph.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: String,
    pub(crate) member: bool,
    /// Ids of what it needs at run time.
    pub(crate) normal: Vec<String>,
    /// Ids of what it needs to build.
    pub(crate) build: Vec<String>,
}

/// Cargo's resolved graph for Linux on x86-64.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) packages: BTreeMap<String, Package>,
}

impl Graph {
    pub(crate) fn read() -> Self {
        let args = ["metadata", "--format-version=1", "--offline", "--locked"];
        let platform = ["--filter-platform", "x86_64-unknown-linux-gnu"];
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let text = run(Command::new(cargo).args(args).args(platform));
        Self::parse(&serde_json::from_str(&text).expect("JSON")).expect("cargo's format")
    }

    fn parse(metadata: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let members: BTreeSet<_> = metadata["workspace_members"]
            .as_array()?
            .iter()
            .filter_map(text)
            .collect();
        let mut packages = BTreeMap::new();
        for package in metadata["packages"].as_array()? {
            let id = text(&package["id"])?;
            let package = Package {
                name: text(&package["name"])?,
                version: text(&package["version"])?,
                licence: text(&package["license"]).unwrap_or_default(),
                member: members.contains(&id),
                normal: Vec::new(),
                build: Vec::new(),
            };
            packages.insert(id, package);
        }
        let mut resolved = BTreeSet::new();
        for node in metadata["resolve"]["nodes"].as_array()? {
            let package = packages.get_mut(node["id"].as_str()?)?;
            resolved.insert(text(&node["id"])?);
            for dependency in node["deps"].as_array()? {
                let id = text(&dependency["pkg"])?;
                for kind in dependency["dep_kinds"].as_array()? {
                    match kind["kind"].as_str() {
                        None => package.normal.push(id.clone()),
                        Some("build") => package.build.push(id.clone()),
                        Some(_) => {}
                    }
                }
            }
        }
        packages.retain(|id, _| resolved.contains(id));
        Some(Self { packages })
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.member)
    }

    /// What `package` needs at run time, directly and through others, by name.
    pub(crate) fn closure(&self, package: &Package) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut ids: Vec<_> = package.normal.iter().collect();
        while let Some(package) = ids.pop().and_then(|id| self.packages.get(id)) {
            if found.insert(package.name.as_str()) {
                ids.extend(&package.normal);
            }
        }
        found
    }

    /// All that ends up in a program of ours or helps to build it; not what only tests need.
    pub(crate) fn shipped(&self) -> Vec<&Package> {
        let mut found = BTreeSet::new();
        let programs = self
            .packages
            .iter()
            .filter(|(_, package)| package.member && PROGRAMS.contains(&package.name.as_str()));
        let mut ids: Vec<_> = programs.map(|(id, _)| id).collect();
        assert_eq!(
            ids.len(),
            PROGRAMS.len(),
            "not all programs are in the workspace"
        );
        while let Some(id) = ids.pop() {
            if let Some(package) = self.packages.get(id)
                && found.insert(id)
            {
                ids.extend(package.normal.iter().chain(&package.build));
            }
        }
        found
            .iter()
            .filter_map(|id| self.packages.get(*id))
            .collect()
    }
}

/// A graph of invented packages, for tests of checks: name and what it needs at run time.
pub(crate) fn invented(packages: &[(&str, &[&str])]) -> Graph {
    let package = |(name, normal): &(&str, &[&str])| {
        let package = Package {
            name: (*name).into(),
            version: "1.0.0".into(),
            licence: "MIT".into(),
            member: name.starts_with("weir"),
            normal: normal.iter().map(|name| (*name).into()).collect(),
            build: Vec::new(),
        };
        ((*name).into(), package)
    };
    Graph {
        packages: packages.iter().map(package).collect(),
    }
}
