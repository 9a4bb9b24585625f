//! H.265: `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 section 8.3.3.1) and the sequence
//! parameter set in it (ISO/IEC 23008-2 section 7.3.2.2).

use super::{
    Codec, CodecConfig, RecordError,
    bits::{Bits, Ended, without_emulation_prevention},
    rate,
};
use std::fmt::Write as _;

/// NAL unit type of a sequence parameter set (ISO/IEC 23008-2 table 7-1).
const SPS_NUT: u8 = 33;

/// Reads an hvcC. The first sequence parameter set counts; without any there is no size.
///
/// # Errors
/// If it, or its parameter set, ends too early or contradicts itself.
pub fn read(record: &[u8]) -> Result<CodecConfig, RecordError> {
    let truncated = |what| {
        move |Ended| RecordError::Truncated {
            codec: Codec::Hevc,
            what,
        }
    };
    let mut bits = Bits::new(record);
    let general = General::read(&mut bits).map_err(truncated("the fixed part"))?;
    // encoders from before the standard was final write version 0; the layout is the same
    if general.version > 1 {
        let value = u64::from(general.version);
        return Err(RecordError::Value {
            codec: Codec::Hevc,
            what: "version",
            value,
        });
    }
    let mut config = CodecConfig {
        profile: general.profile_name(),
        level: Some(general.level_name()),
        frame_rate: general.frame_rate,
        ..CodecConfig::of(Codec::Hevc, general.rfc6381())
    };
    let Some(nal) =
        first_sequence_parameter_set(&mut bits).map_err(truncated("the list of parameter sets"))?
    else {
        return Ok(config);
    };
    let set = SequenceParameterSet::read(&without_emulation_prevention(nal))
        .map_err(truncated("a sequence parameter set"))?;
    let (Some(width), Some(height)) = (set.width(), set.height()) else {
        return Err(RecordError::Value {
            codec: Codec::Hevc,
            what: "picture size",
            value: 0,
        });
    };
    config.width = Some(width);
    config.height = Some(height);
    config.frame_rate = set.frame_rate.or(config.frame_rate);
    Ok(config)
}

/// The fixed part of the record.
struct General {
    version: u8,
    profile_space: u8,
    high_tier: bool,
    profile: u8,
    compatibility: u32,
    constraints: [u8; 6],
    level: u8,
    frame_rate: Option<f64>,
}

impl General {
    fn read(bits: &mut Bits<'_>) -> Result<Self, Ended> {
        let version = bits.byte()?;
        let profile_space = bits.take(2)? as u8;
        let high_tier = bits.flag()?;
        let profile = bits.take(5)? as u8;
        let compatibility = bits.take(32)?;
        let mut constraints = [0; 6];
        for byte in &mut constraints {
            *byte = bits.byte()?;
        }
        let level = bits.byte()?;
        bits.skip(16 + 8 + 8 + 8 + 8)?; // segmentation, parallelism, chroma, bit depths
        let frames_in_256_seconds = bits.short()?;
        bits.skip(8)?; // constant rate, layers, length size
        Ok(Self {
            version,
            profile_space,
            high_tier,
            profile,
            compatibility,
            constraints,
            level,
            frame_rate: rate(u32::from(frames_in_256_seconds), 256),
        })
    }

    /// ISO/IEC 23008-2 annex A.3.
    fn profile_name(&self) -> Option<&'static str> {
        match self.profile {
            1 => Some("Main"),
            2 => Some("Main 10"),
            3 => Some("Main Still Picture"),
            4 => Some("Range Extensions"),
            5 => Some("High Throughput"),
            9 => Some("Screen Content Coding"),
            _ => None,
        }
    }

    /// Thirty times the level.
    fn level_name(&self) -> String {
        match (self.level / 30, self.level % 30 / 3) {
            (major, 0) => major.to_string(),
            (major, minor) => format!("{major}.{minor}"),
        }
    }

    /// ISO/IEC 14496-15 annex E.3.
    fn rfc6381(&self) -> String {
        let space = ["", "A", "B", "C"]
            .get(usize::from(self.profile_space))
            .unwrap_or(&"");
        let compatibility = self.compatibility.reverse_bits();
        let tier = if self.high_tier { 'H' } else { 'L' };
        let mut text = format!(
            "hvc1.{space}{}.{compatibility:X}.{tier}{}",
            self.profile, self.level
        );
        let said = self
            .constraints
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        for byte in self.constraints.iter().take(said) {
            write!(text, ".{byte:X}").expect("a String takes everything");
        }
        text
    }
}

