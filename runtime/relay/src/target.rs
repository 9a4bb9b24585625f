//! Another server as a config names it: `host[:port]`, or a URL with places for the stream's own names.
//! Streams are forwarded to it, or pulled from it.

use media::{StreamPath, path::DEFAULT_VHOST};
use rtmp::Url;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt, str::FromStr};

/// Where a stream is at another server.
///
/// * `host` or `host:port`: the stream keeps its vhost, app and name.
/// * `rtmp://…` or `rtmps://…`: `[vhost]`, `[app]` and `[stream]` are filled in.
///
/// `Display` and `Debug` hide what follows the app: a name at a CDN often is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    text: String,
    /// With the places filled by an example, so that what is wrong is found when the config is read.
    example: Url,
}

/// A target that cannot be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It makes no URL.
    #[error(
        "{0}; expected `host[:port]`, or `rtmp[s]://host[:port]/app/name` where [vhost], [app] and [stream] are filled in"
    )]
    Url(#[from] rtmp::url::UrlError),
    /// It names no stream: every stream would be published under the same empty name.
    #[error("the URL names no stream: end it with /[stream]")]
    NoName,
}

impl Target {
    /// The URL of `path` there.
    ///
    /// # Errors
    /// If the stream's names do not fit into a URL.
    pub fn url(&self, path: &StreamPath) -> Result<Url, TargetError> {
        fill(&self.text, path.vhost(), path.app(), path.name())
    }
}

fn fill(text: &str, vhost: &str, app: &str, name: &str) -> Result<Url, TargetError> {
    let url: Url = if text.contains("://") {
        text.replace("[vhost]", vhost)
            .replace("[app]", app)
            .replace("[stream]", name)
            .parse()?
    } else if vhost == DEFAULT_VHOST {
        format!("rtmp://{text}/{app}/{name}").parse()?
    } else {
        format!("rtmp://{text}/{app}/{name}?vhost={vhost}").parse()?
    };
    if url.name.is_empty() {
        return Err(TargetError::NoName);
    }
    Ok(url)
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let example = fill(text, "vhost.example", "app", "stream")?;
        Ok(Self {
            text: text.to_owned(),
            example,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.example.authority())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Target {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "`host[:port]`, or `rtmp[s]://host[:port]/app/name` with places for [vhost], [app] and [stream]",
            "examples": ["10.0.0.2", "rtmps://cdn.example/live/[stream]?key=secret"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_a_server_or_a_whole_url() {
        let plain = StreamPath::new(DEFAULT_VHOST, "live", "239.1.1.5:1234").expect("a path");
        let hosted = StreamPath::new("tv.example", "live", "a/b").expect("a path");
        for (text, path, url) in [
            ("10.0.0.2", &plain, "rtmp://10.0.0.2/live/239.1.1.5:1234"),
            (
                "10.0.0.2:1936",
                &hosted,
                "rtmp://10.0.0.2:1936/live/a/b?vhost=tv.example",
            ),
            (
                "rtmp://cdn.example/in/[app]-[stream]?k=s",
                &plain,
                "rtmp://cdn.example/in/live-239.1.1.5:1234?k=s",
            ),
            (
                "rtmps://cdn.example/[vhost]/[stream]",
                &hosted,
                "rtmps://cdn.example/tv.example/a/b",
            ),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.url(path).expect(text).to_secret_string(), url);
        }
    }

    #[test]
    fn a_target_is_judged_when_the_config_is_read_and_keeps_its_secret() {
        assert!("http://cdn.example/live/x".parse::<Target>().is_err());
        assert_eq!(
            "rtmp://cdn.example/live".parse::<Target>(),
            Err(TargetError::NoName)
        );
        let secret: Target = "rtmp://cdn.example/live/my-key?token=t"
            .parse()
            .expect("a target");
        assert_eq!(
            format!("{secret} {secret:?}"),
            "cdn.example:1935 cdn.example:1935"
        );
    }
}
