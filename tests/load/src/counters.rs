//! What a Weir node counts itself and no one else can see: how often it wrote to its players, and how
//! much. `/proc` counts calls of `write`, not of `send`.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A node that does not tell within this is not asked again.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than any page of metrics.
const PAGE_BYTES_MAX: u64 = 4 << 20;

/// Calls that wrote to players since the node's start, and what they wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writes {
    /// Calls.
    pub calls: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Asks the node whose admin port is `admin`.
///
/// # Errors
/// If nobody answers there, or the page has no such counters.
pub fn writes(admin: SocketAddr) -> io::Result<Writes> {
    let told = fetch(admin).and_then(|page| {
        let missing = || io::Error::new(io::ErrorKind::InvalidData, "it counts no writes");
        read(&page).ok_or_else(missing)
    });
    told.map_err(|error| io::Error::new(error.kind(), format!("metrics of {admin}: {error}")))
}

fn fetch(admin: SocketAddr) -> io::Result<String> {
    let mut node = TcpStream::connect_timeout(&admin, TIMEOUT)?;
    node.set_read_timeout(Some(TIMEOUT))?;
    write!(
        node,
        "GET /metrics HTTP/1.0\r\nHost: {admin}\r\nConnection: close\r\n\r\n"
    )?;
    let mut page = String::new();
    node.take(PAGE_BYTES_MAX).read_to_string(&mut page)?;
    Ok(page)
}

/// Sums over the shards (Prometheus' text format: a line a value, its labels in braces).
fn read(page: &str) -> Option<Writes> {
    Some(Writes {
        calls: sum(page, "weir_shard_writes_total")?,
        bytes: sum(page, "weir_shard_written_bytes_total")?,
    })
}

fn sum(page: &str, name: &str) -> Option<u64> {
    let values = page.lines().filter_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix('{')?;
        value.rsplit_once(' ')?.1.parse::<u64>().ok()
    });
    values.reduce(|sum, value| sum.saturating_add(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_summed() {
        let page = "# TYPE weir_shard_writes_total counter\n\
            weir_shard_writes_total{shard=\"0\"} 12\nweir_shard_writes_total{shard=\"1\"} 30\n\
            weir_shard_written_bytes_total{shard=\"0\"} 4000\n";
        let expected = Writes {
            calls: 42,
            bytes: 4_000,
        };
        assert_eq!(read(page), Some(expected));
        assert_eq!(read("weir_shard_writes_total{shard=\"0\"} 12"), None);
    }

    #[test]
    fn a_node_that_is_not_there_is_named() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = gone.local_addr().expect("it is bound");
        drop(gone);
        let error = writes(address).expect_err("nobody listens");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
