//! What foes do to an RTMP listener.

use bytes::BytesMut;
use rtmp::chunk::{MessageHeader, write_message};
use std::{io, time::Duration};

use super::foe::{Foe, Line};

/// A way to make trouble.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attack {
    Noise,
    MutatedCapture,
    ManyChunkStreams,
    HugeLengths,
    ChunkSizes,
    HeadersWithoutStart,
    Aborts,
    AmfBomb,
    CommandsUnread,
    AcknowledgeEveryByte,
    Usurp,
    PlayUnread,
    PlayPauseStop,
    ComeAndGo,
    UnfinishedMedia,
    EndlessGop,
    WildMedia,
    ManyNames,
}

impl Attack {
    /// What strangers do, who may not yet publish.
    pub(super) const BY_STRANGERS: &[Self] = &[
        Self::Noise,
        Self::MutatedCapture,
        Self::ManyChunkStreams,
        Self::HugeLengths,
        Self::ChunkSizes,
        Self::HeadersWithoutStart,
        Self::Aborts,
        Self::AmfBomb,
        Self::CommandsUnread,
        Self::AcknowledgeEveryByte,
        Self::Usurp,
        Self::PlayUnread,
        Self::PlayPauseStop,
        Self::ComeAndGo,
    ];

    /// What publishers do, who may make a server hold more.
    pub(super) const BY_PUBLISHERS: &[Self] = &[
        Self::UnfinishedMedia,
        Self::EndlessGop,
        Self::WildMedia,
        Self::ManyNames,
    ];

    /// Attacks once. `captures` are what real clients said, `honest` is a stream that others publish
    /// and play.
    ///
    /// # Errors
    /// That the server hung up, as it should.
    pub(super) async fn run(
        self,
        foe: &mut Foe,
        captures: &[Vec<u8>],
        honest: &str,
    ) -> io::Result<()> {
        match self {
            Self::Noise => {
                let mut bytes = foe.noise(6_000);
                if foe.random.bool() {
                    bytes[0] = 3;
                }
                foe.says(&bytes).await
            }
            Self::MutatedCapture => {
                let capture = &captures[foe.random.usize(0..captures.len())];
                let bytes = foe.mutated(capture);
                foe.says(&bytes).await
            }
            Self::ManyChunkStreams => many_chunk_streams(foe).await,
            Self::HugeLengths => huge_lengths(foe).await,
            Self::ChunkSizes => chunk_sizes(foe).await,
            Self::HeadersWithoutStart => {
                let mut bytes = hands_shaken(foe);
                for _ in 0..foe.random.usize(1..200) {
                    bytes.push(foe.random.u8(0x40..));
                    bytes.extend(foe.noise(16));
                }
                foe.says(&bytes).await
            }
            Self::Aborts => aborts(foe).await,
            Self::AmfBomb => amf_bomb(foe).await,
            Self::CommandsUnread => commands_unread(foe).await,
            Self::AcknowledgeEveryByte => acknowledge_every_byte(foe).await,
            Self::Usurp => {
                let mut bytes = opened(foe, "publish", honest);
                media(&mut bytes, 9, 0, b"\x17\x01\x00\x00\x00not yours");
                foe.says(&bytes).await
            }
            Self::PlayUnread => {
                let bytes = opened(foe, "play", honest);
                foe.says_deaf(&bytes).await
            }
            Self::PlayPauseStop => play_pause_stop(foe, honest).await,
            Self::ComeAndGo => foe.come_and_go(50).await,
            Self::UnfinishedMedia => unfinished_media(foe).await,
            Self::EndlessGop => endless_gop(foe).await,
            Self::WildMedia => wild_media(foe).await,
            Self::ManyNames => many_names(foe).await,
        }
    }
}

/// The bytes of a client who comes slowly: one honest opening, to be sent byte by byte.
pub(super) fn opening(foe: &mut Foe) -> Vec<u8> {
    opened(foe, "play", "live/nothing")
}

/// Opens as many chunk streams as there can be, or exactly as many as may be, with as much unfinished
/// in each as may be.
async fn many_chunk_streams(foe: &mut Foe) -> io::Result<()> {
    let limits = rtmp::Limits::default();
    let mut line = foe.connect_deaf().await?;
    line.say(&hands_shaken(foe)).await?;
    let (count, chunk) = match foe.random.bool() {
        true => (65_000, 1),
        // One is taken by Set Chunk Size.
        false => (
            limits.chunk_streams_max as u32 - 1,
            limits.command_bytes_max - 1_000,
        ),
    };
    line.say(&set_chunk_size(chunk as u32)).await?;
    let filling = vec![0; chunk];
    for id in 4..4 + count {
        let header = header_of(id, 20, limits.command_bytes_max);
        line.say(&[header, filling.clone()].concat()).await?;
    }
    hold(&mut line).await
}

