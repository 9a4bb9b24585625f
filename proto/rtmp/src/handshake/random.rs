//! Bytes that fill handshake packets. They hide nothing: they only make two handshakes differ.

use super::{PACKET_BYTES, Packet};

/// SplitMix64, seeded from outside so that this crate stays pure.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let (words, _) = seed.as_chunks::<8>();
        let state = words.iter().fold(0u64, |state, word| {
            state.rotate_left(17).wrapping_mul(5) ^ u64::from_le_bytes(*word)
        });
        Self { state }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A packet with this version in its bytes 4 to 7, time 0 before it, and noise behind it.
    pub(super) fn packet(&mut self, version: [u8; 4]) -> Packet {
        let mut packet = [0; PACKET_BYTES];
        let (words, _) = packet.as_chunks_mut::<8>();
        for word in words {
            *word = self.next().to_le_bytes();
        }
        packet[..4].fill(0);
        packet[4..8].copy_from_slice(&version);
        packet
    }
}
