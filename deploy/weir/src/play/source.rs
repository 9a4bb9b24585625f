//! A stream as a player receives it, over RTMP or HTTP-FLV: frames, one after the other.

use crate::connection::Connection;
use anyhow::{Context, bail};
use bytes::Bytes;
use media::{Frame, Kind, MediaTime, Role, codec::CodecConfig};
use rtmp::client::{Event, Purpose};
use std::{io, time::Duration};

/// How long a server may take until its answer begins: longer than an edge waits for a stream that is
/// not there yet.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// What an operator reads of a server that has gone in mid-stream.
const CUT: &str = "the server has cut the connection";

/// What comes.
pub(super) enum Heard {
    /// A frame, at its time on the wire; `config` is what it says if it is a sequence header that can
    /// be read.
    Frame {
        frame: Frame,
        config: Option<CodecConfig>,
        timestamp: u32,
    },
    /// The publisher has gone; the stream may go on.
    PublisherGone,
    /// It is over, in order.
    End(End),
}

/// How a stream is over without anything being wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The server has said so.
    Stream,
    /// The response is over. A live one has no length, so this is how its end looks; that of a server
    /// which was killed can look the same.
    Response,
}

impl End {
    /// For the summary.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream ended",
            Self::Response => "server closed",
        }
    }
}

/// Where it comes from.
pub(super) struct Source {
    wire: Wire,
    /// The last frame's time: what the next one's 32 bits are nearest to.
    now: Option<MediaTime>,
    /// RTMP's server has said that the publisher has gone, and has sent nothing since.
    publisher_gone: bool,
}

enum Wire {
    Rtmp(Box<Connection>),
    Http {
        answer: Box<reqwest::Response>,
        reader: Box<flv::Reader>,
    },
}

impl Source {
    /// Asks for the stream and waits until the server agrees.
    ///
    /// # Errors
    /// If the URL is none of ours, nobody answers, or the server refuses.
    pub(super) async fn open(url: &str) -> anyhow::Result<Self> {
        let wire = match url.split_once("://") {
            Some(("rtmp" | "rtmps", _)) => {
                let connection = Connection::open(&url.parse()?, Purpose::Play).await?;
                Wire::Rtmp(Box::new(connection))
            }
            Some(("http" | "https", _)) => get(url).await?,
            _ => bail!("{url}: expected rtmp://host/app/name or http://host/app/name.flv"),
        };
        Ok(Self {
            wire,
            now: None,
            publisher_gone: false,
        })
    }

    /// What comes next. Cancel-safe.
    ///
    /// # Errors
    /// If the protocol breaks, or the connection before the stream's end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Heard> {
        loop {
            let (kind, timestamp, body) = match &mut self.wire {
                Wire::Rtmp(connection) => match connection.next().await {
                    Ok(Some(Event::Media(media))) => {
                        self.publisher_gone = false;
                        (media.kind, media.timestamp, media.body)
                    }
                    Ok(Some(Event::Unpublished)) => {
                        self.publisher_gone = true;
                        return Ok(Heard::PublisherGone);
                    }
                    Ok(Some(Event::Ended(status))) if status.is_error() => bail!("{status}"),
                    Ok(Some(Event::Redirect(url))) => bail!("the stream has moved to {url}"),
                    Ok(Some(Event::Ended(_))) => return Ok(Heard::End(End::Stream)),
                    Ok(Some(Event::Playing | Event::Publishing)) => {
                        self.publisher_gone = false;
                        continue;
                    }
                    Ok(Some(
                        Event::Status(_) | Event::Pong(_) | Event::ReconnectRequest { .. },
                    )) => continue,
                    Ok(None) if self.publisher_gone => return Ok(Heard::End(End::Stream)),
                    Ok(None) => bail!("{CUT}: it said nothing of an end"),
                    Err(error) if error.is::<io::Error>() && self.publisher_gone => {
                        return Ok(Heard::End(End::Stream));
                    }
                    Err(error) if error.is::<io::Error>() => return Err(error.context(CUT)),
                    Err(error) => return Err(error),
                },
                Wire::Http { answer, reader } => match reader.poll()? {
                    Some(flv::Event::Tag(tag)) => (tag.kind, tag.timestamp, tag.body),
                    Some(flv::Event::Header(_)) => continue,
                    None => match answer.chunk().await.map_err(cut)? {
                        Some(bytes) => {
                            reader.input(&bytes);
                            continue;
                        }
                        None => return Ok(Heard::End(End::Response)),
                    },
                },
            };
            return self.frame(kind, timestamp, body);
        }
    }

    fn frame(&mut self, kind: Kind, timestamp: u32, body: Bytes) -> anyhow::Result<Heard> {
        let first = MediaTime::from_millis(i64::from(timestamp));
        let dts = self.now.map_or(first, |now| now.unwrap_wire(timestamp));
        self.now = Some(dts);
        let frame = flv::frame(kind, dts, body).context("the server sent a malformed frame")?;
        // A record that we cannot read is passed on to players all the same, so it is no error here.
        let config = match frame.role {
            Role::Config => flv::codec_config(&frame).ok().flatten(),
            _ => None,
        };
        Ok(Heard::Frame {
            frame,
            config,
            timestamp,
        })
    }

    /// Leaves politely.
    pub(super) async fn close(self) {
        if let Wire::Rtmp(connection) = self.wire {
            connection.close().await;
        }
    }
}

async fn get(url: &str) -> anyhow::Result<Wire> {
    let shown = without_secrets(url);
    let client = reqwest::Client::builder()
        .connect_timeout(ANSWER_MAX)
        .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
        .build()?;
    let asked = tokio::time::timeout(ANSWER_MAX, client.get(url).send()).await;
    let Ok(answered) = asked else {
        bail!(
            "cannot play {shown}: no answer in {} s",
            ANSWER_MAX.as_secs()
        )
    };
    let answer = answered
        .map_err(reqwest::Error::without_url)
        .with_context(|| format!("cannot play {shown}"))?;
    let status = answer.status();
    if !status.is_success() {
        let body = answer.bytes().await.unwrap_or_default();
        bail!("cannot play {shown}: {status}: {}", said(&body));
    }
    let reader = flv::Reader::new(flv::Limits::default());
    Ok(Wire::Http {
        answer: Box::new(answer),
        reader: Box::new(reader),
    })
}

/// What a refusal says to a person: our servers' message, or the beginning of another's page.
fn said(body: &[u8]) -> String {
    match serde_json::from_slice::<api::ErrorBody>(body) {
        Ok(body) => body.error.message,
        Err(_) => String::from_utf8_lossy(body)
            .trim()
            .chars()
            .take(300)
            .collect(),
    }
}

/// Why a body broke off: the last cause says it, those above it only where we were.
fn cut(error: reqwest::Error) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    anyhow::anyhow!("{CUT}: {}", error.root_cause())
}

/// The URL for a log or a summary: a query often is a secret.
pub(super) fn without_secrets(url: &str) -> String {
    match url.split_once('?') {
        Some((before, _)) => format!("{before}?…"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_server_s_words() {
        let ours = br#"{"error":{"code":"stream_not_found","message":"nobody publishes it"}}"#;
        assert_eq!(said(ours), "nobody publishes it");
        assert_eq!(said(b"<html>404</html>\n"), "<html>404</html>");
    }

    #[test]
    fn a_query_never_reaches_a_summary() {
        assert_eq!(
            without_secrets("rtmp://h/live/a?token=x"),
            "rtmp://h/live/a?…"
        );
        assert_eq!(
            without_secrets("http://h/live/a.flv"),
            "http://h/live/a.flv"
        );
    }
}