/// Walks the arrays of NAL units.
fn first_sequence_parameter_set<'a>(bits: &mut Bits<'a>) -> Result<Option<&'a [u8]>, Ended> {
    for _ in 0..bits.byte()? {
        let kind = bits.byte()? & 0x3f;
        for _ in 0..bits.short()? {
            let length = bits.short()?;
            let nal = bits.slice(usize::from(length))?;
            if kind == SPS_NUT {
                return Ok(Some(nal));
            }
        }
    }
    Ok(None)
}

/// What a sequence parameter set says about the picture.
struct SequenceParameterSet {
    chroma: u32,
    coded_width: u32,
    coded_height: u32,
    crop_x: u64,
    crop_y: u64,
    frame_rate: Option<f64>,
}

impl SequenceParameterSet {
    /// Section 7.3.2.2.1.
    fn read(rbsp: &[u8]) -> Result<Self, Ended> {
        let mut bits = Bits::new(rbsp);
        bits.skip(16 + 4)?; // NAL unit header, id of the video parameter set
        let sub_layers = bits.take(3)?;
        bits.skip(1)?; // temporal nesting
        profile_tier_level(&mut bits, sub_layers)?;
        bits.ue()?; // id
        let mut chroma = bits.ue()?;
        if chroma == 3 && bits.flag()? {
            chroma = 0; // three planes, each coded like a monochrome picture
        }
        let coded_width = bits.ue()?;
        let coded_height = bits.ue()?;
        let (mut crop_x, mut crop_y) = (0, 0);
        if bits.flag()? {
            let mut edge = || bits.ue().map(u64::from);
            crop_x = edge()? + edge()?;
            crop_y = edge()? + edge()?;
        }
        // the rest is long and only for display: without it there is just no frame rate
        let frame_rate = frame_rate(&mut bits, sub_layers).unwrap_or(None);
        Ok(Self {
            chroma,
            coded_width,
            coded_height,
            crop_x,
            crop_y,
            frame_rate,
        })
    }

    fn width(&self) -> Option<u32> {
        let unit = if matches!(self.chroma, 1 | 2) { 2 } else { 1 };
        cropped(self.coded_width, self.crop_x * unit)
    }

    fn height(&self) -> Option<u32> {
        let unit = if self.chroma == 1 { 2 } else { 1 };
        cropped(self.coded_height, self.crop_y * unit)
    }
}

fn cropped(coded: u32, crop: u64) -> Option<u32> {
    let left = u64::from(coded).checked_sub(crop)?;
    u32::try_from(left).ok().filter(|left| *left > 0)
}

/// Section 7.3.3; nothing in it that the record's fixed part does not say.
fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Result<(), Ended> {
    const PROFILE_BITS: usize = 88;
    const LEVEL_BITS: usize = 8;
    bits.skip(PROFILE_BITS + LEVEL_BITS)?;
    let mut present = 0;
    for _ in 0..sub_layers {
        present += PROFILE_BITS * usize::from(bits.flag()?);
        present += LEVEL_BITS * usize::from(bits.flag()?);
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?;
    }
    bits.skip(present)
}

/// From after the conformance window to the timing in the usability information (annex E.2.1).
fn frame_rate(bits: &mut Bits<'_>, sub_layers: u32) -> Result<Option<f64>, Ended> {
    bits.ue()?; // luma bit depth
    bits.ue()?; // chroma bit depth
    let order_count_bits = bits.ue()?.checked_add(4).ok_or(Ended)?;
    let for_each_layer = bits.flag()?;
    for _ in 0..if for_each_layer { sub_layers + 1 } else { 1 } {
        bits.ue()?; // buffering, reordering, latency
        bits.ue()?;
        bits.ue()?;
    }
    for _ in 0..6 {
        bits.ue()?; // block sizes, transform sizes and depths
    }
    if bits.flag()? && bits.flag()? {
        scaling_lists(bits)?;
    }
    bits.skip(2)?; // asymmetric partitions, sample adaptive offset
    if bits.flag()? {
        bits.skip(8)?; // PCM bit depths
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    short_term_reference_sets(bits)?;
    if bits.flag()? {
        for _ in 0..bits.ue()? {
            bits.take(order_count_bits)?;
            bits.skip(1)?;
        }
    }
    bits.skip(2)?; // temporal motion vectors, intra smoothing
    if !bits.flag()? {
        return Ok(None);
    }

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
    bits.skip(3)?; // neutral chroma, fields, frame and field information
    if bits.flag()? {
        for _ in 0..4 {
            bits.ue()?; // default display window
        }
    }
    if !bits.flag()? {
        return Ok(None);
    }
    let ticks = bits.take(32)?;
    let scale = bits.take(32)?;
    Ok(rate(scale, u64::from(ticks)))
}

/// Section 7.3.4, read only to get past it.
fn scaling_lists(bits: &mut Bits<'_>) -> Result<(), Ended> {
    for size in 0..4u32 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !bits.flag()? {
                bits.ue()?; // copied from an earlier list
                continue;
            }
            if size > 1 {
                bits.se()?;
            }
            for _ in 0..64.min(1 << (4 + 2 * size)) {
                bits.se()?;
            }
        }
    }
    Ok(())
}

