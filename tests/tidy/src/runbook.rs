//! The operator's page says of every kind of event what it means and what to do, and names no kind that
//! there is not.

use crate::repository::{Source, sources};
use std::collections::BTreeSet;

const PAGE: &str = "docs/guide/restarting.md";

const KINDS: &str = "proto/api/src/event.rs";

/// The table's first line.
const HEAD: &str = "| Event | It means | Do |";

/// The names of all kinds but the one that stands for those of newer controllers.
fn declared(code: &str) -> BTreeSet<&str> {
    let renamed = code.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("#[serde(rename = \"")?;
        name.strip_suffix("\")]")
    });
    renamed.collect()
}

/// The names in the first column of the page's table.
fn told(page: &str) -> BTreeSet<&str> {
    let table = page.lines().skip_while(|line| *line != HEAD).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    let first = rows.filter_map(|row| row.split('|').nth(1));
    first
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

/// Kinds that are only in the code, or only on the page.
fn amiss(code: &str, page: &str) -> Vec<String> {
    let (declared, told) = (declared(code), told(page));
    let untold = declared.difference(&told);
    let unknown = told.difference(&declared);
    untold
        .map(|kind| format!("{kind} is not told"))
        .chain(unknown.map(|kind| format!("{kind} is no event")))
        .collect()
}

#[test]
fn every_event_is_in_the_runbook() {
    let sources = sources();
    let text = |path: &str| {
        let source = sources.iter().find(|source: &&Source| source.path == path);
        source.map(|source| source.text.as_str())
    };
    let code = text(KINDS).unwrap_or_else(|| panic!("there is no {KINDS}"));
    let page = text(PAGE).unwrap_or_else(|| panic!("there is no {PAGE}"));
    assert!(declared(code).len() > 10, "no events found in {KINDS}");
    assert_eq!(amiss(code, page), Vec::<String>::new());
}

#[test]
fn a_planted_event_without_a_row_is_found() {
    let code = "    #[serde(rename = \"node.dead\")]\n    NodeDead,\n    #[serde(rename = \"node.new\")]\n    \
                NodeNew,\n    #[serde(rename = \"other\", other)]\n    Other,\n";
    let page = "`node.new` elsewhere\n\n| Event | It means | Do |\n| --- | --- | --- |\n\
                | `node.dead`, `node.old` | `node.new` | |\n\n| `node.new` | |\n";
    assert_eq!(
        amiss(code, page),
        ["node.new is not told", "node.old is no event"]
    );
}
