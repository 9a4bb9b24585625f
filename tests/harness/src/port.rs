//! Free loopback ports for programs that must be told theirs.
//!
//! They are taken below the range from which the kernel numbers outgoing connections, so that no
//! player's socket can sit on a port between its choice here and the program's bind, and a program
//! can be started again at the same port.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::{LazyLock, Mutex, PoisonError},
};

/// Below are ports of well-known servers.
const FIRST: u16 = 10_000;
/// Linux's default first port of outgoing connections, where the machine does not tell.
const OUTGOING_DEFAULT: u16 = 32_768;

static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A loopback address whose port nobody uses for TCP or UDP, and which this process gives only once.
///
/// # Panics
/// If some ten thousand ports are all taken.
pub fn free() -> SocketAddr {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let end = outgoing_first();
    let span = end - FIRST;
    // Processes begin at different places, so that tests in parallel seldom look at the same ports.
    let start = (std::process::id().wrapping_mul(2_654_435_761) >> 8) % u32::from(span);
    (0..span)
        .map(|step| FIRST + ((start + u32::from(step)) % u32::from(span)) as u16)
        .find(|port| !given.contains(port) && is_free(*port) && given.insert(*port))
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .expect("a machine has a free port")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

fn outgoing_first() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .filter(|first| *first > FIRST + 1_000)
        .unwrap_or(OUTGOING_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_can_be_bound() {
        let ports: Vec<_> = (0..20).map(|_| free()).collect();
        let distinct: HashSet<_> = ports.iter().collect();
        assert_eq!(distinct.len(), ports.len());
        for port in ports {
            TcpListener::bind(port).expect("a free port can be bound");
        }
    }

    #[test]
    fn a_port_in_use_is_not_free() {
        let held = free();
        let _listener = TcpListener::bind(held).expect("it was free");
        assert!(!is_free(held.port()));
    }
}
