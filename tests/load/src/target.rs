//! Where to play from or to publish to: a URL, which may stand for many streams.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    str::FromStr,
};

/// What is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RTMP.
    Rtmp,
    /// FLV over HTTP.
    HttpFlv,
    /// FLV over WebSocket.
    WebSocketFlv,
    /// Bytes and nothing else, as the bare loop of [`crate::floor`] sends them.
    Raw,
}

/// A URL: `rtmp://host/app/name`, `http://host/app/name.flv`, `ws://host/app/name.flv`, or
/// `tcp://host:port`.
///
/// For many streams `{}` in it is replaced by the stream's number, from 0; where there is none, the
/// number is added to the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    protocol: Protocol,
    text: String,
    authority: String,
    address: SocketAddr,
}

/// Why a text is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// None of the schemes that we speak.
    #[error("`{0}` starts with none of rtmp://, http://, ws://, tcp://")]
    Scheme(String),
    /// No path, so no stream.
    #[error("`{0}` names no stream")]
    NoStream(String),
    /// An RTMP URL that is none.
    #[error("`{url}`: {error}")]
    Rtmp {
        /// As it was given.
        url: String,
        /// What is wrong.
        error: rtmp::url::UrlError,
    },
    /// The host has no address.
    #[error("`{host}` has no address: {error}")]
    Resolve {
        /// Host and port.
        host: String,
        /// What the resolver says.
        error: std::io::Error,
    },
}

impl Target {
    /// What is spoken there.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `host:port` as it was given, for HTTP's `Host`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The URL of stream `number`; of the only one where there is one.
    pub fn url(&self, number: u32, streams: u32) -> String {
        if self.text.contains("{}") {
            return self.text.replace("{}", &number.to_string());
        }
        if streams <= 1 {
            return self.text.clone();
        }
        let (path, query) = match self.text.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (self.text.as_str(), String::new()),
        };
        match path.strip_suffix(".flv") {
            Some(stem) => format!("{stem}-{number}.flv{query}"),
            None => format!("{path}-{number}{query}"),
        }
    }

    /// Path and query of stream `number`, for HTTP's request line.
    pub fn path(&self, number: u32, streams: u32) -> String {
        let url = self.url(number, streams);
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/')
            .and_then(|slash| rest.get(slash..))
            .unwrap_or("/")
            .to_owned()
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let no_scheme = || TargetError::Scheme(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(no_scheme)?;
        let protocol = match scheme {
            "rtmp" => Protocol::Rtmp,
            "http" => Protocol::HttpFlv,
            "ws" => Protocol::WebSocketFlv,
            "tcp" => Protocol::Raw,
            _ => return Err(no_scheme()),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.is_empty() && protocol != Protocol::Raw {
            return Err(TargetError::NoStream(text.to_owned()));
        }
        let authority = if protocol == Protocol::Rtmp {
            let url: rtmp::Url = text.parse().map_err(|error| TargetError::Rtmp {
                url: text.to_owned(),
                error,
            })?;
            if url.name.is_empty() {
                return Err(TargetError::NoStream(text.to_owned()));
            }
            url.authority()
        } else if host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let unresolved = |error| TargetError::Resolve {
            host: authority.clone(),
            error,
        };
        let address = authority
            .to_socket_addrs()
            .map_err(unresolved)?
            .next()
            .ok_or_else(|| unresolved(std::io::ErrorKind::NotFound.into()))?;
        Ok(Self {
            protocol,
            text: text.to_owned(),
            authority,
            address,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may be a secret.
        let shown = self.text.split('?').next().unwrap_or_default();
        f.write_str(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_stands_for_many_streams() {
        for (text, one, of_many) in [
            ("rtmp://127.0.0.1/live/a", "/live/a", "/live/a-7"),
            (
                "http://127.0.0.1:81/live/a.flv",
                "/live/a.flv",
                "/live/a-7.flv",
            ),
            (
                "ws://127.0.0.1:81/live/a.flv?t=1",
                "/live/a.flv?t=1",
                "/live/a-7.flv?t=1",
            ),
            ("http://127.0.0.1/{}/a.flv", "/7/a.flv", "/7/a.flv"),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.path(7, 50), of_many, "{text}");
            assert_eq!(target.path(7, 1), one, "{text}");
        }
    }

    #[test]
    fn ports_are_the_schemes_own_where_none_is_named() {
        for (text, port) in [
            ("rtmp://127.0.0.1/live/a", 1935),
            ("rtmp://127.0.0.1:19/live/a", 19),
            ("http://127.0.0.1/live/a.flv", 80),
            ("tcp://127.0.0.1:5000", 5000),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.address().port(), port);
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in [
            "127.0.0.1/live/a",
            "srt://127.0.0.1/a",
            "http://127.0.0.1",
            "rtmp://127.0.0.1/live",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_query_is_not_shown() {
        let target: Target = "rtmp://127.0.0.1/live/a?token=x".parse().expect("a URL");
        assert_eq!(target.to_string(), "rtmp://127.0.0.1/live/a");
    }
}
