//! Which origin a push goes to, and which ones have just failed it.

use agent::{Agent, NodeId, Upstream, placing};
use media::StreamPath;
use relay::Target;
use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

/// How long an origin that has failed is avoided where there is another: longer than a restart takes.
const AVOIDED_FOR: Duration = Duration::from_secs(10);

/// An origin, and what it is called in logs.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) name: String,
    pub(super) target: Target,
    /// A controller has named it: it is one of ours, and answers pings.
    pub(super) is_ours: bool,
}

/// Origins that have just failed, by name.
#[derive(Debug, Default)]
pub(super) struct Avoided(Vec<(String, Instant)>);

impl Avoided {
    pub(super) fn add(&mut self, name: &str, now: Instant) {
        self.0
            .retain(|(avoided, until)| avoided != name && *until > now);
        self.0.push((name.to_owned(), now + AVOIDED_FOR));
    }

    pub(super) fn has(&self, name: &str, now: Instant) -> bool {
        self.failed(name, now).is_some()
    }

    /// Its place among those that have failed, the first of them at 0; `None` if it has not.
    fn failed(&self, name: &str, now: Instant) -> Option<usize> {
        let mut avoided = self.0.iter();
        avoided.position(|(avoided, until)| avoided == name && *until > now)
    }

    /// The last failed first, so that those are heard where not all are, and named last of all.
    fn nodes(&self, now: Instant) -> Vec<NodeId> {
        let late = self.0.iter().rev().filter(|(_, until)| *until > now);
        late.filter_map(|(name, _)| NodeId::new(name).ok())
            .collect()
    }
}

/// The origin for `path`: the controller's choice, else the list's.
///
/// # Errors
/// Why there is none now; for people.
pub(super) async fn choose(
    agent: &Agent,
    listed: &[Target],
    path: &StreamPath,
    backup: bool,
    avoided: &Avoided,
) -> Result<Origin, String> {
    let now = Instant::now();
    let refused = if agent.has_controllers() {
        let placed = agent.place(path, &avoided.nodes(now), backup).await;
        match placed.map_err(|error| error.to_string()).and_then(named) {
            Ok(origin) => return Ok(origin),
            // The list does not know who else has the stream.
            Err(refused) if backup => return Err(refused),
            Err(refused) => refused,
        }
    } else {
        "there is no controller, and upstream.origins is empty".to_owned()
    };
    from_list(listed, path, avoided, now).ok_or(refused)
}

fn named(upstream: Upstream) -> Result<Origin, String> {
    let target = upstream.rtmp.parse();
    let target = target.map_err(|error| format!("{} at {}: {error}", upstream.node, upstream.rtmp));
    Ok(Origin {
        name: upstream.node.to_string(),
        target: target?,
        is_ours: true,
    })
}

/// The list's choice: every edge with the same list makes the same, and while one origin is avoided
/// only its streams go elsewhere. Where all are, it is the one that failed first.
fn from_list(
    listed: &[Target],
    path: &StreamPath,
    avoided: &Avoided,
    now: Instant,
) -> Option<Origin> {
    let origins = listed.iter().map(|target| Origin {
        name: target.to_string(),
        target: target.clone(),
        is_ours: false,
    });
    origins.min_by_key(|origin| {
        let drawn = placing::weight(path.as_str(), &origin.name);
        (avoided.failed(&origin.name, now), Reverse(drawn))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_keeps_its_origin_until_that_one_fails_and_returns_to_it() {
        let listed: Vec<Target> = ["a:1", "b:1", "c:1"]
            .map(|name| name.parse().expect("a target"))
            .into();
        let (mut avoided, began) = (Avoided::default(), Instant::now());
        let path = |number: u32| StreamPath::new("v", "live", &format!("s{number}"));
        let choice = |avoided: &Avoided, number, now| {
            let path = path(number).expect("a path");
            let chosen = from_list(&listed, &path, avoided, now);
            chosen.expect("the list is not empty").name
        };
        let before: Vec<String> = (0..60)
            .map(|number| choice(&avoided, number, began))
            .collect();
        for name in ["a:1", "b:1", "c:1"] {
            assert!(before.iter().any(|chosen| chosen == name), "{name}");
        }
        avoided.add("b:1", began);
        for (number, before) in (0..).zip(&before) {
            let now = choice(&avoided, number, began);
            assert!(now != "b:1" && (before == "b:1" || now == *before));
            assert_eq!(choice(&avoided, number, began + AVOIDED_FOR), *before);
        }
        for name in ["a:1", "c:1", "a:1"] {
            avoided.add(name, began);
        }
        assert_eq!(avoided.nodes(began).len(), 3, "each once");
        assert_eq!(choice(&avoided, 0, began), "b:1", "the first that failed");
    }
}
