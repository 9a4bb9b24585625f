//! What foes do to an HTTP/2 listener, which is what gRPC is served by.

use std::io;

use super::foe::Foe;

/// A way to make trouble.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attack {
    Noise,
    NoiseInFrames,
    Settings,
    Pings,
    EndlessHeaders,
    RapidReset,
    HugeLengths,
    Messages,
    ComeAndGo,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const END_HEADERS: u8 = 4;

impl Attack {
    pub(super) const ALL: &[Self] = &[
        Self::Noise,
        Self::NoiseInFrames,
        Self::Settings,
        Self::Pings,
        Self::EndlessHeaders,
        Self::RapidReset,
        Self::HugeLengths,
        Self::Messages,
        Self::ComeAndGo,
    ];

    /// Attacks once; `route` is a method that the server has.
    ///
    /// # Errors
    /// That the server hung up, as it should.
    pub(super) async fn run(self, foe: &mut Foe, route: &str) -> io::Result<()> {
        let mut bytes = opening();
        match self {
            Self::Noise => {
                bytes = foe.noise(20_000);
                foe.says(&bytes).await
            }
            Self::NoiseInFrames => {
                for _ in 0..foe.random.usize(1..500) {
                    let payload = foe.noise(100);
                    let (kind, flags) = (foe.random.u8(0..12), foe.random.u8(..));
                    bytes.extend(frame(kind, flags, foe.random.u32(0..8), &payload));
                }
                foe.says(&bytes).await
            }
            Self::Settings => {
                bytes.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]).repeat(20_000));
                foe.says_deaf(&bytes).await
            }
            Self::Pings => {
                bytes.extend(frame(PING, 0, 0, &[7; 8]).repeat(20_000));
                foe.says_deaf(&bytes).await
            }
            Self::EndlessHeaders => {
                bytes.extend(frame(HEADERS, 0, 1, &request(route)));
                let more = [&[0x00, 1, b'x', 127, 100][..], &[b'a'; 227]].concat();
                bytes.extend(frame(CONTINUATION, 0, 1, &more.repeat(50)).repeat(200));
                foe.says(&bytes).await
            }
            Self::RapidReset => {
                for stream in 0..10_000_u32 {
                    let id = 2 * stream + 1;
                    bytes.extend(frame(HEADERS, END_HEADERS, id, &request(route)));
                    bytes.extend(frame(RST_STREAM, 0, id, &[0, 0, 0, 8]));
                }
                foe.says(&bytes).await
            }
            Self::HugeLengths => {
                bytes.extend_from_slice(&[0xff, 0xff, 0xff, foe.random.u8(0..10), 0, 0, 0, 0, 1]);
                bytes.extend(foe.noise(200_000));
                foe.says(&bytes).await
            }
            // A call that is welcome, with messages that are not.
            Self::Messages => {
                bytes.extend(frame(HEADERS, END_HEADERS, 1, &request(route)));
                let mut message = match foe.random.bool() {
                    // A message of four gigabytes.
                    true => vec![0, 0xff, 0xff, 0xff, 0xff],
                    false => vec![0, 0, 0, 3, 0xe8],
                };
                message.extend(foe.noise(1_000));
                message.resize(1_005, 0xff);
                bytes.extend(frame(DATA, 0, 1, &message));
                bytes.extend(frame(DATA, 0, 1, &[0xff; 16_000]).repeat(3));
                foe.says(&bytes).await
            }
            Self::ComeAndGo => foe.come_and_go(50).await,
        }
    }
}

/// What every client says first.
pub(super) fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// A call's headers, as literals that need no table (RFC 7541, 6.2.2).
fn request(route: &str) -> Vec<u8> {
    let mut block = Vec::new();
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", route),
        (":authority", "h"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}
