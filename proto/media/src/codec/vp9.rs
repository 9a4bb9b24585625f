//! VP9: `VPCodecConfigurationRecord` (VP Codec ISO Media File Format Binding, section 2.2). It tells
//! profile, level and bit depth; the size of the picture is in the frames only.

use super::{Codec, CodecConfig, RecordError};

/// Reads a vpcC, with or without the version and flags of the box around it: enhanced RTMP asks for
/// the record, and encoders differ in what they take it to be.
///
/// # Errors
/// If it ends too early.
pub fn read(record: &[u8]) -> Result<CodecConfig, RecordError> {
    let record = record.strip_prefix(&[1, 0, 0, 0]).unwrap_or(record);
    let [profile, level, depth, ..] = record else {
        return Err(RecordError::Truncated {
            codec: Codec::Vp9,
            what: "the fixed part",
        });
    };
    let bit_depth = depth >> 4;
    Ok(CodecConfig {
        profile: ["Profile 0", "Profile 1", "Profile 2", "Profile 3"]
            .get(usize::from(*profile))
            .copied(),
        level: (*level > 0).then(|| format!("{}.{}", level / 10, level % 10)),
        ..CodecConfig::of(
            Codec::Vp9,
            format!("vp09.{profile:02}.{level:02}.{bit_depth:02}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::hex;

    #[test]
    fn a_record_is_read_with_and_without_the_box_s_version() {
        // ffmpeg 5.1 with libvpx: ten bits
        for record in ["010000000215a50202020000", "0215a50202020000"] {
            let config = read(&hex(record)).expect("a record");
            assert_eq!(config.rfc6381, "vp09.02.21.10");
            assert_eq!(config.profile, Some("Profile 2"));
            assert_eq!(config.level.as_deref(), Some("2.1"));
        }
        assert!(read(&[0, 30]).is_err());
    }
}
