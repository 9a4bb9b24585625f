//! Why a config is refused, in words that lead to the line or the variable at fault.

use std::fmt;

use serde_saphyr::{Error as Yaml, SnippetMode, UserMessageFormatter};

use super::{Config, environment::Overrides, reference::Key};
use crate::limits;

/// Why there is no config. Its text may have several lines: the fault, then where it stands.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the config {file}: {source}")]
    Read {
        /// Its path.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no config.
    #[error(
        "the config {file} has {bytes} bytes, at most {} are allowed",
        limits::CONFIG_FILE_BYTES_MAX
    )]
    TooLarge {
        /// Its path.
        file: String,
        /// How long it is.
        bytes: u64,
    },
    /// A place in the file is wrong.
    #[error("{file}:{line}:{column}: {fault}\n{snippet}")]
    File {
        /// Its path.
        file: String,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What is wrong there.
        fault: Box<Fault>,
        /// The lines around it.
        snippet: String,
    },
    /// An environment variable is wrong.
    #[error("the environment's {name}: {fault}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        fault: Box<Fault>,
    },
    /// Values are wrong that neither the file nor the environment state alone.
    #[error("the config is not valid:{}", problems.iter().map(|(key, problem)| format!("\n  {key}: {problem}")).collect::<String>())]
    Invalid {
        /// Keys, and what is wrong with each.
        problems: Vec<(String, String)>,
    },
}

/// What is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key's path: `rtmp.chunk_size`; empty if the text is no YAML.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// The known key or word nearest to an unknown one.
    pub nearest: Option<String>,
    /// What the key takes, from the schema.
    pub takes: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            problem,
            nearest,
            takes,
        } = self;
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        f.write_str(problem)?;
        match (nearest, takes) {
            (Some(nearest), _) => write!(f, "; did you mean `{nearest}`?"),
            (None, Some(takes)) => write!(f, "; expected {takes}"),
            (None, None) => Ok(()),
        }
    }
}

impl Fault {
    /// `problem` with the key at the path `key` of `T`.
    pub(super) fn of<T: Config>(key: &str, problem: String, nearest: Option<String>) -> Box<Self> {
        let takes = Key::takes::<T>(key);
        // The parser says it already of a key that takes one of a few words.
        let takes = takes.filter(|_| !problem.contains("expected"));
        Box::new(Self {
            key: key.to_owned(),
            problem,
            nearest,
            takes,
        })
    }
}

/// A fault that the parser found in a file's text.
pub(super) fn in_file<T: Config>(file: &str, key: &str, problem: &Yaml) -> Error {
    let (line, column) = problem
        .location()
        .map_or((1, 1), |place| (place.line(), place.column()));
    let (text, nearest) = match problem.without_snippet() {
        Yaml::SerdeUnknownField {
            field, expected, ..
        } => (
            format!("unknown key `{field}`"),
            nearest(field, expected.iter().copied()),
        ),
        Yaml::SerdeUnknownVariant {
            variant, expected, ..
        } => {
            let known = expected.join("`, `");
            let text = format!("unknown word `{variant}`, expected one of `{known}`");
            (text, nearest(variant, expected.iter().copied()))
        }
        Yaml::InvalidScalar { ty, .. } => (no_such(ty), None),
        other => (plain(other), None),
    };
    let mut fault = Fault::of::<T>(key, text, nearest);
    if let Yaml::Unexpected { expected, .. } = problem.without_snippet() {
        let (text, takes) = in_our_words(expected);
        fault.problem = text.to_owned();
        fault.takes = Key::takes::<T>(key).or_else(|| takes.map(str::to_owned));
    }
    Error::File {
        file: file.to_owned(),
        line,
        column,
        fault,
        snippet: snippet(file, problem),
    }
}

