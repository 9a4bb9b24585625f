//! A server and a client session talk, with no network between: whatever pieces their bytes come
//! in, and however long the shell takes to decide, both see the same.

use bytes::{Bytes, BytesMut};
use media::Kind;
use proptest::prelude::*;
use rtmp::{Media, Status, client, server, status::code};

/// How one run delivers bytes and decisions.
#[derive(Debug, Clone)]
struct Delivery {
    /// Lengths of the pieces, over and over.
    pieces: Vec<usize>,
    /// Pieces delivered between a request and its decision.
    patience: usize,
}

impl Delivery {
    fn whole() -> Self {
        Self {
            pieces: vec![usize::MAX],
            patience: 0,
        }
    }
}

fn delivery() -> impl Strategy<Value = Delivery> {
    let piece = prop_oneof![1..4usize, 1..200usize, 1..5000usize, Just(usize::MAX)];
    (prop::collection::vec(piece, 1..12), 0..40usize)
        .prop_map(|(pieces, patience)| Delivery { pieces, patience })
}

/// Two sessions and the bytes between them.
struct Dialogue {
    server: server::Session,
    client: client::Session,
    to_server: BytesMut,
    to_client: BytesMut,
    delivery: Delivery,
    deliveries: usize,
    server_heard: Vec<String>,
    client_heard: Vec<String>,
}

impl Dialogue {
    fn new(purpose: client::Purpose, delivery: Delivery) -> Self {
        let url = "rtmp://tv.example/live/239.1.1.5:1234?token=x"
            .parse()
            .expect("a good URL");
        Self {
            server: server::Session::new(server::Config::default(), [1; 32]),
            client: client::Session::new(&url, purpose, client::Config::default(), [2; 32]),
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
            delivery,
            deliveries: 0,
            server_heard: Vec::new(),
            client_heard: Vec::new(),
        }
    }

    fn piece(&mut self, available: usize) -> usize {
        let lengths = &self.delivery.pieces;
        let length = lengths[self.deliveries % lengths.len()];
        self.deliveries += 1;
        length.min(available)
    }

    /// Carries one piece each way; whether anything moved or was decided.
    fn step(&mut self) -> bool {
        let out = self.client.output().split();
        self.to_server.unsplit(out);
        let out = self.server.output().split();
        self.to_client.unsplit(out);
        let quiet = self.to_server.is_empty() && self.to_client.is_empty();

        let length = self.piece(self.to_server.len());
        let bytes = self.to_server.split_to(length);
        self.server.input(&bytes).expect("an honest client");
        while let Some(event) = self.server.poll() {
            self.server_heard.push(format!("{event:?}"));
        }

        let length = self.piece(self.to_client.len());
        let bytes = self.to_client.split_to(length);
        self.client.input(&bytes).expect("an honest server");
        while let Some(event) = self.client.poll() {
            self.client_heard.push(format!("{event:?}"));
        }
        !quiet
    }

    /// Until nothing moves and nothing is to be decided.
    fn run(&mut self) {
        loop {
            while self.step() && !self.server.is_deciding() {}
            if !self.server.is_deciding() {
                return;
            }
            for _ in 0..self.delivery.patience {
                self.step();
            }
            // At most one of these is waited for; the others do nothing.
            self.server.accept_connect().expect("honest bytes");
            self.server.accept_publish().expect("honest bytes");
            self.server.accept_play().expect("honest bytes");
            while let Some(event) = self.server.poll() {
                self.server_heard.push(format!("{event:?}"));
            }
        }
    }
}

fn media() -> impl Strategy<Value = Vec<Media>> {
    let kind = prop_oneof![Just(Kind::Audio), Just(Kind::Video), Just(Kind::Data)];
    let length = prop_oneof![1..300usize, 50_000..150_000usize];
    let timestamp = prop_oneof![any::<u32>(), 0xff_fff0..0x100_0010u32];
    let one = (kind, timestamp, length).prop_map(|(kind, timestamp, length)| {
        let name: &[u8] = if kind == Kind::Data {
            b"\x02\x00\x0aonMetaData"
        } else {
            &[]
        };
        let filling = (0..length).map(|at| (at % 251) as u8);
        let body: Bytes = name.iter().copied().chain(filling).collect();
        Media {
            kind,
            timestamp,
            message_stream_id: 1,
            body,
        }
    });
    prop::collection::vec(one, 0..12)
}

