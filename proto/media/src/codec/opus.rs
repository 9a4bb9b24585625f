//! Opus: the identification header (RFC 7845 section 5.1), which enhanced RTMP sends as set-up.

use super::{Codec, CodecConfig, RecordError};

/// Opus always plays at 48 kHz; the header's rate is only what the encoder was fed.
const SAMPLE_RATE: u32 = 48_000;

/// Reads an `OpusHead`.
///
/// # Errors
/// If it ends too early or begins otherwise.
pub fn read(record: &[u8]) -> Result<CodecConfig, RecordError> {
    let truncated = RecordError::Truncated {
        codec: Codec::Opus,
        what: "OpusHead",
    };
    let (magic, rest) = record
        .split_first_chunk::<8>()
        .ok_or_else(|| truncated.clone())?;
    if magic != b"OpusHead" {
        let value = u64::from_be_bytes(*magic);
        return Err(RecordError::Value {
            codec: Codec::Opus,
            what: "the magic number",
            value,
        });
    }
    let [_version, channels, ..] = rest else {
        return Err(truncated);
    };
    Ok(CodecConfig {
        sample_rate: Some(SAMPLE_RATE),
        channels: Some(*channels),
        ..CodecConfig::of(Codec::Opus, "opus".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opus_head_tells_the_channels() {
        let config = read(b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0").expect("a header");
        assert_eq!(
            (config.sample_rate, config.channels),
            (Some(48_000), Some(2))
        );
        assert_eq!(config.rfc6381, "opus");
        assert!(read(b"OpusHead\x01").is_err());
        assert!(read(b"OpusTags\x01\x02").is_err());
    }
}
