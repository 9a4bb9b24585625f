//! `weir nodes`: origins and edges.

use super::{
    Common,
    table::table,
    units::{self, or_unknown},
};
use api::{Node, NodeState, Role};

/// Origins and edges: where they are, whether they are there, what they carry.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  weir nodes
  weir nodes edge-1 --json")]
pub(crate) struct Options {
    /// Only this one.
    node: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// # Errors
/// If no controller answers, or it knows no such node.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let controller = options.common.controller()?;
    if let Some(name) = &options.node {
        let node = controller.node(name).await?;
        return options
            .common
            .print(&node, || text(std::slice::from_ref(&node)));
    }
    let nodes = controller.nodes().await?;
    options.common.print(&nodes, || text(&nodes))
}

/// The table.
pub(super) fn text(nodes: &[Node]) -> String {
    if nodes.is_empty() {
        return "no nodes".to_owned();
    }
    let header = [
        "NODE", "ROLE", "STATE", "RTMP", "HTTP", ">STREAMS", ">PLAYERS", ">IN", ">OUT", ">CPU",
        ">MEMORY", "REGION",
    ];
    table(&header, nodes.iter().map(row))
}

fn row(node: &Node) -> Vec<String> {
    let role = match node.role {
        Role::Origin => "origin",
        Role::Edge => "edge",
    };
    let state = match node.state {
        NodeState::Alive => "alive",
        NodeState::Suspect => "suspect",
        NodeState::Dead => "dead",
    };
    let memory = Some(node.resident_bytes)
        .filter(|bytes| *bytes > 0)
        .map(units::bytes);
    let region = Some(&node.region).filter(|region| !region.is_empty());
    vec![
        node.node.clone(),
        role.to_owned(),
        format!("{state} {}", units::since(node.state_since_unix_ms)),
        or_unknown(node.rtmp.as_ref()),
        or_unknown(node.http.as_ref()),
        node.streams.to_string(),
        node.players.to_string(),
        units::rate(node.bits_in_per_second),
        units::rate(node.bits_out_per_second),
        format!("{:.1}%", f64::from(node.cpu_permille) / 10.0),
        or_unknown(memory),
        or_unknown(region),
    ]
}
