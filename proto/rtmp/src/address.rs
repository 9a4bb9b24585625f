//! Which live stream a client means: vhost, app, name and query, from wherever it wrote them.
//!
//! The virtual host is the host of `tcUrl` unless a query on the app or on the name says `vhost=`
//! or `domain=`, or the app or the name carries `...vhost...X` (Flash encoders that swallow `?`).
//! Queries on the app and on the name are merged, the app's first. Names keep their `:` and `/`
//! and a prefix such as `mp4:`. Nothing here judges a path: [`Address::path`] does.

use crate::url::hidden_values;
use media::{StreamPath, path::PathError};
use std::fmt;

/// What SRS calls the vhost of everybody who names none; naming it by query says nothing.
const DEFAULT_VHOST: &str = media::path::DEFAULT_VHOST;

/// The parts of the stream that a client publishes or plays.
///
/// As sent and not yet judged; any part may be empty. `Debug` and `Display` hide the query's values.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The virtual host asked for; empty if the client named no host at all.
    pub vhost: String,
    /// The app, without its query.
    pub app: String,
    /// The name, without its query.
    pub name: String,
    /// The app's query and the name's, merged, without `?`; often secret. Empty if there is none.
    pub query: String,
}

impl Address {
    /// From `connect`'s `app` and `tcUrl` and from the name that `publish` or `play` sent.
    ///
    /// Where `app` is empty it is taken from `tc_url`; where `name` is empty (OBS without a stream
    /// key) the app's last segment is the name.
    pub fn new(app: &str, tc_url: &str, name: &str) -> Self {
        let (host, tc_path) = split_tc_url(tc_url);
        let app = if app.trim_matches('/').is_empty() {
            tc_path
        } else {
            app
        };
        let (app, app_query) = split_query(app);
        let (_, tc_query) = split_query(tc_path);
        let (name, name_query) = split_query(name);
        let (app, app_vhost) = take_dotted_vhost(app);
        let (name, name_vhost) = take_dotted_vhost(name);
        let query = merge(merge(String::new(), app_query), name_query);
        let asked = name_vhost
            .or_else(|| vhost_of(name_query))
            .or(app_vhost)
            .or_else(|| vhost_of(app_query))
            .or_else(|| vhost_of(tc_query));
        let vhost = asked.map_or_else(|| host.to_owned(), str::to_owned);
        let app = app.trim_matches('/');
        let name = name.trim_matches('/');
        let (app, name) = match (name, app.rsplit_once('/')) {
            ("", Some((app, last))) => (app, last),
            _ => (app, name),
        };
        Self {
            vhost,
            app: app.to_owned(),
            name: name.to_owned(),
            query,
        }
    }

    /// The stream's path.
    ///
    /// # Errors
    /// If a part is missing or holds what a path may not.
    pub fn path(&self) -> Result<StreamPath, PathError> {
        StreamPath::new(&self.vhost, &self.app, &self.name)
    }

    /// The first value of `key` in the query, as sent (not percent-decoded).
    pub fn parameter(&self, key: &str) -> Option<&str> {
        parameter(&self.query, key)
    }
}

/// Host (without port and brackets) and path (without its leading `/`, with its query).
fn split_tc_url(tc_url: &str) -> (&str, &str) {
    let rest = tc_url.split_once("://").map_or(tc_url, |(_, rest)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, after)| after);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map_or(v6, |(host, _)| host),
        None => authority
            .split_once(':')
            .map_or(authority, |(host, _)| host),
    };
    (host, path)
}

fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// Cuts `...vhost...X` out of an app or a name: `live...vhost...tv.example` is `live` at `tv.example`.
fn take_dotted_vhost(text: &str) -> (&str, Option<&str>) {
    match text.split_once("...vhost...") {
        Some((before, vhost)) => {
            let vhost = vhost.split(['/', '&']).next().unwrap_or(vhost);
            (before, Some(vhost).filter(|vhost| names_a_vhost(vhost)))
        }
        None => (text, None),
    }
}

fn vhost_of(query: &str) -> Option<&str> {
    let asked = parameter(query, "vhost").or_else(|| parameter(query, "domain"))?;
    Some(asked).filter(|vhost| names_a_vhost(vhost))
}

