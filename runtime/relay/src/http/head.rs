//! The first request of a connection, read by us: a plain GET of a live stream gets our own writer,
//! everything else goes to hyper with what was read put back.

use crate::limits;
use bytes::{Bytes, BytesMut};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{self, Sleep},
};

/// A GET that asks for FLV, plain or over a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Get {
    /// Path and query.
    pub(crate) target: String,
    /// The `Host` header.
    pub(crate) host: Option<String>,
    /// `Sec-WebSocket-Key`, where an upgrade to a WebSocket is asked for.
    pub(crate) websocket_key: Option<String>,
    /// HTTP/1.0, or 1.1.
    pub(crate) version: u8,
}

/// What the bytes read so far are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A GET, whose head takes this many bytes.
    Get(Get, usize),
    /// The head is not complete.
    Partial,
    /// Something that hyper knows better: another method, or no HTTP at all.
    Other,
}

/// Looks at the beginning of a connection.
pub(crate) fn parse(bytes: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < limits::HTTP_HEAD_BYTES_MAX => {
            return Head::Partial;
        }
        Ok(httparse::Status::Partial) | Err(_) => return Head::Other,
    };
    let (Some("GET"), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Head::Other;
    };
    let header = |name: &str| {
        let found = request
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    let has_body = header("content-length").is_some_and(|length| length != "0")
        || header("transfer-encoding").is_some();
    if has_body {
        return Head::Other;
    }
    let upgrades = header("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket"));
    let websocket_key = header("sec-websocket-key")
        .filter(|_| upgrades)
        .map(str::to_owned);
    if upgrades && websocket_key.is_none() {
        return Head::Other;
    }
    let host = header("host").map(str::to_owned);
    Head::Get(
        Get {
            target: target.to_owned(),
            host,
            websocket_key,
            version,
        },
        length,
    )
}

/// A connection whose first bytes were read already and are read again. It breaks when the peer takes
/// nothing of what is written for too long.
pub(crate) struct Rewound {
    read: Bytes,
    stream: TcpStream,
    stall_timeout: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Rewound {
    pub(crate) fn new(read: BytesMut, stream: TcpStream, stall_timeout: Duration) -> Self {
        Self {
            read: read.freeze(),
            stream,
            stall_timeout,
            stalled: None,
        }
    }

    fn unless_stalled(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.stall_timeout;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(time::sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.unless_stalled(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.unless_stalled(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_get_is_ours_and_everything_else_is_not() {
        let get = b"GET /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n";
        let expected = Get {
            target: "/live/a.flv".into(),
            host: Some("h".into()),
            websocket_key: None,
            version: 1,
        };
        assert_eq!(parse(get), Head::Get(expected, get.len()));
        for length in 0..get.len() {
            assert_eq!(parse(&get[..length]), Head::Partial, "{length} bytes");
        }
        assert_eq!(parse(b"POST /live/a.flv HTTP/1.1\r\n\r\n"), Head::Other);
        assert_eq!(parse(b"\x16\x03\x01\x02\x00"), Head::Other);
        assert_eq!(parse(&vec![b'a'; limits::HTTP_HEAD_BYTES_MAX]), Head::Other);
    }

    #[test]
    fn a_websocket_needs_its_key() {
        let with = b"GET /a/b.flv HTTP/1.1\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k==\r\n\r\n";
        assert!(
            matches!(parse(with), Head::Get(Get { websocket_key: Some(key), .. }, _) if key == "k==")
        );
        assert_eq!(
            parse(b"GET /a/b.flv HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
            Head::Other
        );
    }
}
