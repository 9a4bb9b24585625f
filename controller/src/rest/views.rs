//! The API's types from what the model knows.

use super::query;
use crate::{
    model::inventory::{Health, Inventory, Node, StreamView},
    plan::{Policy, supervision::Cause},
    restart::Standing,
    store::Revision,
};
use api::{Cluster, FreezeCause, Frozen, NodeCounts, NodePage, Restarts, Site, StreamPage, page};
use control::{NodeId, Role, StreamReport};
use media::StreamPath;
use std::ops::Bound::{Excluded, Unbounded};

pub(super) fn cluster(
    inventory: &Inventory,
    controller: String,
    store: &str,
    revision: Revision,
    restarts: Restarts,
) -> Cluster {
    let mut cluster = Cluster {
        controller,
        version: service::build::VERSION.to_owned(),
        started_unix_ms: inventory.started().unix_ms,
        store: store.to_owned(),
        leader: inventory
            .leader()
            .map(|(leader, _)| leader.controller.clone()),
        revision: revision.0,
        origins: NodeCounts::default(),
        edges: NodeCounts::default(),
        streams: inventory.owned_streams(),
        players: 0,
        bits_in_per_second: 0,
        bits_out_per_second: 0,
        restarts,
    };
    for node in inventory.nodes().values() {
        let counts = match node.identity.role {
            Role::Origin => &mut cluster.origins,
            Role::Edge => &mut cluster.edges,
        };
        match node.health {
            Health::Alive => counts.alive += 1,
            Health::Suspect => counts.suspect += 1,
            Health::Dead => counts.dead += 1,
        }
        if node.identity.role == Role::Origin {
            let sum = cluster.bits_in_per_second;
            cluster.bits_in_per_second = sum.saturating_add(node.load.bits_in_per_second);
        }
        cluster.players = cluster.players.saturating_add(node.load.players);
        let sum = cluster.bits_out_per_second;
        cluster.bits_out_per_second = sum.saturating_add(node.load.bits_out_per_second);
    }
    cluster
}

pub(super) fn restarts(standing: &Standing) -> Restarts {
    Restarts {
        driver: standing.driver.as_str().to_owned(),
        in_flight: standing.counts.in_flight,
        waiting: standing.counts.waiting,
        frozen: standing.frozen.as_ref().map(|frozen| Frozen {
            cause: match frozen.cause {
                Cause::TooMany => FreezeCause::TooMany,
                Cause::Operator => FreezeCause::Operator,
                Cause::StoreLost => FreezeCause::StoreLost,
                Cause::Held => FreezeCause::Held,
            },
            reason: frozen.reason.clone(),
        }),
    }
}

pub(super) fn nodes(
    inventory: &Inventory,
    query: &query::Nodes,
    after: Option<&NodeId>,
) -> NodePage {
    let from = after.map_or(Unbounded, Excluded);
    let wanted = |node: &&Node| {
        query
            .role
            .is_none_or(|wanted| wanted == role(node.identity.role))
            && query
                .state
                .is_none_or(|wanted| wanted == state(node.health))
    };
    let all = inventory
        .nodes()
        .range::<NodeId, _>((from, Unbounded))
        .map(|(_, node)| node);
    let nodes = all.filter(wanted).map(node);
    let (nodes, next) = page::cut(nodes, page::limit(query.limit), |node| node.node.clone());
    NodePage { nodes, next }
}

pub(super) fn node(node: &Node) -> api::Node {
    let (identity, load) = (&node.identity, &node.load);
    api::Node {
        node: identity.node.to_string(),
        role: role(identity.role),
        state: state(node.health),
        reason: node.reason.clone(),
        state_since_unix_ms: node.health_since_unix_ms,
        incarnation: identity.incarnation.to_string(),
        rtmp: identity.addresses.rtmp.clone(),
        http: identity.addresses.http.clone(),
        admin: identity.addresses.admin.clone(),
        region: identity.region.clone(),
        zone: identity.zone.clone(),
        version: identity.version.clone(),
        registered_unix_ms: node.registered_unix_ms,
        heard_unix_ms: node.heard.map(|heard| heard.unix_ms),
        streams: node.streams.len(),
        connections: load.connections,
        publishers: load.publishers,
        players: load.players,
        bytes_in: load.bytes_in,
        bytes_out: load.bytes_out,
        bits_in_per_second: load.bits_in_per_second,
        bits_out_per_second: load.bits_out_per_second,
        cpu_permille: load.cpu_permille,
        resident_bytes: load.resident_bytes,
    }
}

