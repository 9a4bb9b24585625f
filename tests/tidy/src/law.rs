//! The law of dependencies: who may depend on whom, and what a wire crate may not touch.
//!
//! ```text
//! {media, amf} ← flv ← rtmp        media ← {control, api}
//! wire crates and service ← relay
//! {control, service} ← agent
//! {relay, agent} ← node ← {origin, edge}
//! {control, api, service} ← controller
//! ```
//!
//! Origin and edge never meet, and the controller sees no media protocol: both follow from the rows
//! below, which list for each crate all of ours that it may name.

use crate::repository::{Graph, Source, sources};

/// What each of our crates may depend on, of ours. A new crate needs a row.
const LAW: [(&str, &[&str]); 19] = [
    ("weir-media", &[]),
    ("weir-amf", &[]),
    ("weir-flv", &["weir-media", "weir-amf"]),
    ("weir-rtmp", &["weir-media", "weir-amf", "weir-flv"]),
    ("weir-control", &["weir-media"]),
    ("weir-api", &["weir-media"]),
    ("weir-service", &[]),
    (
        "weir-relay",
        &[
            "weir-media",
            "weir-amf",
            "weir-flv",
            "weir-rtmp",
            "weir-api",
            "weir-service",
        ],
    ),
    (
        "weir-agent",
        &["weir-media", "weir-control", "weir-service"],
    ),
    (
        "weir-node",
        &["weir-media", "weir-service", "weir-relay", "weir-agent"],
    ),
    ("weir-origin", NODE),
    ("weir-edge", NODE),
    (
        "weir-controller",
        &["weir-media", "weir-control", "weir-api", "weir-service"],
    ),
    (
        "weir",
        &[
            "weir-media",
            "weir-flv",
            "weir-rtmp",
            "weir-api",
            "weir-service",
        ],
    ),
    (
        "weir-harness",
        &[
            "weir-media",
            "weir-amf",
            "weir-flv",
            "weir-rtmp",
            "weir-api",
        ],
    ),
    ("weir-load", &["weir-media", "weir-flv", "weir-rtmp"]),
    ("weir-scenario", &[]),
    (
        "weir-sim",
        &[
            "weir-media",
            "weir-control",
            "weir-service",
            "weir-agent",
            "weir-controller",
        ],
    ),
    ("weir-tidy", &[]),
];

const NODE: &[&str] = &[
    "weir-media",
    "weir-amf",
    "weir-flv",
    "weir-rtmp",
    "weir-api",
    "weir-service",
    "weir-relay",
    "weir-agent",
    "weir-node",
];

/// The crates that say what crosses a wire and must not know when.
const PURE: [&str; 5] = [
    "weir-media",
    "weir-amf",
    "weir-flv",
    "weir-rtmp",
    "weir-api",
];

/// What brings a clock, a socket, a thread or a runtime with it, at whatever depth.
const IMPURE: [&str; 11] = [
    "tokio",
    "mio",
    "socket2",
    "hyper",
    "axum",
    "tonic",
    "reqwest",
    "rustls",
    "async-std",
    "smol",
    "futures-executor",
];

/// The same in source: words of the standard library and the language.
const IMPURE_WORDS: [&str; 11] = [
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Instant::now",
    "SystemTime",
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "async fn",
    ".await",
];

/// What in the graph breaks the law.
fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for package in graph.members() {
        let name = &package.name;
        let Some((_, allowed)) = LAW.iter().find(|(row, _)| row == name) else {
            found.push(format!("{name} has no row in the law"));
            continue;
        };
        for id in &package.normal {
            let Some(other) = graph.packages.get(id).filter(|other| other.member) else {
                continue;
            };
            if !allowed.contains(&other.name.as_str()) {
                found.push(format!("{name} may not depend on {}", other.name));
            }
        }
        if PURE.contains(&name.as_str()) {
            let closure = graph.closure(package);
            let impure = IMPURE.iter().filter(|impure| closure.contains(*impure));
            found.extend(impure.map(|impure| format!("{name} is pure and reaches {impure}")));
        }
    }
    found
}

/// Where a pure crate's own code reaches for the world. Its tests may.
fn impurities(source: &Source) -> Vec<String> {
    let pure = PURE.iter().filter_map(|name| name.strip_prefix("weir-"));
    let within = |name: &str| source.path.starts_with(&format!("proto/{name}/src/"));
    let is_test = source.name() == "tests.rs" || source.path.contains("/tests/");
    if !source.is("rs") || is_test || !pure.into_iter().any(within) {
        return Vec::new();
    }
    let code = source
        .text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let mut found = Vec::new();
    for (number, line) in code
        .lines()
        .enumerate()
        .filter(|(_, line)| !is_comment(line))
    {
        for word in IMPURE_WORDS.iter().filter(|word| says(line, word)) {
            found.push(format!(
                "{}:{}: a pure crate says `{word}`",
                source.path,
                number + 1
            ));
        }
    }
    found
}

/// Whether `word` is there, and not only as a longer word's beginning: `.await`, not `.awaited`.
fn says(line: &str, word: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    line.split(word).skip(1).any(|rest| !goes_on(rest))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

#[test]
fn crates_depend_only_downwards() {
    assert_eq!(violations(&Graph::read()), Vec::<String>::new());
}

#[test]
fn a_pure_crate_reaches_for_nothing() {
    let found: Vec<_> = sources().iter().flat_map(impurities).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_planted_dependency_is_found_at_any_depth() {
    use crate::repository::invented;
    for (graph, told) in [
        (
            invented(&[("weir-origin", &["weir-edge"]), ("weir-edge", &[])]),
            "weir-origin may not depend on weir-edge",
        ),
        (
            invented(&[("weir-controller", &["weir-rtmp"]), ("weir-rtmp", &[])]),
            "weir-controller may not depend on weir-rtmp",
        ),
        (
            invented(&[
                ("weir-rtmp", &["codec"]),
                ("codec", &["tokio"]),
                ("tokio", &[]),
            ]),
            "weir-rtmp is pure and reaches tokio",
        ),
        (
            invented(&[("weir-new", &[])]),
            "weir-new has no row in the law",
        ),
    ] {
        assert_eq!(violations(&graph), [told]);
    }
}

#[test]
fn a_planted_clock_is_found_in_code_and_not_in_tests() {
    let code = "//! x\nfn f() {\n    // Instant::now in words\n    let now = Instant::now();\n}\n";
    let told = "proto/rtmp/src/a.rs:4: a pure crate says `Instant::now`";
    assert_eq!(
        impurities(&Source::new("proto/rtmp/src/a.rs", code)),
        [told]
    );
    let test = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
    for (path, text) in [
        (
            "proto/rtmp/src/a.rs",
            "//! x\nfn f() { self.awaited.push(1) }\n",
        ),
        ("proto/rtmp/src/a.rs", test.as_str()),
        ("proto/rtmp/src/a/tests.rs", code),
        ("runtime/relay/src/a.rs", code),
    ] {
        assert_eq!(impurities(&Source::new(path, text)), Vec::<String>::new());
    }
}
