//! Flash's signatures in the handshake: where they stand, and how they are made.
//!
//! The specification does not tell of them. A packet is time (4 bytes), version (4), and two blocks
//! of 764 bytes: one holds the digest, one is for key exchange, which plain RTMP does not use. Which
//! comes first is the scheme. The digest stands in its block at an offset that four bytes of the
//! block add up to.
//!
//! ```text
//!  scheme 0: | time | version | key block    | digest block |
//!  scheme 1: | time | version | digest block | key block    |
//!
//!  digest block: | offset 4 | noise, offset bytes | digest 32 | noise |
//! ```
//!
//! C1 and S1 are signed with one end's name; C2 and S2 with a key made from the digest that they
//! answer.

use super::{PACKET_BYTES, Packet};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The size of an HMAC-SHA256.
pub(super) const DIGEST_BYTES: usize = 32;
/// Time and version.
const PREFIX_BYTES: usize = 8;
/// Each of the two blocks.
const BLOCK_BYTES: usize = (PACKET_BYTES - PREFIX_BYTES) / 2;
/// Offsets count modulo what is left of a block beside the offset and the digest.
const OFFSETS: usize = BLOCK_BYTES - 4 - DIGEST_BYTES;

pub(super) type Digest = [u8; DIGEST_BYTES];

/// Which block comes first; the numbers are those by which SRS and others call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Scheme 0.
    KeyFirst,
    /// Scheme 1; what Flash Player 9 and librtmp send.
    DigestFirst,
}

/// Whose signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    Client,
    Server,
}

/// What both signers' names are followed by when they answer a digest.
const KEY_TAIL: [u8; 32] = [
    0xF0, 0xEE, 0xC2, 0x4A, 0x80, 0x68, 0xBE, 0xE8, 0x2E, 0x00, 0xD0, 0xD1, 0x02, 0x9E, 0x7E, 0x57,
    0x6E, 0xEC, 0x5D, 0x2D, 0x29, 0x80, 0x6F, 0xAB, 0x93, 0xB8, 0xE6, 0x36, 0xCF, 0xEB, 0x31, 0xAE,
];

impl Signer {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Client => b"Genuine Adobe Flash Player 001",
            Self::Server => b"Genuine Adobe Flash Media Server 001",
        }
    }
}

/// Finds a valid signature of `signer` in a C1 or S1.
pub(super) fn find(packet: &Packet, signer: Signer) -> Option<(Scheme, Digest)> {
    [Scheme::DigestFirst, Scheme::KeyFirst]
        .into_iter()
        .find_map(|scheme| {
            let digest = sign_around(packet, scheme, signer);
            let at = digest_at(packet, scheme);
            (packet[at..at + DIGEST_BYTES] == digest).then_some((scheme, digest))
        })
}

/// Signs a C1 or S1; gives the digest.
pub(super) fn sign(packet: &mut Packet, scheme: Scheme, signer: Signer) -> Digest {
    let digest = sign_around(packet, scheme, signer);
    let at = digest_at(packet, scheme);
    packet[at..at + DIGEST_BYTES].copy_from_slice(&digest);
    digest
}

/// Signs a C2 or S2, in its last bytes, as the answer to the digest of an S1 or C1.
pub(super) fn sign_answer(packet: &mut Packet, answered: &Digest, signer: Signer) {
    let key = hmac(&[signer.name(), &KEY_TAIL].concat(), &[answered]);
    let (body, signature) = packet.split_at_mut(PACKET_BYTES - DIGEST_BYTES);
    signature.copy_from_slice(&hmac(&key, &[body]));
}

/// Where the digest stands: always inside its block, whatever the offset's bytes are.
fn digest_at(packet: &Packet, scheme: Scheme) -> usize {
    let block = match scheme {
        Scheme::KeyFirst => PREFIX_BYTES + BLOCK_BYTES,
        Scheme::DigestFirst => PREFIX_BYTES,
    };
    let sum: usize = packet[block..block + 4]
        .iter()
        .map(|byte| usize::from(*byte))
        .sum();
    block + 4 + sum % OFFSETS
}

/// The signature of all of a packet but the place where the signature stands.
fn sign_around(packet: &Packet, scheme: Scheme, signer: Signer) -> Digest {
    let at = digest_at(packet, scheme);
    hmac(
        signer.name(),
        &[&packet[..at], &packet[at + DIGEST_BYTES..]],
    )
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Digest {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
