//! Where a listener listens: `127.0.0.1:1935`, `[::1]:1935`, or `:1935` for every address.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An address and port to listen at; port 0 takes a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listen {
    ip: Option<IpAddr>,
    port: u16,
}

/// Why a text is no address to listen at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address to listen at: expected `ip:port`, or `:port` for every address")]
pub struct ListenError {
    /// What was given.
    pub text: String,
}

impl Listen {
    /// Listens at every address of the machine.
    pub const fn everywhere(port: u16) -> Self {
        Self { ip: None, port }
    }

    /// The addresses to bind, one after the other until one succeeds: for `:port` that is IPv6 and
    /// IPv4 at once, and IPv4 alone on a machine without IPv6.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match self.ip {
            Some(ip) => vec![SocketAddr::new(ip, self.port)],
            None => vec![
                SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), self.port),
                SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), self.port),
            ],
        }
    }

    /// Whether the two cannot both listen: the same port, at addresses of which one is the other or holds
    /// it. `[::]` holds IPv4's addresses too; port 0 is never taken.
    pub fn overlaps(&self, other: &Self) -> bool {
        let everywhere = |ip: IpAddr| ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let same_ip = match (self.ip, other.ip) {
            (Some(a), Some(b)) if everywhere(a) || everywhere(b) => true,
            (Some(a), Some(b)) if a.is_unspecified() || b.is_unspecified() => {
                a.is_ipv4() == b.is_ipv4()
            }
            (Some(a), Some(b)) => a == b,
            (None, _) | (_, None) => true,
        };
        self.port != 0 && self.port == other.port && same_ip
    }

    /// For a config's validation: that this listener and each of `others`, by their keys, can both listen.
    ///
    /// # Errors
    /// If one of them is in the way.
    pub fn apart_from(&self, others: &[(&str, &Self)]) -> garde::Result {
        match others.iter().find(|(_, other)| self.overlaps(other)) {
            None => Ok(()),
            Some((key, other)) => Err(garde::Error::new(format!(
                "cannot listen at {self}, for {key} listens at {other}: each needs a port of its own"
            ))),
        }
    }

    /// The address if there is one; `None` means every address.
    pub const fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The port; 0 means a free one.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self {
            ip: Some(address.ip()),
            port: address.port(),
        }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let everywhere = text.strip_prefix(':').and_then(|port| port.parse().ok());
        match (everywhere, text.parse::<SocketAddr>()) {
            (Some(port), _) => Ok(Self::everywhere(port)),
            (None, Ok(address)) => Ok(address.into()),
            (None, Err(_)) => Err(ListenError {
                text: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => write!(f, ":{}", self.port),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for Listen {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "ip:port", "pattern": "^.*:[0-9]{1,5}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_was_read() {
        for text in ["127.0.0.1:1935", "[::1]:0", ":8080"] {
            let listen: Listen = text.parse().expect(text);
            assert_eq!(listen.to_string(), text);
        }
        let everywhere = Listen::everywhere(80).addresses();
        assert_eq!(
            everywhere
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["[::]:80", "0.0.0.0:80"]
        );
    }

    #[test]
    fn two_listeners_overlap_where_one_of_their_addresses_holds_the_other() {
        for (one, other, overlaps) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("127.0.0.1:80", ":80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("[::1]:80", "0.0.0.0:80", false),
            ("[::1]:80", "[::]:80", true),
            (":80", ":80", true),
            (":0", ":0", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            let (a, b): (Listen, Listen) = (one.parse().expect(one), other.parse().expect(other));
            assert_eq!(
                (a.overlaps(&b), b.overlaps(&a)),
                (overlaps, overlaps),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "1935",
            ":",
            ":99999",
            "localhost:1935",
            "127.0.0.1",
            ":-1",
        ] {
            let refused = text.parse::<Listen>().expect_err(text);
            assert_eq!(refused.text, text);
        }
    }
}
