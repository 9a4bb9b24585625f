//! Every link in a Markdown file leads somewhere: to a file of the repository, and in it to a
//! heading. Addresses on the net are not tried.

use std::collections::BTreeMap;

use crate::repository::{Source, root, sources};

/// The places that `markdown` links to, without code and pictures of code.
fn targets(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(markdown) {
        let mut rest = line.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            let target = target.split_whitespace().next().unwrap_or_default();
            found.push(target.trim_matches(['<', '>']).to_owned());
            rest = after;
        }
        if let Some((label, target)) = line.strip_prefix('[').and_then(|l| l.split_once("]: "))
            && !label.contains(']')
        {
            found.push(
                target
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }
    found
}

/// The lines outside of code blocks, without what stands between back-ticks.
fn prose(markdown: &str) -> Vec<String> {
    let mut within_code = false;
    let mut found = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            within_code = !within_code;
        } else if !within_code {
            found.push(line.split('`').step_by(2).collect::<Vec<_>>().join("code"));
        }
    }
    found
}

/// What a browser jumps to for each heading: its words in small letters, joined by `-`.
fn anchors(markdown: &str) -> Vec<String> {
    let mut within_code = false;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for line in markdown.lines() {
        within_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        if within_code || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let words: String = heading.trim().to_lowercase().chars().filter(kept).collect();
        let anchor = words.replace(' ', "-");
        let again = seen.entry(anchor.clone()).or_default();
        found.push(match *again {
            0 => anchor,
            again => format!("{anchor}-{again}"),
        });
        *again += 1;
    }
    found
}

/// The links of `source` that lead nowhere.
fn broken(
    source: &Source,
    exists: impl Fn(&str) -> bool,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let folder = source
        .path
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for target in targets(&source.text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let file = if path.is_empty() {
            source.path.clone()
        } else {
            join(folder, path)
        };
        if !exists(&file) {
            found.push(format!("{}: {target} leads to no file", source.path));
        } else if !anchor.is_empty()
            && !read(&file).is_some_and(|text| anchors(&text).iter().any(|known| known == anchor))
        {
            found.push(format!("{}: {target} leads to no heading", source.path));
        }
    }
    found
}

/// `path` as seen from `folder`, from the root.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = match path.starts_with('/') {
        true => Vec::new(),
        false => folder.split('/').filter(|part| !part.is_empty()).collect(),
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn every_link_leads_somewhere() {
    let exists = |path: &str| root().join(path).exists();
    let read = |path: &str| std::fs::read_to_string(root().join(path)).ok();
    let sources = sources();
    let pages = sources.iter().filter(|source| source.is("md"));
    let found: Vec<_> = pages.flat_map(|page| broken(page, exists, read)).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_planted_broken_link_is_found() {
    let page = Source::new(
        "docs/guide/play.md",
        "# Play\n## The `play` page\n[a](../adr/1.md) [b](../../README.md#try-it) [c](#the-play-page)\n\
         [d](gone.md) `[e](code.md)` [f](#gone) [g](https://h/) [h](../../README.md#gone)\n\
         ```\n[i](code.md)\n```\n[j]: gone.md\n",
    );
    let files = ["docs/adr/1.md", "README.md", "docs/guide/play.md"];
    let read = |path: &str| match path {
        "README.md" => Some("# Weir\n## Try it!\n".to_owned()),
        "docs/guide/play.md" => Some(page.text.clone()),
        _ => None,
    };
    let says = |target, what| format!("docs/guide/play.md: {target} leads to no {what}");
    assert_eq!(
        broken(&page, |path| files.contains(&path), read),
        [
            says("gone.md", "file"),
            says("#gone", "heading"),
            says("../../README.md#gone", "heading"),
            says("gone.md", "file"),
        ]
    );
}