pub(super) fn streams(
    inventory: &Inventory,
    policy: &Policy,
    query: &query::Streams,
    after: Option<&StreamPath>,
) -> StreamPage {
    let is = |wanted: &Option<String>, found: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted == found)
    };
    let wanted = |view: &StreamView| {
        let is_on = |name: &str| {
            view.sites
                .iter()
                .any(|(node, _)| node.identity.node.as_str() == name)
        };
        let holds = |text: &str| view.path.as_str().contains(text);
        is(&query.vhost, view.path.vhost())
            && is(&query.app, view.path.app())
            && query.node.as_deref().is_none_or(is_on)
            && query.search.as_deref().is_none_or(holds)
    };
    let views = inventory
        .streams_after(after)
        .filter(wanted)
        .map(|view| stream(&view, &inventory.standbys(view.path, policy)));
    let (streams, next) = page::cut(views, page::limit(query.limit), |stream| {
        stream.path.clone()
    });
    StreamPage { streams, next }
}

pub(super) fn stream(view: &StreamView, standbys: &[NodeId]) -> api::Stream {
    let owner = view
        .placement
        .and_then(|placement| placement.owner.as_ref());
    let of_owner = owner.and_then(|owner| {
        view.sites
            .iter()
            .find(|(node, _)| node.identity.node == owner.node)
    });
    let of_origin = view
        .sites
        .iter()
        .find(|(node, _)| node.identity.role == Role::Origin);
    // The media as it comes in, by who is nearest to the publisher.
    let source = of_owner
        .or(of_origin)
        .or(view.sites.first())
        .map(|(_, report)| *report);
    let mut sites: Vec<Site> = view
        .sites
        .iter()
        .map(|(node, report)| site(node, report))
        .collect();
    sites.sort_by_key(|site| site.role == api::Role::Edge);
    let edges = sites.iter().filter(|site| site.role == api::Role::Edge);
    api::Stream {
        path: view.path.to_string(),
        vhost: view.path.vhost().to_owned(),
        app: view.path.app().to_owned(),
        name: view.path.name().to_owned(),
        origin: owner.map(|owner| owner.node.to_string()),
        standbys: standbys.iter().map(ToString::to_string).collect(),
        epoch: view.placement.map_or(0, |placement| placement.epoch.0),
        since_unix_ms: owner
            .and(view.placement)
            .map(|placement| placement.since_unix_ms),
        edges: edges.map(|site| site.node.clone()).collect(),
        players: sites
            .iter()
            .fold(0, |sum, site| site.players.saturating_add(sum)),
        bits_per_second: source.map_or(0, |report| report.bits_per_second),
        video: source.and_then(|report| report.video.as_ref()).map(video),
        audio: source.and_then(|report| report.audio.as_ref()).map(audio),
        sites,
    }
}

fn site(node: &Node, report: &StreamReport) -> Site {
    Site {
        node: node.identity.node.to_string(),
        role: role(node.identity.role),
        arrival: match report.arrival {
            control::Arrival::Published => api::Arrival::Published,
            control::Arrival::Pulled => api::Arrival::Pulled,
        },
        upstream: (!report.upstream.is_empty()).then(|| report.upstream.clone()),
        since_unix_ms: report.since_unix_ms,
        players: report.players,
        bytes_in: report.bytes_in,
        bytes_out: report.bytes_out,
        bits_per_second: report.bits_per_second,
    }
}

fn video(video: &control::Video) -> api::Video {
    api::Video {
        codec: video.codec.clone(),
        width: known(video.width),
        height: known(video.height),
        fps: known(video.fps_milli).map(|milli| f64::from(milli) / 1000.0),
    }
}

fn audio(audio: &control::Audio) -> api::Audio {
    api::Audio {
        codec: audio.codec.clone(),
        sample_rate: known(audio.sample_rate),
        channels: known(audio.channels),
    }
}

fn known(number: u32) -> Option<u32> {
    (number != 0).then_some(number)
}

fn role(role: Role) -> api::Role {
    match role {
        Role::Origin => api::Role::Origin,
        Role::Edge => api::Role::Edge,
    }
}

fn state(health: Health) -> api::NodeState {
    match health {
        Health::Alive => api::NodeState::Alive,
        Health::Suspect => api::NodeState::Suspect,
        Health::Dead => api::NodeState::Dead,
    }
}
