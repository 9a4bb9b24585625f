//! What a cluster consists of: its programs, their addresses, and their configs as YAML.
//!
//! Decided whole before anything starts, from the command line and from what ports are free.

use super::{
    Options,
    ports::{Moved, PortError, Ports, Wish},
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// RTMP's own port; the origin takes it, edges the next ones.
const RTMP_PORT: u16 = 1935;
/// Where SRS serves HTTP streams, and operators look for them.
const HTTP_PORT: u16 = 8080;
/// The controller's REST API.
const REST_PORT: u16 = 7080;
/// The controller's gRPC, for nodes.
const GRPC_PORT: u16 = 7100;
/// Health and metrics: the controller's, then the nodes'.
const ADMIN_PORT: u16 = 9100;

/// Nobody is restarted before the controller has run for so many seconds: nodes of one machine find
/// one that was away within five.
const HELD_FOR_S: u32 = 10;

/// Which of the programs a child runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Controller,
    Origin,
    Edge,
}

impl Program {
    /// All of them, in the order in which they start.
    pub(crate) const ALL: [Self; 3] = [Self::Controller, Self::Origin, Self::Edge];

    /// The executable's and the cargo package's name.
    pub(crate) fn executable(self) -> &'static str {
        match self {
            Self::Controller => "weir-controller",
            Self::Origin => "weir-origin",
            Self::Edge => "weir-edge",
        }
    }
}

/// One program of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// `controller`, `origin-1`, `edge-2`.
    pub(crate) name: String,
    /// What it runs.
    pub(crate) program: Program,
    /// Where it answers `/readyz` and `/metrics`.
    pub(crate) admin: SocketAddr,
    /// Its listeners beyond that.
    pub(crate) listens: Listens,
}

/// The addresses that make a member useful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listens {
    /// A controller's.
    Control { rest: SocketAddr, grpc: SocketAddr },
    /// A media node's.
    Media { rtmp: SocketAddr, http: SocketAddr },
}

/// A cluster that has not started yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order in which they start: the controller, origins, edges.
    pub(crate) members: Vec<Member>,
    /// The controller's REST API.
    pub(crate) rest: SocketAddr,
    grpc: SocketAddr,
    /// etcd's members, if the controller's state is there.
    etcd: Vec<String>,
    /// Where the controller can have a member restarted that hangs.
    pub(crate) control: Option<PathBuf>,
}

impl Plan {
    /// Gives every listener of `options`' cluster a port.
    ///
    /// Media listens where the options say; the controller and the admin ports, which ask nobody for
    /// a password, on this machine alone.
    ///
    /// # Errors
    /// If a port that the options name is taken, or none is free.
    pub(crate) fn new<F: Fn(SocketAddr) -> Option<u16>>(
        options: &Options,
        mut ports: Ports<F>,
    ) -> Result<(Self, Vec<Moved>), PortError> {
        let inside = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let nodes = options.origins + options.edges;
        let rtmp = Wish::new(options.rtmp, RTMP_PORT);
        let http = Wish::new(options.http, HTTP_PORT);
        let rtmp = ports.row("RTMP", rtmp, options.listen, nodes)?;
        let http = ports.row("HTTP", http, options.listen, nodes)?;
        let mut one = |what, given, well_known| {
            let row = ports.row(what, Wish::new(given, well_known), inside, 1)?;
            row.first().copied().ok_or(PortError::None {
                what,
                ip: inside,
                from: well_known,
            })
        };
        let rest = one("REST", options.rest, REST_PORT)?;
        let grpc = one("gRPC", options.grpc, GRPC_PORT)?;
        let admin = Wish::new(options.admin, ADMIN_PORT);
        let mut admin = ports.row("admin", admin, inside, nodes + 1)?.into_iter();

        let names = std::iter::once((Program::Controller, "controller".to_owned()))
            .chain((1..=options.origins).map(|n| (Program::Origin, format!("origin-{n}"))))
            .chain((1..=options.edges).map(|n| (Program::Edge, format!("edge-{n}"))));
        let media = rtmp
            .into_iter()
            .zip(http)
            .map(|(rtmp, http)| Listens::Media { rtmp, http });
        let listens = std::iter::once(Listens::Control { rest, grpc }).chain(media);
        let members = names
            .zip(listens)
            .zip(&mut admin)
            .map(|(((program, name), listens), admin)| Member {
                name,
                program,
                admin,
                listens,
            })
            .collect();
        Ok((
            Self {
                members,
                rest,
                grpc,
                etcd: options.etcd.clone(),
                control: None,
            },
            ports.moved(),
        ))
    }

    /// The members of one kind with their media listeners, as somebody on this machine reaches them.
    pub(crate) fn media(
        &self,
        program: Program,
    ) -> impl Iterator<Item = (&str, SocketAddr, SocketAddr)> {
        self.members
            .iter()
            .filter(move |member| member.program == program)
            .filter_map(|member| match member.listens {
                Listens::Media { rtmp, http } => {
                    Some((member.name.as_str(), reachable(rtmp), reachable(http)))
                }
                Listens::Control { .. } => None,
            })
    }

