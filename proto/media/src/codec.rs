//! Codecs by name, and their set-up records read.
//!
//! A [`Codec`] is a name for the API and a FourCC for the wire. A [`CodecConfig`] is what a set-up
//! record (avcC, hvcC, av1C, AudioSpecificConfig, …) says to somebody who shows or routes the
//! stream: size, rate, profile. Nothing here decodes, and nothing depends on what is read: a record
//! that cannot be read is passed on to players all the same.
//!
//! One file a codec, each with one `read`; [`bits`] is what they read with.

pub mod aac;
pub mod av1;
pub mod avc;
pub mod bits;
pub mod flac;
pub mod hevc;
pub mod opus;
pub mod vp9;

use crate::Kind;

/// A codec that we know by name; others pass through unnamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, MPEG-4 part 10.
    Avc,
    /// H.265.
    Hevc,
    /// H.266.
    Vvc,
    /// AOMedia Video 1.
    Av1,
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
    /// On2 VP6, with or without alpha; Flash 8.
    Vp6,
    /// Sorenson's H.263; Flash 6.
    H263,
    /// MPEG-4 AAC in any of its profiles.
    Aac,
    /// Opus.
    Opus,
    /// MPEG audio layer 3.
    Mp3,
    /// Dolby Digital.
    Ac3,
    /// Dolby Digital Plus.
    Eac3,
    /// Free lossless.
    Flac,
    /// Speex, 16 kHz.
    Speex,
    /// Nellymoser Asao.
    Nellymoser,
    /// G.711 A-law.
    G711A,
    /// G.711 µ-law.
    G711U,
    /// Flash's own ADPCM.
    Adpcm,
    /// Samples as they are.
    Pcm,
}

impl Codec {
    /// Every codec that has a name.
    pub const ALL: [Self; 20] = [
        Self::Avc,
        Self::Hevc,
        Self::Vvc,
        Self::Av1,
        Self::Vp8,
        Self::Vp9,
        Self::Vp6,
        Self::H263,
        Self::Aac,
        Self::Opus,
        Self::Mp3,
        Self::Ac3,
        Self::Eac3,
        Self::Flac,
        Self::Speex,
        Self::Nellymoser,
        Self::G711A,
        Self::G711U,
        Self::Adpcm,
        Self::Pcm,
    ];

    /// The name in API, logs and metrics: `h264`, `h265`, `av1`, `aac`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avc => "h264",
            Self::Hevc => "h265",
            Self::Vvc => "h266",
            Self::Av1 => "av1",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::Vp6 => "vp6",
            Self::H263 => "h263",
            Self::Aac => "aac",
            Self::Opus => "opus",
            Self::Mp3 => "mp3",
            Self::Ac3 => "ac3",
            Self::Eac3 => "eac3",
            Self::Flac => "flac",
            Self::Speex => "speex",
            Self::Nellymoser => "nellymoser",
            Self::G711A => "g711a",
            Self::G711U => "g711u",
            Self::Adpcm => "adpcm",
            Self::Pcm => "pcm",
        }
    }

    /// Enhanced RTMP's FourCC; none for what only the legacy headers carry.
    pub const fn fourcc(self) -> Option<[u8; 4]> {
        match self {
            Self::Avc => Some(*b"avc1"),
            Self::Hevc => Some(*b"hvc1"),
            Self::Vvc => Some(*b"vvc1"),
            Self::Av1 => Some(*b"av01"),
            Self::Vp8 => Some(*b"vp08"),
            Self::Vp9 => Some(*b"vp09"),
            Self::Aac => Some(*b"mp4a"),
            Self::Opus => Some(*b"Opus"),
            Self::Mp3 => Some(*b".mp3"),
            Self::Ac3 => Some(*b"ac-3"),
            Self::Eac3 => Some(*b"ec-3"),
            Self::Flac => Some(*b"fLaC"),
            Self::Vp6
            | Self::H263
            | Self::Speex
            | Self::Nellymoser
            | Self::G711A
            | Self::G711U
            | Self::Adpcm
            | Self::Pcm => None,
        }
    }

    /// The codec of a FourCC of enhanced RTMP.
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.fourcc() == Some(fourcc))
    }

    /// Whether it codes sound or pictures.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Avc
            | Self::Hevc
            | Self::Vvc
            | Self::Av1
            | Self::Vp8
            | Self::Vp9
            | Self::Vp6
            | Self::H263 => Kind::Video,
            Self::Aac
            | Self::Opus
            | Self::Mp3
            | Self::Ac3
            | Self::Eac3
            | Self::Flac
            | Self::Speex
            | Self::Nellymoser
            | Self::G711A
            | Self::G711U
            | Self::Adpcm
            | Self::Pcm => Kind::Audio,
        }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a set-up record says. What the record does not say is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct CodecConfig {
    /// Whose record it is.
    pub codec: Codec,
    /// The codec string of RFC 6381: `avc1.64001f`, `mp4a.40.2`, `av01.0.08M.08`, …
    pub rfc6381: String,
    /// The profile's name: `High`, `Main 10`, `LC`, …
    pub profile: Option<&'static str>,
    /// The level as people write it: `3.1`, `4`, `1b`.
    pub level: Option<String>,
    /// Width of the picture in pixels, cropping applied.
    pub width: Option<u32>,
    /// Height of the picture in pixels, cropping applied.
    pub height: Option<u32>,
    /// Frames a second, if the record tells; encoders lie, so this is for display only.
    pub frame_rate: Option<f64>,
    /// Samples a second of the sound that is heard (twice the core's for HE-AAC).
    pub sample_rate: Option<u32>,
    /// Channels of the sound that is heard (2 for HE-AAC v2).
    pub channels: Option<u8>,
}

