//! The pages that are made from a config's struct: the reference in Markdown, the example in YAML.
//!
//! A walk over the JSON schema gives each key its path, kind, default and meaning; the pages are
//! two ways to print that. Paths of list items end in `[]`, names that the operator chooses are `*`.

use std::fmt::Write;

use serde_json::Value;

use super::Config;

/// One key of a config.
#[derive(Debug)]
pub(super) struct Key {
    /// `rtmp.chunk_size`, `forward[].url`, `vhosts.*.gop_cache`.
    path: String,
    kind: String,
    default: Option<Value>,
    meaning: String,
    section: bool,
}

impl Key {
    /// All keys of `T`, sections before their keys, as the struct declares them.
    fn all<T: Config>() -> Vec<Self> {
        let schema = schemars::schema_for!(T).to_value();
        let defaults = serde_json::to_value(T::default()).ok();
        let mut keys = Vec::new();
        walk(&schema, &schema, "", defaults.as_ref(), &mut keys);
        keys
    }

    /// The names of the keys directly below `section`; the top level is `""`.
    pub(super) fn children<T: Config>(section: &str) -> Vec<String> {
        let section = section_path(section);
        let below = |key: &Self| {
            let (parent, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
            let parent_matches = section_path(parent) == section || matches(&section, parent);
            parent_matches.then(|| name.trim_end_matches("[]").to_owned())
        };
        Self::all::<T>().iter().filter_map(below).collect()
    }

    /// What the key at `path` takes, if it is no section; paths as errors have them (`forward[0].url`).
    pub(super) fn takes<T: Config>(path: &str) -> Option<String> {
        let path = section_path(path);
        let keys = Self::all::<T>();
        let key = keys
            .iter()
            .find(|key| matches(&path, &key.path) && !key.section)?;
        Some(key.kind.clone())
    }
}

/// `forward[0].url` and `forward.0.url` as `forward[].url`.
fn section_path(path: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.replace('[', ".[").split('.') {
        let number = part.trim_matches(['[', ']']);
        let is_index = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        match parts.last_mut() {
            Some(last) if is_index || part == "[]" => last.push_str("[]"),
            _ => parts.push(part.to_owned()),
        }
    }
    parts.join(".")
}

/// Whether `path` is `pattern`, in which `*` stands for any one name.
fn matches(path: &str, pattern: &str) -> bool {
    let mut parts = path.split('.');
    let same = pattern.split('.').all(|wanted| match parts.next() {
        Some(part) => wanted == "*" || wanted.trim_end_matches("[]") == part.trim_end_matches("[]"),
        None => false,
    });
    same && parts.next().is_none()
}

fn walk(schema: &Value, root: &Value, path: &str, default: Option<&Value>, keys: &mut Vec<Key>) {
    let schema = resolve(schema, root);
    for variant in alternatives(schema, root) {
        walk(variant, root, path, default, keys);
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            let default = default.and_then(|default| default.get(name));
            visit(property, root, path, default, keys);
        }
    }
    if let Some(values) = schema
        .get("additionalProperties")
        .filter(|values| values.is_object())
    {
        visit(values, root, format!("{path}.*"), None, keys);
    }
    if let Some(items) = schema.get("items").filter(|_| !path.is_empty()) {
        walk(items, root, &format!("{path}[]"), None, keys);
    }
}

fn visit(
    property: &Value,
    root: &Value,
    path: String,
    default: Option<&Value>,
    keys: &mut Vec<Key>,
) {
    if keys.iter().any(|key| key.path == path) {
        return;
    }
    let schema = resolve(property, root);
    let meaning = text_of(property, "description").or_else(|| text_of(schema, "description"));
    let mut below = Vec::new();
    walk(schema, root, &path, default, &mut below);
    keys.push(Key {
        kind: kind(schema, root),
        default: default.cloned(),
        meaning: meaning.unwrap_or_default(),
        section: !below.is_empty(),
        path,
    });
    keys.append(&mut below);
}

/// Follows `$ref`, and through `T or null` to `T`.
fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.trim_start_matches('#');
        return root
            .pointer(target)
            .map_or(schema, |schema| resolve(schema, root));
    }
    let null = |schema: &&Value| schema.get("type").and_then(Value::as_str) == Some("null");
    match schema
        .get("anyOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        Some([one, other]) if null(&other) => resolve(one, root),
        Some([other, one]) if null(&other) => resolve(one, root),
        _ => schema,
    }
}

