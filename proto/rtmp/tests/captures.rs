//! Real clients and a real server, replayed: what ffmpeg, OBS, librtmp, GStreamer, VLC and mpv said
//! to nginx-rtmp, and what it answered, read by our sessions under several splits of the bytes.
//!
//! What must come out was counted by `tests/data/captures/show`, a reader of RTMP that shares no
//! code with ours. The bytes answer another handshake than ours; that neither end insists is part
//! of what is tested.

use media::Kind;
use rtmp::{Media, client, server};
use std::{fs, path::PathBuf};

/// How many bytes each read gives: all, single bytes, odd pieces, what Ethernet carries.
const SPLITS: [usize; 5] = [usize::MAX, 1, 7, 997, 1460];

/// Messages, bytes, and the last timestamp.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Track(usize, usize, u32);

/// What a side received.
#[derive(Debug, Default, PartialEq, Eq)]
struct Received {
    audio: Track,
    video: Track,
    metadata: usize,
}

impl Received {
    fn count(&mut self, media: &Media) {
        let track = match media.kind {
            Kind::Audio => &mut self.audio,
            Kind::Video => &mut self.video,
            Kind::Data => {
                assert!(media.body.starts_with(b"\x02\0\x0aonMetaData"), "{media:?}");
                self.metadata += 1;
                return;
            }
        };
        *track = Track(track.0 + 1, track.1 + media.body.len(), media.timestamp);
    }
}

/// What a client asked our server session for, and how it left.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    asked: String,
    query: String,
    received: Received,
    left_in_words: bool,
}

fn capture(name: &str) -> Vec<u8> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data/captures")
        .join(name);
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn replay_client(name: &str, split: usize) -> Heard {
    let bytes = capture(&format!("{name}.client.bin"));
    let mut session = server::Session::new(server::Config::default(), [7; 32]);
    let mut heard = Heard::default();
    for piece in bytes.chunks(split.min(bytes.len())) {
        session
            .input(piece)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        while let Some(event) = session.poll() {
            match event {
                server::Event::Connect(_) => session.accept_connect().expect("a good dialogue"),
                server::Event::Publish(publish) => {
                    heard.asked = format!("publish {}", publish.address.path().expect("a path"));
                    heard.query = publish.address.query;
                    session.accept_publish().expect("a good dialogue");
                }
                server::Event::Play(play) => {
                    heard.asked = format!("play {}", play.address.path().expect("a path"));
                    heard.query = play.address.query;
                    session.accept_play().expect("a good dialogue");
                    assert!(
                        play.start < 0.0,
                        "{name} wants {} s into a recording",
                        play.start
                    );
                }
                server::Event::Media(media) => heard.received.count(&media),
                server::Event::Unpublish | server::Event::Stop => heard.left_in_words = true,
                server::Event::Pause(_)
                | server::Event::Pong(_)
                | server::Event::BufferLength(_) => {}
            }
        }
    }
    assert_eq!(session.ignored_messages(), 0, "{name}");
    let started = match name.ends_with("-publish") {
        true => "NetStream.Publish.Start",
        false => "NetStream.Play.Start",
    };
    let mut answers = session.output().windows(started.len());
    assert!(
        answers.any(|at| at == started.as_bytes()),
        "{name} was not told {started}"
    );
    heard
}

/// `left_in_words` is false for those whose connection just ends.
struct Client {
    name: &'static str,
    asked: &'static str,
    query: &'static str,
    received: Received,
    left_in_words: bool,
}

const NOTHING: Received = Received {
    audio: Track(0, 0, 0),
    video: Track(0, 0, 0),
    metadata: 0,
};

fn received(audio: Track, video: Track, metadata: usize) -> Received {
    Received {
        audio,
        video,
        metadata,
    }
}

