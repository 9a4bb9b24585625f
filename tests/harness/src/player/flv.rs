//! Playing over HTTP-FLV and WebSocket-FLV: one FLV file without end, whatever carries it.

use ::flv::{Event, Limits, Reader};
use anyhow::{Context, Result};
use http::Uri;
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{End, Notes};

pub(super) async fn play_http(url: &str, notes: &mut Notes) -> Result<End> {
    let mut answer = crate::http::client(None)?.get(url).send().await?;
    if answer.status().is_redirection() {
        let location = answer
            .headers()
            .get(http::header::LOCATION)
            .context("a redirect to nowhere")?;
        return Ok(End::Redirect(location.to_str()?.to_owned()));
    }
    if answer.status() != http::StatusCode::OK {
        return Ok(End::Http(answer.status().as_u16()));
    }
    let mut reader = Reader::new(Limits::default());
    loop {
        notes.may_read().await;
        let Some(bytes) = answer.chunk().await? else {
            return Ok(End::Closed);
        };
        hear(&mut reader, &bytes, notes)?;
    }
}

pub(super) async fn play_websocket(url: &str, notes: &mut Notes) -> Result<End> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().context("a URL names a host")?;
    let socket = TcpStream::connect(authority.as_str()).await?;
    let (mut messages, _) = match tokio_tungstenite::client_async(url, socket).await {
        Ok(open) => open,
        Err(Error::Http(answer)) => return Ok(End::Http(answer.status().as_u16())),
        Err(error) => return Err(error.into()),
    };
    let mut reader = Reader::new(Limits::default());
    loop {
        notes.may_read().await;
        match messages.next().await.transpose()? {
            Some(Message::Binary(bytes)) => hear(&mut reader, &bytes, notes)?,
            Some(Message::Close(_)) | None => return Ok(End::Closed),
            Some(_) => {}
        }
    }
}

fn hear(reader: &mut Reader, bytes: &[u8], notes: &Notes) -> Result<()> {
    reader.input(bytes);
    while let Some(event) = reader.poll()? {
        if let Event::Tag(tag) = event {
            notes.frame(tag.kind, tag.timestamp, &tag.body);
        }
    }
    Ok(())
}
