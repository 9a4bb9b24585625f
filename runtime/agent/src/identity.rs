//! Who this process is: a name that outlives it, and an incarnation that does not.

use crate::Config;
use control::{Addresses, Capacity, Identity, Incarnation, NodeId, Role, node::is_address};
use std::{
    net::{SocketAddr, UdpSocket},
    time::{SystemTime, UNIX_EPOCH},
};

/// Where the node really listens, with the ports that the system chose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bound {
    /// RTMP.
    pub rtmp: Option<SocketAddr>,
    /// HTTP.
    pub http: Option<SocketAddr>,
    /// Health and metrics.
    pub admin: Option<SocketAddr>,
}

/// Who this process is, by its config and by where it listens. To be called once a process: each
/// call is a new incarnation.
pub fn identify(config: &Config, role: Role, bound: Bound) -> Identity {
    let advertise = &config.advertise;
    Identity {
        node: node(config, role, bound),
        role,
        incarnation: incarnation(),
        addresses: Addresses {
            rtmp: advertise
                .rtmp
                .clone()
                .or_else(|| reached_at(config, bound.rtmp)),
            http: advertise
                .http
                .clone()
                .or_else(|| reached_at(config, bound.http)),
            admin: advertise
                .admin
                .clone()
                .or_else(|| reached_at(config, bound.admin)),
        },
        region: config.region.clone(),
        zone: config.zone.clone(),
        capacity: Capacity {
            players: config.capacity.players,
            streams: config.capacity.streams,
            bits_per_second: config.capacity.bits_per_second,
        },
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The configured name, or host name, role and port: stable as long as these are.
fn node(config: &Config, role: Role, bound: Bound) -> NodeId {
    if let Some(node) = config
        .node
        .as_deref()
        .and_then(|node| NodeId::new(node).ok())
    {
        return node;
    }
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let host: String = host_name().chars().map(keep).take(64).collect();
    let port = bound
        .rtmp
        .or(bound.http)
        .map_or(0, |address| address.port());
    NodeId::new(&format!("{host}-{role}-{port}")).expect("64 + 1 + 6 + 1 + 5 allowed characters")
}

/// Microseconds since 1970: two starts of one node are never so close.
fn incarnation() -> Incarnation {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Incarnation(u64::try_from(now.as_micros()).unwrap_or(u64::MAX).max(1))
}

/// Where others reach what is bound here. A listener on every address is reached at the one from
/// which the first controller is, and, without a controller, by host name.
fn reached_at(config: &Config, bound: Option<SocketAddr>) -> Option<String> {
    let bound = bound?;
    if !bound.ip().is_unspecified() {
        return Some(bound.to_string());
    }
    let near = config.controllers.first().and_then(|controller| {
        let address = controller.strip_prefix("http://")?.trim_end_matches('/');
        let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
        socket.connect(address).ok()?;
        let ip = socket.local_addr().ok()?.ip();
        Some(SocketAddr::new(ip, bound.port()).to_string())
    });
    let named = || format!("{}:{}", host_name(), bound.port());
    Some(near.unwrap_or_else(named)).filter(|address| is_address(address))
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(address: &str) -> Bound {
        Bound {
            rtmp: Some(address.parse().expect("an address")),
            ..Bound::default()
        }
    }

    #[test]
    fn a_name_is_stable_and_an_incarnation_is_not() {
        let config = Config::default();
        let first = identify(&config, Role::Origin, bound("127.0.0.1:1935"));
        std::thread::sleep(std::time::Duration::from_micros(2));
        let second = identify(&config, Role::Origin, bound("127.0.0.1:1935"));
        assert_eq!(first.node, second.node);
        assert!(
            first.node.as_str().ends_with("-origin-1935"),
            "{}",
            first.node
        );
        assert!(second.incarnation > first.incarnation);
    }

    #[test]
    fn a_listener_on_every_address_is_advertised_by_one_that_the_controller_sees() {
        let config = Config {
            controllers: vec!["http://127.0.0.1:7100".into()],
            ..Config::default()
        };
        let rtmp = |bound| identify(&config, Role::Edge, bound).addresses.rtmp;
        assert_eq!(
            rtmp(bound("0.0.0.0:1935")).as_deref(),
            Some("127.0.0.1:1935")
        );
        assert_eq!(
            rtmp(bound("127.0.0.7:1936")).as_deref(),
            Some("127.0.0.7:1936")
        );
        assert_eq!(rtmp(Bound::default()), None);
    }

    #[test]
    fn what_is_advertised_by_config_wins() {
        let mut config = Config {
            node: Some("edge-7".into()),
            ..Config::default()
        };
        config.advertise.rtmp = Some("edge-7.example:1935".into());
        let identity = identify(&config, Role::Edge, bound("0.0.0.0:1"));
        assert_eq!(identity.node.as_str(), "edge-7");
        assert_eq!(
            identity.addresses.rtmp.as_deref(),
            Some("edge-7.example:1935")
        );
    }
}
