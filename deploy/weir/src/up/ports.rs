//! Which ports the cluster's listeners get: the well-known ones where they are free.
//!
//! Each kind of listener (RTMP, HTTP, admin, …) asks for a row of ports, one a program. A row that
//! starts at a well-known port gives way where somebody else listens, and that is said; a row that the
//! operator gave does not. Whether a port is free is asked of the system by binding it; between that
//! and the child's own bind somebody else may take it, and then the child says so.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr, TcpListener},
};

/// How far above its well-known place a listener may move. More than that many neighbours in a row
/// taken means that the machine is not what we think it is.
const STEPS_MAX: u16 = 500;

/// Where a row of ports should start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// At the port that everybody knows; another one will do.
    WellKnown(u16),
    /// At this port, as the operator asked: taken means failed.
    Given(u16),
    /// Anywhere: the system chooses.
    Any,
}

impl Wish {
    /// From a command line option: absent is the well-known port, 0 is any.
    pub(crate) fn new(given: Option<u16>, well_known: u16) -> Self {
        match given {
            None => Self::WellKnown(well_known),
            Some(0) => Self::Any,
            Some(port) => Self::Given(port),
        }
    }
}

/// Why a listener gets no port.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PortError {
    /// The operator's own choice is in use.
    #[error("{address} ({what}) is taken: choose another port, or leave the option out")]
    Taken {
        /// What was to listen there.
        what: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// Nothing is free from the well-known port up to [`STEPS_MAX`] above it.
    #[error("no free port for {what} on {ip} from {from} on; does this machine have that address?")]
    None {
        /// What was to listen.
        what: &'static str,
        /// On which address.
        ip: IpAddr,
        /// The well-known port.
        from: u16,
    },
}

/// A listener that could not have its well-known port.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// What listens.
    pub(crate) what: &'static str,
    /// The port that is taken.
    pub(crate) from: u16,
    /// The port that it got.
    pub(crate) to: u16,
}

/// Hands out ports, none twice.
pub(crate) struct Ports<F> {
    is_free: F,
    given_out: HashSet<u16>,
    moved: Vec<Moved>,
}

impl Ports<fn(SocketAddr) -> Option<u16>> {
    /// Asks the system.
    pub(crate) fn of_this_machine() -> Self {
        Self::new(bind)
    }
}

impl<F: Fn(SocketAddr) -> Option<u16>> Ports<F> {
    /// `is_free` gives the port that binding the address would get (0 asks for any), or none.
    pub(crate) fn new(is_free: F) -> Self {
        Self {
            is_free,
            given_out: HashSet::new(),
            moved: Vec::new(),
        }
    }

    /// A row of `count` addresses on `ip`.
    ///
    /// # Errors
    /// If a port that the operator gave is taken, or nothing at all is free.
    pub(crate) fn row(
        &mut self,
        what: &'static str,
        wish: Wish,
        ip: IpAddr,
        count: u16,
    ) -> Result<Vec<SocketAddr>, PortError> {
        (0..count)
            .map(|place| {
                let port = match wish {
                    Wish::WellKnown(first) => {
                        self.near(what, first.saturating_add(place), ip, count)?
                    }
                    Wish::Given(first) => self.exactly(what, first.saturating_add(place), ip)?,
                    Wish::Any => self.any(what, ip)?,
                };
                self.given_out.insert(port);
                Ok(SocketAddr::new(ip, port))
            })
            .collect()
    }

    /// Which well-known ports were taken, in the order in which they were asked for.
    pub(crate) fn moved(self) -> Vec<Moved> {
        self.moved
    }

    fn free(&self, ip: IpAddr, port: u16) -> Option<u16> {
        (self.is_free)(SocketAddr::new(ip, port)).filter(|port| !self.given_out.contains(port))
    }

    fn exactly(&self, what: &'static str, port: u16, ip: IpAddr) -> Result<u16, PortError> {
        self.free(ip, port).ok_or(PortError::Taken {
            what,
            address: SocketAddr::new(ip, port),
        })
    }

    /// The port itself, else the next free one past the row, so as not to take a neighbour's place.
    fn near(
        &mut self,
        what: &'static str,
        port: u16,
        ip: IpAddr,
        row: u16,
    ) -> Result<u16, PortError> {
        if let Some(port) = self.free(ip, port) {
            return Ok(port);
        }
        let past = port.saturating_add(row);
        let to = (past..past.saturating_add(STEPS_MAX))
            .find_map(|candidate| self.free(ip, candidate))
            .ok_or(PortError::None {
                what,
                ip,
                from: port,
            })?;
        self.moved.push(Moved {
            what,
            from: port,
            to,
        });
        Ok(to)
    }

    /// The system may offer a port that is given out but not yet bound: then ask again.
    fn any(&self, what: &'static str, ip: IpAddr) -> Result<u16, PortError> {
        (0..STEPS_MAX)
            .find_map(|_| self.free(ip, 0))
            .ok_or(PortError::None { what, ip, from: 0 })
    }
}

fn bind(address: SocketAddr) -> Option<u16> {
    let listener = TcpListener::bind(address).ok()?;
    listener.local_addr().ok().map(|bound| bound.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn all_free_but(taken: &[u16]) -> impl Fn(SocketAddr) -> Option<u16> {
        move |address| (!taken.contains(&address.port())).then_some(address.port())
    }

    fn numbers(row: Vec<SocketAddr>) -> Vec<u16> {
        row.iter().map(SocketAddr::port).collect()
    }

    #[test]
    fn well_known_ports_are_taken_where_they_are_free() {
        let mut ports = Ports::new(all_free_but(&[]));
        let row = ports.row("RTMP", Wish::WellKnown(1935), HERE, 3);
        assert_eq!(row.map(numbers), Ok(vec![1935, 1936, 1937]));
        assert_eq!(ports.moved(), []);
    }

    #[test]
    fn a_listener_gives_way_alone_and_says_so() {
        let mut ports = Ports::new(all_free_but(&[1935, 1938]));
        let row = ports.row("RTMP", Wish::WellKnown(1935), HERE, 3);
        assert_eq!(row.map(numbers), Ok(vec![1939, 1936, 1937]));
        assert_eq!(
            ports.moved(),
            [Moved {
                what: "RTMP",
                from: 1935,
                to: 1939
            }]
        );
    }

    #[test]
    fn the_operator_s_own_port_never_moves() {
        let mut ports = Ports::new(all_free_but(&[4001]));
        let address = SocketAddr::new(HERE, 4001);
        assert_eq!(
            ports.row("RTMP", Wish::Given(4000), HERE, 2),
            Err(PortError::Taken {
                what: "RTMP",
                address
            })
        );
    }

    #[test]
    fn no_port_is_given_twice() {
        let mut ports = Ports::new(all_free_but(&[]));
        let rtmp = ports
            .row("RTMP", Wish::WellKnown(8080), HERE, 2)
            .map(numbers);
        let http = ports
            .row("HTTP", Wish::WellKnown(8080), HERE, 2)
            .map(numbers);
        assert_eq!((rtmp, http), (Ok(vec![8080, 8081]), Ok(vec![8082, 8083])));
    }

    #[test]
    fn the_system_s_choice_can_be_bound() {
        let mut ports = Ports::of_this_machine();
        let row = ports.row("HTTP", Wish::Any, HERE, 4).expect("free ports");
        let held: Vec<_> = row.iter().map(TcpListener::bind).collect();
        assert!(held.iter().all(Result::is_ok), "{held:?}");
        assert_eq!(bind(row[0]), None, "a held port is not free");
    }
}