/// What both ends heard of a publish: events as text.
fn published(media: &[Media], delivery: Delivery) -> (Vec<String>, Vec<String>) {
    let mut dialogue = Dialogue::new(client::Purpose::Publish, delivery);
    dialogue.run();
    for one in media {
        assert!(
            dialogue.client.send(one.kind, one.timestamp, &one.body),
            "it may publish"
        );
    }
    dialogue.run();
    dialogue.client.close();
    dialogue.run();
    (dialogue.server_heard, dialogue.client_heard)
}

/// What both ends heard of a play, with the publisher gone and back in its middle.
fn played(media: &[Media], delivery: Delivery) -> (Vec<String>, Vec<String>) {
    let mut dialogue = Dialogue::new(client::Purpose::Play, delivery);
    dialogue.run();
    for one in media {
        dialogue.server.send_media(one);
    }
    dialogue.run();
    dialogue
        .server
        .send_status(Status::notice(code::PLAY_UNPUBLISH_NOTIFY, "gone"));
    dialogue.server.stream_eof();
    dialogue.server.ping(7);
    dialogue.run();
    dialogue.server.stream_begin();
    for one in media {
        dialogue.server.send_media(one);
    }
    dialogue.run();
    dialogue.client.close();
    dialogue.run();
    (dialogue.server_heard, dialogue.client_heard)
}

#[test]
fn what_a_client_publishes_is_what_the_server_s_shell_gets() {
    let media = [
        Media {
            kind: Kind::Data,
            timestamp: 0,
            message_stream_id: 1,
            body: Bytes::from_static(b"\x02\x00\x0aonMetaData\x05"),
        },
        Media {
            kind: Kind::Video,
            timestamp: 40,
            message_stream_id: 1,
            body: vec![0x17; 70_000].into(),
        },
    ];
    let (server, client) = published(&media, Delivery::whole());
    assert_eq!(client[0], "Publishing");
    let received: Vec<&String> = server
        .iter()
        .filter(|event| event.starts_with("Media"))
        .collect();
    let sent: Vec<String> = media
        .iter()
        .map(|media| format!("Media({media:?})"))
        .collect();
    assert_eq!(received, sent.iter().collect::<Vec<_>>());
    assert_eq!(server.last().map(String::as_str), Some("Unpublish"));
}

#[test]
fn what_a_server_sends_is_what_the_client_s_shell_gets() {
    let media = [Media {
        kind: Kind::Audio,
        timestamp: u32::MAX,
        message_stream_id: 1,
        body: Bytes::from_static(&[0xaf, 1]),
    }];
    let (server, client) = played(&media, Delivery::whole());
    let frame = format!("Media({:?})", media[0]);
    let [reset, start, first, gone, again, second] = &client[..] else {
        panic!("{client:?}")
    };
    assert!(reset.contains("NetStream.Play.Reset"), "{reset}");
    assert_eq!([start, again], ["Playing"; 2]);
    assert_eq!([first, second], [&frame; 2]);
    assert_eq!(gone, "Unpublished");
    assert!(server.contains(&"Pong(7)".to_owned()), "{server:?}");
    assert_eq!(server.last().map(String::as_str), Some("Stop"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_split_and_no_delay_changes_a_publish(media in media(), delivery in delivery()) {
        prop_assert_eq!(published(&media, delivery), published(&media, Delivery::whole()));
    }

    #[test]
    fn no_split_and_no_delay_changes_a_play(media in media(), delivery in delivery()) {
        prop_assert_eq!(played(&media, delivery), played(&media, Delivery::whole()));
    }

    #[test]
    fn any_bytes_behind_a_handshake_end_in_an_error_or_in_silence(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut session = server::Session::new(server::Config::default(), [0; 32]);
        session.input(&[&[3][..], &[0; 2 * 1536], &bytes].concat()).ok();
        while session.poll().is_some() {}
        let phase = session.phase();
        prop_assert!(matches!(phase, server::Phase::Connecting | server::Phase::Closed), "{phase:?}");
    }
}
