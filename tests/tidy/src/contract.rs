//! The page on the nodes' contract names every message, field and value of the `.proto` files, each field
//! in its message's own section, and no message that is not there.

use crate::repository::{Source, sources};
use std::collections::BTreeMap;

const PAGE: &str = "docs/ref/control.md";

const CONTRACT: &str = "proto/control/control/v1/";

/// Messages and enums, with the names of their fields or values.
fn declared(protos: &[&Source]) -> BTreeMap<String, Vec<String>> {
    let mut declared: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for proto in protos {
        let mut within: Option<String> = None;
        for line in proto.text.lines() {
            let code = line.split("//").next().unwrap_or_default().trim();
            let words: Vec<&str> = code.split_whitespace().collect();
            match words.as_slice() {
                ["message" | "enum", name, "{"] => {
                    declared.entry((*name).to_owned()).or_default();
                    within = Some((*name).to_owned());
                }
                [.., name, "=", _] => {
                    let fields = within.as_ref().and_then(|within| declared.get_mut(within));
                    fields
                        .into_iter()
                        .for_each(|fields| fields.push((*name).to_owned()));
                }
                _ => {}
            }
        }
    }
    declared
}

/// What the page lacks, and what it has that is not declared.
fn amiss(page: &str, declared: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let sections: BTreeMap<&str, &str> = page
        .split("\n### ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .collect();
    let mut amiss = Vec::new();
    for (name, fields) in declared {
        // An enum's values stand where its field is told.
        let is_enum = fields.iter().all(|field| field.to_uppercase() == *field);
        let section = match (is_enum, sections.get(name.as_str())) {
            (true, _) => page,
            (false, Some(section)) => section,
            (false, None) => {
                amiss.push(format!("no section {name}"));
                continue;
            }
        };
        let missing = fields
            .iter()
            .filter(|field| !section.contains(&format!("`{field}`")));
        amiss.extend(missing.map(|field| format!("{name}.{field} is not named")));
    }
    let unknown = sections
        .keys()
        .filter(|name| !declared.contains_key(**name));
    amiss.extend(unknown.map(|name| format!("{name} is no message")));
    amiss
}

#[test]
fn the_page_names_the_whole_contract() {
    let sources = sources();
    let protos: Vec<&Source> = sources
        .iter()
        .filter(|source| source.path.starts_with(CONTRACT) && source.is("proto"))
        .collect();
    let declared = declared(&protos);
    assert!(
        declared.len() > 20,
        "only {} messages are found",
        declared.len()
    );
    let page = sources.iter().find(|source| source.path == PAGE);
    let page = page.unwrap_or_else(|| panic!("there is no {PAGE}"));
    assert_eq!(amiss(&page.text, &declared), Vec::<String>::new());
}

#[test]
fn a_planted_gap_is_found() {
    let proto = Source::new(
        "proto/control/control/v1/a.proto",
        "message Ask {\n  // What.\n  string path = 1; // `not = 2`\n  oneof kind {\n    Way way = 2;\n  }\n}\n\
         message Gone {}\nmessage New {\n  uint32 count = 1;\n}\nenum Way {\n  WAY_UP = 0;\n}\n",
    );
    let page = "# Page\n### Ask\n`path`\n### New\n\n### Old\n`way`, `count`\n";
    let mut found = amiss(page, &declared(&[&proto]));
    found.sort();
    assert_eq!(
        found,
        [
            "Ask.way is not named",
            "New.count is not named",
            "Old is no message",
            "Way.WAY_UP is not named",
        ]
    );
}