fn clients() -> Vec<Client> {
    let publisher = |name, received| Client {
        name,
        asked: "publish 127.0.0.1/live/cam",
        query: "",
        received,
        left_in_words: true,
    };
    let player = |name, left_in_words| Client {
        name,
        asked: "play 127.0.0.1/live/cam",
        query: "",
        received: NOTHING,
        left_in_words,
    };
    vec![
        Client {
            asked: "publish tv.example/live/239.1.1.5:1234",
            query: "vhost=tv.example&token=s3",
            ..publisher(
                "ffmpeg-multicast-publish",
                received(Track(175, 16672, 4017), Track(102, 39494, 3983), 1),
            )
        },
        publisher(
            "ffmpeg-publish",
            received(Track(175, 16672, 4017), Track(102, 39494, 3983), 1),
        ),
        publisher(
            "obs-publish",
            received(Track(334, 2688, 7082), Track(214, 89511, 7066), 1),
        ),
        publisher(
            "rtmp2sink-publish",
            received(Track(174, 16360, 3994), Track(102, 32386, 3994), 40),
        ),
        publisher(
            "rtmpsink-publish",
            received(Track(174, 16360, 3993), Track(102, 32386, 3993), 39),
        ),
        player("ffmpeg-play", true),
        Client {
            asked: "play tv.example/live/239.1.1.5:1234",
            query: "vhost=tv.example&token=s3",
            ..player("ffmpeg-multicast-play", true)
        },
        player("rtmpdump-play", true),
        player("rtmp2src-play", false),
        player("vlc-play", false),
        player("mpv-play", false),
    ]
}

#[test]
fn every_client_is_understood_under_any_split_of_its_bytes() {
    for client in clients() {
        for split in SPLITS {
            let expected = Heard {
                asked: client.asked.into(),
                query: client.query.into(),
                received: Received { ..client.received },
                left_in_words: client.left_in_words,
            };
            assert_eq!(
                replay_client(client.name, split),
                expected,
                "{} by {split}",
                client.name
            );
        }
    }
}

fn replay_server(name: &str, split: usize) -> (Received, bool) {
    let bytes = capture(&format!("{name}.server.bin"));
    let purpose = match name.ends_with("-publish") {
        true => client::Purpose::Publish,
        false => client::Purpose::Play,
    };
    let url = "rtmp://127.0.0.1/live/cam".parse().expect("a good URL");
    let mut session = client::Session::new(&url, purpose, client::Config::default(), [7; 32]);
    let (mut received, mut running) = (Received::default(), false);
    for piece in bytes.chunks(split.min(bytes.len())) {
        session
            .input(piece)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        while let Some(event) = session.poll() {
            match event {
                client::Event::Playing | client::Event::Publishing => running = true,
                client::Event::Media(media) => received.count(&media),
                client::Event::Unpublished | client::Event::Status(_) | client::Event::Pong(_) => {}
                client::Event::Ended(status) if running => {
                    assert_eq!(status.code, "NetStream.Unpublish.Success", "{name}");
                }
                unexpected => panic!("{name}: {unexpected:?}"),
            }
        }
    }
    (received, running)
}

#[test]
fn nginx_rtmp_is_understood_by_our_client_under_any_split_of_its_bytes() {
    let expected = [
        ("ffmpeg-publish", NOTHING),
        (
            "ffmpeg-multicast-play",
            received(Track(175, 16804, 5526), Track(90, 33308, 5543), 1),
        ),
        (
            "ffmpeg-play",
            received(Track(175, 16804, 5619), Track(92, 33757, 5623), 1),
        ),
        (
            "mpv-play",
            received(Track(198, 19018, 6316), Track(109, 39103, 6303), 1),
        ),
        (
            "rtmp2src-play",
            received(Track(166, 15949, 5247), Track(83, 31393, 5263), 1),
        ),
        (
            "rtmpdump-play",
            received(Track(166, 15920, 5201), Track(82, 31144, 5223), 1),
        ),
        (
            "vlc-play",
            received(Track(247, 23733, 7244), Track(132, 48308, 7223), 1),
        ),
    ];
    for (name, received) in &expected {
        for split in SPLITS {
            let (got, running) = replay_server(name, split);
            assert!(running, "{name} by {split} never ran");
            assert_eq!(&got, received, "{name} by {split}");
        }
    }
}
