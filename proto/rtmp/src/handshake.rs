//! The handshake (RTMP 1.0, 5.2), both ends, simple and with digests, under any split of the input.
//!
//! ```text
//!  client                                   server
//!    │ [proxy pre-header] C0 C1 ──────────────▶ │
//!    │ ◀──────────────────────────── S0 S1 S2   │  as soon as C1 is whole
//!    │ C2 ────────────────────────────────────▶ │  as soon as S1 is whole
//! ```
//!
//! C1 and S1 either hold random bytes, which the other end echoes (simple), or are signed as Flash
//! signs them, and answered with a signature (`handshake/digest.rs`). A server finds out by looking.
//! Echoes and signatures in C2 and S2 are not checked: many encoders send anything there, and
//! nothing that matters rests on them.
//!
//! Both ends take the handshake's bytes only, and leave what follows in the input.

mod client;
mod digest;
mod random;
mod server;

pub use client::Client;
pub use server::Server;

use crate::Error;

/// The size of C1, S1, C2 and S2 (5.2.3, 5.2.4).
pub const PACKET_BYTES: usize = 1536;

/// The version that we speak (5.2.2).
const VERSION: u8 = 3;

/// A TLS ClientHello's first byte; no RTMP version has come near it.
const TLS_HANDSHAKE: u8 = 22;

/// How the two ends prove to each other that they read what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Each echoes the other's bytes, as the specification has it.
    Simple,
    /// Signed as Flash Player 9 and later sign: some servers give H.264 only to these.
    Digest,
}

/// A C1, S1, C2 or S2.
type Packet = [u8; PACKET_BYTES];

/// Collects one packet from any split of the input.
#[derive(Debug)]
struct Collector {
    bytes: Vec<u8>,
}

impl Collector {
    fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Takes from the front of `input`; the packet, once it is whole.
    fn collect(&mut self, input: &mut &[u8]) -> Option<Packet> {
        let now = (PACKET_BYTES - self.bytes.len()).min(input.len());
        let (taken, rest) = input.split_at(now);
        *input = rest;
        self.bytes.extend_from_slice(taken);
        let packet = self.bytes.first_chunk().copied()?;
        self.bytes = Vec::new();
        Some(packet)
    }
}

/// Drops bytes from the front of `input` until `missing` is 0; whether it is.
fn skip(input: &mut &[u8], missing: &mut usize) -> bool {
    let now = (*missing).min(input.len());
    *input = &input[now..];
    *missing -= now;
    *missing == 0
}

/// Whether we can go on with a peer that says `version`.
///
/// 4 to 31 are for later versions: the peer hears 3 and may come down to it (5.2.2). Another
/// protocol's first byte is called by its name, since a browser or a TLS client on the RTMP port is
/// the commonest cause.
fn check_version(version: u8) -> Result<(), Error> {
    let looks_like = match version {
        TLS_HANDSHAKE => "TLS",
        b'A'..=b'Z' => "HTTP",
        VERSION..=31 => return Ok(()),
        _ => return Err(Error::Version { version }),
    };
    Err(Error::NotRtmp {
        looks_like,
        first_byte: version,
    })
}

#[cfg(test)]
mod tests;
