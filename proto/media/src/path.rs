//! The one name of a live stream: `vhost/app/name`.
//!
//! Clients cut the same URL in different places: for `rtmp://h/live/room/cam` ffmpeg sends the app
//! `live/room` and the name `cam`, OBS the app `live` and the name `room/cam`. Both mean one stream,
//! so a path is made canonical here: the app is the first segment, the name is all the rest.
//! A name may hold `:` and `/` (`239.1.1.5:1234`, `room/cam`); it may not climb (`..`), hide (a
//! control character) or be empty.

use std::{fmt, str::FromStr, sync::Arc};

/// The longest vhost, app or name, in bytes: DNS allows 253 to a host, file systems 255 to a name.
pub const PART_BYTES_MAX: usize = 255;

/// What SRS calls the vhost of everybody who names none; operators know it.
pub const DEFAULT_VHOST: &str = "__defaultVhost__";

/// `vhost/app/name` of a live stream; cheap to clone.
///
/// Invariant: all three parts are non-empty, printable, at most [`PART_BYTES_MAX`] bytes, and no
/// segment of any of them is `.` or `..`; `vhost` and `app` hold no `/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamPath {
    text: Arc<str>,
    vhost_len: u16,
    app_len: u16,
}

/// Why a text is no stream path. Shown to the publisher or player who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A part is missing, or an empty segment stands between two slashes.
    #[error("the {part} is empty")]
    Empty {
        /// `vhost`, `app` or `name`.
        part: &'static str,
    },
    /// A part is longer than [`PART_BYTES_MAX`].
    #[error("the {part} has {bytes} bytes, at most {PART_BYTES_MAX} are allowed")]
    TooLong {
        /// `vhost`, `app` or `name`.
        part: &'static str,
        /// How long it is.
        bytes: usize,
    },
    /// A control character, white space or one of `\ ? # % * " < > |`.
    #[error("the {part} holds {character:?}, which a stream path may not")]
    Character {
        /// `vhost`, `app` or `name`.
        part: &'static str,
        /// The first offender.
        character: char,
    },
    /// A segment `.` or `..`, which would climb out of a recording's directory.
    #[error("the {part} holds the segment `..` or `.`")]
    Climbs {
        /// `vhost`, `app` or `name`.
        part: &'static str,
    },
}

impl StreamPath {
    /// From its parts, cut wherever the client cut them; see the module's words on canonical paths.
    ///
    /// # Errors
    /// If a part is empty, too long, or holds what a path may not.
    pub fn new(vhost: &str, app: &str, name: &str) -> Result<Self, PathError> {
        let joined = format!("{}/{}", app.trim_matches('/'), name.trim_matches('/'));
        let (app, name) = joined.split_once('/').unwrap_or((&joined, ""));
        check("vhost", vhost)?;
        if vhost.contains('/') {
            return Err(PathError::Character {
                part: "vhost",
                character: '/',
            });
        }
        check("app", app)?;
        check("name", name)?;
        let as_len = |part: &str| u16::try_from(part.len()).unwrap_or(u16::MAX);
        Ok(Self {
            text: format!("{vhost}/{app}/{name}").into(),
            vhost_len: as_len(vhost),
            app_len: as_len(app),
        })
    }

    /// The virtual host; [`DEFAULT_VHOST`] where the client named none that is configured.
    pub fn vhost(&self) -> &str {
        &self.text[..usize::from(self.vhost_len)]
    }

    /// The application: the first segment after the host.
    pub fn app(&self) -> &str {
        let start = usize::from(self.vhost_len) + 1;
        &self.text[start..start + usize::from(self.app_len)]
    }

    /// The name: all that follows the app; may hold `/` and `:`.
    pub fn name(&self) -> &str {
        &self.text[usize::from(self.vhost_len) + usize::from(self.app_len) + 2..]
    }

    /// `vhost/app/name`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn check(part: &'static str, text: &str) -> Result<(), PathError> {
    if text.len() > PART_BYTES_MAX {
        return Err(PathError::TooLong {
            part,
            bytes: text.len(),
        });
    }
    for segment in text.split('/') {
        match segment {
            "" => return Err(PathError::Empty { part }),
            "." | ".." => return Err(PathError::Climbs { part }),
            _ => {}
        }
    }
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || r#"\?#%*"<>|"#.contains(c);
    match text.chars().find(|c| forbidden(*c)) {
        Some(character) => Err(PathError::Character { part, character }),
        None => Ok(()),
    }
}

impl FromStr for StreamPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let (vhost, rest) = text.split_once('/').unwrap_or((text, ""));
        let (app, name) = rest.split_once('/').unwrap_or((rest, ""));
        Self::new(vhost, app, name)
    }
}

impl fmt::Display for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_s_cut_of_one_url_is_one_stream() {
        for (app, name) in [
            ("live", "room/cam"),
            ("live/room", "cam"),
            ("/live/", "room/cam"),
            ("live/room/", "cam"),
        ] {
            let path = StreamPath::new("h", app, name).expect("a good path");
            assert_eq!(
                (path.vhost(), path.app(), path.name()),
                ("h", "live", "room/cam")
            );
            assert_eq!(path.as_str().parse(), Ok(path));
        }
    }

    #[test]
    fn a_name_may_be_a_multicast_group_and_port() {
        let path = StreamPath::new(DEFAULT_VHOST, "live", "239.1.1.5:1234").expect("a good path");
        assert_eq!(path.name(), "239.1.1.5:1234");
    }

    #[test]
    fn bad_paths_say_what_is_wrong() {
        let long = "x".repeat(256);
        for (vhost, app, name, error) in [
            ("h", "live", "", "the name is empty"),
            ("", "live", "a", "the vhost is empty"),
            ("h", "live", "a//b", "the name is empty"),
            (
                "h",
                "live",
                "../../etc/passwd",
                "the name holds the segment `..` or `.`",
            ),
            ("h", "..", "a", "the app holds the segment `..` or `.`"),
            (
                "h/i",
                "live",
                "a",
                "the vhost holds '/', which a stream path may not",
            ),
            (
                "h",
                "live",
                "a\nb",
                r"the name holds '\n', which a stream path may not",
            ),
            (
                "h",
                "live",
                &long,
                "the name has 256 bytes, at most 255 are allowed",
            ),
        ] {
            let refused = StreamPath::new(vhost, app, name).expect_err(name);
            assert_eq!(refused.to_string(), error);
        }
    }
}