/// Section 7.3.7, read only to get past it: each set may be told as a change of the one before.
fn short_term_reference_sets(bits: &mut Bits<'_>) -> Result<(), Ended> {
    const SETS_MAX: u32 = 64;
    const PICTURES_MAX: u32 = 16;
    let sets = bits.ue()?;
    if sets > SETS_MAX {
        return Err(Ended);
    }
    let mut pictures_before = 0;
    for set in 0..sets {
        let mut pictures = 0;
        if set > 0 && bits.flag()? {
            bits.skip(1)?; // sign of the change
            bits.ue()?;
            for _ in 0..=pictures_before {
                let used = bits.flag()?;
                if used || bits.flag()? {
                    pictures += 1;
                }
            }
        } else {
            let (before, after) = (bits.ue()?, bits.ue()?);
            if before > PICTURES_MAX || after > PICTURES_MAX {
                return Err(Ended);
            }
            pictures = before + after;
            for _ in 0..pictures {
                bits.ue()?;
                bits.skip(1)?;
            }
        }
        pictures_before = pictures;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::hex;

    /// Records that ffmpeg 5.1 wrote with libx265; the values are ffprobe's.
    #[test]
    fn records_of_x265_tell_what_was_encoded() {
        type Row = (
            &'static str,
            &'static str,
            &'static str,
            &'static str,
            (u32, u32),
            f64,
        );
        let rows: [Row; 3] = [
            (
                "0101600000009000000000007bf000fcfdf8f800000f03a00001001840010c01ffff01600000030090\
                 000003000003007b959409a10001002b42010101600000030090000003000003007ba003c0801107cb\
                 965654a4c2f0168080000003008000001904a2000100064401c073c189",
                "hvc1.1.6.L123.90",
                "Main",
                "4.1",
                (1920, 1080),
                50.0,
            ),
            (
                "01222000000090000000000099f000fcfdfafa00000f03a00001001840010c01ffff22200000030090\
                 0000030000030099959409a10001002a42010122200000030090000003000003\
                 0099a001e020021c4d965654a4c2f01680800001f48000753004a2000100064401c073c189",
                "hvc1.2.4.H153.90",
                "Main 10",
                "5.1",
                (3840, 2160),
                60_000.0 / 1_001.0,
            ),
            (
                // 4:4:4 with scaling lists
                "0104080000009e08000000005af000fcfff8f800000f03a00001001740010c01ffff0408000003009e\
                 0800000300005a959409a10001002b4201010408000003009e0800000300005a9000d8403c38fbcb2b\
                 2a5270bc05a02000000300200000030321a2000100084401c07318301890",
                "hvc1.4.10.L90.9E.8",
                "Range Extensions",
                "3",
                (850, 478),
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
                ..CodecConfig::of(Codec::Hevc, rfc6381.to_owned())
            };
            assert_eq!(config, expected);
        }
    }

    #[test]
    fn a_record_without_parameter_sets_still_tells_the_profile() {
        let record = hex("0101600000009000000000005df000fcfdf8f800000f00");
        let config = read(&record).expect("sets are in band");
        assert_eq!(config.rfc6381, "hvc1.1.6.L93.90");
        assert_eq!((config.level.as_deref(), config.width), (Some("3.1"), None));
    }

    #[test]
    fn a_record_cut_anywhere_says_what_is_missing() {
        let record = hex("0101600000009000000000005df000fcfdf8f800000f01a1000100044201");
        for (bytes, error) in [
            (
                21,
                "h265 set-up record ends too early: the fixed part has no end",
            ),
            (
                29,
                "h265 set-up record ends too early: the list of parameter sets has no end",
            ),
        ] {
            let refused = read(record.get(..bytes).expect("shorter")).expect_err(error);
            assert_eq!(refused.to_string(), error);
        }
        let refused = read(&[2; 40]).expect_err("version 2");
        assert_eq!(refused.to_string(), "h265 set-up record has 2 as version");
    }
}
