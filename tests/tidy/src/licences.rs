//! What we may ship, and which crates may be here in more than one version.
//!
//! The lists stand in `deny.toml`, in the form that cargo-deny reads; here they hold without it.

use std::collections::{BTreeMap, BTreeSet};

use crate::repository::{Graph, Package, root};

/// The lists of `deny.toml`.
#[derive(Debug, Default)]
struct Lists {
    allowed: BTreeSet<String>,
    doubled: BTreeSet<String>,
}

impl Lists {
    fn read() -> Self {
        let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml is there");
        let lists = Self::parse(&text);
        assert!(!lists.allowed.is_empty(), "deny.toml allows no licence");
        lists
    }

    /// Reads `allow` of `[licenses]` and the names in `skip` of `[bans]`, one entry a line.
    fn parse(text: &str) -> Self {
        let mut lists = Self::default();
        let mut list = None;
        let mut section = "";
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'))
        {
            match line {
                _ if line.starts_with('[') && line.ends_with(']') => section = line,
                "allow = [" if section == "[licenses]" => list = Some(&mut lists.allowed),
                "skip = [" if section == "[bans]" => list = Some(&mut lists.doubled),
                "]" => list = None,
                _ => {
                    let quoted = line.split('"').nth(1);
                    if let (Some(list), Some(entry)) = (&mut list, quoted) {
                        list.insert(entry.to_owned());
                    }
                }
            }
        }
        lists
    }
}

/// Whether an SPDX expression can be met with allowed licences alone.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any(&mut words, allowed);
    met && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    match words.next() {
        Some("(") => {
            let met = any(words, allowed);
            words.next() == Some(")") && met
        }
        Some(licence) if words.next_if_eq(&"WITH").is_some() => {
            let exception = words.next().unwrap_or_default();
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        Some(licence) => allowed.contains(licence),
        None => false,
    }
}

fn refused<'a>(packages: impl IntoIterator<Item = &'a Package>, lists: &Lists) -> Vec<String> {
    let bad = packages
        .into_iter()
        .filter(|package| !is_allowed(&package.licence, &lists.allowed));
    bad.map(
        |Package {
             name,
             version,
             licence,
             ..
         }| format!("{name} {version}: {licence:?}"),
    )
    .collect()
}

/// Names with more than one version that the list does not have, and names of the list with one.
fn doubled<'a>(packages: impl IntoIterator<Item = &'a Package>, lists: &Lists) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Package { name, version, .. } in packages {
        versions.entry(name).or_default().insert(version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let stale = lists
        .doubled
        .iter()
        .filter(|name| !versions.contains_key(name.as_str()));
    let stale = stale.map(|name| format!("{name} is here once: take it from the list"));
    let new = versions
        .iter()
        .filter(|(name, _)| !lists.doubled.contains(**name));
    new.map(|(name, versions)| format!("{name} is here as {versions:?}"))
        .chain(stale)
        .collect()
}

#[test]
fn all_that_we_ship_has_a_licence_that_we_can_meet() {
    assert_eq!(
        refused(Graph::read().packages.values(), &Lists::read()),
        Vec::<String>::new()
    );
}

#[test]
fn no_crate_is_shipped_in_two_versions_unless_the_list_says_why() {
    assert_eq!(
        doubled(Graph::read().shipped(), &Lists::read()),
        Vec::<String>::new()
    );
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]
        .map(str::to_owned)
        .into();
    for (expression, good) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("ISC AND (GPL-3.0 OR MIT)", true),
        ("(MIT OR ISC) AND GPL-3.0 OR GPL-2.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("", false),
        ("(MIT", false),
        ("MIT ISC", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), good, "{expression}");
    }
}

#[test]
fn a_planted_licence_double_or_stale_entry_is_found() {
    let lists = Lists::parse(
        "[licenses]\nallow = [\n  # why\n  \"MIT\",\n]\n[bans]\nskip = [\n  { name = \"old\" },\n]\n",
    );
    let package = |name: &str, version: &str, licence: &str| Package {
        name: name.into(),
        version: version.into(),
        licence: licence.into(),
        member: false,
        normal: Vec::new(),
        build: Vec::new(),
    };
    let packages = [package("a", "1", "MIT"), package("a", "2", "AGPL-3.0")];
    assert_eq!(refused(&packages, &lists), ["a 2: \"AGPL-3.0\""]);
    assert_eq!(
        doubled(&packages, &lists),
        [
            "a is here as {\"1\", \"2\"}",
            "old is here once: take it from the list"
        ]
    );
}
