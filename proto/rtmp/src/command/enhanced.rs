//! What Enhanced RTMP (v1 2023, v2 2024) adds to `connect`: which codecs and which extensions an end
//! can take, so that the other does not send in vain.
//!
//! Weir passes coded media through untouched, so its own answer is short: every codec can be
//! forwarded, none is decoded or encoded.

use amf::Value;

/// Codecs that one end may name: more exist in no registry, and each costs a string.
const CODECS_MAX: usize = 64;

/// Bits of a codec's entry in `videoFourCcInfoMap` and `audioFourCcInfoMap`.
pub mod can {
    /// It can decode the codec.
    pub const DECODE: u32 = 1;
    /// It can encode the codec.
    pub const ENCODE: u32 = 2;
    /// It can pass the codec on.
    pub const FORWARD: u32 = 4;
}

/// Bits of `capsEx`.
pub mod caps {
    /// Understands `NetConnection.Connect.ReconnectRequest`.
    pub const RECONNECT: u32 = 1;
    /// Understands several tracks in one stream.
    pub const MULTITRACK: u32 = 2;
    /// Understands packets with modifiers.
    pub const MOD_EX: u32 = 4;
    /// Understands the modifier with nanoseconds.
    pub const TIMESTAMP_NANO: u32 = 8;
}

/// What an end can take beyond the RTMP of 2012. Empty if it says nothing, as old programs do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enhanced {
    /// `fourCcList` (v1): codecs it can take in, as FourCC texts; `*` is any.
    pub four_ccs: Vec<String>,
    /// `videoFourCcInfoMap` (v2): codec and [`can`] bits.
    pub video: Vec<(String, u32)>,
    /// `audioFourCcInfoMap` (v2): codec and [`can`] bits.
    pub audio: Vec<(String, u32)>,
    /// `capsEx` (v2): [`caps`] bits.
    pub caps_ex: u32,
}

impl Enhanced {
    /// What Weir says of itself on either end: everything is passed through as it came.
    pub fn passed_through() -> Self {
        let forward = |codecs: &[&str]| {
            codecs
                .iter()
                .map(|codec| ((*codec).to_owned(), can::FORWARD))
                .collect::<Vec<_>>()
        };
        let video = ["*", "avc1", "hvc1", "av01", "vp08", "vp09"];
        let audio = ["*", "mp4a", "Opus", "fLaC", "ac-3", "ec-3", ".mp3"];
        Self {
            four_ccs: ["hvc1", "av01", "vp09", "Opus", "fLaC", "ac-3"]
                .map(str::to_owned)
                .into(),
            video: forward(&video),
            audio: forward(&audio),
            caps_ex: caps::RECONNECT | caps::MULTITRACK | caps::MOD_EX | caps::TIMESTAMP_NANO,
        }
    }

    /// Whether the other end said nothing of the kind.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it understands a reconnect request.
    pub fn understands_reconnect(&self) -> bool {
        self.caps_ex & caps::RECONNECT != 0
    }

    /// From `connect`'s command object, or from the properties of its `_result`.
    pub(crate) fn from_value(object: &Value) -> Self {
        let map = |name: &str| -> Vec<(String, u32)> {
            let entries = object
                .get(name)
                .and_then(Value::properties)
                .unwrap_or_default();
            let bits = |value: &Value| value.as_f64().map(|bits| bits as u32);
            let entries = entries.iter().take(CODECS_MAX);
            entries
                .filter_map(|(codec, value)| Some((codec.clone(), bits(value)?)))
                .collect()
        };
        let list = object
            .get("fourCcList")
            .and_then(Value::as_array)
            .unwrap_or_default();
        let list = list.iter().take(CODECS_MAX).filter_map(Value::as_str);
        Self {
            four_ccs: list.map(str::to_owned).collect(),
            video: map("videoFourCcInfoMap"),
            audio: map("audioFourCcInfoMap"),
            caps_ex: object
                .get("capsEx")
                .and_then(Value::as_f64)
                .map_or(0, |bits| bits as u32),
        }
    }

    /// Appends what is there to an object's properties.
    pub(crate) fn write_into(&self, properties: &mut Vec<(String, Value)>) {
        if !self.four_ccs.is_empty() {
            let list = self
                .four_ccs
                .iter()
                .map(|codec| Value::from(codec.as_str()))
                .collect();
            properties.push(("fourCcList".to_owned(), Value::StrictArray(list)));
        }
        for (name, map) in [
            ("videoFourCcInfoMap", &self.video),
            ("audioFourCcInfoMap", &self.audio),
        ] {
            if !map.is_empty() {
                let entries = map
                    .iter()
                    .map(|(codec, bits)| (codec.clone(), Value::from(*bits)));
                properties.push((name.to_owned(), Value::Object(entries.collect())));
            }
        }
        if self.caps_ex != 0 {
            properties.push(("capsEx".to_owned(), Value::from(self.caps_ex)));
        }
    }
}
