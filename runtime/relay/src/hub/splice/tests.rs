//! Two upstreams of one stream, through the hub, as players receive them.

use super::*;
use crate::{
    hub::{Duplicate, Epoch, Hub, Publisher, PublisherInfo, PublisherKind, Reader, Reading},
    tape::FRAMES,
};
use bytes::Bytes;
use media::{Kind, StreamPath};
use proptest::prelude::*;
use std::{sync::Arc, time::SystemTime};

/// What pictures and sounds look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texture {
    /// No two frames are alike.
    Lively,
    /// All key frames are alike, all other pictures, and all sounds.
    Still,
    /// Few frames are distinct.
    Nearly,
}

/// An input: `gops` groups of `pictures`, with two sounds to a picture.
#[derive(Debug, Clone)]
struct Input {
    name: &'static str,
    texture: Texture,
    gops: usize,
    pictures: usize,
    start_millis: i64,
}

/// A frame as tests compare it.
type Seen = (String, i64);

fn frame(kind: Kind, role: Role, body: String, millis: i64) -> Frame {
    Frame {
        kind,
        role,
        codec: None,
        track: 0,
        dts: MediaTime::from_millis(millis),
        body: Bytes::from(body),
    }
}

fn seen(frame: &Frame) -> Seen {
    let body = String::from_utf8_lossy(&frame.body).into_owned();
    (body, frame.dts.as_millis())
}

impl Input {
    fn lively(gops: usize, pictures: usize) -> Self {
        Self {
            name: "x",
            texture: Texture::Lively,
            gops,
            pictures,
            start_millis: 10_000,
        }
    }

    fn headers(&self) -> Vec<Frame> {
        let name = self.name;
        vec![
            frame(Kind::Video, Role::Config, format!("avcc {name}"), 0),
            frame(Kind::Audio, Role::Config, format!("asc {name}"), 0),
        ]
    }

    fn media(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for picture in 0..self.gops * self.pictures {
            let millis = self.start_millis + 40 * picture as i64;
            let (role, letter) = match picture % self.pictures {
                0 => (Role::Key, 'k'),
                _ => (Role::Inter, 'p'),
            };
            let body = |letter: char, number: usize| match self.texture {
                Texture::Lively => format!("{letter}{number} {}", self.name),
                Texture::Still => format!("{letter} {}", self.name),
                Texture::Nearly if number.is_multiple_of(11) => {
                    format!("{letter}{number} {}", self.name)
                }
                Texture::Nearly => format!("{letter} {}", self.name),
            };
            frames.push(frame(Kind::Video, role, body(letter, picture), millis));
            for half in 0..2 {
                let number = 2 * picture + half;
                let millis = millis + 20 * half as i64;
                frames.push(frame(Kind::Audio, Role::Inter, body('s', number), millis));
            }
        }
        frames
    }
}

/// A pulled stream and what its players get.
struct Node {
    hub: Arc<Hub>,
    reading: Reading,
    inbox: tokio::sync::mpsc::Receiver<crate::tape::Piece>,
    now: Instant,
}

impl Node {
    fn new() -> Self {
        let hub = Hub::new(Duplicate::Refuse);
        let reading = hub.read(&path(), Reader::Player);
        let inbox = reading.stream().attach(&FRAMES, 0).inbox;
        Self {
            hub,
            reading,
            inbox,
            now: Instant::now(),
        }
    }

    fn pull(&self) -> Publisher {
        let info = PublisherInfo {
            peer: None,
            origin: PublisherKind::Pull,
            upstream: None,
            since: SystemTime::UNIX_EPOCH,
            passed_on: None,
            epoch: Epoch::NONE,
            backup: false,
        };
        self.hub.publish(&path(), info).expect("nobody does")
    }

    /// Sends frames as an upstream whose time is later by `shift_millis`, on the wire.
    fn send(&self, from: &Publisher, frames: &[Frame], shift_millis: i64) {
        for frame in frames {
            let wire = frame.dts.plus_millis(shift_millis).wire();
            let sent = frame.at(MediaTime::from_millis(i64::from(wire)));
            from.publish(sent, self.now).expect("it is in office");
        }
    }

    /// What players got since the last look, without headers.
    fn heard(&mut self) -> Vec<Seen> {
        self.heard_all()
            .iter()
            .filter(|frame| !frame.is_header())
            .map(seen)
            .collect()
    }

    fn heard_all(&mut self) -> Vec<Frame> {
        let pieces = std::iter::from_fn(|| self.inbox.try_recv().ok());
        pieces.map(crate::tape::Piece::into_frame).collect()
    }
}

fn path() -> StreamPath {
    StreamPath::new("v", "live", "a").expect("a path")
}

/// Players' frames when one upstream sends `..cut` of `input`, and then another `from..` of it.
fn spliced(input: &Input, cut: usize, from: usize, shift_millis: i64) -> Vec<Seen> {
    let mut node = Node::new();
    let (headers, media) = (input.headers(), input.media());
    let first = node.pull();
    node.send(&first, &headers, 0);
    node.send(&first, &media[..cut], 0);
    drop(first);
    let second = node.pull();
    node.send(&second, &headers, shift_millis);
    node.send(&second, &media[from..], shift_millis);
    node.heard()
}

