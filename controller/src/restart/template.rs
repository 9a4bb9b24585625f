//! A text in which a node's name and whereabouts are filled in. Nothing interprets the result: it is
//! one argument of a program or one name, whatever characters a node put into its region.

use control::Identity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All that can be filled in.
const NAMES: [&str; 6] = ["node", "role", "host", "region", "zone", "incarnation"];

/// A text with `{names}` in it; a brace is written twice to be itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Template(#[schemars(with = "String")] String);

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name that stands for nothing.
    #[error("{{{name}}} is not known; there are {{{known}}}", known = NAMES.join("}, {"))]
    Unknown {
        /// What is between the braces.
        name: String,
    },
    /// A brace without its other half.
    #[error("a brace of {text:?} has no other half; write it twice if it is meant as it is")]
    Open {
        /// The whole text.
        text: String,
    },
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

impl Template {
    /// `{node}`.
    pub(super) fn node() -> Self {
        Self("{node}".to_owned())
    }

    /// With a node's own words.
    pub fn fill(&self, node: &Identity) -> String {
        let mut filled = String::new();
        // Each piece is good: that was checked when this was made.
        for piece in pieces(&self.0).unwrap_or_default() {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Name("node") => filled.push_str(node.node.as_str()),
                Piece::Name("role") => filled.push_str(node.role.as_str()),
                Piece::Name("host") => filled.push_str(host(node).unwrap_or_default()),
                Piece::Name("region") => filled.push_str(&node.region),
                Piece::Name("zone") => filled.push_str(&node.zone),
                Piece::Name(_) => filled.push_str(&node.incarnation.to_string()),
            }
        }
        filled
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        pieces(&text)?;
        Ok(Self(text))
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.0
    }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    let open = || TemplateError::Open {
        text: text.to_owned(),
    };
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        pieces.push(Piece::Text(before));
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            pieces.push(Piece::Text(&from[..1]));
            rest = after;
            continue;
        }
        let inside = from.strip_prefix('{').ok_or_else(open)?;
        let (name, after) = inside.split_once('}').ok_or_else(open)?;
        if !NAMES.contains(&name) {
            let name = name.to_owned();
            return Err(TemplateError::Unknown { name });
        }
        pieces.push(Piece::Name(name));
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// The machine of a node, by any of its addresses.
fn host(node: &Identity) -> Option<&str> {
    let addresses = &node.addresses;
    let any = [&addresses.admin, &addresses.rtmp, &addresses.http]
        .into_iter()
        .flatten()
        .next()?;
    let host = any.rsplit_once(':').map_or(any.as_str(), |(host, _)| host);
    Some(host.trim_start_matches('[').trim_end_matches(']'))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use control::{Addresses, Capacity, Incarnation, NodeId, Role};

    pub(in crate::restart) fn edge(name: &str, admin: Option<String>) -> Identity {
        Identity {
            node: NodeId::new(name).expect("a good id"),
            role: Role::Edge,
            incarnation: Incarnation(7),
            addresses: Addresses {
                admin,
                ..Addresses::default()
            },
            region: "eu; reboot".into(),
            zone: "$(a)".into(),
            capacity: Capacity::default(),
            version: String::new(),
        }
    }

    #[test]
    fn names_are_filled_in_and_nothing_else_is_touched() {
        let node = edge("edge-1", Some("[fd00::7]:9101".into()));
        for (template, filled) in [
            ("{node}", "edge-1"),
            ("weir-{role}@{node}.service", "weir-edge@edge-1.service"),
            ("{host} {region} {zone}", "fd00::7 eu; reboot $(a)"),
            ("{incarnation}{{node}}", "7{node}"),
            ("", ""),
        ] {
            let template = Template::try_from(template.to_owned()).expect(template);
            assert_eq!(template.fill(&node), filled);
        }
    }

    #[test]
    fn what_stands_for_nothing_is_refused() {
        for (text, why) in [
            ("{nod}", "{nod} is not known"),
            ("{node", "has no other half"),
            ("node}", "has no other half"),
        ] {
            let error = Template::try_from(text.to_owned()).expect_err(text);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
