//! Any bytes as the set-up record of each codec: no panic, and no picture without a size.
#![no_main]

use media::{Codec, CodecConfig};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, record)) = input.split_first() else {
        return;
    };
    let codec = Codec::ALL[usize::from(*first) % Codec::ALL.len()];
    if let Ok(Some(config)) = CodecConfig::read(codec, record) {
        assert_eq!(config.codec, codec);
        assert!(config.width != Some(0) && config.height != Some(0));
        assert!(config.frame_rate.is_none_or(|rate| rate.is_finite() && rate > 0.0));
    }
});
