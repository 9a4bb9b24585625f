//! `weir status`: the cluster in one look.

use super::{Common, nodes, units};
use crate::plural::counted;
use api::{Cluster, FreezeCause, Node, NodeCounts, Restarts};
use serde::Serialize;

/// The cluster in one look: its controller, nodes, streams and players.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  weir status
  weir status --controller http://10.0.0.5:7080 --json")]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Serialize)]
struct Status {
    cluster: Cluster,
    nodes: Vec<Node>,
}

/// # Errors
/// If no controller answers.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let controller = options.common.controller()?;
    let status = Status {
        cluster: controller.cluster().await?,
        nodes: controller.nodes().await?,
    };
    options.common.print(&status, || text(&status))
}

fn text(status: &Status) -> String {
    let Cluster {
        controller,
        version,
        started_unix_ms,
        store,
        leader,
        ..
    } = &status.cluster;
    let Cluster {
        origins,
        edges,
        streams,
        players,
        ..
    } = &status.cluster;
    let Cluster {
        bits_in_per_second,
        bits_out_per_second,
        ..
    } = &status.cluster;
    let leader = leader
        .as_ref()
        .map_or(String::new(), |leader| format!(", {leader} decides"));
    format!(
        "{controller} {version}, up {}, {store} store{leader}\n\
         origins  {}\n\
         edges    {}\n\
         streams  {streams}, {}, {} in, {} out\n\
         restarts {}\n\n{}",
        units::since(*started_unix_ms),
        counts(origins),
        counts(edges),
        counted(*players, "player"),
        units::rate(*bits_in_per_second),
        units::rate(*bits_out_per_second),
        restarts(&status.cluster.restarts),
        nodes::text(&status.nodes),
    )
}

/// How restarts of dead nodes stand, the most urgent first.
pub(super) fn restarts(restarts: &Restarts) -> String {
    let Restarts {
        driver,
        in_flight,
        waiting,
        frozen,
    } = restarts;
    let by = match driver.as_str() {
        "none" | "" => "by nobody (restart.driver is none)".to_owned(),
        driver => format!("by {driver}, {in_flight} under way, {waiting} waiting"),
    };
    match frozen {
        None => by,
        Some(frozen) if frozen.cause == FreezeCause::Held => {
            format!("{by}; not yet: {}", frozen.reason)
        }
        Some(frozen) if frozen.cause == FreezeCause::StoreLost => format!(
            "FROZEN: {}; nobody is declared dead or restarted until it does",
            frozen.reason
        ),
        Some(frozen) => format!(
            "FROZEN: {}; nobody is declared dead or restarted until `weir unfreeze`",
            frozen.reason
        ),
    }
}

fn counts(counts: &NodeCounts) -> String {
    let NodeCounts {
        alive,
        suspect,
        dead,
    } = counts;
    let mut text = format!("{alive} alive");
    if *suspect > 0 {
        text += &format!(", {suspect} suspect");
    }
    if *dead > 0 {
        text += &format!(", {dead} dead");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Frozen;

    #[test]
    fn a_freeze_cannot_be_overlooked() {
        let frozen = |cause, reason: &str| {
            Some(Frozen {
                cause,
                reason: reason.to_owned(),
            })
        };
        let with = |driver: &str, frozen| Restarts {
            driver: driver.to_owned(),
            in_flight: 2,
            waiting: 8,
            frozen,
        };
        let dead = frozen(FreezeCause::TooMany, "15 of 20 edges look dead at once");
        for (restarts_, text) in [
            (with("none", None), "by nobody (restart.driver is none)"),
            (with("process", None), "by process, 2 under way, 8 waiting"),
            (
                with("process", dead),
                "FROZEN: 15 of 20 edges look dead at once; nobody is declared dead or restarted \
                 until `weir unfreeze`",
            ),
            (
                with("command", frozen(FreezeCause::Held, "it just began")),
                "by command, 2 under way, 8 waiting; not yet: it just began",
            ),
        ] {
            assert_eq!(restarts(&restarts_), text);
        }
    }
}