proptest! {
    #[test]
    fn two_upstreams_of_one_input_are_one_to_players(
        gops in 2..6_usize,
        pictures in 2..12_usize,
        cut in 1..200_usize,
        behind in 0..3_usize,
        shift_millis in prop_oneof![Just(0), -100_000..5_000_000_000_i64],
    ) {
        let input = Input::lively(gops, pictures);
        let media = input.media();
        let cut = cut.min(media.len());
        // A GOP cache begins with a key frame: the newest before the cut, or an earlier one.
        let gop = (cut - 1) / (3 * pictures);
        let from = gop.saturating_sub(behind) * 3 * pictures;
        let heard = spliced(&input, cut, from, shift_millis);
        let expected: Vec<Seen> = media.iter().map(seen).collect();
        prop_assert_eq!(heard, expected);
    }

    #[test]
    fn where_pictures_are_still_and_silent_their_own_time_tells_them_apart(
        still in any::<bool>(),
        gops in 2..6_usize,
        pictures in 2..12_usize,
        cut in 1..200_usize,
    ) {
        let texture = if still { Texture::Still } else { Texture::Nearly };
        let input = Input { texture, ..Input::lively(gops, pictures) };
        let media = input.media();
        let cut = cut.min(media.len());
        let from = (cut - 1) / (3 * pictures) * 3 * pictures;
        let expected: Vec<Seen> = media.iter().map(seen).collect();
        prop_assert_eq!(spliced(&input, cut, from, 0), expected);
    }

    #[test]
    fn where_nothing_tells_still_frames_apart_none_is_lost(
        gops in 3..6_usize,
        pictures in 2..12_usize,
        cut in 1..200_usize,
        shift_millis in 100_000..5_000_000_000_i64,
    ) {
        let input = Input { texture: Texture::Still, ..Input::lively(gops, pictures) };
        let media = input.media();
        let cut = cut.min(media.len());
        let from = (cut - 1) / (3 * pictures) * 3 * pictures;
        let heard = spliced(&input, cut, from, shift_millis);
        let bodies = |frames: &[Seen]| frames.iter().map(|(body, _)| body.clone()).collect::<Vec<_>>();
        let after: Vec<Seen> = media[cut..].iter().map(seen).collect();
        prop_assert!(bodies(&heard).ends_with(&bodies(&after)), "none is lost");
        prop_assert!(heard.len() <= media.len() + cut - from, "none is repeated but the overlap");
        for pair in heard.windows(2) {
            prop_assert!((0..=40).contains(&(pair[1].1 - pair[0].1)), "{:?}", pair);
        }
    }

    #[test]
    fn unlike_inputs_are_switched_at_a_key_frame_and_time_goes_on(
        texture in prop_oneof![Just(Texture::Lively), Just(Texture::Still), Just(Texture::Nearly)],
        cut in 1..100_usize,
        from in 0..100_usize,
        start_millis in prop_oneof![Just(10_000), 0..9_000_000_000_i64],
    ) {
        let old = Input { texture, ..Input::lively(5, 10) };
        let new = Input { name: "y", start_millis, ..old.clone() };
        let mut node = Node::new();
        let first = node.pull();
        node.send(&first, &old.headers(), 0);
        node.send(&first, &old.media()[..cut], 0);
        drop(first);
        prop_assert_eq!(node.heard().len(), cut);
        let second = node.pull();
        node.send(&second, &new.headers(), 0);
        node.send(&second, &new.media()[from..], 0);
        let heard = node.heard_all();
        let headers: Vec<_> = heard.iter().filter(|frame| frame.is_header()).map(|frame| &frame.body).collect();
        prop_assert_eq!(headers, ["avcc y", "asc y"], "the new ones, once");
        let pictures: Vec<_> = heard.iter().filter(|frame| frame.kind == Kind::Video && !frame.is_header()).collect();
        prop_assert!(pictures.first().is_none_or(|first| first.is_key()));
        let media = new.media();
        let all = media[from..].iter().filter(|frame| frame.kind == Kind::Audio).count();
        prop_assert_eq!(heard.iter().filter(|frame| frame.kind == Kind::Audio && !frame.is_header()).count(), all);
        let newest = old.media()[..cut].last().map(|frame| frame.dts.as_millis());
        let times = newest.into_iter().chain(heard.iter().filter(|frame| !frame.is_header()).map(|frame| frame.dts.as_millis()));
        let times: Vec<_> = times.collect();
        for pair in times.windows(2) {
            prop_assert!((0..=40).contains(&(pair[1] - pair[0])), "{:?}", pair);
        }
    }
}