    /// A member's whole config file. `state` is where it may keep what it must remember.
    pub(crate) fn config(&self, member: &Member, state: &Path) -> String {
        let Member { name, admin, .. } = member;
        let path = |path: &Path| quoted(&path.display().to_string());
        let head = format!(
            "# Written by `weir up` at each start; change a copy, not this.\n\
             log:\n  format: human\n\
             admin:\n  listen: \"{admin}\"\n"
        );
        match member.listens {
            Listens::Control { rest, grpc } => format!(
                "{head}{restart}\
                 rest:\n  listen: \"{rest}\"\n\
                 grpc:\n  listen: \"{grpc}\"\n\
                 {store}",
                store = match self.etcd.is_empty() {
                    true => format!("store:\n  path: {}\n", path(&state.join("store.redb"))),
                    false => format!(
                        "store:\n  kind: etcd\n  endpoints: {}\n",
                        serde_json::Value::from(self.etcd.clone())
                    ),
                },
                restart = self
                    .control
                    .as_deref()
                    .map_or(String::new(), |socket| format!(
                        "restart:\n  driver: process\n  held_for: {HELD_FOR_S}s\n  \
                     process:\n    socket: {}\n",
                        path(socket)
                    )),
            ),
            Listens::Media { rtmp, http } => format!(
                "{head}\
                 rtmp:\n  listen: \"{rtmp}\"\n\
                 http:\n  listen: \"{http}\"\n\
                 cluster:\n  node: {name}\n  region: local\n  state_dir: {state}\n  \
                 controllers: [\"http://{grpc}\"]\n",
                state = path(state),
                grpc = self.grpc,
            ),
        }
    }
}

/// How this machine reaches a listener: one that listens everywhere also listens here.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listener.port())
}

/// A YAML double-quoted scalar, which JSON's string is.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(options: &Options) -> Plan {
        let free = Ports::new(|address: SocketAddr| Some(address.port()));
        Plan::new(options, free).expect("all ports are free").0
    }

    #[test]
    fn members_have_the_well_known_ports_in_a_row() {
        let plan = plan(&Options::default());
        let listeners: Vec<String> = plan
            .members
            .iter()
            .map(|member| match member.listens {
                Listens::Control { rest, grpc } => {
                    format!("{} {} {}", member.name, rest.port(), grpc.port())
                }
                Listens::Media { rtmp, http } => {
                    format!("{} {} {}", member.name, rtmp.port(), http.port())
                }
            })
            .collect();
        assert_eq!(
            listeners,
            [
                "controller 7080 7100",
                "origin-1 1935 8080",
                "edge-1 1936 8081",
                "edge-2 1937 8082"
            ]
        );
    }

    #[test]
    fn only_media_listens_where_the_operator_says() {
        let listen = Ipv4Addr::UNSPECIFIED.into();
        let plan = plan(&Options {
            listen,
            ..Options::default()
        });
        for member in &plan.members {
            let config = plan.config(member, Path::new("/state/it"));
            let open = config.matches("\"0.0.0.0:").count();
            let expected = if member.program == Program::Controller {
                0
            } else {
                2
            };
            assert_eq!(open, expected, "{config}");
        }
    }

    #[test]
    fn the_controller_s_state_is_in_a_file_of_its_own_or_in_etcd() {
        let controller = |options: &Options| {
            let plan = plan(options);
            let controller = plan.members.first().expect("a controller").clone();
            plan.config(&controller, Path::new("/state"))
        };
        let config = controller(&Options::default());
        assert!(
            config.ends_with("store:\n  path: \"/state/store.redb\"\n"),
            "{config}"
        );
        let etcd = vec!["http://h:1".to_owned(), "http://i:2".to_owned()];
        let config = controller(&Options {
            etcd,
            ..Options::default()
        });
        let wanted = "store:\n  kind: etcd\n  endpoints: [\"http://h:1\",\"http://i:2\"]\n";
        assert!(config.ends_with(wanted), "{config}");
    }

    #[test]
    fn a_node_s_config_names_it_and_its_controller() {
        let plan = plan(&Options::default());
        let edge = plan.members.last().expect("an edge");
        assert_eq!(
            plan.config(edge, Path::new("/a \"state\"")),
            "# Written by `weir up` at each start; change a copy, not this.\n\
             log:\n  format: human\n\
             admin:\n  listen: \"127.0.0.1:9103\"\n\
             rtmp:\n  listen: \"127.0.0.1:1937\"\n\
             http:\n  listen: \"127.0.0.1:8082\"\n\
             cluster:\n  node: edge-2\n  region: local\n  \
             state_dir: \"/a \\\"state\\\"\"\n  \
             controllers: [\"http://127.0.0.1:7100\"]\n"
        );
    }
}
