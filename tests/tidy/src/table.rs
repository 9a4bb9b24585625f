//! One table of dependency versions, in the root `Cargo.toml`: members take from it, and it holds
//! nothing that nobody takes. Each member also takes its lints, and each crate that others build on
//! warns of what is not documented.

use std::collections::BTreeSet;

use crate::repository::{Source, sources};

/// Named exception: only one platform's `protoc` is wanted, and the table knows no platforms.
const PINNED: &str = "protoc-bin-vendored-";

/// Named by what `tonic-prost-build` writes, which is not in the tree.
const BY_GENERATED_CODE: [&str; 2] = ["prost", "tonic-prost"];

fn is_member(source: &Source) -> bool {
    let outside = source.path == "Cargo.toml" || source.path.starts_with("tests/fuzz/");
    source.name() == "Cargo.toml" && !outside
}

/// The `key = value` lines of a manifest's dependency tables.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut within = false;
    let mut found = Vec::new();
    for line in manifest
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        if let Some(header) = line.strip_prefix('[') {
            within = header.trim_end().ends_with("dependencies]");
        } else if within && line.contains('=') {
            found.push(line);
        }
    }
    found
}

fn name_of(line: &str) -> &str {
    line.split(['.', '=', ' ']).next().unwrap_or(line)
}

/// What a member's manifest keeps to itself.
fn own_versions(manifest: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for line in dependencies(&manifest.text) {
        let shared = line.contains(".workspace = true") || line.contains("{ workspace = true");
        if !shared && !line.starts_with(PINNED) {
            found.push(format!(
                "{}: `{line}` belongs into the table",
                manifest.path
            ));
        }
    }
    if !manifest.text.contains("[lints]\nworkspace = true") {
        found.push(format!(
            "{}: takes no lints from the workspace",
            manifest.path
        ));
    }
    found
}

/// Entries of the root's table that no member takes.
fn unused<'a>(root: &'a str, members: &[&Source]) -> Vec<&'a str> {
    let taken: BTreeSet<_> = members
        .iter()
        .flat_map(|member| dependencies(&member.text))
        .map(name_of)
        .collect();
    dependencies(root)
        .into_iter()
        .map(name_of)
        .filter(|name| !taken.contains(name))
        .collect()
}

/// Dependencies that a member's own code never names.
fn idle(member: &Source, sources: &[Source]) -> Vec<String> {
    let folder = member.path.trim_end_matches("Cargo.toml");
    let code: Vec<_> = sources
        .iter()
        .filter(|source| source.is("rs") && source.path.starts_with(folder))
        .map(|source| source.text.as_str())
        .collect();
    let names = dependencies(&member.text).into_iter().map(name_of);
    names
        .filter(|name| !name.starts_with(PINNED) && !BY_GENERATED_CODE.contains(name))
        .filter(|name| {
            !code
                .iter()
                .any(|text| text.contains(&name.replace('-', "_")))
        })
        .map(|name| format!("{}: {name} is never named", member.path))
        .collect()
}

/// Attributes that the crates at the bottom must open with.
fn missing_attributes(source: &Source) -> Vec<String> {
    let base = ["proto/", "runtime/"]
        .iter()
        .any(|folder| source.path.starts_with(folder));
    if !base || !source.path.ends_with("/src/lib.rs") {
        return Vec::new();
    }
    let mut wanted = vec!["#![warn(missing_docs)]"];
    if source.path.starts_with("proto/") {
        wanted.push("#![forbid(unsafe_code)]");
    }
    let missing = wanted
        .into_iter()
        .filter(|wanted| !source.text.contains(wanted));
    missing
        .map(|wanted| format!("{}: lacks `{wanted}`", source.path))
        .collect()
}

#[test]
fn every_version_stands_in_the_one_table() {
    let sources = sources();
    let found: Vec<_> = sources
        .iter()
        .filter(|it| is_member(it))
        .flat_map(own_versions)
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_table_holds_nothing_that_nobody_takes() {
    let sources = sources();
    let members: Vec<_> = sources.iter().filter(|source| is_member(source)).collect();
    let root = sources
        .iter()
        .find(|source| source.path == "Cargo.toml")
        .expect("the root");
    assert_eq!(unused(&root.text, &members), Vec::<&str>::new());
}

#[test]
fn a_crate_names_all_that_it_depends_on() {
    let sources = sources();
    let members = sources.iter().filter(|source| is_member(source));
    let found: Vec<_> = members.flat_map(|member| idle(member, &sources)).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn crates_at_the_bottom_are_documented_and_wire_crates_are_safe() {
    let found: Vec<_> = sources().iter().flat_map(missing_attributes).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_planted_version_entry_or_bare_crate_is_found() {
    let lints = "[lints]\nworkspace = true\n";
    let good = format!("{lints}[dependencies]\nbytes.workspace = true\n");
    let member = Source::new("edge/Cargo.toml", &good);
    assert_eq!(own_versions(&member), Vec::<String>::new());
    let own = Source::new(
        "edge/Cargo.toml",
        &good.replace(".workspace = true", " = \"1\""),
    );
    assert_eq!(
        own_versions(&own),
        ["edge/Cargo.toml: `bytes = \"1\"` belongs into the table"]
    );
    let bare = Source::new("edge/Cargo.toml", "[package]\n");
    assert_eq!(
        own_versions(&bare),
        ["edge/Cargo.toml: takes no lints from the workspace"]
    );
    let root = "[workspace.dependencies]\nbytes = \"1\"\nhttp = \"1\"\n";
    assert_eq!(unused(root, &[&member]), ["http"]);
    let code = |text| [Source::new("edge/src/main.rs", text)];
    assert_eq!(
        idle(&member, &code("use bytes::Bytes;")),
        Vec::<String>::new()
    );
    assert_eq!(
        idle(&member, &code("")),
        ["edge/Cargo.toml: bytes is never named"]
    );
    let lib = Source::new("proto/new/src/lib.rs", "//! x\n#![warn(missing_docs)]\n");
    assert_eq!(
        missing_attributes(&lib),
        ["proto/new/src/lib.rs: lacks `#![forbid(unsafe_code)]`"]
    );
}
