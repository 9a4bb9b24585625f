//! What one side tells the other about a connection or a stream: `onStatus`, `_result`, `_error`.
//!
//! RTMP 1.0 §7.2.2 names three levels; the code tells programs, the description tells people.
//! A status may send the peer elsewhere: `ex.code` 302 with `ex.redirect`, as FMS and SRS do.
//! Every code that we write or act upon stands in [`code`]; others pass through as text.

use std::{borrow::Cow, fmt};

/// The codes that we write or act upon.
pub mod code {
    /// Answer to `connect`.
    pub const CONNECT_SUCCESS: &str = "NetConnection.Connect.Success";
    /// The connection is refused or sent elsewhere (`ex.code` 302).
    pub const CONNECT_REJECTED: &str = "NetConnection.Connect.Rejected";
    /// The app does not exist.
    pub const CONNECT_INVALID_APP: &str = "NetConnection.Connect.InvalidApp";
    /// The server closes the connection.
    pub const CONNECT_CLOSED: &str = "NetConnection.Connect.Closed";
    /// Enhanced RTMP v2: come back, perhaps elsewhere, while the old connection lasts.
    pub const CONNECT_RECONNECT_REQUEST: &str = "NetConnection.Connect.ReconnectRequest";
    /// A command that we do not know or cannot do now.
    pub const CALL_FAILED: &str = "NetConnection.Call.Failed";
    /// A command that makes no sense now.
    pub const FAILED: &str = "NetStream.Failed";
    /// Publishing may start.
    pub const PUBLISH_START: &str = "NetStream.Publish.Start";
    /// Somebody publishes under this name, or the name is not allowed.
    pub const PUBLISH_BAD_NAME: &str = "NetStream.Publish.BadName";
    /// The token or the rules say no.
    pub const PUBLISH_DENIED: &str = "NetStream.Publish.Denied";
    /// Publishing has ended as the publisher asked.
    pub const UNPUBLISH_SUCCESS: &str = "NetStream.Unpublish.Success";
    /// The play list was reset.
    pub const PLAY_RESET: &str = "NetStream.Play.Reset";
    /// Playing starts.
    pub const PLAY_START: &str = "NetStream.Play.Start";
    /// Playing has ended.
    pub const PLAY_STOP: &str = "NetStream.Play.Stop";
    /// Playing has come to the recording's end.
    pub const PLAY_COMPLETE: &str = "NetStream.Play.Complete";
    /// There is no such stream.
    pub const PLAY_STREAM_NOT_FOUND: &str = "NetStream.Play.StreamNotFound";
    /// Playing is refused.
    pub const PLAY_FAILED: &str = "NetStream.Play.Failed";
    /// A publisher has come; players need do nothing.
    pub const PLAY_PUBLISH_NOTIFY: &str = "NetStream.Play.PublishNotify";
    /// The publisher has gone; it may come back.
    pub const PLAY_UNPUBLISH_NOTIFY: &str = "NetStream.Play.UnpublishNotify";
    /// Media follow.
    pub const DATA_START: &str = "NetStream.Data.Start";
    /// Paused as asked.
    pub const PAUSE_NOTIFY: &str = "NetStream.Pause.Notify";
    /// Goes on as asked.
    pub const UNPAUSE_NOTIFY: &str = "NetStream.Unpause.Notify";
    /// A live stream cannot be sought in.
    pub const SEEK_FAILED: &str = "NetStream.Seek.Failed";
}

/// How good or bad the news is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// As hoped.
    Status,
    /// Not as hoped, and nothing ends.
    Warning,
    /// Refused or ended.
    Error,
}

impl Level {
    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// From the wire; a peer's own words count as [`Level::Status`], for only `error` ends things.
    pub fn from_wire(text: &str) -> Self {
        match text {
            "error" => Self::Error,
            "warning" => Self::Warning,
            _ => Self::Status,
        }
    }
}

/// One piece of news, as `onStatus`, `_result` and `_error` carry it.
#[derive(Clone, PartialEq, Eq)]
pub struct Status {
    /// How good or bad.
    pub level: Level,
    /// For programs: one of [`code`], or a peer's own.
    pub code: Cow<'static, str>,
    /// For people.
    pub description: String,
    /// Where to go instead: a `tcUrl` or a whole URL. May hold a secret in its query.
    pub redirect: Option<String>,
}

impl Status {
    /// Good news.
    pub fn notice(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(Level::Status, code, description)
    }

    /// A refusal or an end.
    pub fn error(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(Level::Error, code, description)
    }

    /// Sends the client elsewhere: [`code::CONNECT_REJECTED`] with `ex.code` 302.
    pub fn redirect(url: impl Into<String>) -> Self {
        let mut status = Self::error(code::CONNECT_REJECTED, "the stream is served elsewhere");
        status.redirect = Some(url.into());
        status
    }

    /// Whether this refuses or ends what was asked.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }

    fn new(level: Level, code: &'static str, description: impl Into<String>) -> Self {
        Self {
            level,
            code: Cow::Borrowed(code),
            description: description.into(),
            redirect: None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.description)?;
        match &self.redirect {
            Some(url) => match url.parse::<crate::url::Url>() {
                Ok(url) => write!(f, " (redirect to {url})"),
                Err(error) => write!(f, " (redirect to a bad URL: {error})"),
            },
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self}", self.level.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_in_a_log_line_names_the_redirect_and_hides_its_secret() {
        let status = Status::redirect("rtmp://other/live/cam?token=secret");
        assert!(status.is_error());
        assert_eq!(
            format!("{status:?}"),
            "error NetConnection.Connect.Rejected: the stream is served elsewhere \
             (redirect to rtmp://other/live/cam?token=…)"
        );
    }

    #[test]
    fn levels_are_written_and_read() {
        for level in [Level::Status, Level::Warning, Level::Error] {
            assert_eq!(Level::from_wire(level.as_str()), level);
        }
        assert_eq!(Level::from_wire("__custom"), Level::Status);
    }
}
