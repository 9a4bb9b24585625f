//! `rtmp://host[:port]/app/name[?query]`, as operators write it and as our client dials it.
//!
//! The app is the first segment and the name is all the rest, `:` and `/` included, as in
//! [`media::StreamPath`]. A query belongs to the name and often is a secret (a publish token), so
//! `Display` and `Debug` name its keys and never its values: a `Url` may stand in a log line.
//! Where the values are wanted, ask [`Url::stream`] or [`Url::to_secret_string`] by name.

use std::{fmt, str::FromStr};

/// Where RTMP listens if a URL says nothing.
pub const DEFAULT_PORT: u16 = 1935;

/// Where RTMP over TLS listens if a URL says nothing.
pub const DEFAULT_TLS_PORT: u16 = 443;

/// The longest URL that we read, in bytes: more than any encoder lets an operator type, with room
/// for a signed query.
pub const URL_BYTES_MAX: usize = 4096;

/// A live stream's address at some server.
///
/// Invariant: `host` and `app` are not empty; no part holds a control character or white space.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// `rtmps`: TLS below RTMP.
    pub tls: bool,
    /// A name or an address; an IPv6 address stands here without its brackets.
    pub host: String,
    /// The port, the scheme's own where the text names none.
    pub port: u16,
    /// The first segment.
    pub app: String,
    /// All segments after the app; empty where the URL names an app alone (a redirect may).
    pub name: String,
    /// What follows `?`, without it.
    pub query: Option<String>,
}

/// Why a text is no RTMP URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither `rtmp://` nor `rtmps://` stands at its start.
    #[error("the URL starts with neither rtmp:// nor rtmps://")]
    Scheme,
    /// There is no host.
    #[error("the URL names no host")]
    NoHost,
    /// What follows the host's `:` is no port number.
    #[error("the URL's port is no number from 1 to 65535")]
    Port,
    /// There is no app.
    #[error("the URL names no app: rtmp://host/app/name")]
    NoApp,
    /// A control character or white space.
    #[error("the URL holds {0:?}, which it may not")]
    Character(char),
    /// Longer than [`URL_BYTES_MAX`].
    #[error("the URL has {0} bytes, at most {URL_BYTES_MAX} are allowed")]
    TooLong(usize),
}

impl Url {
    /// What `connect` sends as `tcUrl`: scheme, host, port unless it is the scheme's own, and app.
    ///
    /// `vhost` takes the host's place where a node is dialled by address on behalf of a virtual
    /// host; servers find the virtual host there.
    pub fn tc_url(&self, vhost: Option<&str>) -> String {
        let scheme = self.scheme();
        let authority = authority(vhost.unwrap_or(&self.host), self.port, self.default_port());
        format!("{scheme}://{authority}/{}", self.app)
    }

    /// What `publish` and `play` send: the name with its query. Secret.
    pub fn stream(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.name),
            None => self.name.clone(),
        }
    }

    /// `host:port` for a dialler, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        authority(&self.host, self.port, 0)
    }

    /// The whole URL, its query's values included. Secret: for a peer, never for a log.
    pub fn to_secret_string(&self) -> String {
        let base = self.tc_url(None);
        let stream = self.stream();
        if stream.is_empty() {
            base
        } else {
            format!("{base}/{stream}")
        }
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "rtmps" } else { "rtmp" }
    }

    fn default_port(&self) -> u16 {
        if self.tls {
            DEFAULT_TLS_PORT
        } else {
            DEFAULT_PORT
        }
    }
}

fn authority(host: &str, port: u16, default_port: u16) -> String {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    if port == default_port {
        host
    } else {
        format!("{host}:{port}")
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong(text.len()));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(UrlError::Character(bad));
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "rtmp" => false,
            "rtmps" => true,
            _ => return Err(UrlError::Scheme),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (host_port, path) = rest.split_once('/').unwrap_or((rest, ""));
        let default_port = if tls { DEFAULT_TLS_PORT } else { DEFAULT_PORT };
        let (host, port) = split_authority(host_port, default_port)?;
        let path = path.trim_matches('/');
        let (app, name) = path.split_once('/').unwrap_or((path, ""));
        if app.is_empty() {
            return Err(UrlError::NoApp);
        }
        // `rtmp://host/live?vhost=tv.example/cam`, as SRS's users write it.
        let (name, query) = match (name, query.and_then(|query| query.rsplit_once('/'))) {
            ("", Some((query, name))) => (name, Some(query)),
            _ => (name.trim_matches('/'), query),
        };
        let query = query.map(str::to_owned);
        Ok(Self {
            tls,
            host,
            port,
            app: app.to_owned(),
            name: name.to_owned(),
            query,
        })
    }
}

/// Cuts `host`, `host:port`, `[v6]`, `[v6]:port`; a bare IPv6 address has no port.
fn split_authority(text: &str, default_port: u16) -> Result<(String, u16), UrlError> {
    // User and password, as some encoders allow, are no part of the address.
    let text = text.rsplit_once('@').map_or(text, |(_, after)| after);
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(UrlError::NoHost)?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(UrlError::Port),
            }
        }
        None if text.matches(':').count() > 1 => (text, None),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let port = match port {
        None | Some("") => default_port,
        Some(digits) => match digits.parse::<u16>() {
            Ok(0) | Err(_) => return Err(UrlError::Port),
            Ok(port) => port,
        },
    };
    Ok((host.to_owned(), port))
}

