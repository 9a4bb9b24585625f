//! Synthetic media: H.264-like pictures and AAC-like sounds at a given bitrate, rate and GOP.
//!
//! Servers see a real sequence header, real FLV headers and one NAL unit a picture; inside are a
//! [`Stamp`](crate::stamp::Stamp) and filler, which no decoder would like and no server looks at.
//! Sizes are as a constant-bitrate encoder's: each GOP has exactly its share of the bitrate, a key
//! frame weighs [`KEY_WEIGHT`] other pictures.

use crate::{
    clock::Moment,
    stamp::{self, AUDIO_LEAD_BYTES, STAMP_BYTES, Stamp, VIDEO_LEAD_BYTES},
};
use media::Kind;
use serde::Serialize;
use std::time::Duration;

/// How many other pictures a key frame weighs: about what encoders make of calm scenes.
const KEY_WEIGHT: u32 = 6;

/// Bytes of a sound: AAC at 96 kb/s and 48 kHz has 256 a frame.
const SOUND_BYTES: usize = 256;

/// `AVCDecoderConfigurationRecord` of 1280×720, Constrained Baseline, as an encoder wrote it.
const AVC_RECORD: &[u8] = b"\x01\x42\xc0\x1f\xff\xe1\x00\x16\x67\x42\xc0\x1f\xda\x01\x40\x16\xe8\
    \x40\x00\x00\x03\x00\x40\x00\x00\x0f\x03\xc6\x0c\xa8\x01\x00\x04\x68\xce\x0f\xc8";

/// FLV's header of an AVC sequence header.
const AVC_SEQUENCE_HEADER: &[u8] = b"\x17\x00\x00\x00\x00";

/// The sequence header of AAC-LC, 48 kHz, stereo.
const AAC_SEQUENCE_HEADER: &[u8] = b"\xaf\x00\x11\x90";

/// What a publisher sends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Footage {
    /// Bits of pictures in a second, FLV's headers included.
    pub bits_per_second: u32,
    /// Pictures in a second.
    pub pictures_per_second: u32,
    /// Pictures from one key frame to the next.
    pub gop_pictures: u32,
    /// Sounds in a second; 0 for a silent stream.
    pub sounds_per_second: u32,
}

impl Default for Footage {
    fn default() -> Self {
        Self {
            bits_per_second: 600_000,
            pictures_per_second: 30,
            gop_pictures: 60,
            sounds_per_second: 0,
        }
    }
}

impl Footage {
    /// Mean length of a body.
    pub fn mean_bytes(&self) -> f64 {
        let frames = f64::from(self.pictures_per_second) + f64::from(self.sounds_per_second);
        self.bits_per_second_in_all() / 8.0 / frames
    }

    /// Bits of pictures and sounds in a second.
    pub fn bits_per_second_in_all(&self) -> f64 {
        let sounds = f64::from(self.sounds_per_second) * SOUND_BYTES as f64;
        f64::from(self.bits_per_second) + sounds * 8.0
    }

    fn picture_bytes(&self, is_key: bool) -> usize {
        let gop = u64::from(self.gop_pictures.max(1));
        let bytes =
            u64::from(self.bits_per_second) / 8 * gop / u64::from(self.pictures_per_second.max(1));
        let weights = gop - 1 + u64::from(KEY_WEIGHT);
        let weight = if is_key { u64::from(KEY_WEIGHT) } else { 1 };
        let bytes = usize::try_from(bytes * weight / weights).unwrap_or(usize::MAX);
        bytes.clamp(VIDEO_LEAD_BYTES + STAMP_BYTES, flv::limits::BODY_BYTES_MAX)
    }
}

/// One publisher's place in its footage.
#[derive(Debug, Clone)]
pub struct Reel {
    footage: Footage,
    publisher: u64,
    pictures: u64,
    sounds: u64,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// When, from the reel's start.
    pub due: Duration,
    /// Picture or sound.
    pub kind: Kind,
    /// Whether it is a key frame.
    pub is_key: bool,
}

impl Reel {
    /// The reel of a publisher, before its first frame.
    pub fn new(footage: Footage, publisher: u64) -> Self {
        Self {
            footage,
            publisher,
            pictures: 0,
            sounds: 0,
        }
    }

    /// What goes ahead of the frames, as tag bodies: metadata and sequence headers.
    pub fn headers(&self) -> Vec<(Kind, Vec<u8>)> {
        let mut headers = vec![
            (Kind::Data, metadata(&self.footage)),
            (Kind::Video, [AVC_SEQUENCE_HEADER, AVC_RECORD].concat()),
        ];
        if self.footage.sounds_per_second > 0 {
            headers.push((Kind::Audio, AAC_SEQUENCE_HEADER.to_vec()));
        }
        headers
    }

    /// The next frame, which stays the next until [`write`](Self::write).
    pub fn next(&self) -> Next {
        let due = |count: u64, rate: u32| {
            Duration::from_micros(count.saturating_mul(1_000_000) / u64::from(rate.max(1)))
        };
        let picture = due(self.pictures, self.footage.pictures_per_second);
        if self.footage.sounds_per_second > 0 {
            let sound = due(self.sounds, self.footage.sounds_per_second);
            if sound < picture {
                return Next {
                    due: sound,
                    kind: Kind::Audio,
                    is_key: false,
                };
            }
        }
        let gop = u64::from(self.footage.gop_pictures.max(1));
        Next {
            due: picture,
            kind: Kind::Video,
            is_key: self.pictures.is_multiple_of(gop),
        }
    }

