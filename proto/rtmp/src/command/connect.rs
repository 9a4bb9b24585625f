//! `connect` (RTMP 1.0 §7.2.1.1): who asks, from where, for which app; and the answer's two objects.

use super::Enhanced;
use crate::status::{Level, Status, code};
use amf::Value;

/// What FMS 3.5 calls itself; old Flash encoders look at it and at nothing else.
const FMS_VERSION: &str = "FMS/3,5,3,888";

/// What FMS 3.5 can, as a bit set that nobody documents.
const FMS_CAPABILITIES: f64 = 127.0;

/// Codec bits that `connect` names: all of them, for a relay cares for none.
const AUDIO_CODECS: f64 = 4071.0;
const VIDEO_CODECS: f64 = 252.0;

/// Which AMF the client's commands may use (RTMP 1.0 §7.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ObjectEncoding {
    /// 0.
    #[default]
    Amf0,
    /// 3.
    Amf3,
}

/// `connect`'s command object. Texts that the client left out are empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Connect {
    /// The app with its query, as sent; may be empty, then [`Connect::tc_url`] names it.
    pub app: String,
    /// The URL up to the app.
    pub tc_url: String,
    /// The web page that embeds the player.
    pub page_url: String,
    /// The Flash program.
    pub swf_url: String,
    /// The client's name and version.
    pub flash_ver: String,
    /// `nonprivate` from encoders of FMLE's kind.
    pub kind: String,
    /// Which AMF its commands may use.
    pub object_encoding: ObjectEncoding,
    /// What Enhanced RTMP adds.
    pub enhanced: Enhanced,
}

impl Connect {
    pub(super) fn from_value(object: Option<&Value>) -> Self {
        let Some(object) = object else {
            return Self::default();
        };
        let text = |name: &str| {
            object
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            app: text("app"),
            tc_url: text("tcUrl"),
            page_url: text("pageUrl"),
            swf_url: text("swfUrl"),
            flash_ver: text("flashVer"),
            kind: text("type"),
            object_encoding: match object.get("objectEncoding").and_then(Value::as_f64) {
                Some(3.0) => ObjectEncoding::Amf3,
                _ => ObjectEncoding::Amf0,
            },
            enhanced: Enhanced::from_value(object),
        }
    }

    pub(super) fn to_value(&self) -> Value {
        let mut properties = vec![("app".to_owned(), Value::from(self.app.as_str()))];
        let texts = [
            ("type", &self.kind),
            ("flashVer", &self.flash_ver),
            ("swfUrl", &self.swf_url),
            ("tcUrl", &self.tc_url),
            ("pageUrl", &self.page_url),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            properties.push((name.to_owned(), text.as_str().into()));
        }
        for (name, number) in [
            ("fpad", Value::Boolean(false)),
            ("capabilities", Value::Number(15.0)),
            ("audioCodecs", Value::Number(AUDIO_CODECS)),
            ("videoCodecs", Value::Number(VIDEO_CODECS)),
            ("videoFunction", Value::Number(1.0)),
        ] {
            properties.push((name.to_owned(), number));
        }
        if self.object_encoding == ObjectEncoding::Amf3 {
            properties.push(("objectEncoding".to_owned(), Value::Number(3.0)));
        }
        self.enhanced.write_into(&mut properties);
        Value::Object(properties)
    }

    /// Whether a Flash program speaks, which says where it was loaded from.
    ///
    /// Its scripts get at the media only after `|RtmpSampleAccess`. Nobody else is told: FFmpeg
    /// takes that message for a stream of data, and counts sound and picture after it.
    pub(crate) fn is_flash_program(&self) -> bool {
        !self.swf_url.is_empty()
    }

    /// The two objects of the `_result` that accepts this `connect`: the server's properties and
    /// the status. `server` is our name and version.
    pub(crate) fn accepted(&self, server: &str) -> (Value, Value) {
        let mut properties = vec![
            ("fmsVer".to_owned(), FMS_VERSION.into()),
            ("capabilities".to_owned(), Value::Number(FMS_CAPABILITIES)),
            ("mode".to_owned(), Value::Number(1.0)),
        ];
        if !self.enhanced.is_empty() {
            Enhanced::passed_through().write_into(&mut properties);
        }
        let encoding = match self.object_encoding {
            ObjectEncoding::Amf0 => 0.0,
            ObjectEncoding::Amf3 => 3.0,
        };
        let information = Value::object([
            ("level", Level::Status.as_str().into()),
            ("code", code::CONNECT_SUCCESS.into()),
            ("description", "Connection succeeded".into()),
            ("objectEncoding", Value::Number(encoding)),
            ("data", Value::ecma_array([("server", server.into())])),
        ]);
        (Value::Object(properties), information)
    }

    /// The `_error` status for a `connect` that is refused, made fit for FMS's codes.
    pub(crate) fn refused(status: Status) -> Status {
        Status {
            level: Level::Error,
            ..status
        }
    }
}
