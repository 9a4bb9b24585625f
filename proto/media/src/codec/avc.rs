//! H.264: `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 section 5.3.3.1) and the sequence
//! parameter set in it (ISO/IEC 14496-10 section 7.3.2.1.1).

use super::{
    Codec, CodecConfig, RecordError,
    bits::{Bits, Ended, without_emulation_prevention},
    rate,
};

/// What a sequence parameter set says about the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Picture {
    width: u32,
    height: u32,
    frame_rate: Option<f64>,
}

/// Reads an avcC. The first parameter set counts; a record without any (they come in band then) has
/// no size.
///
/// # Errors
/// If it, or its parameter set, ends too early or contradicts itself.
pub fn read(record: &[u8]) -> Result<CodecConfig, RecordError> {
    let truncated = |what| {
        move |Ended| RecordError::Truncated {
            codec: Codec::Avc,
            what,
        }
    };
    let mut bits = Bits::new(record);
    let [version, profile, constraints, level, _length_size] =
        *bits.slice(5).map_err(truncated("the fixed part"))?
    else {
        return Err(truncated("the fixed part")(Ended));
    };
    if version != 1 {
        let value = u64::from(version);
        return Err(RecordError::Value {
            codec: Codec::Avc,
            what: "version",
            value,
        });
    }
    let mut config = CodecConfig {
        profile: profile_name(profile, constraints),
        level: Some(level_name(profile, constraints, level)),
        ..CodecConfig::of(
            Codec::Avc,
            format!("avc1.{profile:02x}{constraints:02x}{level:02x}"),
        )
    };
    let sets = bits
        .byte()
        .map_err(truncated("the count of parameter sets"))?
        & 0x1f;
    if sets > 0 {
        let length = bits
            .short()
            .map_err(truncated("the count of parameter sets"))?;
        let nal = bits
            .slice(usize::from(length))
            .map_err(truncated("a parameter set"))?;
        let picture = sequence_parameter_set(&without_emulation_prevention(nal))
            .map_err(truncated("a parameter set"))?;
        let Some(picture) = picture else {
            return Err(RecordError::Value {
                codec: Codec::Avc,
                what: "picture size",
                value: 0,
            });
        };
        config.width = Some(picture.width);
        config.height = Some(picture.height);
        config.frame_rate = picture.frame_rate;
    }
    Ok(config)
}

/// Section 7.3.2.1.1; `None` if the cropping leaves no picture or its size is absurd.
fn sequence_parameter_set(rbsp: &[u8]) -> Result<Option<Picture>, Ended> {
    let mut bits = Bits::new(rbsp);
    bits.skip(8)?; // NAL unit header
    let profile = bits.byte()?;
    bits.skip(16)?; // constraints, level
    bits.ue()?; // id

    let mut chroma = 1; // 4:2:0 unless said
    if matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    ) {
        chroma = bits.ue()?;
        if chroma == 3 {
            bits.skip(1)?; // separate planes
        }
        bits.ue()?; // luma bit depth
        bits.ue()?; // chroma bit depth
        bits.skip(1)?; // lossless transform bypass
        if bits.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }

    bits.ue()?; // log2 of the largest frame number
    match bits.ue()? {
        0 => {
            bits.ue()?;
        }
        1 => {
            bits.skip(1)?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue()? {
                bits.se()?;
            }
        }
        _ => {}
    }
    bits.ue()?; // reference frames
    bits.skip(1)?; // gaps in frame numbers

    let width_mbs = u64::from(bits.ue()?) + 1;
    let height_units = u64::from(bits.ue()?) + 1;
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.skip(1)?;
    }
    bits.skip(1)?; // direct 8x8 inference
    let fields: u64 = if frames_only { 1 } else { 2 };

    let (mut crop_x, mut crop_y) = (0, 0);
    if bits.flag()? {
        let mut edge = || bits.ue().map(u64::from);
        let (left, right, top, bottom) = (edge()?, edge()?, edge()?, edge()?);
        let (unit_x, unit_y) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1), // monochrome, 4:4:4
        };
        crop_x = (left + right) * unit_x;
        crop_y = (top + bottom) * unit_y * fields;
    }
    let frame_rate = if bits.flag()? {
        usability_frame_rate(&mut bits).unwrap_or(None)
    } else {
        None
    };

    let cropped = |whole: u64, crop: u64| {
        whole
            .checked_sub(crop)
            .and_then(|left| u32::try_from(left).ok())
            .filter(|left| *left > 0)
    };
    let (Some(width), Some(height)) = (
        cropped(width_mbs * 16, crop_x),
        cropped(height_units * 16 * fields, crop_y),
    ) else {
        return Ok(None);
    };
    Ok(Some(Picture {
        width,
        height,
        frame_rate,
    }))
}

/// Section 7.3.2.1.1.1, read only to get past it.
fn scaling_list(bits: &mut Bits<'_>, size: usize) -> Result<(), Ended> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Ok(())
}

/// Annex E.1.1 up to the timing; a frame lasts two ticks (a tick is a field's).
fn usability_frame_rate(bits: &mut Bits<'_>) -> Result<Option<f64>, Ended> {
    const EXTENDED_ASPECT_RATIO: u8 = 255;
    if bits.flag()? && bits.byte()? == EXTENDED_ASPECT_RATIO {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?; // overscan appropriate
    }
    if bits.flag()? {
        bits.skip(4)?; // video format, full range
        if bits.flag()? {
            bits.skip(24)?; // colour primaries, transfer, matrix
        }
    }
    if bits.flag()? {
        bits.ue()?; // chroma location
        bits.ue()?;
    }
    if !bits.flag()? {
        return Ok(None);
    }
    let ticks = bits.take(32)?;
    let scale = bits.take(32)?;
    Ok(rate(scale, u64::from(ticks) * 2))
}