async fn huge_lengths(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect().await?;
    line.say(&hands_shaken(foe)).await?;
    let type_id = foe.random.u8(..);
    let length = foe.random.usize(60_000..=0xFF_FFFF);
    let mut bytes = header_of(foe.random.u32(3..300), type_id, length);
    bytes.extend(foe.noise(128));
    line.say(&bytes).await?;
    hold(&mut line).await
}

async fn chunk_sizes(foe: &mut Foe) -> io::Result<()> {
    let sizes = [
        0,
        1,
        2,
        127,
        0x7FFF_FFFF,
        0x8000_0000,
        u32::MAX,
        foe.random.u32(..),
    ];
    let mut bytes = hands_shaken(foe);
    for _ in 0..foe.random.usize(1..400) {
        bytes.extend(set_chunk_size(sizes[foe.random.usize(0..sizes.len())]));
    }
    bytes.extend(set_chunk_size(1));
    let mut command = BytesMut::new();
    let header = MessageHeader {
        timestamp: 0,
        type_id: 20,
        message_stream_id: 0,
    };
    write_message(&mut command, 3, &header, &connect(), 1);
    bytes.extend(command);
    foe.says(&bytes).await
}

async fn aborts(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect().await?;
    line.say(&hands_shaken(foe)).await?;
    line.say(&set_chunk_size(60_000)).await?;
    for _ in 0..100 {
        let mut bytes = header_of(6, 20, 65_000);
        bytes.extend_from_slice(&[0; 60_000]);
        bytes.extend(message(2, &6_u32.to_be_bytes()));
        line.say(&bytes).await?;
    }
    for id in 0..20_000_u32 {
        line.say(&message(2, &id.to_be_bytes())).await?;
    }
    Ok(())
}

async fn amf_bomb(foe: &mut Foe) -> io::Result<()> {
    let (type_id, mut body) = match foe.random.u8(0..8) {
        // Objects in objects.
        0 => (20, b"\x03\x00\x01a".repeat(15_000)),
        // Arrays in arrays, each with more than can be.
        1 => (20, b"\x0a\xff\xff\xff\xff".repeat(12_000)),
        // Counts and lengths that nothing fills.
        2 => (
            20,
            b"\x08\xff\xff\xff\xff\x00\x01a\x0c\xff\xff\xff\xffb".to_vec(),
        ),
        3 => (20, b"\x0c\x7f\xff\xff\xff".to_vec()),
        // As many small values as there is room for.
        4 => {
            let mut body = b"\x0a\x00\x00\xff\xff".to_vec();
            body.resize(60_000, 5);
            (20, body)
        }
        // A thing that contains itself.
        5 => (20, b"\x03\x00\x01a\x07\x00\x00\x00\x00\x09".repeat(1_000)),
        // The same in AMF3: vectors, dictionaries, byte arrays, references.
        6 => (
            17,
            b"\x11\x09\xff\xff\xff\xff\x01\x0d\xff\xff\xff\xff\x00\x11\xff\xff\xff".repeat(500),
        ),
        _ => (17, b"\x11\x0a\x0b\x01\x03a".repeat(9_000)),
    };
    let mut command = string("connect");
    command.extend(number(1.0));
    command.append(&mut body);
    command.extend(foe.noise(200));
    command.truncate(rtmp::Limits::default().command_bytes_max);
    if type_id == 17 {
        command.insert(0, 0);
    }
    let mut bytes = hands_shaken(foe);
    bytes.extend(message(type_id, &command));
    foe.says(&bytes).await
}

/// Calls that are answered, by somebody who does not read the answers.
async fn commands_unread(foe: &mut Foe) -> io::Result<()> {
    let mut call = match foe.random.u8(0..4) {
        0 => message(20, &[string("createStream"), number(2.0), vec![5]].concat()),
        1 => message(
            20,
            &[string("getStreamLength"), number(3.0), vec![5], string("a")].concat(),
        ),
        2 => message(20, &[string("_checkbw"), number(4.0), vec![5]].concat()),
        // A ping, to be answered with the same.
        _ => message(4, &[0, 6, 1, 2, 3, 4]),
    };
    call = call.repeat(100);
    let mut line = foe.connect_deaf().await?;
    line.say(&[hands_shaken(foe), message(20, &connect())].concat())
        .await?;
    for _ in 0..200 {
        line.say(&call).await?;
    }
    hold(&mut line).await
}

