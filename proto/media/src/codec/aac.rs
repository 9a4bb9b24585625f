//! AAC: `AudioSpecificConfig` (ISO/IEC 14496-3 section 1.6.2.1).
//!
//! HE-AAC is signalled in one of three ways: by the object type (read here), by an extension at the
//! end that old decoders do not see (read here), or not at all (nobody can tell).

use super::{
    Codec, CodecConfig, RecordError,
    bits::{Bits, Ended},
};

/// Audio object types, table 1.17.
mod object_type {
    pub(super) const SBR: u32 = 5;
    pub(super) const ER_BSAC: u32 = 22;
    pub(super) const PS: u32 = 29;
    pub(super) const ESCAPE: u32 = 31;
}

/// Rates by index, table 1.18.
const SAMPLE_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// Reads an AudioSpecificConfig.
///
/// # Errors
/// If it ends too early, or names a sample rate that does not exist.
pub fn read(record: &[u8]) -> Result<CodecConfig, RecordError> {
    let truncated = |what| {
        move |Ended| RecordError::Truncated {
            codec: Codec::Aac,
            what,
        }
    };
    let mut bits = Bits::new(record);
    let mut head = Head::read(&mut bits).map_err(truncated("the head"))?;
    let channels = match head.channel_configuration {
        0 => channels_of_program(&mut bits, head.core_type).map_err(truncated("the channels"))?,
        1..=6 => Some(head.channel_configuration as u8),
        7 | 12 | 14 => Some(8),
        11 => Some(7),
        13 => Some(24),
        _ => None,
    };
    if head.channel_configuration != 0 && head.signalled == head.core_type {
        // not there in most records, and its absence is no fault
        head.read_extension(&mut bits).unwrap_or(());
    }
    if head.sample_rate.is_none_or(|rate| rate == 0) {
        let value = u64::from(head.sample_rate.unwrap_or(0));
        return Err(RecordError::Value {
            codec: Codec::Aac,
            what: "sample rate",
            value,
        });
    }
    let is_parametric_stereo = head.signalled == object_type::PS && channels == Some(1);
    Ok(CodecConfig {
        profile: profile_name(head.signalled),
        sample_rate: head.sample_rate,
        channels: if is_parametric_stereo {
            Some(2)
        } else {
            channels
        },
        ..CodecConfig::of(Codec::Aac, format!("mp4a.40.{}", head.signalled))
    })
}

/// What stands before the part that depends on the object type.
struct Head {
    /// What the whole is: the core's type, or SBR or PS around it.
    signalled: u32,
    core_type: u32,
    /// Of the sound that is heard.
    sample_rate: Option<u32>,
    channel_configuration: u32,
}

impl Head {
    fn read(bits: &mut Bits<'_>) -> Result<Self, Ended> {
        let signalled = audio_object_type(bits)?;
        let mut sample_rate = sampling_frequency(bits)?;
        let channel_configuration = bits.take(4)?;
        let mut core_type = signalled;
        if matches!(signalled, object_type::SBR | object_type::PS) {
            sample_rate = sampling_frequency(bits)?;
            core_type = audio_object_type(bits)?;
            if core_type == object_type::ER_BSAC {
                bits.skip(4)?; // extension channel configuration
            }
        }
        Ok(Self {
            signalled,
            core_type,
            sample_rate,
            channel_configuration,
        })
    }

    /// The backward compatible extension, after the GASpecificConfig of a plain core.
    fn read_extension(&mut self, bits: &mut Bits<'_>) -> Result<(), Ended> {
        const SYNC_SBR: u32 = 0x2b7;
        const SYNC_PS: u32 = 0x548;
        if !matches!(self.core_type, 1..=4) {
            return Ok(());
        }
        general_audio(bits)?;
        if bits.take(11)? != SYNC_SBR || audio_object_type(bits)? != object_type::SBR {
            return Ok(());
        }
        if !bits.flag()? {
            return Ok(());
        }
        self.sample_rate = sampling_frequency(bits)?;
        self.signalled = object_type::SBR;
        if bits.take(11)? == SYNC_PS && bits.flag()? {
            self.signalled = object_type::PS;
        }
        Ok(())
    }
}

fn audio_object_type(bits: &mut Bits<'_>) -> Result<u32, Ended> {
    match bits.take(5)? {
        object_type::ESCAPE => Ok(32 + bits.take(6)?),
        plain => Ok(plain),
    }
}

/// `None` for the two indices that are reserved.
fn sampling_frequency(bits: &mut Bits<'_>) -> Result<Option<u32>, Ended> {
    match bits.take(4)? {
        15 => bits.take(24).map(Some),
        index => Ok(SAMPLE_RATES.get(index as usize).copied()),
    }
}