/// Why a set-up record cannot be read. The publisher's fault; the same bytes fail again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The record ends inside a field.
    #[error("{codec} set-up record ends too early: {what} has no end")]
    Truncated {
        /// Whose record.
        codec: Codec,
        /// The part that ended.
        what: &'static str,
    },
    /// A field has a value that its specification excludes.
    #[error("{codec} set-up record has {value} as {what}")]
    Value {
        /// Whose record.
        codec: Codec,
        /// The field.
        what: &'static str,
        /// What it says.
        value: u64,
    },
}

impl CodecConfig {
    /// Reads the set-up record of a codec; `None` for codecs that have none or whose record we do
    /// not read (VVC, VP8).
    ///
    /// # Errors
    /// If the record ends too early or says what its specification excludes.
    pub fn read(codec: Codec, record: &[u8]) -> Result<Option<Self>, RecordError> {
        match codec {
            Codec::Avc => avc::read(record).map(Some),
            Codec::Hevc => hevc::read(record).map(Some),
            Codec::Av1 => av1::read(record).map(Some),
            Codec::Vp9 => vp9::read(record).map(Some),
            Codec::Aac => aac::read(record).map(Some),
            Codec::Opus => opus::read(record).map(Some),
            Codec::Flac => flac::read(record).map(Some),
            _ => Ok(None),
        }
    }

    /// A record of which nothing but the codec is known yet.
    fn of(codec: Codec, rfc6381: String) -> Self {
        Self {
            codec,
            rfc6381,
            profile: None,
            level: None,
            width: None,
            height: None,
            frame_rate: None,
            sample_rate: None,
            channels: None,
        }
    }
}

/// Frames a second of a clock of `scale` ticks a second whose frames last `ticks`.
fn rate(scale: u32, ticks: u64) -> Option<f64> {
    (scale > 0 && ticks > 0).then(|| f64::from(scale) / ticks as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes from bits as text; spaces are for the reader, zeros fill the last byte.
    pub(crate) fn bits(text: &str) -> Vec<u8> {
        let bits: Vec<u8> = text
            .bytes()
            .filter(|c| *c != b' ')
            .map(|c| c - b'0')
            .collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |b, i| b << 1 | bits.get(i).copied().unwrap_or(0));
        bits.chunks(8).map(byte).collect()
    }

    /// Bytes from hexadecimal text.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits = text
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).expect("ASCII"));
        digits
            .map(|pair| u8::from_str_radix(pair, 16).expect("two digits"))
            .collect()
    }

    #[test]
    fn every_fourcc_leads_back_to_its_codec() {
        for codec in Codec::ALL {
            if let Some(fourcc) = codec.fourcc() {
                assert_eq!(Codec::from_fourcc(fourcc), Some(codec));
            }
        }
        assert_eq!(Codec::from_fourcc(*b"none"), None);
    }

    #[test]
    fn no_two_codecs_share_a_name() {
        let names: std::collections::BTreeSet<_> = Codec::ALL.map(Codec::name).into();
        assert_eq!(names.len(), Codec::ALL.len());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(record in proptest::collection::vec(any::<u8>(), 0..200)) {
            for codec in Codec::ALL {
                let _either = CodecConfig::read(codec, &record);
            }
        }
    }
}
