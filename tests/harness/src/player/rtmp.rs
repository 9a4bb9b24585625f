//! Playing over RTMP.

use ::rtmp::client::{Event, Purpose};
use anyhow::Result;

use super::{End, Notes};
use crate::connection::Connection;

pub(super) async fn play(url: &str, notes: &mut Notes) -> Result<End> {
    let mut connection = Connection::dial(url, Purpose::Play).await?;
    loop {
        notes.may_read().await;
        match connection.next().await? {
            Some(Event::Media(media)) => notes.frame(media.kind, media.timestamp, &media.body),
            Some(Event::Unpublished) => notes.unpublished(),
            Some(Event::Redirect(url)) => return Ok(End::Redirect(url.to_string())),
            Some(Event::Ended(status)) => return Ok(End::Status(status.code.into_owned())),
            Some(
                Event::Playing
                | Event::Publishing
                | Event::Status(_)
                | Event::Pong(_)
                | Event::ReconnectRequest { .. },
            ) => {}
            None => return Ok(End::Closed),
        }
    }
}
