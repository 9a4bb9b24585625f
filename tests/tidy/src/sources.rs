//! What every source file owes its reader: a sentence at its head, a length that fits in mind, a
//! name that says what it is, bounds that say why, tests that are claims, and no leftovers.

use crate::repository::{Source, sources};

/// Above this a file is two files.
const LINES_MAX: usize = 1000;

/// Names of files and folders that have not found their name yet.
const NO_NAMES: [&str; 9] = [
    "mod.rs", "utils", "util", "helpers", "helper", "common", "define", "defines", "misc",
];

/// Words that say that work is not done. Cut in two, so that this file may say them.
const UNDONE: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("to", "do!("),
    concat!("unimplemen", "ted!("),
];

/// Where packages come from is the builder's own affair.
const REGISTRIES: [&str; 9] = [
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("deb.debian", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("rubygems", ".org"),
    concat!("mirrors", ".aliyun"),
];

/// Paths of somebody's machine.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/tmp/tar", "get"),
];

/// Files that a tool writes; nobody reads them for their words.
const GENERATED: [&str; 2] = ["Cargo.lock", "tests/fuzz/Cargo.lock"];

fn headless(source: &Source) -> Option<String> {
    let opens = source.text.starts_with("//! ");
    (source.is("rs") && !opens).then(|| format!("{}: opens without `//!`", source.path))
}

fn too_long(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    let code = ["rs", "proto"].iter().any(|extension| source.is(extension));
    (code && lines > LINES_MAX).then(|| format!("{}: has {lines} lines", source.path))
}

fn nameless(source: &Source) -> Option<String> {
    let mut parts = source.path.split('/');
    let bad = parts.find(|part| {
        let stem = part.strip_suffix(".rs").unwrap_or(part);
        NO_NAMES.contains(part) || NO_NAMES.contains(&stem)
    })?;
    source
        .is("rs")
        .then(|| format!("{}: `{bad}` says nothing", source.path))
}

/// Bounds in a `limits.rs` without the sentence that says how they were chosen.
fn unexplained(source: &Source) -> Vec<String> {
    if source.name() != "limits.rs" {
        return Vec::new();
    }
    let lines: Vec<_> = source.text.lines().map(str::trim_start).collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(rest) = line.strip_prefix("pub") else {
            continue;
        };
        let Some((_, name)) = rest
            .split_once("const ")
            .filter(|(_, name)| !name.starts_with("fn "))
        else {
            continue;
        };
        let above = lines.get(..index).unwrap_or_default().iter().rev();
        let words: usize = above
            .skip_while(|line| line.starts_with("#["))
            .map_while(|line| line.strip_prefix("///"))
            .map(|line| line.split_whitespace().count())
            .sum();
        if words < 6 {
            let name = name.split(':').next().unwrap_or(name);
            found.push(format!(
                "{}: {name} does not say how it was chosen",
                source.path
            ));
        }
    }
    found
}

/// Tests whose names are no claims.
fn test_names(source: &Source) -> Vec<String> {
    let prefix = concat!("fn te", "st_");
    let lines: Vec<_> = source.text.lines().map(str::trim_start).collect();
    let is_test = |line: &str| line.starts_with("#[") && line.contains("test]");
    let named = lines.windows(2).filter_map(|pair| match pair {
        [attribute, name] if is_test(attribute) && name.contains(prefix) => Some(*name),
        _ => None,
    });
    named
        .map(|name| format!("{}: `{name}` is no claim", source.path))
        .collect()
}

/// Words that may not stay, by place.
fn leftovers(source: &Source) -> Vec<String> {
    if GENERATED.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let words = UNDONE.iter().chain(&REGISTRIES).chain(&MACHINE_PATHS);
        for word in words.filter(|word| line.contains(**word)) {
            found.push(format!("{}:{}: says `{word}`", source.path, number + 1));
        }
    }
    found
}

fn assert_none(found: impl Iterator<Item = String>) {
    assert_eq!(found.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn every_file_opens_with_a_sentence() {
    assert_none(sources().iter().filter_map(headless));
}

#[test]
fn no_file_outgrows_its_reader() {
    assert_none(sources().iter().filter_map(too_long));
}

#[test]
fn every_module_has_found_its_name() {
    assert_none(sources().iter().filter_map(nameless));
}

#[test]
fn every_bound_says_how_it_was_chosen() {
    assert_none(sources().iter().flat_map(unexplained));
}

#[test]
fn every_test_is_a_claim() {
    assert_none(sources().iter().flat_map(test_names));
}

#[test]
fn nothing_undone_or_of_somebody_s_machine_stays() {
    assert_none(sources().iter().flat_map(leftovers));
}

#[test]
fn planted_faults_are_found() {
    let told = |check: fn(&Source) -> Option<String>, path: &str, text: &str| {
        check(&Source::new(path, text))
    };
    let words = |text: &str| Some(text.to_owned());
    assert_eq!(
        told(headless, "a.rs", "use x;\n"),
        words("a.rs: opens without `//!`")
    );
    assert_eq!(told(headless, "a.rs", "//! Says.\n"), None);
    assert_eq!(
        told(too_long, "a.rs", &"\n".repeat(1001)),
        words("a.rs: has 1001 lines")
    );
    assert_eq!(told(too_long, "a.rs", &"\n".repeat(1000)), None);
    for (path, bad) in [
        ("a/mod.rs", "mod.rs"),
        ("a/utils.rs", "utils.rs"),
        ("common/a.rs", "common"),
    ] {
        assert_eq!(
            told(nameless, path, ""),
            words(&format!("{path}: `{bad}` says nothing"))
        );
    }
    assert_eq!(told(nameless, "a/model.rs", ""), None);

    let limits = "/// Longest name, in bytes: file systems allow 255.\n#[doc(hidden)]\npub const A: \
                  usize = 255;\n/// Longest.\npub const B: u8 = 1;\npub(crate) const C: u8 = 1;\n";
    let found = unexplained(&Source::new("a/limits.rs", limits));
    let says = |name| format!("a/limits.rs: {name} does not say how it was chosen");
    assert_eq!(found, [says("B"), says("C")]);

    let test = concat!("#[test]\nfn te", "st_it() {}\n#[test]\nfn it_holds() {}\n");
    assert_eq!(test_names(&Source::new("a.rs", test)).len(), 1);
    for word in UNDONE.iter().chain(&REGISTRIES).chain(&MACHINE_PATHS) {
        let found = leftovers(&Source::new("a.md", &format!("one\nsee {word} there\n")));
        assert!(found.contains(&format!("a.md:2: says `{word}`")), "{word}");
    }
}
