//! `weir status`: the cluster in one look.

use super::{Common, nodes, units};
use api::{Cluster, Node, NodeCounts};
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
    format!(
        "{controller} {version}, up {}, {store} store\n\
         origins  {}\n\
         edges    {}\n\
         streams  {streams}, {players} players, {} in, {} out\n\n{}",
        units::since(*started_unix_ms),
        counts(origins),
        counts(edges),
        units::rate(*bits_in_per_second),
        units::rate(*bits_out_per_second),
        nodes::text(&status.nodes),
    )
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