/// The keys of a query with its values hidden: `token=…&x`.
pub(crate) fn hidden_values(query: &str) -> String {
    let hide = |pair: &str| match pair.split_once('=') {
        Some((key, _)) => format!("{key}=…"),
        // A query without `=` may be the secret itself.
        None => "…".to_owned(),
    };
    query.split('&').map(hide).collect::<Vec<_>>().join("&")
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tc_url(None))?;
        if !self.name.is_empty() {
            write!(f, "/{}", self.name)?;
        }
        match &self.query {
            Some(query) => write!(f, "?{}", hidden_values(query)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(tls: bool, host: &str, port: u16, app: &str, name: &str, query: Option<&str>) -> Url {
        let query = query.map(str::to_owned);
        Url {
            tls,
            host: host.into(),
            port,
            app: app.into(),
            name: name.into(),
            query,
        }
    }

    #[test]
    fn a_url_is_cut_at_its_first_segment_and_written_back() {
        for (text, parts, canonical) in [
            (
                "rtmp://h/live/cam",
                url(false, "h", 1935, "live", "cam", None),
                None,
            ),
            (
                "rtmp://h/app/na/me:12?x=y",
                url(false, "h", 1935, "app", "na/me:12", Some("x=y")),
                None,
            ),
            (
                "rtmp://tv.example:19350/live/239.1.1.5:1234",
                url(false, "tv.example", 19350, "live", "239.1.1.5:1234", None),
                None,
            ),
            (
                "rtmps://h/live/cam",
                url(true, "h", 443, "live", "cam", None),
                None,
            ),
            (
                "rtmps://h:1935/live/cam",
                url(true, "h", 1935, "live", "cam", None),
                None,
            ),
            (
                "rtmp://[::1]:1936/live/cam",
                url(false, "::1", 1936, "live", "cam", None),
                None,
            ),
            (
                "rtmp://[fe80::2]/live/cam",
                url(false, "fe80::2", 1935, "live", "cam", None),
                None,
            ),
            (
                "RTMP://me:pw@h:/live//cam/",
                url(false, "h", 1935, "live", "cam", None),
                Some("rtmp://h/live/cam"),
            ),
            (
                "rtmp://h/live",
                url(false, "h", 1935, "live", "", None),
                None,
            ),
            (
                "rtmp://h/live?vhost=tv.example/cam",
                url(false, "h", 1935, "live", "cam", Some("vhost=tv.example")),
                Some("rtmp://h/live/cam?vhost=tv.example"),
            ),
            (
                "rtmp://h/live/cam?a=rtmp://x/y?z",
                url(false, "h", 1935, "live", "cam", Some("a=rtmp://x/y?z")),
                None,
            ),
        ] {
            let parsed: Url = text.parse().expect(text);
            assert_eq!(parsed, parts, "{text}");
            assert_eq!(parsed.to_secret_string(), canonical.unwrap_or(text));
            assert_eq!(parsed.to_secret_string().parse(), Ok(parsed));
        }
    }

    #[test]
    fn a_bad_url_says_what_is_wrong() {
        let long = format!("rtmp://h/{}", "x".repeat(URL_BYTES_MAX));
        for (text, error) in [
            ("http://h/live/cam", UrlError::Scheme),
            ("h/live/cam", UrlError::Scheme),
            ("rtmp:///live/cam", UrlError::NoHost),
            ("rtmp://:1935/live/cam", UrlError::NoHost),
            ("rtmp://[::1/live/cam", UrlError::NoHost),
            ("rtmp://h:0/live/cam", UrlError::Port),
            ("rtmp://h:70000/live/cam", UrlError::Port),
            ("rtmp://[::1]1935/live/cam", UrlError::Port),
            ("rtmp://h", UrlError::NoApp),
            ("rtmp://h//", UrlError::NoApp),
            ("rtmp://h/li ve/cam", UrlError::Character(' ')),
            (long.as_str(), UrlError::TooLong(long.len())),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_log_line_never_shows_a_query_s_values() {
        let url: Url = "rtmp://h/live/cam?token=secret&s3cr3t&n=1"
            .parse()
            .expect("a good URL");
        for shown in [url.to_string(), format!("{url:?}")] {
            assert_eq!(shown, "rtmp://h/live/cam?token=…&…&n=…");
        }
        assert_eq!(url.stream(), "cam?token=secret&s3cr3t&n=1");
    }

    #[test]
    fn tc_url_names_the_virtual_host_where_there_is_one() {
        let url: Url = "rtmp://10.0.0.7:19350/live/room/cam?x=y"
            .parse()
            .expect("a good URL");
        assert_eq!(url.tc_url(None), "rtmp://10.0.0.7:19350/live");
        assert_eq!(
            url.tc_url(Some("tv.example")),
            "rtmp://tv.example:19350/live"
        );
        assert_eq!(url.authority(), "10.0.0.7:19350");
        let v6: Url = "rtmps://[::1]/live/cam".parse().expect("a good URL");
        assert_eq!(
            (v6.tc_url(None).as_str(), v6.authority().as_str()),
            ("rtmps://[::1]/live", "[::1]:443")
        );
    }
}
