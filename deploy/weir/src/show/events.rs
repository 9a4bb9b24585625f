//! `weir events`: what happened, with reasons.

use super::{Common, units};
use crate::rest::Controller;
use api::{Event, EventPage};
use std::{
    collections::VecDeque,
    io::{self, Write},
    time::Duration,
};

/// How long one question of `--watch` waits at the controller: shorter than proxies allow.
const FOLLOW_WAIT: Duration = Duration::from_secs(20);

/// How long until a controller that went away is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What happened: nodes that came and went, streams that began, moved and ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  weir events
  weir events --last 5
  weir events --watch --json          one object a line")]
pub(crate) struct Options {
    /// Only the last so many.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    last: usize,
    /// Go on as they happen.
    #[arg(long, short, visible_alias = "follow", visible_short_alias = 'f')]
    watch: bool,
    #[command(flatten)]
    common: Common,
}

/// # Errors
/// If no controller answers at first.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let controller = options.common.controller()?;
    let (mut events, mut next) = (VecDeque::new(), 0);
    loop {
        let page = controller.events(next, Duration::ZERO).await?;
        let none_left = page.events.is_empty();
        next = page.next;
        events.extend(page.events);
        while events.len() > options.last {
            events.pop_front();
        }
        if none_left {
            break;
        }
    }
    if !options.watch {
        return options.common.print(&events, || match events.is_empty() {
            true => "no events".to_owned(),
            false => events.iter().map(line).collect::<Vec<_>>().join("\n"),
        });
    }
    let print = |event: &Event| {
        let text = match options.common.json {
            true => serde_json::to_string(event)?,
            false => line(event),
        };
        anyhow::Ok(writeln!(io::stdout(), "{text}")?)
    };
    events.iter().try_for_each(print)?;
    loop {
        let page = follow(&controller, next).await;
        next = page.next;
        page.events.iter().try_for_each(print)?;
    }
}

/// A controller that is away for a while is waited for.
async fn follow(controller: &Controller, after: u64) -> EventPage {
    let mut away = false;
    loop {
        match controller.events(after, FOLLOW_WAIT).await {
            Ok(page) => return page,
            Err(error) => {
                if !away {
                    eprintln!("weir: {error:#}; asking again");
                }
                away = true;
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
    }
}

fn line(event: &Event) -> String {
    let kind = serde_json::to_value(event.kind).ok();
    let kind = kind
        .as_ref()
        .and_then(|kind| kind.as_str())
        .unwrap_or("other");
    let about: Vec<&str> = event
        .node
        .iter()
        .chain(&event.stream)
        .map(String::as_str)
        .collect();
    let when = units::moment(event.at_unix_ms);
    format!("{when}  {kind:<19}  {}  {}", about.join("  "), event.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_with_its_reason() {
        let json = r#"{"id": 7, "at_unix_ms": 1795359845678, "kind": "node.dead", "node": "edge-1",
                       "reason": "silent for 3 s"}"#;
        let event: Event = serde_json::from_str(json).expect("an event");
        assert_eq!(
            line(&event),
            "2026-11-22 15:04:05.678  node.dead            edge-1  silent for 3 s"
        );
    }
}