async fn acknowledge_every_byte(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect_deaf().await?;
    let mut bytes = hands_shaken(foe);
    bytes.extend(message(5, &1_u32.to_be_bytes()));
    bytes.extend(message(20, &connect()));
    line.say(&bytes).await?;
    for _ in 0..2_000 {
        line.say(&[0x42, 0, 0, 0]).await?;
    }
    hold(&mut line).await
}

async fn play_pause_stop(foe: &mut Foe, honest: &str) -> io::Result<()> {
    let mut bytes = opened(foe, "play", honest);
    for round in 0..foe.random.u32(1..2_000) {
        let pause = [
            string("pause"),
            number(0.0),
            vec![5, 1, (round % 2) as u8],
            number(0.0),
        ];
        bytes.extend(message_on(1, 20, &pause.concat()));
        if foe.random.u8(0..50) == 0 {
            bytes.extend(asking("play", &name_of(honest)));
        }
        if foe.random.u8(0..100) == 0 {
            let delete = [string("deleteStream"), number(0.0), vec![5], number(1.0)];
            bytes.extend(message(20, &delete.concat()));
            bytes.extend(create_stream());
            bytes.extend(asking("play", &name_of(honest)));
        }
    }
    match foe.random.bool() {
        true => foe.says(&bytes).await,
        false => foe.says_deaf(&bytes).await,
    }
}

/// Frames of the largest size, all begun and none ended, as many as may be under way.
async fn unfinished_media(foe: &mut Foe) -> io::Result<()> {
    let limits = rtmp::Limits::default();
    let mut line = foe.connect_deaf().await?;
    let name = own_name(foe);
    line.say(&opened(foe, "publish", &name)).await?;
    line.say(&set_chunk_size(60_000)).await?;
    let streams = foe.random.u32(1..60);
    let filling = vec![0; 60_000];
    for id in 0..streams {
        let header = header_on(1, 4 + id, 9, limits.message_bytes_max);
        line.say(&[header, filling.clone()].concat()).await?;
    }
    let rounds = limits.partial_bytes_max / 60_000 / streams as usize;
    for _ in 0..rounds {
        for id in 0..streams {
            line.say(&[basic_header(3, 4 + id), filling.clone()].concat())
                .await?;
        }
    }
    hold(&mut line).await
}

/// One key frame, and then never another: more than a GOP cache may keep.
async fn endless_gop(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect().await?;
    let name = own_name(foe);
    line.say(&opened(foe, "publish", &name)).await?;
    line.say(&set_chunk_size(0x7FFF_FFFF)).await?;
    let mut picture = b"\x17\x01\x00\x00\x00".to_vec();
    picture.resize(1 << 20, 0);
    let count = (relay::limits::GOP_BYTES_MAX >> 20) as u32 + 8;
    for number in 0..count {
        let mut bytes = header_on(1, 6, 9, picture.len());
        bytes.extend_from_slice(&picture);
        line.say(&bytes).await?;
        picture[0] = 0x27;
        if number % 8 == 0 {
            line.linger(Duration::from_millis(100)).await;
        }
    }
    hold(&mut line).await
}

/// Frames that no decoder wants, at times that no clock shows.
async fn wild_media(foe: &mut Foe) -> io::Result<()> {
    let name = own_name(foe);
    let mut bytes = opened(foe, "publish", &name);
    let firsts: [&[u8]; 10] = [
        b"\x17\x00\x00\x00\x00\x01",
        b"\x17\x01\x00\x00\x00",
        b"\x27\x01\xff\xff\xff",
        b"\x1c\x00\x00\x00\x00\x01",
        b"\x90hvc1",
        b"\x96",
        b"\xaf\x00",
        b"\xaf\x01",
        b"\x9f",
        b"\x02\x00\x0aonMetaData\x08\xff\xff\xff\xff",
    ];
    // What breaks the protocol ends the run; so some stay within it and go on to the frames' readers.
    let kinds: &[u8] = match foe.random.u8(0..4) {
        0 => &[8, 9, 15, 18, 22],
        1 => &[8, 9, 1, 2, 3, 4, 5, 6, 7, 16, 17, 20],
        _ => &[8, 9, 18],
    };
    for _ in 0..foe.random.usize(1..500) {
        let type_id = kinds[foe.random.usize(0..kinds.len())];
        let mut body = firsts[foe.random.usize(0..firsts.len())].to_vec();
        body.extend(foe.noise(300));
        let timestamp = match foe.random.bool() {
            true => foe.random.u32(..),
            false => foe.random.u32(0..10_000),
        };
        media(&mut bytes, type_id, timestamp, &body);
    }
    foe.says(&bytes).await
}

