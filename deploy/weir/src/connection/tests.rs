//! The client over real sockets, against a server made of the pure server session.

use super::*;
use crate::publish::{Clip, Manner, publish};
use media::{Frame, Kind, MediaTime, Role};
use rtmp::{Media, Status, server};
use tokio::net::TcpListener;

static CLIP: &[u8] = include_bytes!("../../assets/demo.flv");

const FAST: Manner = Manner {
    looped: false,
    speed: 200.0,
    reconnect: false,
};

/// One client's dialogue with a server that lets everybody in, or sends them all elsewhere.
pub(crate) struct Server {
    pub(crate) socket: TcpStream,
    pub(crate) session: server::Session,
    refuse_publish: Option<Status>,
}

impl Server {
    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        let (socket, _) = listener.accept().await.expect("a client");
        let session = server::Session::new(server::Config::default(), [7; 32]);
        Self {
            socket,
            session,
            refuse_publish: None,
        }
    }

    /// The next event that is no question; `None` when the client has gone.
    pub(crate) async fn next(&mut self, redirect: Option<&str>) -> Option<server::Event> {
        loop {
            let answered = match self.session.poll() {
                Some(server::Event::Connect(_)) => match redirect {
                    Some(url) => self.session.reject(Status::redirect(url)),
                    None => self.session.accept_connect(),
                },
                Some(server::Event::Publish(_)) => match self.refuse_publish.clone() {
                    Some(status) => self.session.reject(status),
                    None => self.session.accept_publish(),
                },
                Some(server::Event::Play(play)) => {
                    self.session.accept_play().expect("it asked");
                    self.socket
                        .write_all_buf(self.session.output())
                        .await
                        .ok()?;
                    return Some(server::Event::Play(play));
                }
                Some(event) => return Some(event),
                None => {
                    self.socket
                        .write_all_buf(self.session.output())
                        .await
                        .ok()?;
                    let mut input = BytesMut::new();
                    match self.socket.read_buf(&mut input).await {
                        Ok(n) if n > 0 => self.session.input(&input),
                        _ => return None,
                    }
                }
            };
            answered.expect("an honest client");
        }
    }

    /// The media of the next `count` events.
    async fn media(&mut self, count: usize) -> Vec<Media> {
        let mut media = Vec::new();
        while media.len() < count {
            match self.next(None).await {
                Some(server::Event::Media(next)) => media.push(next),
                Some(_) => {}
                None => break,
            }
        }
        media
    }
}

pub(crate) async fn listen(path: &str) -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (
        listener,
        format!("rtmp://{address}/{path}")
            .parse()
            .expect("a good URL"),
    )
}

pub(crate) async fn frames_of_the_clip() -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut clip = Clip::Carried(CLIP).open().await.expect("the clip");
    while let Some(frame) = clip.next().await.expect("a good clip") {
        frames.push(frame);
    }
    frames
}

fn frame(media: &Media) -> Frame {
    let dts = MediaTime::from_millis(i64::from(media.timestamp));
    flv::frame(media.kind, dts, media.body.clone()).expect("a good frame")
}

#[tokio::test]
async fn what_is_published_arrives_whole_and_in_time() {
    let (listener, url) = listen("live/cam").await;
    let server = async {
        let mut server = Server::accept(&listener).await;
        let media = server.media(usize::MAX).await;
        media.iter().map(frame).collect::<Vec<_>>()
    };
    let clip = Clip::Carried(CLIP);
    let (published, arrived) = tokio::join!(publish(&clip, &url, FAST, |_| {}), server);
    published.expect("published");
    let sent = frames_of_the_clip().await;
    assert_eq!(arrived.len(), sent.len());
    for (arrived, sent) in arrived.iter().zip(&sent) {
        assert_eq!((arrived.dts, &arrived.body), (sent.dts, &sent.body));
    }
}

#[tokio::test]
async fn nobody_is_dialled_for_a_file_that_cannot_be_published() {
    let (listener, url) = listen("live/cam").await;
    let clip = Clip::Carried(b"this is no FLV");
    let refused = publish(&clip, &url, FAST, |_| {}).await;
    let refused = format!("{:#}", refused.expect_err("no FLV"));
    assert!(refused.contains("is no good FLV file"), "{refused}");
    let dialled = time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(dialled.is_err(), "somebody came");
}

#[tokio::test]
async fn a_lost_server_is_dialled_again_and_gets_a_whole_start_on_the_same_timeline() {
    let (listener, url) = listen("live/cam").await;
    let server = async {
        let first = Server::accept(&listener).await.media(200).await;
        let second = Server::accept(&listener).await.media(50).await;
        (first, second)
    };
    let mut news = Vec::new();
    let manner = Manner {
        looped: true,
        reconnect: true,
        ..FAST
    };
    let clip = Clip::Carried(CLIP);
    let publishing = publish(&clip, &url, manner, |new| news.push(format!("{new:?}")));
    let (first, second) = tokio::select! {
        media = server => media,
        ended = publishing => panic!("it ended: {ended:?}"),
    };
    let last = first.iter().map(|media| media.timestamp).max();
    let roles: Vec<Role> = second.iter().map(|media| frame(media).role).collect();
    assert_eq!(roles[..3], [Role::Metadata, Role::Config, Role::Config]);
    let coded = second
        .iter()
        .map(frame)
        .find(|frame| frame.kind == Kind::Video && frame.role != Role::Config);
    assert!(coded.is_some_and(|frame| frame.is_key()));
    assert!(
        second.iter().all(|media| Some(media.timestamp) > last),
        "time went back"
    );
    assert_eq!(news.len(), 3, "{news:?}");
    assert!(news[1].starts_with("Lost"), "{news:?}");
}

#[tokio::test]
async fn a_refusal_says_why() {
    let (listener, url) = listen("live/cam").await;
    let server = async {
        let mut server = Server::accept(&listener).await;
        let status = Status::error("NetStream.Publish.BadName", "somebody publishes it");
        server.refuse_publish = Some(status);
        assert_eq!(server.next(None).await, None);
    };
    let (refused, ()) = tokio::join!(Connection::open(&url, Purpose::Publish), server);
    let refused = format!("{:#}", refused.err().expect("refused"));
    assert_eq!(
        refused,
        format!("cannot publish to {url}: NetStream.Publish.BadName: somebody publishes it")
    );
}

#[tokio::test]
async fn a_player_goes_where_it_is_sent_but_not_in_circles() {
    let (right, right_url) = listen("live/cam").await;
    let (wrong, wrong_url) = listen("live/cam").await;
    let servers = async {
        let elsewhere = right_url.tc_url(None);
        assert!(
            Server::accept(&wrong)
                .await
                .next(Some(&elsewhere))
                .await
                .is_none()
        );
        let mut server = Server::accept(&right).await;
        let played = server.next(None).await;
        assert!(matches!(played, Some(server::Event::Play(play)) if play.address.name == "cam"));
        server
    };
    let (opened, _server) = tokio::join!(Connection::open(&wrong_url, Purpose::Play), servers);
    assert!(opened.is_ok());

    let circle = async {
        loop {
            Server::accept(&wrong)
                .await
                .next(Some(&wrong_url.tc_url(None)))
                .await;
        }
    };
    let lost = tokio::select! {
        opened = Connection::open(&wrong_url, Purpose::Play) => opened,
        () = circle => unreachable!("it has no end"),
    };
    let lost = format!("{:#}", lost.err().expect("lost"));
    assert!(lost.contains("sent elsewhere more than 5 times"), "{lost}");
}
