//! A small HTTP-FLV and WebSocket-FLV player: plays words.

use super::{soon, words};
use bytes::{Buf, BytesMut};
use flv::reader::{Event, Reader};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) struct FlvPlayer {
    pub(crate) socket: TcpStream,
    pub(crate) head: String,
    body: Body,
    /// What was read and is not understood yet.
    raw: BytesMut,
    flv: Reader,
    /// Whether the file's header announced sound and pictures.
    pub(crate) announced: Option<(bool, bool)>,
    /// The tags as bytes, all together.
    pub(crate) received: Vec<u8>,
    /// WebSocket frames that are no data: opcode and payload.
    pub(crate) control: Vec<(u8, Vec<u8>)>,
}

/// How the body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Plain,
    Chunked,
    WebSocket,
}

impl FlvPlayer {
    /// Returns when the server has answered 200.
    pub(crate) async fn open(address: SocketAddr, name: &str) -> Self {
        let socket = TcpStream::connect(address).await;
        Self::ask(socket.expect("the server listens"), &get(name)).await
    }

    pub(crate) async fn open_websocket(address: SocketAddr, name: &str) -> Self {
        let request = format!(
            "GET /live/{name}.flv HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let socket = TcpStream::connect(address).await;
        let player = Self::ask(socket.expect("the server listens"), &request).await;
        // RFC 6455 §1.3 has this very example.
        assert!(
            player.head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "{}",
            player.head
        );
        player
    }

    /// Sends `request` on `socket` and returns when its answer's head has come.
    pub(crate) async fn ask(mut socket: TcpStream, request: &str) -> Self {
        let sent = socket.write_all(request.as_bytes()).await;
        sent.expect("the server reads");
        Self::answered(socket).await
    }

    /// Returns when an answer's head has come.
    pub(crate) async fn answered(mut socket: TcpStream) -> Self {
        let mut raw = BytesMut::new();
        let head = soon("the response's head", read_head(&mut socket, &mut raw)).await;
        let body = if head.starts_with("HTTP/1.1 101") {
            Body::WebSocket
        } else if head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked")
        {
            Body::Chunked
        } else {
            Body::Plain
        };
        Self {
            socket,
            head,
            body,
            raw,
            flv: Reader::new(flv::Limits::default()),
            announced: None,
            received: Vec::new(),
            control: Vec::new(),
        }
    }

    /// The next frame's word; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<String> {
        loop {
            match self.flv.poll().expect("good FLV") {
                Some(Event::Header(header)) => {
                    self.announced = Some((header.has_audio, header.has_video));
                }
                Some(Event::Tag(tag)) => {
                    return Some(words::hear(tag.kind, tag.timestamp, &tag.body));
                }
                None if self.unwrap() => {}
                None => {
                    if self.socket.read_buf(&mut self.raw).await.unwrap_or(0) == 0 {
                        return None;
                    }
                }
            }
        }
    }

    /// Reads until the server has hung up.
    pub(crate) async fn ended(&mut self) {
        let ended = async { while self.frame().await.is_some() {} };
        soon("the server to hang up", ended).await;
    }

    /// Takes the framing off what has come; `false` if that takes more bytes.
    fn unwrap(&mut self) -> bool {
        let (front, length) = match self.body {
            Body::Plain if self.raw.is_empty() => return false,
            Body::Plain => (0, self.raw.len()),
            Body::Chunked => match chunk(&self.raw) {
                Some(chunk) => chunk,
                None => return false,
            },
            Body::WebSocket => match websocket_frame(&self.raw) {
                Some(frame) => frame,
                None => return false,
            },
        };
        let back = if self.body == Body::Chunked { 2 } else { 0 };
        if self.raw.len() < front + length + back {
            return false;
        }
        let opcode = self.raw[0] & 0x0f;
        self.raw.advance(front);
        let payload = self.raw.split_to(length);
        self.raw.advance(back);
        if self.body == Body::WebSocket && opcode != 2 {
            self.control.push((opcode, payload.to_vec()));
        } else {
            self.received.extend_from_slice(&payload);
            self.flv.input(&payload);
        }
        true
    }
}

/// A plain request for a stream.
pub(crate) fn get(name: &str) -> String {
    format!("GET /live/{name}.flv HTTP/1.1\r\nHost: h\r\n\r\n")
}

async fn read_head(socket: &mut TcpStream, raw: &mut BytesMut) -> String {
    loop {
        if let Some(end) = raw.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = raw.split_to(end + 4);
            return String::from_utf8_lossy(&head).into_owned();
        }
        let read = socket.read_buf(raw).await.expect("the server answers");
        assert!(read > 0, "the server hung up after {raw:?}");
    }
}

/// Where a chunk's data begins, and its length (RFC 9112 §7.1).
fn chunk(raw: &[u8]) -> Option<(usize, usize)> {
    let end = raw.windows(2).position(|bytes| bytes == b"\r\n")?;
    let size = std::str::from_utf8(&raw[..end]).expect("a chunk's size");
    let size = usize::from_str_radix(size, 16).expect("a chunk's size");
    Some((end + 2, size))
}

/// Where an unmasked frame's payload begins, and its length (RFC 6455 §5.2).
fn websocket_frame(raw: &[u8]) -> Option<(usize, usize)> {
    assert!(
        raw.first().is_none_or(|first| first & 0x80 != 0),
        "a fragment"
    );
    match *raw.get(1)? {
        126 => Some((
            4,
            usize::from(u16::from_be_bytes(*raw.get(2..)?.first_chunk()?)),
        )),
        127 => Some((
            10,
            u64::from_be_bytes(*raw.get(2..)?.first_chunk()?) as usize,
        )),
        length => {
            assert!(length < 126, "a server does not mask");
            Some((2, usize::from(length)))
        }
    }
}