/// Publishes one name after another on one connection.
async fn many_names(foe: &mut Foe) -> io::Result<()> {
    let name = own_name(foe);
    let mut bytes = opened(foe, "publish", &name);
    for _ in 0..foe.random.usize(1..300) {
        media(&mut bytes, 9, 0, b"\x17\x01\x00\x00\x00picture");
        let delete = [string("deleteStream"), number(0.0), vec![5], number(1.0)];
        bytes.extend(message(20, &delete.concat()));
        bytes.extend(create_stream());
        bytes.extend(asking("publish", &name_of(&own_name(foe))));
    }
    foe.says(&bytes).await
}

async fn hold(line: &mut Line) -> io::Result<()> {
    line.linger(Duration::from_secs(5)).await;
    Ok(())
}

fn own_name(foe: &mut Foe) -> String {
    format!("live/foe-{:x}", foe.random.u32(..))
}

fn name_of(path: &str) -> String {
    path.split_once('/')
        .map_or(path, |(_, name)| name)
        .to_owned()
}

/// C0, C1 and C2 in one breath: the plain form, which does not look at S1.
fn hands_shaken(foe: &mut Foe) -> Vec<u8> {
    let mut bytes = vec![0; 1 + 1_536 + 1_536];
    foe.random.fill(&mut bytes);
    bytes[0] = 3;
    bytes[1..9].fill(0);
    bytes
}

/// All that precedes media, in one breath: `wish` is `publish` or `play`, of `app/name`.
fn opened(foe: &mut Foe, wish: &str, path: &str) -> Vec<u8> {
    let mut bytes = hands_shaken(foe);
    bytes.extend(message(20, &connect()));
    bytes.extend(create_stream());
    bytes.extend(asking(wish, &name_of(path)));
    bytes
}

/// `connect` to the app `live`.
fn connect() -> Vec<u8> {
    let mut command = [string("connect"), number(1.0)].concat();
    command.extend_from_slice(b"\x03\x00\x03app\x02\x00\x04live\x00\x00\x09");
    command
}

fn create_stream() -> Vec<u8> {
    message(20, &[string("createStream"), number(2.0), vec![5]].concat())
}

fn asking(wish: &str, name: &str) -> Vec<u8> {
    message_on(
        1,
        20,
        &[string(wish), number(0.0), vec![5], string(name)].concat(),
    )
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = vec![2];
    bytes.extend_from_slice(&(text.len() as u16).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn number(value: f64) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&value.to_be_bytes());
    bytes
}

/// A whole message of no message stream.
fn message(type_id: u8, payload: &[u8]) -> Vec<u8> {
    message_on(0, type_id, payload)
}

/// A whole message in chunks of the default size.
fn message_on(message_stream_id: u32, type_id: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let header = MessageHeader {
        timestamp: 0,
        type_id,
        message_stream_id,
    };
    write_message(&mut bytes, 3, &header, payload, 128);
    bytes.to_vec()
}

fn media(bytes: &mut Vec<u8>, type_id: u8, timestamp: u32, body: &[u8]) {
    let mut message = BytesMut::new();
    let header = MessageHeader {
        timestamp,
        type_id,
        message_stream_id: 1,
    };
    write_message(&mut message, 6, &header, body, 128);
    bytes.extend(message);
}

fn set_chunk_size(size: u32) -> Vec<u8> {
    message(1, &size.to_be_bytes())
}

/// A full chunk header that declares `length`, whatever follows it.
fn header_of(chunk_stream_id: u32, type_id: u8, length: usize) -> Vec<u8> {
    header_on(0, chunk_stream_id, type_id, length)
}

fn header_on(stream: u32, chunk_stream_id: u32, type_id: u8, length: usize) -> Vec<u8> {
    let mut bytes = basic_header(0, chunk_stream_id);
    bytes.extend_from_slice(&[0, 0, 0]);
    bytes.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
    bytes.push(type_id);
    bytes.extend_from_slice(&stream.to_le_bytes());
    bytes
}

fn basic_header(header_type: u8, chunk_stream_id: u32) -> Vec<u8> {
    let first = header_type << 6;
    match chunk_stream_id {
        0..64 => vec![first | chunk_stream_id as u8],
        64..320 => vec![first, (chunk_stream_id - 64) as u8],
        _ => {
            let [low, high, ..] = (chunk_stream_id - 64).to_le_bytes();
            vec![first | 1, low, high]
        }
    }
}