#[test]
fn an_upstream_that_is_behind_what_is_remembered_is_waited_for() {
    // The stream was pulled from the last GOP on; the next upstream's cache begins with the one before.
    let input = Input::lively(4, 10);
    let (headers, media) = (input.headers(), input.media());
    let mut node = Node::new();
    let first = node.pull();
    node.send(&first, &headers, 0);
    node.send(&first, &media[60..66], 0);
    drop(first);
    let second = node.pull();
    node.send(&second, &headers, 0);
    node.send(&second, &media[30..], 0);
    let expected: Vec<Seen> = media[60..].iter().map(seen).collect();
    assert_eq!(node.heard(), expected);
}

#[test]
fn an_upstream_that_has_gone_on_keeps_its_own_time() {
    let input = Input::lively(4, 10);
    let (headers, media) = (input.headers(), input.media());
    let mut node = Node::new();
    let first = node.pull();
    node.send(&first, &headers, 0);
    node.send(&first, &media[..25], 0);
    drop(first);
    let second = node.pull();
    node.send(&second, &headers, 0);
    node.send(&second, &media[30..], 0);
    let expected: Vec<Seen> = media[..25].iter().chain(&media[30..]).map(seen).collect();
    assert_eq!(node.heard(), expected);
}

#[test]
fn an_upstream_that_stays_behind_is_taken_from_its_newest_key_frame() {
    let input = Input::lively(6, 10);
    let (headers, media) = (input.headers(), input.media());
    let mut node = Node::new();
    let first = node.pull();
    node.send(&first, &headers, 0);
    node.send(&first, &media[..150], 0);
    drop(first);
    let second = node.pull();
    node.send(&second, &headers, 0);
    node.send(&second, &media[90..95], 0);
    assert_eq!(node.heard().len(), 150, "nothing new yet");
    node.now += PATIENCE + Duration::from_millis(1);
    node.send(&second, &media[95..100], 0);
    let heard = node.heard();
    let bodies: Vec<_> = heard.iter().map(|(body, _)| body.as_str()).collect();
    let repeated: Vec<_> = media[90..100].iter().map(seen).collect();
    assert_eq!(
        bodies,
        repeated
            .iter()
            .map(|(body, _)| body.as_str())
            .collect::<Vec<_>>()
    );
    assert!(heard[0].1 > seen(&media[149]).1, "time goes on");
}

#[test]
fn a_set_up_that_changed_in_the_skipped_frames_is_not_said_again() {
    let input = Input::lively(2, 10);
    let other = Input {
        name: "wide",
        ..input.clone()
    };
    let (headers, media) = (input.headers(), input.media());
    let changed = &other.headers()[..1];
    let mut node = Node::new();
    for upto in [40, 60] {
        let pull = node.pull();
        node.send(&pull, &headers, 7);
        node.send(&pull, &media[..33], 7);
        node.send(&pull, changed, 7);
        node.send(&pull, &media[33..upto], 7);
    }
    let heard = node.heard_all();
    let said = heard.iter().filter(|frame| frame.is_header()).count();
    assert_eq!((said, heard.len() - said), (3, 60));
}

#[test]
fn who_joins_while_nothing_is_decided_goes_on_with_the_rest() {
    let input = Input::lively(3, 10);
    let (headers, media) = (input.headers(), input.media());
    let node = Node::new();
    let first = node.pull();
    node.send(&first, &headers, 0);
    node.send(&first, &media[..45], 0);
    drop(first);
    let second = node.pull();
    node.send(&second, &headers, 0);
    node.send(&second, &media[30..40], 0);
    let mut joined = node.reading.stream().attach(&FRAMES, 1);
    let mut heard: Vec<Frame> = joined
        .pieces
        .drain(..)
        .map(crate::tape::Piece::into_frame)
        .collect();
    node.send(&second, &media[40..], 0);
    heard.extend(
        std::iter::from_fn(|| joined.inbox.try_recv().ok()).map(crate::tape::Piece::into_frame),
    );
    assert_eq!(
        heard.iter().map(seen).collect::<Vec<_>>(),
        media[30..].iter().map(seen).collect::<Vec<_>>()
    );
}

#[test]
fn three_upstreams_in_a_row_are_one_too_and_an_undecided_one_loses_nothing() {
    let input = Input::lively(5, 10);
    let (headers, media) = (input.headers(), input.media());
    let mut node = Node::new();
    for (shift, part) in [(0, 0..50), (700, 30..45), (-900, 30..100), (3, 90..150)] {
        let pull = node.pull();
        node.send(&pull, &headers, shift);
        node.send(&pull, &media[part], shift);
    }
    assert_eq!(node.heard(), media.iter().map(seen).collect::<Vec<_>>());
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut record = Record::default();
    let now = Instant::now();
    for number in 0..10_000 {
        record.sent(
            &frame(Kind::Audio, Role::Inter, format!("s{number}"), number),
            now,
        );
    }
    assert_eq!(record.prints().len(), limits::SPLICE_PRINTS_MAX);
    assert_eq!(size_of::<Print>(), 24, "as the documentation says");
    let input = Input::lively(50, 10);
    for frame in input.media() {
        record.sent(&frame, now);
    }
    assert_eq!(record.prints().len(), limits::SPLICE_GOPS * 30);
}
