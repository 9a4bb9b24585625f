//! What a GET asks for: `/app/name.flv`, at a vhost from the `Host` header or `?vhost=`.

use crate::vhosts::Vhosts;
use media::{StreamPath, path::PathError};

/// What follows a live stream's path when it is wanted as FLV.
const SUFFIX: &str = ".flv";

/// The live stream that `path_and_query` names, if it names one at all.
///
/// The path may be percent-encoded (`%3A` for `:`). `host` is the `Host` header, port and all.
pub(crate) fn live_stream(
    path_and_query: &str,
    host: Option<&str>,
    vhosts: &Vhosts,
) -> Option<Result<StreamPath, PathError>> {
    let (path, query) = path_and_query
        .split_once('?')
        .unwrap_or((path_and_query, ""));
    let path = percent_decode(path.strip_prefix('/')?)?;
    let (app, name) = path.strip_suffix(SUFFIX)?.split_once('/')?;
    let asked = url_value(query, "vhost").or_else(|| url_value(query, "domain"));
    let host = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    let vhost = vhosts.resolve(asked.or(host).unwrap_or_default());
    Some(StreamPath::new(vhost, app, name))
}

fn url_value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(k, _)| *k == key)
        .map(|(_, v)| v)
}

/// RFC 3986 §2.1; `None` for what decodes to no text.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        decoded.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_ends_in_flv_names_a_live_stream() {
        let vhosts = Vhosts::new(["tv.example".to_owned()]);
        for (target, host, stream) in [
            ("/live/a.flv", None, Some("__defaultVhost__/live/a")),
            (
                "/live/239.1.1.5:1234.flv",
                None,
                Some("__defaultVhost__/live/239.1.1.5:1234"),
            ),
            (
                "/live/239.1.1.5%3A1234.flv",
                None,
                Some("__defaultVhost__/live/239.1.1.5:1234"),
            ),
            (
                "/live/room/a.flv?token=x",
                Some("tv.example:8080"),
                Some("tv.example/live/room/a"),
            ),
            (
                "/live/a.flv?vhost=tv.example",
                Some("10.0.0.1"),
                Some("tv.example/live/a"),
            ),
            (
                "/live/a.flv?vhost=other",
                None,
                Some("__defaultVhost__/live/a"),
            ),
            ("/live/a.m3u8", None, None),
            ("/a.flv", None, None),
            ("/live/%zz.flv", None, None),
        ] {
            let found = live_stream(target, host, &vhosts).and_then(Result::ok);
            assert_eq!(found.as_ref().map(StreamPath::as_str), stream, "{target}");
        }
        assert!(
            live_stream("/live/%2e%2e/x.flv", None, &vhosts).is_some_and(|found| found.is_err())
        );
    }
}