/// GASpecificConfig up to the program (section 4.4.1).
fn general_audio(bits: &mut Bits<'_>) -> Result<(), Ended> {
    bits.skip(1)?; // frame length
    if bits.flag()? {
        bits.skip(14)?; // delay of the core coder
    }
    bits.skip(1) // extension
}

/// Channel configuration 0: the channels are listed in a program (section 4.4.1.1). `None` for
/// object types that list them in their own way.
fn channels_of_program(bits: &mut Bits<'_>, core_type: u32) -> Result<Option<u8>, Ended> {
    if !matches!(core_type, 1..=4) {
        return Ok(None);
    }
    general_audio(bits)?;
    bits.skip(4 + 2 + 4)?; // tag, object type, rate
    let speakers = bits.take(4)? + bits.take(4)? + bits.take(4)?; // front, side, back
    let low_frequency = bits.take(2)?;
    bits.skip(3 + 4)?; // associated data, coupling
    for mixdown_bits in [4, 4, 3] {
        if bits.flag()? {
            bits.skip(mixdown_bits)?;
        }
    }
    let mut channels = low_frequency;
    for _ in 0..speakers {
        channels += 1 + u32::from(bits.flag()?); // a pair or one
        bits.skip(4)?;
    }
    Ok(u8::try_from(channels).ok())
}

fn profile_name(object_type: u32) -> Option<&'static str> {
    match object_type {
        1 => Some("Main"),
        2 => Some("LC"),
        3 => Some("SSR"),
        4 => Some("LTP"),
        object_type::SBR => Some("HE-AAC"),
        object_type::PS => Some("HE-AACv2"),
        23 => Some("LD"),
        39 => Some("ELD"),
        42 => Some("xHE-AAC"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_signal_aac_is_read() {
        type Row = (&'static [u8], &'static str, &'static str, u32, Option<u8>);
        let rows: [Row; 8] = [
            (&[0x12, 0x10], "mp4a.40.2", "LC", 44_100, Some(2)),
            (&[0x11, 0x90], "mp4a.40.2", "LC", 48_000, Some(2)),
            (&[0x11, 0xb0], "mp4a.40.2", "LC", 48_000, Some(6)),
            // HE-AAC by object type: 24 kHz core, 48 kHz heard
            (
                &[0x2b, 0x11, 0x88, 0x00],
                "mp4a.40.5",
                "HE-AAC",
                48_000,
                Some(2),
            ),
            // HE-AACv2 by object type: mono core, stereo heard
            (
                &[0xeb, 0x09, 0x88, 0x00],
                "mp4a.40.29",
                "HE-AACv2",
                48_000,
                Some(2),
            ),
            // HE-AAC by the extension at the end
            (
                &[0x13, 0x10, 0x56, 0xe5, 0x98],
                "mp4a.40.5",
                "HE-AAC",
                48_000,
                Some(2),
            ),
            // the extension says that there is none
            (
                &[0x12, 0x10, 0x56, 0xe5, 0x00],
                "mp4a.40.2",
                "LC",
                44_100,
                Some(2),
            ),
            // a rate in 24 bits
            (
                &[0x17, 0x80, 0x5d, 0xc0, 0x08],
                "mp4a.40.2",
                "LC",
                48_000,
                Some(1),
            ),
        ];
        for (record, rfc6381, profile, sample_rate, channels) in rows {
            let config = read(record).expect(rfc6381);
            assert_eq!(config.rfc6381, rfc6381, "{record:02x?}");
            assert_eq!(config.profile, Some(profile), "{record:02x?}");
            assert_eq!(config.sample_rate, Some(sample_rate), "{record:02x?}");
            assert_eq!(config.channels, channels, "{record:02x?}");
        }
    }

    #[test]
    fn channels_of_a_program_are_counted() {
        // 5.1 as ffmpeg lists it: a centre and a pair in front, a pair at the back, one low
        let mut bits = String::from("00010 0011 0000 0 0 0"); // LC, 48 kHz, listed
        bits.push_str("0000 01 0011 0010 0000 0001 01 000 0000 0 0 0");
        bits.push_str("0 0000 1 0000 1 0001 0000");
        let config = read(&crate::codec::tests::bits(&bits)).expect("a program");
        assert_eq!(config.channels, Some(6));
    }

    #[test]
    fn a_reserved_sample_rate_is_refused() {
        let refused = read(&[0x16, 0x90]).expect_err("index 13");
        assert_eq!(
            refused.to_string(),
            "aac set-up record has 0 as sample rate"
        );
        let refused = read(&[0x12]).expect_err("one byte");
        assert_eq!(
            refused.to_string(),
            "aac set-up record ends too early: the head has no end"
        );
    }
}
