//! What foes do to an HTTP/1.1 listener, be it for players, for probes or for operators.

use std::io;

use super::foe::Foe;

/// A way to make trouble.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attack {
    Noise,
    MutatedRequest,
    EndlessHead,
    EndlessTarget,
    ManyHeaders,
    OddTargets,
    Bodies,
    PipelinedUnread,
    PlayUnread,
    WaitForNothing,
    WebSocketNoise,
    WebSocketPings,
    WebSocketFrames,
    ComeAndGo,
}

/// How much a foe says in one endless head: far more than any server keeps.
const ENDLESS_BYTES: usize = 1 << 20;

impl Attack {
    /// All of them. At a listener without streams those that play are requests for what is not there.
    pub(super) const ALL: &[Self] = &[
        Self::Noise,
        Self::MutatedRequest,
        Self::EndlessHead,
        Self::EndlessTarget,
        Self::ManyHeaders,
        Self::OddTargets,
        Self::Bodies,
        Self::PipelinedUnread,
        Self::PlayUnread,
        Self::WaitForNothing,
        Self::WebSocketNoise,
        Self::WebSocketPings,
        Self::WebSocketFrames,
        Self::ComeAndGo,
    ];

    /// Attacks once. `target` is something that the listener serves: an honest stream, a page.
    ///
    /// # Errors
    /// That the server hung up, as it should.
    pub(super) async fn run(self, foe: &mut Foe, target: &str) -> io::Result<()> {
        match self {
            Self::Noise => {
                let bytes = foe.noise(20_000);
                foe.says(&bytes).await
            }
            Self::MutatedRequest => {
                let request = match foe.random.bool() {
                    true => get(target),
                    false => upgrade(target),
                };
                let bytes = foe.mutated(&request);
                foe.says(&bytes).await
            }
            Self::EndlessHead => {
                let line = b"X-Padding: again and again\r\n";
                let mut bytes = format!("GET {target} HTTP/1.1\r\n").into_bytes();
                bytes.extend(line.repeat(ENDLESS_BYTES / line.len()));
                foe.says(&bytes).await
            }
            Self::EndlessTarget => {
                let bytes = format!("GET {}{}", target, "/a".repeat(ENDLESS_BYTES / 2));
                foe.says(bytes.as_bytes()).await
            }
            Self::ManyHeaders => {
                let count = foe.random.usize(60..900);
                let headers: String = (0..count).map(|n| format!("X-{n}: {n}\r\n")).collect();
                let bytes = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
                foe.says(bytes.as_bytes()).await
            }
            Self::OddTargets => odd_targets(foe).await,
            Self::Bodies => bodies(foe, target).await,
            Self::PipelinedUnread => {
                let what = if foe.random.bool() {
                    target
                } else {
                    "/nothing"
                };
                let bytes = get(what).repeat(2_000);
                foe.says_deaf(&bytes).await
            }
            Self::PlayUnread => {
                let mut request = get(target);
                if foe.random.bool() {
                    // What follows the head sends the request another way through the server.
                    request.extend_from_slice(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
                }
                foe.says_deaf(&request).await
            }
            Self::WaitForNothing => {
                let bytes = get(&format!("/live/foe-{:x}.flv", foe.random.u32(..)));
                foe.says(&bytes).await
            }
            Self::WebSocketNoise => {
                let mut bytes = upgrade(target);
                bytes.extend(foe.noise(20_000));
                foe.says(&bytes).await
            }
            Self::WebSocketPings => {
                let ping = [&[0x89, 0x80 | 125, 1, 2, 3, 4][..], &[7; 125]].concat();
                let bytes = [upgrade(target), ping.repeat(10_000)].concat();
                foe.says_deaf(&bytes).await
            }
            Self::WebSocketFrames => websocket_frames(foe, target).await,
            Self::ComeAndGo => foe.come_and_go(50).await,
        }
    }
}

/// The bytes of a client who comes slowly: a head that never ends, to be sent byte by byte.
pub(super) fn opening(target: &str) -> Vec<u8> {
    let padding = "X-Padding: a\r\n".repeat(100);
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n{padding}").into_bytes()
}

/// Targets and methods that nobody means.
async fn odd_targets(foe: &mut Foe) -> io::Result<()> {
    const PIECES: [&str; 22] = [
        "/",
        "//",
        "..",
        "%2e%2e",
        "%00",
        "%",
        "%f",
        "%zz",
        "%ff%fe",
        ".flv",
        "live",
        "?",
        "vhost=",
        "&",
        "=",
        "#",
        "*",
        "é",
        "\t",
        "http://",
        "[::",
        "239.1.1.5:1234",
    ];
    const METHODS: [&str; 8] = [
        "GET", "POST", "OPTIONS", "CONNECT", "PRI", "get", "HEAD", "BREW",
    ];
    for _ in 0..20 {
        let count = foe.random.usize(0..12);
        let target: String = (0..count)
            .map(|_| PIECES[foe.random.usize(0..PIECES.len())])
            .collect();
        let method = METHODS[foe.random.usize(0..METHODS.len())];
        let version = ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9"][foe.random.usize(0..4)];
        let request = format!("{method} /{target} {version}\r\nHost: %{target}\r\n\r\n");
        // One that is refused must not spare us the others.
        let _refused = foe.says(request.as_bytes()).await;
    }
    Ok(())
}

/// Requests whose bodies are longer than they can be, shorter than they say, or nonsense.
async fn bodies(foe: &mut Foe, target: &str) -> io::Result<()> {
    let length = match foe.random.u8(0..6) {
        0 => "Content-Length: 18446744073709551615",
        1 => "Content-Length: 99999999999999999999999",
        2 => "Content-Length: -1",
        3 => "Content-Length: 5\r\nContent-Length: 6",
        4 => "Transfer-Encoding: chunked\r\nContent-Length: 4",
        _ => "Transfer-Encoding: chunked",
    };
    let method = ["POST", "GET", "PUT"][foe.random.usize(0..3)];
    let mut bytes =
        format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(match foe.random.u8(0..3) {
        0 => b"ffffffffffffffff\r\n",
        1 => b"1;a=b;c\r\na\r\n0\r\nTrailer: x\r\n",
        _ => b"\r\n\r\n",
    });
    bytes.extend(foe.noise(200_000));
    foe.says(&bytes).await
}

/// Frames that RFC 6455 does not allow, or that are longer than anybody sends.
async fn websocket_frames(foe: &mut Foe, target: &str) -> io::Result<()> {
    let mut bytes = upgrade(target);
    for _ in 0..foe.random.usize(1..100) {
        let frame: &[u8] = match foe.random.u8(0..7) {
            // Longer than memory.
            0 => b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04",
            // A control frame that is too long, and one in parts.
            1 => b"\x89\xfe\x7f\xff\x01\x02\x03\x04",
            2 => b"\x09\x80\x01\x02\x03\x04",
            // Not masked.
            3 => b"\x81\x05hello",
            // Continues nothing; opcodes that mean nothing.
            4 => b"\x80\x80\x01\x02\x03\x04",
            5 => b"\x8f\x80\x01\x02\x03\x04",
            _ => b"\x81\x85\x01\x02\x03\x04hello",
        };
        bytes.extend_from_slice(frame);
        if foe.random.bool() {
            bytes.extend(foe.noise(100));
        }
    }
    foe.says(&bytes).await
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
}

fn upgrade(target: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}
