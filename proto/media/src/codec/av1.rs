//! AV1: `AV1CodecConfigurationRecord` (AV1 in ISO base media, section 2.3) and the sequence header
//! in it (AV1 bitstream specification, section 5.5).

use super::{
    Codec, CodecConfig, RecordError,
    bits::{Bits, Ended},
    rate,
};

/// `OBU_SEQUENCE_HEADER` (section 6.2.2).
const OBU_SEQUENCE_HEADER: u32 = 1;

/// Reads an av1C. A record without a sequence header (it comes in band then) has no size.
///
/// # Errors
/// If it, or its sequence header, ends too early or is not version 1.
pub fn read(record: &[u8]) -> Result<CodecConfig, RecordError> {
    let truncated = |what| {
        move |Ended| RecordError::Truncated {
            codec: Codec::Av1,
            what,
        }
    };
    let [
        version,
        profile_level,
        depth,
        _presentation_delay,
        obus @ ..,
    ] = record
    else {
        return Err(truncated("the fixed part")(Ended));
    };
    if *version != 0x81 {
        let value = u64::from(*version);
        return Err(RecordError::Value {
            codec: Codec::Av1,
            what: "marker and version",
            value,
        });
    }
    let profile = profile_level >> 5;
    let level = profile_level & 0x1f;
    let tier = if depth & 0x80 != 0 { 'H' } else { 'M' };
    let bit_depth = match (depth & 0x40 != 0, depth & 0x20 != 0) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    let mut config = CodecConfig {
        profile: ["Main", "High", "Professional"]
            .get(usize::from(profile))
            .copied(),
        level: level_name(level),
        ..CodecConfig::of(
            Codec::Av1,
            format!("av01.{profile}.{level:02}{tier}.{bit_depth:02}"),
        )
    };
    let header = sequence_header(obus).map_err(truncated("the list of OBUs"))?;
    if let Some(header) = header {
        let picture = Picture::read(header).map_err(truncated("the sequence header"))?;
        config.width = Some(picture.width);
        config.height = Some(picture.height);
        config.frame_rate = picture.frame_rate;
    }
    Ok(config)
}

/// Annex A.3: four steps a level, beginning at 2.0; 31 means that none holds.
fn level_name(index: u8) -> Option<String> {
    (index < 24).then(|| format!("{}.{}", 2 + index / 4, index % 4))
}

/// The payload of the first sequence header; section 5.3.
fn sequence_header(obus: &[u8]) -> Result<Option<&[u8]>, Ended> {
    let mut bits = Bits::new(obus);
    while bits.left() >= 8 {
        bits.skip(1)?; // forbidden
        let kind = bits.take(4)?;
        let has_extension = bits.flag()?;
        let has_size = bits.flag()?;
        bits.skip(1 + if has_extension { 8 } else { 0 })?;
        let size = match has_size {
            true => usize::try_from(bits.leb128()?).unwrap_or(usize::MAX),
            false => bits.left() / 8,
        };
        let payload = bits.slice(size)?;
        if kind == OBU_SEQUENCE_HEADER {
            return Ok(Some(payload));
        }
    }
    Ok(None)
}

/// What a sequence header says about the picture.
struct Picture {
    width: u32,
    height: u32,
    frame_rate: Option<f64>,
}

impl Picture {
    /// Section 5.5.1, up to the size.
    fn read(header: &[u8]) -> Result<Self, Ended> {
        let mut bits = Bits::new(header);
        bits.skip(3 + 1)?; // profile, still picture
        let reduced = bits.flag()?;
        let mut frame_rate = None;
        if reduced {
            bits.skip(5)?; // level
        } else {
            frame_rate = operating_points(&mut bits)?;
        }
        let width_bits = bits.take(4)? + 1;
        let height_bits = bits.take(4)? + 1;
        // at most 16 bits each
        let width = bits.take(width_bits)? + 1;
        let height = bits.take(height_bits)? + 1;
        Ok(Self {
            width,
            height,
            frame_rate,
        })
    }
}

/// Timing, decoder model and operating points: for us, what stands before the size.
fn operating_points(bits: &mut Bits<'_>) -> Result<Option<f64>, Ended> {
    let mut frame_rate = None;
    let mut delay_bits = None;
    if bits.flag()? {
        let ticks = bits.take(32)?;
        let scale = bits.take(32)?;
        if bits.flag()? {
            let ticks_a_picture = u64::from(bits.ue()?) + 1;
            frame_rate = rate(scale, u64::from(ticks).saturating_mul(ticks_a_picture));
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? as usize + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delays = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.skip(12)?; // layers of the point
        let level = bits.take(5)?;
        if level > 7 {
            bits.skip(1)?; // tier
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_display_delays && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Ok(frame_rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::{bits, hex};

    /// Records that ffmpeg 5.1 wrote; the values are ffprobe's.
    #[test]
    fn records_of_three_encoders_tell_what_was_encoded() {
        for (encoder, record, rfc6381, level, (width, height)) in [
            (
                "aom",
                "81010c000a0b0000000cc4ff6536be4010",
                "av01.0.01M.08",
                Some("2.1"),
                (640, 358),
            ),
            (
                "svt",
                "81054c000a0b0000002d4cffb3c02f8404",
                "av01.0.05M.10",
                Some("3.1"),
                (1280, 720),
            ),
            (
                "rav1e",
                "811f0c000a0e000000faabbfc371085440808085",
                "av01.0.31M.08",
                None,
                (1920, 1080),
            ),
        ] {
            let config = read(&hex(record)).expect(encoder);
            let expected = CodecConfig {
                profile: Some("Main"),
                level: level.map(str::to_owned),
                width: Some(width),
                height: Some(height),
                ..CodecConfig::of(Codec::Av1, rfc6381.to_owned())
            };
            assert_eq!(config, expected, "{encoder}");
        }
    }

    #[test]
    fn a_header_with_timing_tells_the_frame_rate() {
        let mut text = String::from("000 0 0 1");
        text.push_str(&format!("{:032b} {:032b}", 1, 60)); // ticks, scale
        text.push_str("1 010"); // equal intervals of two ticks
        text.push_str("1 00111"); // decoder model: delays of 8 bits
        text.push_str(&format!("{:032b} 00000 00000", 1));
        text.push_str("1 00000"); // display delays, one operating point
        text.push_str("000000000000 01000 1"); // level 4.0, high tier
        text.push_str("1 00000000 00000000 0"); // its decoder model
        text.push_str("1 0000"); // its display delay
        text.push_str("1000 0111 100111111 11101111"); // 320 x 240
        let picture = Picture::read(&bits(&text)).expect("a header");
        assert_eq!((picture.width, picture.height), (320, 240));
        assert_eq!(picture.frame_rate, Some(30.0));
    }

    #[test]
    fn a_record_without_a_sequence_header_still_tells_the_profile() {
        let config = read(&[0x81, 0x28, 0xe0, 0]).expect("the header is in band");
        assert_eq!(
            (config.rfc6381.as_str(), config.width),
            ("av01.1.08H.12", None)
        );
    }

    #[test]
    fn a_record_cut_anywhere_says_what_is_missing() {
        let record = hex("81010c000a0b0000000cc4ff6536be4010");
        for (bytes, error) in [
            (
                3,
                "av1 set-up record ends too early: the fixed part has no end",
            ),
            (
                12,
                "av1 set-up record ends too early: the list of OBUs has no end",
            ),
        ] {
            let refused = read(record.get(..bytes).expect("shorter")).expect_err(error);
            assert_eq!(refused.to_string(), error);
        }
        assert!(read(&[0x82, 0, 0, 0]).is_err());
    }
}
