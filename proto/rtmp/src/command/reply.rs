//! The commands that answer or tell: `_result`, `_error`, `onStatus` and their kin.
//!
//! All of them carry a [`Status`] as an object of `level`, `code`, `description` and, if the peer
//! is to go elsewhere, `ex: {code: 302, redirect, redirect2}`. FMS puts there the `tcUrl` alone as
//! `redirect`; SRS adds the whole URL as `redirect2`; ffmpeg reads `redirect`. We write both where
//! a whole URL is known and prefer `redirect2` where both are read.

use super::Call;
use crate::{
    status::{Level, Status, code},
    url::Url,
};
use amf::Value;
use std::borrow::Cow;

/// `ex.code` of a status that sends the peer elsewhere, as in HTTP.
const REDIRECT_CODE: f64 = 302.0;

pub(super) fn from_wire(name: String, mut arguments: Vec<Value>) -> Call {
    let take = |arguments: &mut Vec<Value>, at: usize| {
        arguments.get_mut(at).map_or(Value::Undefined, |value| {
            std::mem::replace(value, Value::Undefined)
        })
    };
    match name.as_str() {
        "_result" => Call::Result {
            properties: take(&mut arguments, 0),
            information: take(&mut arguments, 1),
        },
        // Some servers put the status of an `_error` where the command object stands.
        "_error" => Call::Error(status_of(&arguments, Level::Error)),
        "onStatus" => {
            let status = status_of(&arguments, Level::Status);
            if status.code == code::CONNECT_RECONNECT_REQUEST {
                let tc_url = arguments.get(1).and_then(|info| text(info, "tcUrl"));
                return Call::ReconnectRequest {
                    tc_url: tc_url.map(str::to_owned),
                    description: status.description,
                };
            }
            Call::OnStatus(status)
        }
        "onFCPublish" => Call::OnFcPublish(status_of(&arguments, Level::Status)),
        "onFCUnpublish" => Call::OnFcUnpublish(status_of(&arguments, Level::Status)),
        "onFCSubscribe" => Call::OnFcSubscribe(status_of(&arguments, Level::Status)),
        _ => Call::Other { name, arguments },
    }
}

pub(super) fn arguments(call: &Call) -> Vec<Value> {
    match call {
        Call::Result {
            properties,
            information,
        } => vec![properties.clone(), information.clone()],
        Call::Error(status)
        | Call::OnStatus(status)
        | Call::OnFcPublish(status)
        | Call::OnFcUnpublish(status)
        | Call::OnFcSubscribe(status) => vec![Value::Null, status_to_value(status)],
        Call::ReconnectRequest {
            tc_url,
            description,
        } => {
            let mut information = vec![
                ("level".to_owned(), Level::Status.as_str().into()),
                ("code".to_owned(), code::CONNECT_RECONNECT_REQUEST.into()),
                ("description".to_owned(), description.as_str().into()),
            ];
            if let Some(tc_url) = tc_url {
                information.push(("tcUrl".to_owned(), tc_url.as_str().into()));
            }
            vec![Value::Null, Value::Object(information)]
        }
        _ => vec![Value::Null],
    }
}

/// A status as the object that stands in replies.
pub(crate) fn status_to_value(status: &Status) -> Value {
    let mut properties = vec![
        ("level".to_owned(), status.level.as_str().into()),
        ("code".to_owned(), status.code.as_ref().into()),
        ("description".to_owned(), status.description.as_str().into()),
    ];
    if let Some(redirect) = &status.redirect {
        let mut ex = vec![("code".to_owned(), Value::Number(REDIRECT_CODE))];
        match redirect.parse::<Url>() {
            Ok(url) if !url.name.is_empty() => {
                ex.push(("redirect".to_owned(), url.tc_url(None).into()));
                ex.push(("redirect2".to_owned(), redirect.as_str().into()));
            }
            _ => ex.push(("redirect".to_owned(), redirect.as_str().into())),
        }
        properties.push(("ex".to_owned(), Value::Object(ex)));
    }
    Value::Object(properties)
}

/// The first argument that looks like a status; an empty one if none does.
fn status_of(arguments: &[Value], default: Level) -> Status {
    let information = arguments.iter().find(|value| value.get("code").is_some());
    information.or(arguments.last()).map_or_else(
        || Status {
            level: default,
            code: Cow::Borrowed(""),
            description: String::new(),
            redirect: None,
        },
        |information| status_from_value(information, default),
    )
}

/// Reads a status; `default` is its level where it names none.
pub(crate) fn status_from_value(information: &Value, default: Level) -> Status {
    let ex = information.get("ex");
    let redirect = ex
        .filter(|ex| ex.get("code").and_then(Value::as_f64) == Some(REDIRECT_CODE))
        .and_then(|ex| text(ex, "redirect2").or_else(|| text(ex, "redirect")));
    Status {
        level: text(information, "level").map_or(default, Level::from_wire),
        code: Cow::Owned(text(information, "code").unwrap_or("").to_owned()),
        // Wowza says `details`, and a bare string is a description too.
        description: text(information, "description")
            .or_else(|| text(information, "details"))
            .or_else(|| information.as_str())
            .unwrap_or("")
            .to_owned(),
        redirect: redirect.map(str::to_owned),
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}
