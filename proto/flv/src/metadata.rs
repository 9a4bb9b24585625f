//! What `onMetaData` claims about a stream.
//!
//! Claims: encoders fill it from their settings, and some lie. For display until the set-up records
//! tell better; nothing is decided by it.

use amf::{Limits, Value, amf0};
use media::Codec;

/// The claims that people want to see; what was not claimed is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// Width of the picture in pixels.
    pub width: Option<u32>,
    /// Height of the picture in pixels.
    pub height: Option<u32>,
    /// Frames a second.
    pub frame_rate: Option<f64>,
    /// The pictures' codec.
    pub video_codec: Option<Codec>,
    /// Rate of the pictures in kilobits a second.
    pub video_kbps: Option<f64>,
    /// The sound's codec.
    pub audio_codec: Option<Codec>,
    /// Rate of the sound in kilobits a second.
    pub audio_kbps: Option<f64>,
    /// Samples a second.
    pub sample_rate: Option<u32>,
    /// Channels of the sound.
    pub channels: Option<u8>,
    /// Length of a file in seconds; zero or missing for live streams.
    pub duration: Option<f64>,
    /// The program that encodes, as it names itself.
    pub encoder: Option<String>,
}

impl Metadata {
    /// Reads the body of a data tag; `None` if it is no `onMetaData`.
    ///
    /// Takes numbers that are sent as text, and codecs by id, FourCC or name: FMLE says `avc1` and
    /// `mp4a` as strings, ffmpeg and OBS say 7 and 10, enhanced RTMP the FourCC as a number.
    ///
    /// # Errors
    /// If the body is not AMF0.
    pub fn read(body: &[u8]) -> Result<Option<Self>, amf::Error> {
        let values = amf0::read_all(body, &Limits::default())?;
        let [Value::String(name), claims, ..] = values.as_slice() else {
            return Ok(None);
        };
        if name != "onMetaData" {
            return Ok(None);
        }
        Ok(Some(Self::of(claims)))
    }

    /// From the object or array by name.
    fn of(claims: &Value) -> Self {
        let claim = |name| claims.get(name);
        let number = |name| claim(name).and_then(as_number);
        // a positive whole number of 32 bits; `as` saturates, and absurd sizes are cut off here
        let count = |name| {
            number(name)
                .filter(|n| (1.0..1e9).contains(n))
                .map(|n| n as u32)
        };
        let stereo = claim("stereo").and_then(Value::as_bool);
        let channels = count("audiochannels").and_then(|n| u8::try_from(n).ok());
        Self {
            width: count("width"),
            height: count("height"),
            frame_rate: number("framerate").or_else(|| number("videoframerate")),
            video_codec: claim("videocodecid").and_then(video_codec),
            video_kbps: number("videodatarate"),
            audio_codec: claim("audiocodecid").and_then(audio_codec),
            audio_kbps: number("audiodatarate"),
            sample_rate: count("audiosamplerate"),
            channels: channels.or(stereo.map(|stereo| if stereo { 2 } else { 1 })),
            duration: number("duration").filter(|seconds| *seconds > 0.0),
            encoder: claim("encoder").and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// A number that is finite and not negative, also as text.
fn as_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => *number,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (number.is_finite() && number >= 0.0).then_some(number)
}

fn video_codec(value: &Value) -> Option<Codec> {
    match as_number(value).map(|id| id as u32) {
        Some(2) => Some(Codec::H263),
        Some(4 | 5) => Some(Codec::Vp6),
        Some(7) => Some(Codec::Avc),
        Some(12) => Some(Codec::Hevc),
        Some(fourcc) => Codec::from_fourcc(fourcc.to_be_bytes()),
        None => by_name(value),
    }
}

fn audio_codec(value: &Value) -> Option<Codec> {
    match as_number(value).map(|id| id as u32) {
        Some(0 | 3) => Some(Codec::Pcm),
        Some(1) => Some(Codec::Adpcm),
        Some(2 | 14) => Some(Codec::Mp3),
        Some(4..=6) => Some(Codec::Nellymoser),
        Some(7) => Some(Codec::G711A),
        Some(8) => Some(Codec::G711U),
        Some(10) => Some(Codec::Aac),
        Some(11) => Some(Codec::Speex),
        Some(fourcc) => Codec::from_fourcc(fourcc.to_be_bytes()),
        None => by_name(value),
    }
}

fn by_name(value: &Value) -> Option<Codec> {
    let text = value.as_str()?;
    if let Ok(fourcc) = text.as_bytes().try_into() {
        return Codec::from_fourcc(fourcc);
    }
    Codec::ALL
        .into_iter()
        .find(|codec| codec.name().eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    fn read(name: &str, claims: &Value) -> Option<Metadata> {
        let mut body = BytesMut::new();
        amf0::write(&name.into(), &mut body);
        amf0::write(claims, &mut body);
        Metadata::read(&body).expect("AMF0")
    }

    #[test]
    fn claims_are_read_in_every_dialect() {
        let obs = Value::ecma_array([
            ("duration", 0.0.into()),
            ("width", 1280.0.into()),
            ("height", 720.0.into()),
            ("videocodecid", 7.0.into()),
            ("videodatarate", 2500.0.into()),
            ("framerate", 30.0.into()),
            ("audiocodecid", 10.0.into()),
            ("audiodatarate", 160.0.into()),
            ("audiosamplerate", 48_000.0.into()),
            ("audiochannels", 2.0.into()),
            ("encoder", "obs-output module".into()),
        ]);
        let fmle = Value::object([
            ("width", "1280".into()),
            ("height", "720".into()),
            ("videocodecid", "avc1".into()),
            ("videodatarate", 2500.0.into()),
            ("framerate", " 30".into()),
            ("audiocodecid", "mp4a".into()),
            ("audiodatarate", 160.0.into()),
            ("audiosamplerate", 48_000.0.into()),
            ("stereo", true.into()),
            ("encoder", "obs-output module".into()),
        ]);
        let metadata = read("onMetaData", &obs).expect("metadata");
        assert_eq!(Some(&metadata), read("onMetaData", &fmle).as_ref());
        assert_eq!((metadata.width, metadata.height), (Some(1280), Some(720)));
        assert_eq!(metadata.video_codec, Some(Codec::Avc));
        assert_eq!(
            (metadata.audio_codec, metadata.channels),
            (Some(Codec::Aac), Some(2))
        );
        assert_eq!((metadata.frame_rate, metadata.duration), (Some(30.0), None));
    }

    #[test]
    fn enhanced_rtmp_names_codecs_by_fourcc_as_a_number() {
        let claims = Value::ecma_array([
            ("videocodecid", 1_635_135_537.0.into()),
            ("audiocodecid", 1_332_770_163.0.into()),
        ]);
        let metadata = read("onMetaData", &claims).expect("metadata");
        assert_eq!(metadata.video_codec, Some(Codec::Av1));
        assert_eq!(metadata.audio_codec, Some(Codec::Opus));
    }

    #[test]
    fn absurd_claims_are_no_claims() {
        let claims = Value::object([
            ("width", (-1.0).into()),
            ("height", 1e300.into()),
            ("framerate", f64::NAN.into()),
            ("videocodecid", Value::Null),
            ("duration", "soon".into()),
        ]);
        assert_eq!(read("onMetaData", &claims), Some(Metadata::default()));
        assert_eq!(read("onMetaData", &Value::Null), Some(Metadata::default()));
        assert_eq!(read("onCuePoint", &claims), None);
        assert!(Metadata::read(b"\x02\0\x0aonMetaDat").is_err());
    }
}
