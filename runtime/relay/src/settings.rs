//! What an operator can set of the relay; origin and edge put these parts into their configs.

use crate::{hub::Duplicate, pace::NoDelay};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{Duration, Listen};

/// RTMP: where encoders publish and players play.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Rtmp {
    /// Address and port; `:1935` listens on every address.
    pub listen: Listen,
}

impl Default for Rtmp {
    fn default() -> Self {
        Self {
            listen: Listen::everywhere(1935),
        }
    }
}

/// HTTP: HTTP-FLV and WebSocket-FLV at `/app/name.flv`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Http {
    /// Address and port; `:8080` listens on every address.
    pub listen: Listen,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: Listen::everywhere(8080),
        }
    }
}

/// Publishers: what they may do and how long they may be silent.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Publish {
    /// A second publisher of a stream is refused (`refuse`), or takes over (`takeover`).
    pub duplicate: Duplicate,
    /// How long after `publish` the first media may take.
    pub first_media_timeout: Duration,
    /// How long a publisher may send nothing before it is closed and the name is free again.
    pub timeout: Duration,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            duplicate: Duplicate::Refuse,
            first_media_timeout: Duration::from_secs(20),
            timeout: Duration::from_secs(10),
        }
    }
}

/// Players: how they start, wait, lag and end.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Play {
    /// A player starts at the last key frame, so that it has a picture at once; `false`: at the next
    /// one, for the least delay.
    pub gop_cache: bool,
    /// How long a player may wait for a stream that nobody publishes yet; then it is told that there
    /// is none (`NetStream.Play.StreamNotFound`, HTTP 404).
    pub wait: Duration,
    /// How much media a slow player may lag behind; then it skips to the newest key frame.
    pub queue_length: Duration,
    /// How long a player may take nothing at all; then it is closed.
    pub stall_timeout: Duration,
    /// How long players stay when the publisher has gone; if it is back in time they go on.
    pub linger: Duration,
    /// How long frames are gathered at most, to send many by one write, when a shard is busy: throughput
    /// for delay. `0` sends each frame at once, however busy.
    #[garde(range(max = Duration::from_secs(2)))]
    pub merge_write: Duration,
    /// How long they are gathered even when there is time to spare; at most `merge_write`.
    #[garde(custom(at_most(&self.merge_write)))]
    pub merge_write_min: Duration,
    /// Whether frames leave at once (`always`), or the kernel may hold a short one back until the player
    /// has acknowledged the one before (`never`): fewer packets, for up to 40 ms of delay. `auto`: the
    /// second while a shard is busy.
    pub tcp_nodelay: NoDelay,
}

/// The check that a time is not above `merge_write`.
fn at_most(merge_write: &Duration) -> impl FnOnce(&Duration, &()) -> garde::Result + '_ {
    move |value, ()| {
        if value <= merge_write {
            return Ok(());
        }
        Err(garde::Error::new(format!(
            "must be at most merge_write, which is {merge_write}"
        )))
    }
}

impl Default for Play {
    fn default() -> Self {
        Self {
            gop_cache: true,
            wait: Duration::from_secs(5),
            queue_length: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            linger: Duration::from_secs(15),
            merge_write: Duration::from_millis(350),
            merge_write_min: Duration::default(),
            tcp_nodelay: NoDelay::Auto,
        }
    }
}

/// How much a node takes on.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Limits {
    /// Connections in all, RTMP and HTTP together; further ones are closed at once.
    #[garde(range(min = 1))]
    pub connections: u32,
    /// Connections of one address; 0 for no bound. Many viewers may share one address (NAT).
    pub connections_per_address: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 0,
        }
    }
}

/// All that the relay's servers need to know, put together by the program.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Publishers.
    pub publish: Publish,
    /// Players.
    pub play: Play,
    /// Bounds.
    pub limits: Limits,
    /// The vhosts that are known by name.
    pub vhosts: crate::Vhosts,
    /// By what nodes prove to each other who they are.
    pub secret: Secret,
}

/// What all nodes of a cluster share: its join token. Without one everybody is taken for who they say they
/// are, as the controller takes them.
#[derive(Clone, Default)]
pub struct Secret(Option<std::sync::Arc<[u8]>>);

impl Secret {
    /// The cluster's.
    pub fn new(token: &str) -> Self {
        Self(Some(token.as_bytes().into()))
    }

    /// Its bytes, for a MAC and nothing else.
    pub(crate) fn reveal(&self) -> Option<&[u8]> {
        self.0.as_deref()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
