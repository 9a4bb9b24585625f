//! A relay to test, clients to test it with, and patience with a deadline.

pub(crate) mod flv_player;
pub(crate) mod rtmp_client;
pub(crate) mod words;

use flv_player::FlvPlayer;
use media::{StreamPath, path::DEFAULT_VHOST};
use relay::{Relay, settings::Settings};
use rtmp::client::Purpose;
use rtmp_client::RtmpClient;
use std::{net::SocketAddr, time::Duration};
use tokio::time;

/// How long anything may take that a test waits for: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(15);

/// The result of `future`, which must come soon.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// Waits until `holds`.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        while !holds() {
            time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(what, held).await;
}

/// A running relay on free ports.
pub(crate) struct Server {
    pub(crate) relay: Relay,
    pub(crate) rtmp: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Server {
    /// With two shards, so that players and publishers meet across threads.
    pub(crate) fn start(settings: Settings) -> Self {
        Self::start_at(settings, "127.0.0.1:0".parse().expect("an address"))
    }

    pub(crate) fn start_at(settings: Settings, rtmp: SocketAddr) -> Self {
        Self::start_shards(settings, rtmp, 2)
    }

    /// With one shard: what one player has received, every player could have.
    pub(crate) fn start_on_one_shard(settings: Settings) -> Self {
        let any = "127.0.0.1:0".parse().expect("an address");
        Self::start_shards(settings, any, 1)
    }

    fn start_shards(settings: Settings, rtmp: SocketAddr, shards: usize) -> Self {
        let relay = Relay::start(settings, shards).expect("threads");
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let rtmp = relay.listen(rtmp.into()).expect("a port");
        let http = relay.listen(any.into()).expect("a port");
        let server = Self {
            rtmp: rtmp.address(),
            http: http.address(),
            relay,
        };
        server.relay.serve_rtmp(rtmp).expect("idle shards");
        server.relay.serve_http(http).expect("idle shards");
        server
    }

    /// Players wait and stay for a short time, so that tests of it need not be long.
    pub(crate) fn impatient() -> Settings {
        let mut settings = Settings::default();
        settings.play.wait = service::config::Duration::from_millis(200);
        settings.play.linger = service::config::Duration::from_millis(200);
        settings
    }

    pub(crate) fn url(&self, name: &str) -> rtmp::Url {
        let url = format!("rtmp://{}/live/{name}", self.rtmp);
        url.parse().expect("a good URL")
    }

    pub(crate) async fn publish(&self, name: &str) -> RtmpClient {
        let opened = RtmpClient::open(&self.url(name), Purpose::Publish).await;
        opened.expect("nobody else publishes it")
    }

    pub(crate) async fn play(&self, way: Way, name: &str) -> Player {
        match way {
            Way::Rtmp => {
                let opened = RtmpClient::open(&self.url(name), Purpose::Play).await;
                Player::Rtmp(Box::new(opened.expect("somebody publishes it")))
            }
            Way::Flv => Player::Flv(Box::new(FlvPlayer::open(self.http, name).await)),
            Way::WebSocket => {
                Player::Flv(Box::new(FlvPlayer::open_websocket(self.http, name).await))
            }
        }
    }

    pub(crate) fn path(name: &str) -> StreamPath {
        StreamPath::new(DEFAULT_VHOST, "live", name).expect("a path")
    }

    /// Pictures and sounds of `name` that have come in since somebody is there.
    pub(crate) fn frames_in(&self, name: &str) -> u64 {
        self.relay
            .hub()
            .find(&Self::path(name))
            .map_or(0, |stream| {
                let totals = stream.totals().now();
                totals.video_frames + totals.audio_frames
            })
    }

    pub(crate) fn players(&self, name: &str) -> u32 {
        let stream = self.relay.hub().find(&Self::path(name));
        stream.map_or(0, |stream| stream.readers().borrow().players)
    }

    pub(crate) fn is_online(&self, name: &str) -> bool {
        let stream = self.relay.hub().find(&Self::path(name));
        stream.is_some_and(|stream| stream.is_online())
    }

    /// Waits until so many pictures and sounds of `name` have come in.
    pub(crate) async fn has_received(&self, name: &str, frames: u64) {
        let what = format!("{frames} frames of {name}");
        until(&what, || self.frames_in(name) >= frames).await;
    }
}

/// How a player plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Rtmp,
    Flv,
    WebSocket,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Rtmp, Self::Flv, Self::WebSocket];
}

/// A player over any of them.
pub(crate) enum Player {
    Rtmp(Box<RtmpClient>),
    Flv(Box<FlvPlayer>),
}

impl Player {
    /// The next frame's word, `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<String> {
        match self {
            Self::Rtmp(client) => client.frame().await,
            Self::Flv(player) => player.frame().await,
        }
    }

    /// The words of the next `count` frames.
    pub(crate) async fn words(&mut self, count: usize) -> String {
        let mut words = Vec::with_capacity(count);
        while words.len() < count {
            let next = soon(&format!("a frame after {words:?}"), self.next()).await;
            words.push(next.unwrap_or_else(|| panic!("the stream ended after {words:?}")));
        }
        words.join(" ")
    }

    /// Waits for as many frames as `expected` has words and compares.
    #[track_caller]
    pub(crate) fn expects<'a>(&'a mut self, expected: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let words = self.words(expected.split_whitespace().count()).await;
            assert_eq!(words, expected, "at {caller}");
        }
    }

    /// All that follows, until the frame called `last`, which is not among it.
    pub(crate) async fn words_until(&mut self, last: &str) -> Vec<String> {
        let mut words = Vec::new();
        loop {
            let word = soon(last, self.next()).await.expect("the stream goes on");
            if words::name(&word) == last {
                return words;
            }
            words.push(word);
        }
    }
}