/// Annex A.2.
fn profile_name(profile: u8, constraints: u8) -> Option<&'static str> {
    let constrained = |set: u8| constraints >> (7 - set) & 1 == 1;
    match profile {
        66 if constrained(1) => Some("Constrained Baseline"),
        66 => Some("Baseline"),
        77 => Some("Main"),
        88 => Some("Extended"),
        100 if constrained(4) && constrained(5) => Some("Constrained High"),
        100 => Some("High"),
        110 => Some("High 10"),
        122 => Some("High 4:2:2"),
        244 => Some("High 4:4:4 Predictive"),
        44 => Some("CAVLC 4:4:4 Intra"),
        _ => None,
    }
}

/// Annex A.3: ten times the level; 1b is 9, or 11 with a flag in the oldest profiles.
fn level_name(profile: u8, constraints: u8, level: u8) -> String {
    let flagged = matches!(profile, 66 | 77 | 88) && constraints & 0x10 != 0;
    match (level, level % 10) {
        (9, _) => "1b".to_owned(),
        (11, _) if flagged => "1b".to_owned(),
        (_, 0) => (level / 10).to_string(),
        (_, minor) => format!("{}.{minor}", level / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::hex;

    /// Records that ffmpeg 5.1 wrote with libx264; the values are ffprobe's.
    #[test]
    fn records_of_x264_tell_what_was_encoded() {
        type Row = (
            &'static str,
            &'static str,
            &'static str,
            &'static str,
            (u32, u32),
            f64,
        );
        let rows: [Row; 6] = [
            (
                "01640028ffe1001b67640028acd940780227e5c044000003000400000300f03c60c65801000468ef8f\
                 cbfdf8f800",
                "avc1.640028",
                "High",
                "4",
                (1920, 1080),
                30.0,
            ),
            (
                "0142c015ffe100176742c015da06c7f93c0440000003004000000783c58ba801000468ce0fc8",
                "avc1.42c015",
                "Constrained Baseline",
                "2.1",
                (426, 240),
                15.0,
            ),
            (
                // interlaced
                "01640028ffe1001a67640028acd94078044fde0220000003002000000643e2c5b2c001000468fe8fcb\
                 fdf8f800",
                "avc1.640028",
                "High",
                "4",
                (1920, 1080),
                25.0,
            ),
            (
                "01f4000bffe1001967f4000b919b2849fc7c7e022000007d2000177001e28532c002000668ef8f1921\
                 90fff8f800",
                "avc1.f4000b",
                "High 4:4:4 Predictive",
                "1.1",
                (130, 98),
                24_000.0 / 1_001.0,
            ),
            (
                "017a002affe1001a677a002ab6cd94056061e6f01100000303e90001d4c00f18319601000468ef8fcb\
                 fefafa00",
                "avc1.7a002a",
                "High 4:2:2",
                "4.2",
                (1366, 768),
                60_000.0 / 1_001.0,
            ),
            (
                // with scaling lists
                "0164001effe1001a6764001eacd940a02ff97011000003000100000300320f162d9601000568ef8fcc\
                 03fdf8f800",
                "avc1.64001e",
                "High",
                "3",
                (640, 360),
                25.0,
            ),
        ];
        for (record, rfc6381, profile, level, (width, height), frame_rate) in rows {
            let config = read(&hex(record)).expect(rfc6381);
            let expected = CodecConfig {
                profile: Some(profile),
                level: Some(level.to_owned()),
                width: Some(width),
                height: Some(height),
                frame_rate: Some(frame_rate),
                ..CodecConfig::of(Codec::Avc, rfc6381.to_owned())
            };
            assert_eq!(config, expected);
        }
    }

    #[test]
    fn a_record_without_parameter_sets_still_tells_the_profile() {
        let config = read(&[1, 0x4d, 0x40, 0x1f, 0xff, 0xe0, 0]).expect("sets are in band");
        assert_eq!(config.rfc6381, "avc1.4d401f");
        assert_eq!((config.profile, config.width), (Some("Main"), None));
    }

    #[test]
    fn level_1b_is_told_apart_from_1_1() {
        assert_eq!(level_name(66, 0x10, 11), "1b");
        assert_eq!(level_name(66, 0x00, 11), "1.1");
        assert_eq!(level_name(100, 0x00, 9), "1b");
    }

    #[test]
    fn a_record_cut_anywhere_says_what_is_missing() {
        let record =
            hex("0142c015ffe100176742c015da06c7f93c0440000003004000000783c58ba801000468ce");
        for (bytes, error) in [
            (
                0,
                "h264 set-up record ends too early: the fixed part has no end",
            ),
            (
                5,
                "h264 set-up record ends too early: the count of parameter sets has no end",
            ),
            (
                12,
                "h264 set-up record ends too early: a parameter set has no end",
            ),
        ] {
            let refused = read(record.get(..bytes).expect("shorter")).expect_err(error);
            assert_eq!(refused.to_string(), error);
        }
        let refused = read(&[9, 0, 0, 0, 0, 0]).expect_err("version 9");
        assert_eq!(refused.to_string(), "h264 set-up record has 9 as version");
    }

    #[test]
    fn cropping_that_leaves_no_picture_is_refused() {
        // 16 x 16 with 9 columns of 2 cropped on the left
        let set = crate::codec::tests::bits(
            "01100111 01000010 00000000 00001010 1 1 1 1 1 0 1 1 1 0 1 0001010 1 1 1 0 1",
        );
        let refused = sequence_parameter_set(&set);
        assert_eq!(refused, Ok(None));
    }
}