/// What the parser says of a shape that it did not expect, for somebody who knows YAML by sight: what
/// stands there, and what a key takes of which the schema has no better word.
fn in_our_words(expected: &'static str) -> (&'static str, Option<&'static str>) {
    match expected {
        "sequence start" => ("this is no list", Some("a list: `[a, b]`")),
        "mapping start" => ("this has no keys", Some("`key: value` lines")),
        "scalar" | "string scalar" => ("this is more than one value", Some("one value")),
        other => (other, None),
    }
}

/// Values that are well written and still not allowed. A variable is blamed for its own key, the
/// file for what stands in it, and the whole for the rest (say, a default that another key rules
/// out).
pub(super) fn invalid<T: Config>(
    file: &str,
    text: &str,
    overrides: &Overrides,
    report: &garde::Report,
) -> Error {
    let problems: Vec<_> = report
        .iter()
        .map(|(path, error)| (path.to_string(), error.to_string()))
        .collect();
    for (key, problem) in &problems {
        if let Some(name) = overrides.name_of(key) {
            return Error::Variable {
                name: name.to_owned(),
                fault: not_allowed::<T>(key, problem),
            };
        }
    }
    let [(key, problem), ..] = problems.as_slice() else {
        return Error::Invalid { problems };
    };
    let located = match serde_saphyr::from_str_valid::<T>(text) {
        Err(located) if !text.is_empty() => located,
        _ => return Error::Invalid { problems },
    };
    let Some(location) = located.location() else {
        return Error::Invalid { problems };
    };
    Error::File {
        file: file.to_owned(),
        line: location.line(),
        column: location.column(),
        fault: not_allowed::<T>(key, problem),
        snippet: snippet(file, &located),
    }
}

/// A value that has the right kind. What the key takes helps where a bound is broken; a check that has a
/// sentence of its own says what it wants.
fn not_allowed<T: Config>(key: &str, problem: &str) -> Box<Fault> {
    let is_bound = ["lower than ", "greater than ", "length is "]
        .iter()
        .any(|bound| problem.starts_with(bound));
    let mut fault = Fault::of::<T>(key, problem.to_owned(), None);
    fault.takes = fault.takes.filter(|_| is_bound);
    fault
}

/// The known word nearest to an unknown one, if it is near enough to be what was meant.
pub(super) fn nearest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let most = (unknown.chars().count() / 3).clamp(1, limits::NEAREST_KEY_EDITS_MAX);
    let unknown = unknown.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&unknown, word), word))
        .filter(|(edits, _)| *edits <= most)
        .min()
        .map(|(_, word)| word.to_owned())
}

/// Rust's name of a type, as an operator would say that something is none.
fn no_such(ty: &str) -> String {
    match ty.strip_prefix(['u', 'i', 'f']) {
        Some(bits) if bits.parse::<u8>().is_ok() || bits == "size" => {
            "this is no number".to_owned()
        }
        _ if ty == "boolean" => "this is neither true nor false".to_owned(),
        _ => format!("this is no {ty}"),
    }
}

/// The parser's words without its own place, which is told apart.
fn plain(problem: &Yaml) -> String {
    let options = serde_saphyr::render_options! {
        formatter: &UserMessageFormatter,
        snippets: SnippetMode::Off,
    };
    let text = problem.without_snippet().render_with_options(options);
    match text.rfind(" at line ") {
        Some(place) => text[..place].to_owned(),
        None => text,
    }
}

/// The lines around the fault: the parser's picture without its headline.
fn snippet(file: &str, problem: &Yaml) -> String {
    let options = serde_saphyr::render_options! {
        formatter: &UserMessageFormatter,
        source_name: Some(file),
    };
    let picture = problem.render_with_options(options);
    let lines: Vec<_> = picture.lines().skip(1).map(without_words).collect();
    lines.join("\n")
}

/// A line of the picture without what the parser writes behind its pointer: the headline says it.
fn without_words(line: &str) -> &str {
    let Some((margin, pointer)) = line.split_once('|') else {
        return line;
    };
    let is_pointer = margin.trim().is_empty() && pointer.trim_start().starts_with('^');
    match line.rfind('^') {
        Some(end) if is_pointer => &line[..=end],
        _ => line,
    }
}