    /// Passes over the next frame: it is never sent and nobody misses it.
    pub fn skip(&mut self) {
        match self.next().kind {
            Kind::Audio => self.sounds += 1,
            _ => self.pictures += 1,
        }
    }

    /// Writes the next frame's body into `body`, stamped with `now` and `number`, and moves on.
    pub fn write(&mut self, number: u64, now: Moment, body: &mut Vec<u8>) -> Next {
        let next = self.next();
        body.clear();
        match next.kind {
            Kind::Video => {
                let bytes = self.footage.picture_bytes(next.is_key);
                let unit_bytes = (bytes - VIDEO_LEAD_BYTES + 1) as u32;
                let (flags, unit) = if next.is_key {
                    (0x17, 0x65)
                } else {
                    (0x27, 0x41)
                };
                body.extend_from_slice(&[flags, 1, 0, 0, 0]);
                body.extend_from_slice(&unit_bytes.to_be_bytes());
                body.push(unit);
                body.resize(bytes, 0);
            }
            _ => {
                body.extend_from_slice(&[0xaf, 1]);
                body.resize(AUDIO_LEAD_BYTES + SOUND_BYTES, 0);
            }
        }
        let lead = match next.kind {
            Kind::Video => VIDEO_LEAD_BYTES,
            _ => AUDIO_LEAD_BYTES,
        };
        fill(
            number,
            body.get_mut(lead + STAMP_BYTES..).unwrap_or_default(),
        );
        stamp::stamp(
            next.kind,
            body,
            Stamp {
                publisher: self.publisher,
                number,
                clock: now,
            },
        );
        self.skip();
        next
    }
}

/// Bytes that differ from frame to frame, so that a frame put together of two shows.
fn fill(number: u64, bytes: &mut [u8]) {
    let mut word = number.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
    for bytes in bytes.chunks_mut(8) {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        for (byte, filler) in bytes.iter_mut().zip(word.to_be_bytes()) {
            *byte = filler;
        }
    }
}

/// `onMetaData` with what players ask of it.
fn metadata(footage: &Footage) -> Vec<u8> {
    let values = [
        ("width", 1280.0),
        ("height", 720.0),
        ("framerate", f64::from(footage.pictures_per_second)),
        ("videocodecid", 7.0),
        ("videodatarate", f64::from(footage.bits_per_second) / 1e3),
    ];
    let mut body = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x05".to_vec();
    for (name, value) in values {
        body.extend_from_slice(&(name.len() as u16).to_be_bytes());
        body.extend_from_slice(name.as_bytes());
        body.push(0);
        body.extend_from_slice(&f64::to_be_bytes(value));
    }
    body.extend_from_slice(b"\x00\x00\x09");
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{MediaTime, Role};

    fn frames(footage: Footage, seconds: u64) -> Vec<(Next, Vec<u8>)> {
        let mut reel = Reel::new(footage, 1);
        let mut frames = Vec::new();
        while reel.next().due < Duration::from_secs(seconds) {
            let mut body = Vec::new();
            let next = reel.write(frames.len() as u64, Moment::default(), &mut body);
            frames.push((next, body));
        }
        frames
    }

    #[test]
    fn a_reel_has_the_bitrate_and_the_rate_that_were_asked_for() {
        let frames = frames(Footage::default(), 20);
        assert_eq!(frames.len(), 600);
        let bytes: usize = frames.iter().map(|(_, body)| body.len()).sum();
        let rate = bytes as f64 * 8.0 / 20.0;
        assert!((rate - 600_000.0).abs() < 6_000.0, "{rate}");
        let mean = bytes as f64 / 600.0;
        assert!((mean - Footage::default().mean_bytes()).abs() < 30.0);
    }

    #[test]
    fn servers_see_key_frames_where_they_should() {
        let footage = Footage {
            sounds_per_second: 40,
            ..Footage::default()
        };
        let frames = frames(footage, 5);
        let mut last = Duration::ZERO;
        let (mut pictures, mut sounds) = (0, 0);
        for (next, body) in frames {
            let frame = flv::frame(next.kind, MediaTime::ZERO, body.into()).expect("a frame");
            assert!(next.due >= last);
            last = next.due;
            if next.kind == Kind::Audio {
                sounds += 1;
                continue;
            }
            let expected = if pictures % 60 == 0 {
                Role::Key
            } else {
                Role::Inter
            };
            assert_eq!(frame.role, expected);
            pictures += 1;
        }
        assert_eq!((pictures, sounds), (150, 200));
    }

    #[test]
    fn the_headers_are_real_ones() {
        let footage = Footage {
            sounds_per_second: 40,
            ..Footage::default()
        };
        let headers = Reel::new(footage, 1).headers();
        let frames: Vec<_> = headers
            .into_iter()
            .map(|(kind, body)| flv::frame(kind, MediaTime::ZERO, body.into()).expect("a header"))
            .collect();
        let roles: Vec<_> = frames.iter().map(|frame| frame.role).collect();
        assert_eq!(roles, [Role::Metadata, Role::Config, Role::Config]);
        let picture = flv::codec_config(&frames[1])
            .expect("a record")
            .expect("a record");
        assert_eq!((picture.width, picture.height), (Some(1280), Some(720)));
    }
}