fn names_a_vhost(vhost: &str) -> bool {
    !vhost.is_empty() && vhost != DEFAULT_VHOST
}

fn parameter<'q>(query: &'q str, key: &str) -> Option<&'q str> {
    // Clients that hang a query on app and name both may send a second `?` within one of them.
    let mut pairs = query
        .split(['&', '?'])
        .filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
}

fn merge(mut query: String, more: &str) -> String {
    if !query.is_empty() && !more.is_empty() {
        query.push('&');
    }
    query.push_str(more);
    query
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.vhost, self.app, self.name)?;
        if self.query.is_empty() {
            return Ok(());
        }
        write!(f, "?{}", hidden_values(&self.query))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_stream_s_address_is_understood() {
        const TC: &str = "rtmp://tv.example:1935/live";
        for (app, tc_url, name, shown, query) in [
            ("live", TC, "cam", "tv.example/live/cam", ""),
            ("", TC, "cam", "tv.example/live/cam", ""),
            (
                "/",
                "rtmp://tv.example/live/",
                "cam",
                "tv.example/live/cam",
                "",
            ),
            ("live", "rtmp://[::1]:1935/live", "cam", "::1/live/cam", ""),
            ("live", "", "cam", "/live/cam", ""),
            (
                "live",
                TC,
                "239.1.1.5:1234",
                "tv.example/live/239.1.1.5:1234",
                "",
            ),
            (
                "live",
                TC,
                "mp4:room/cam.mp4",
                "tv.example/live/mp4:room/cam.mp4",
                "",
            ),
            ("live/room", TC, "cam", "tv.example/live/room/cam", ""),
            ("live/cam", TC, "", "tv.example/live/cam", ""),
            (
                "live?vhost=a.example",
                TC,
                "cam",
                "a.example/live/cam",
                "vhost=a.example",
            ),
            (
                "live",
                TC,
                "cam?vhost=a.example&t=1",
                "a.example/live/cam",
                "vhost=a.example&t=1",
            ),
            (
                "live",
                TC,
                "cam?domain=a.example",
                "a.example/live/cam",
                "domain=a.example",
            ),
            ("live?t=1", TC, "cam?u=2", "tv.example/live/cam", "t=1&u=2"),
            (
                "live?vhost=a.example",
                TC,
                "cam?vhost=b.example",
                "b.example/live/cam",
                "vhost=a.example&vhost=b.example",
            ),
            (
                "live",
                "rtmp://h/live?vhost=a.example",
                "cam",
                "a.example/live/cam",
                "",
            ),
            (
                "live?vhost=__defaultVhost__",
                TC,
                "cam",
                "tv.example/live/cam",
                "vhost=__defaultVhost__",
            ),
            (
                "live...vhost...a.example",
                TC,
                "cam",
                "a.example/live/cam",
                "",
            ),
            (
                "live",
                TC,
                "cam...vhost...a.example",
                "a.example/live/cam",
                "",
            ),
            (
                "live?t=1?vhost=a.example",
                TC,
                "cam",
                "a.example/live/cam",
                "t=1?vhost=a.example",
            ),
        ] {
            let address = Address::new(app, tc_url, name);
            let Address {
                vhost,
                app: its_app,
                name: its_name,
                ..
            } = &address;
            assert_eq!(
                format!("{vhost}/{its_app}/{its_name}"),
                shown,
                "{app} {tc_url} {name}"
            );
            assert_eq!(address.query, query, "{app} {tc_url} {name}");
        }
    }

    #[test]
    fn a_path_is_judged_by_the_stream_path() {
        let path = Address::new("live/room", "rtmp://h/live/room", "cam?x=y").path();
        assert_eq!(
            path.map(|path| path.to_string()),
            Ok("h/live/room/cam".to_owned())
        );
        assert!(
            Address::new("live", "rtmp://h/live", "../../etc")
                .path()
                .is_err()
        );
    }

    #[test]
    fn a_log_line_never_shows_a_query_s_values() {
        let address = Address::new("live", "rtmp://h/live", "cam?token=secret&x");
        assert_eq!(format!("{address:?}"), "h/live/cam?token=…&…");
        assert_eq!(address.parameter("token"), Some("secret"));
    }
}
