//! A player over HTTP-FLV or WebSocket-FLV: a GET, the response's head, then a body of FLV, plain,
//! chunked or in WebSocket messages.

use super::{DialogueError, Heard, chunked::Chunked, websocket::Messages};
use crate::{
    limits,
    target::{Protocol, Target},
};
use bytes::BytesMut;

#[derive(Debug)]
pub(crate) struct Http {
    is_websocket: bool,
    output: BytesMut,
    head: Vec<u8>,
    body: Option<Body>,
    reader: flv::Reader,
    plain: Vec<u8>,
}

/// How the body is wrapped.
#[derive(Debug)]
enum Body {
    Plain,
    Chunked(Chunked),
    WebSocket(Messages),
}

impl Http {
    pub(super) fn get(target: &Target, number: u32, streams: u32) -> Self {
        let is_websocket = target.protocol() == Protocol::WebSocketFlv;
        let path = target.path(number, streams);
        let host = target.authority();
        // The key only has to be one; nobody between us and the server caches.
        let upgrade = if is_websocket {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: d2VpciBsb2FkIHRvb2whIQ==\r\n"
        } else {
            ""
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: weir-load\r\nAccept: */*\r\n{upgrade}\r\n"
        );
        Self {
            is_websocket,
            output: BytesMut::from(request.as_bytes()),
            head: Vec::new(),
            body: None,
            reader: flv::Reader::new(flv::Limits::default()),
            plain: Vec::new(),
        }
    }

    pub(super) fn input(
        &mut self,
        bytes: &[u8],
        heard: &mut Vec<Heard>,
    ) -> Result<(), DialogueError> {
        let Some(body) = &mut self.body else {
            return self.read_head(bytes, heard);
        };
        match body {
            Body::Plain => self.reader.input(bytes),
            Body::Chunked(chunked) => {
                self.plain.clear();
                let end = chunked.read(bytes, &mut self.plain)?;
                self.reader.input(&self.plain);
                if end {
                    heard.push(Heard::Ended("the body's end".into()));
                }
            }
            Body::WebSocket(messages) => {
                self.plain.clear();
                let end = messages.read(bytes, &mut self.plain, &mut self.output)?;
                self.reader.input(&self.plain);
                if end {
                    heard.push(Heard::Ended("a WebSocket close".into()));
                }
            }
        }
        loop {
            match self.reader.poll() {
                Ok(Some(flv::Event::Header(_))) => {}
                Ok(Some(flv::Event::Tag(tag))) => heard.push(Heard::Tag {
                    kind: tag.kind,
                    timestamp: tag.timestamp,
                    body: tag.body,
                }),
                Ok(None) => return Ok(()),
                Err(error) => return Err(DialogueError::Broken(error.to_string())),
            }
        }
    }

    pub(super) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    fn read_head(&mut self, bytes: &[u8], heard: &mut Vec<Heard>) -> Result<(), DialogueError> {
        const END: &[u8] = b"\r\n\r\n";
        let known = self.head.len().saturating_sub(END.len() - 1);
        self.head.extend_from_slice(bytes);
        let searched = self.head.get(known..).unwrap_or_default();
        let Some(end) = searched.windows(END.len()).position(|window| window == END) else {
            return if self.head.len() > limits::HTTP_HEAD_BYTES_MAX {
                Err(DialogueError::Broken("an endless HTTP head".into()))
            } else {
                Ok(())
            };
        };
        let rest = self.head.split_off(known + end + END.len());
        let head = String::from_utf8_lossy(&self.head).to_ascii_lowercase();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("http/1."))
            .and_then(|line| line.get(2..5))
            .ok_or_else(|| DialogueError::Broken("no HTTP response".into()))?;
        let wanted = if self.is_websocket { "101" } else { "200" };
        if status != wanted {
            return Err(DialogueError::Refused(format!("HTTP {status}")));
        }
        let is_chunked = lines
            .filter_map(|line| line.split_once(':'))
            .any(|(name, value)| name == "transfer-encoding" && value.contains("chunked"));
        self.body = Some(match (self.is_websocket, is_chunked) {
            (true, _) => Body::WebSocket(Messages::default()),
            (false, true) => Body::Chunked(Chunked::default()),
            (false, false) => Body::Plain,
        });
        self.head = Vec::new();
        heard.push(Heard::Playing);
        self.input(&rest, heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use media::Kind;

    fn flv() -> Vec<u8> {
        let mut out = BytesMut::from(&flv::file_header(true, true)[..]);
        flv::tag::write_tag(Kind::Video, 40, b"picture", &mut out).expect("short");
        flv::tag::write_tag(Kind::Audio, 41, b"sound", &mut out).expect("short");
        out.to_vec()
    }

    fn hear(url: &str, response: &[u8], split: usize) -> Result<Vec<Heard>, DialogueError> {
        let target: Target = url.parse().expect("a URL");
        let mut http = Http::get(&target, 0, 1);
        let mut heard = Vec::new();
        for piece in response.chunks(split) {
            http.input(piece, &mut heard)?;
        }
        Ok(heard)
    }

    fn expected() -> Vec<Heard> {
        let tag = |kind, timestamp, body: &'static [u8]| Heard::Tag {
            kind,
            timestamp,
            body: Bytes::from_static(body),
        };
        vec![
            Heard::Playing,
            tag(Kind::Video, 40, b"picture"),
            tag(Kind::Audio, 41, b"sound"),
        ]
    }

    #[test]
    fn a_body_is_read_under_any_split_and_wrapping() {
        let flv = flv();
        let plain = [b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", &flv[..]].concat();
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in flv.chunks(10) {
            chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            chunked.extend_from_slice(piece);
            chunked.extend_from_slice(b"\r\n");
        }
        let mut websocket = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
        for piece in flv.chunks(20) {
            websocket.extend_from_slice(&[0x82, piece.len() as u8]);
            websocket.extend_from_slice(piece);
        }
        for split in [1, 2, 7, 1000] {
            let url = "http://127.0.0.1/live/a.flv";
            assert_eq!(hear(url, &plain, split), Ok(expected()));
            assert_eq!(hear(url, &chunked, split), Ok(expected()));
            let url = "ws://127.0.0.1/live/a.flv";
            assert_eq!(hear(url, &websocket, split), Ok(expected()));
        }
    }

    #[test]
    fn a_refusal_is_one() {
        let response = b"HTTP/1.1 404 Not Found\r\n\r\n";
        assert_eq!(
            hear("http://127.0.0.1/live/a.flv", response, 5),
            Err(DialogueError::Refused("HTTP 404".into()))
        );
    }

    #[test]
    fn what_is_no_flv_is_broken() {
        let response = b"HTTP/1.1 200 OK\r\n\r\n<html>";
        assert!(matches!(
            hear("http://127.0.0.1/live/a.flv", response, 100),
            Err(DialogueError::Broken(_))
        ));
    }
}
