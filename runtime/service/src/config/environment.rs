//! Variables over the file: `WEIR_RTMP__CHUNK_SIZE=4096` is `rtmp.chunk_size: 4096`.
//!
//! * One prefix, `WEIR_`, for all programs; two underscores go one level down; capitals become
//!   small. A number names an item of a list that the file has: `WEIR_FORWARD__0__URL`.
//! * The value is YAML: `true`, `10s`, `[a, b]`, `{url: …}`. A key that holds text takes it as it is.
//! * A name with two underscores must be a key. One without that is no key is passed over: the
//!   environment has other `WEIR_…` names in it, such as those that Kubernetes makes for a service
//!   called `weir-origin` (`WEIR_ORIGIN_PORT`).

use serde_json::Value;

use super::{
    Config, Ignored,
    error::{Error, Fault, nearest},
    reference::Key,
};

/// What a variable's name begins with.
pub const PREFIX: &str = "WEIR_";

/// The variables that stand for keys, and the names of those that do not.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    entries: Vec<Override>,
    pub(super) ignored: Vec<Ignored>,
}

#[derive(Debug)]
struct Override {
    name: String,
    path: Vec<String>,
    text: String,
}

/// Sorts out which of the environment's `variables` are keys of `T`.
pub(super) fn select<T: Config>(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Overrides {
    let top_level = Key::children::<T>("");
    let mut overrides = Overrides::default();
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let path: Vec<_> = rest.to_lowercase().split("__").map(str::to_owned).collect();
        let known = path.first().is_some_and(|first| top_level.contains(first));
        if known || path.len() > 1 {
            overrides.entries.push(Override { name, path, text });
        } else {
            let known = top_level.iter().map(String::as_str);
            let nearest = path.first().and_then(|first| nearest(first, known));
            overrides.ignored.push(Ignored { name, nearest });
        }
    }
    // A section comes before its keys, and an error does not depend on the environment's order.
    overrides.entries.sort_by(|a, b| a.path.cmp(&b.path));
    overrides.ignored.sort_by(|a, b| a.name.cmp(&b.name));
    overrides
}

impl Overrides {
    /// `config` with every variable put over it.
    pub(super) fn apply<T: Config>(&self, mut config: T) -> Result<T, Error> {
        for entry in &self.entries {
            config = entry.apply(&config)?;
        }
        Ok(config)
    }

    /// The variable that states `key`, or a section around it.
    pub(super) fn name_of(&self, key: &str) -> Option<&str> {
        let key = key.replace('[', ".").replace(']', "");
        let states = |entry: &&Override| {
            let path = entry.path.join(".");
            key == path
                || key
                    .strip_prefix(&path)
                    .is_some_and(|rest| rest.starts_with('.'))
        };
        self.entries
            .iter()
            .rfind(states)
            .map(|entry| entry.name.as_str())
    }
}

impl Override {
    fn apply<T: Config>(&self, config: &T) -> Result<T, Error> {
        let tree = serde_json::to_value(config)
            .map_err(|error| self.refused::<T>(error.to_string(), None))?;
        let mut failure = None;
        for value in self.readings(&tree)? {
            let mut changed = tree.clone();
            let Some(place) = place(&mut changed, &self.path) else {
                let problem = "leads through a key that has no keys below it".to_owned();
                return Err(self.refused::<T>(problem, None));
            };
            *place = value;
            match serde_path_to_error::deserialize(changed) {
                Ok(config) => return Ok(config),
                Err(error) => failure = failure.or(Some(error.into_inner().to_string())),
            }
        }
        let problem =
            failure.map_or_else(|| "has no reading".to_owned(), |text| in_our_words(&text));
        match self.unknown_part::<T>(&tree) {
            Some((part, nearest)) => {
                Err(self.refused::<T>(format!("unknown key `{part}`"), nearest))
            }
            None => Err(self.refused::<T>(problem, None)),
        }
    }

    /// What the text may mean, likeliest first: itself where the key holds text now, else YAML.
    fn readings(&self, tree: &Value) -> Result<Vec<Value>, Error> {
        let text = Value::String(self.text.clone());
        let yaml = match serde_saphyr::from_str::<Value>(&self.text) {
            Ok(yaml) => yaml,
            Err(_) => return Ok(vec![text]),
        };
        let now = self.path.iter().try_fold(tree, |tree, part| match tree {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        });
        Ok(match now {
            Some(Value::String(_)) => vec![text, yaml],
            _ => vec![yaml, text],
        })
    }

    /// The first part of the path that names no key, with the nearest that does.
    fn unknown_part<T: Config>(&self, tree: &Value) -> Option<(String, Option<String>)> {
        let mut tree = Some(tree);
        let mut above = String::new();
        for part in &self.path {
            let known = Key::children::<T>(&above);
            let exists = tree.and_then(|tree| tree.get(part)).is_some() || known.contains(part);
            let open = known.is_empty() || known.iter().any(|key| key == "*");
            if !exists && !open {
                let nearest = nearest(part, known.iter().map(String::as_str));
                return Some((part.clone(), nearest));
            }
            tree = tree.and_then(|tree| match tree {
                Value::Array(items) => items.get(part.parse::<usize>().ok()?),
                other => other.get(part),
            });
            above = match above.as_str() {
                "" => part.clone(),
                above => format!("{above}.{part}"),
            };
        }
        None
    }

    fn refused<T: Config>(&self, problem: String, nearest: Option<String>) -> Error {
        let fault = Fault::of::<T>(&self.path.join("."), problem, nearest);
        Error::Variable {
            name: self.name.clone(),
            fault,
        }
    }
}

/// A mismatch of types without Rust's name of the wanted one: what a key takes is said from the schema,
/// unless that has no word for it.
fn in_our_words(problem: &str) -> String {
    let Some((found, expected)) = problem.split_once(", expected ") else {
        return problem.to_owned();
    };
    let Some(found) = found.strip_prefix("invalid type: ") else {
        return problem.to_owned();
    };
    match expected.split(' ').next() {
        Some("struct") => format!("this is a {found}, expected `{{key: value}}`"),
        _ if expected == "a sequence" => format!("this is a {found}, expected a list: `[a, b]`"),
        _ => format!("this is a {found}"),
    }
}

/// The place that `path` names, made where sections are missing.
fn place<'a>(tree: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(tree, |tree, part| {
        if tree.is_null() {
            *tree = Value::Object(serde_json::Map::new());
        }
        match tree {
            Value::Object(keys) => Some(keys.entry(part.clone()).or_insert(Value::Null)),
            Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
            _ => None,
        }
    })
}
