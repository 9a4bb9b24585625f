//! FLAC: `fLaC` and the STREAMINFO block (RFC 9639 sections 6 to 8.2), which enhanced RTMP sends as
//! set-up.

use super::{
    Codec, CodecConfig, RecordError,
    bits::{Bits, Ended},
};

/// Reads the stream's marker and its first block; the marker may be missing.
///
/// # Errors
/// If it ends too early, or the first block is another.
pub fn read(record: &[u8]) -> Result<CodecConfig, RecordError> {
    let mut bits = Bits::new(record.strip_prefix(b"fLaC").unwrap_or(record));
    let truncated = |Ended| RecordError::Truncated {
        codec: Codec::Flac,
        what: "STREAMINFO",
    };
    let kind = bits.byte().map_err(truncated)? & 0x7f;
    if kind != 0 {
        let value = u64::from(kind);
        return Err(RecordError::Value {
            codec: Codec::Flac,
            what: "the first block",
            value,
        });
    }
    // the block's length, sizes of blocks and frames
    bits.skip(24 + 16 + 16 + 24 + 24).map_err(truncated)?;
    let sample_rate = bits.take(20).map_err(truncated)?;
    let channels = bits.take(3).map_err(truncated)? as u8 + 1;
    Ok(CodecConfig {
        sample_rate: Some(sample_rate),
        channels: Some(channels),
        ..CodecConfig::of(Codec::Flac, "flac".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_info_tells_rate_and_channels() {
        let mut record = b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\x0e\0\x10\0\x0a\xc4\x42\xf0".to_vec();
        record.extend_from_slice(&[0; 20]);
        for record in [&record[..], &record[4..]] {
            let config = read(record).expect("a header");
            assert_eq!(
                (config.sample_rate, config.channels),
                (Some(44_100), Some(2))
            );
        }
        assert!(read(&record[..20]).is_err());
        assert!(read(b"fLaC\x84").is_err());
    }
}