fn alternatives<'a>(schema: &'a Value, root: &'a Value) -> Vec<&'a Value> {
    let list = |word| {
        schema
            .get(word)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    list("oneOf")
        .iter()
        .chain(list("anyOf"))
        .map(|schema| resolve(schema, root))
        .collect()
}

fn text_of(schema: &Value, word: &str) -> Option<String> {
    schema.get(word)?.as_str().map(str::to_owned)
}

/// What a key takes, in words: `time`, `integer, 128 to 65536`, `one of auto, human, json`.
fn kind(schema: &Value, root: &Value) -> String {
    let mut words: Vec<String> = Vec::new();
    let literal = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    if let Some(constants) = schema.get("enum").and_then(Value::as_array) {
        words.extend(constants.iter().map(literal));
    }
    for variant in alternatives(schema, root) {
        match variant.get("const") {
            Some(constant) => words.push(literal(constant)),
            None => words.extend(one_of(&kind(variant, root))),
        }
    }
    if !words.is_empty() {
        words.dedup();
        return match words.as_slice() {
            [one] => one.clone(),
            words => format!("one of {}", words.join(", ")),
        };
    }
    let types = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let Some(first) = types.into_iter().find(|word| *word != "null") else {
        return "any".to_owned();
    };
    match (first, text_of(schema, "format").as_deref()) {
        ("string", Some(format)) => format.to_owned(),
        ("string", None) => "text".to_owned(),
        ("array", _) => match schema
            .get("items")
            .map(|items| kind(resolve(items, root), root))
        {
            Some(items) => format!("list of {items}"),
            None => "list".to_owned(),
        },
        ("object", _) => "section".to_owned(),
        (number @ ("integer" | "number"), _) => {
            let bound = |word| schema.get(word).map(ToString::to_string);
            // Every unsigned number has this one; it says nothing.
            let least = bound("minimum").filter(|least| least != "0");
            match (least, bound("maximum")) {
                (Some(least), Some(most)) => format!("{number}, {least} to {most}"),
                (Some(least), None) => format!("{number}, at least {least}"),
                (None, Some(most)) => format!("{number}, at most {most}"),
                (None, None) => number.to_owned(),
            }
        }
        (other, _) => other.to_owned(),
    }
}

fn one_of(kind: &str) -> Vec<String> {
    let words = kind.strip_prefix("one of ").unwrap_or(kind);
    words.split(", ").map(str::to_owned).collect()
}

/// The reference of `T` as a Markdown table: every key, what it takes, its default, its meaning.
pub fn reference<T: Config>() -> String {
    let mut page = String::from("| Key | Takes | Default | Meaning |\n| --- | --- | --- | --- |\n");
    for Key {
        path,
        kind,
        default,
        meaning,
        section,
    } in Key::all::<T>()
    {
        let default = match default {
            Some(Value::Null) | None => String::new(),
            Some(_) if section => String::new(),
            Some(value) => format!("`{}`", scalar(&value)),
        };
        let meaning = meaning
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace('|', "\\|");
        writeln!(page, "| `{path}` | {kind} | {default} | {meaning} |").expect("text grows");
    }
    page
}

/// A config that states every key of `T` with its default and says what it means. It loads, and
/// gives `T::default()`. Keys without a default stand as comments.
pub fn example<T: Config>() -> String {
    let mut page = String::new();
    let keys = Key::all::<T>();
    let lists: Vec<&str> = keys
        .iter()
        .filter(|key| is_list(key))
        .map(|key| key.path.as_str())
        .collect();
    for key in &keys {
        let Key {
            path,
            kind,
            default,
            meaning,
            section,
        } = key;
        let chosen = path
            .split('.')
            .any(|part| part == "*" || part.ends_with("[]"));
        let unset = lists
            .iter()
            .any(|list| path.starts_with(&format!("{list}[]")))
            || chosen;
        let depth = path.matches('.').count();
        let indent = "  ".repeat(depth);
        let name = path.rsplit('.').next().unwrap_or(path);
        if depth == 0 && !page.is_empty() {
            page.push('\n');
        }
        for line in meaning.lines().filter(|line| !line.is_empty()) {
            writeln!(page, "{indent}# {line}").expect("text grows");
        }
        if !section && kind != "text" && kind != "boolean" {
            writeln!(page, "{indent}# ({kind})").expect("text grows");
        }
        let line = match default {
            _ if unset => format!("# {name}:"),
            Some(Value::Null) | None => format!("# {name}:"),
            Some(Value::Object(keys)) if keys.is_empty() => format!("{name}: {{}}"),
            // YAML reads a section of comments alone as nothing at all.
            Some(_) if *section && !states_a_default(&keys, path) => format!("# {name}:"),
            Some(_) if *section && !is_list(key) => format!("{name}:"),
            Some(value) => format!("{name}: {}", scalar(value)),
        };
        writeln!(page, "{indent}{line}").expect("text grows");
    }
    page
}

/// Whether a key below `section` has a default.
fn states_a_default(keys: &[Key], section: &str) -> bool {
    let below = format!("{section}.");
    let mut below = keys
        .iter()
        .filter(|key| key.path.starts_with(&below) && !key.section);
    below.any(|key| !matches!(key.default, None | Some(Value::Null)))
}

fn is_list(key: &Key) -> bool {
    key.kind.starts_with("list")
}

/// A value as YAML would have it on one line: text without quotes where that is safe.
fn scalar(value: &Value) -> String {
    let plain = |text: &str| {
        let safe = |c: char| c.is_ascii_alphanumeric() || "_-./=".contains(c);
        let word = text.starts_with(|c: char| c.is_ascii_alphabetic());
        let special = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
        word && text.chars().all(safe) && !special.contains(&text.to_lowercase().as_str())
    };
    match value {
        Value::String(text) if plain(text) || is_quantity(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_quantity(text: &str) -> bool {
    let bare = text.bytes().all(|byte| byte.is_ascii_digit());
    !bare && (text.parse::<super::Duration>().is_ok() || text.parse::<super::Bytes>().is_ok())
}
