//! The client's end of the handshake.

use super::{
    Collector, Kind, PACKET_BYTES, VERSION, check_version,
    digest::{self, Scheme, Signer},
    random::Random,
    skip,
};
use crate::Error;
use bytes::BytesMut;

/// What our C1 says where Flash Player has its version: the first that signed, with H.264.
const CLIENT_VERSION: [u8; 4] = [9, 0, 124, 2];

/// Sends C0 and C1, waits for S0 and S1, answers with C2, waits for S2.
#[derive(Debug)]
pub struct Client {
    random: Random,
    state: State,
    kind: Kind,
}

#[derive(Debug)]
enum State {
    /// C0 and C1 are still to be written.
    Start,
    S0,
    S1(Collector),
    S2 {
        missing: usize,
    },
}

impl Client {
    /// Signs its C1 or not, as `kind` says; takes either from the server.
    ///
    /// `random` makes this handshake differ from others; it is no secret.
    pub fn new(kind: Kind, random: [u8; 32]) -> Self {
        Self {
            random: Random::new(random),
            state: State::Start,
            kind,
        }
    }

    /// Takes the handshake's bytes from the front of `input`, appends what is to be sent to
    /// `output`; whether the handshake is over. What follows S2 is left in `input`.
    ///
    /// The first call, with no input, writes C0 and C1.
    ///
    /// # Errors
    /// If this is not RTMP.
    pub fn input(&mut self, input: &mut &[u8], output: &mut BytesMut) -> Result<bool, Error> {
        loop {
            match &mut self.state {
                State::Start => {
                    let c1 = match self.kind {
                        Kind::Simple => self.random.packet([0; 4]),
                        Kind::Digest => {
                            let mut c1 = self.random.packet(CLIENT_VERSION);
                            digest::sign(&mut c1, Scheme::DigestFirst, Signer::Client);
                            c1
                        }
                    };
                    output.extend_from_slice(&[VERSION]);
                    output.extend_from_slice(&c1);
                    self.state = State::S0;
                }
                State::S0 => {
                    let Some((&version, rest)) = input.split_first() else {
                        return Ok(false);
                    };
                    check_version(version)?;
                    *input = rest;
                    self.state = State::S1(Collector::new());
                }
                State::S1(collector) => {
                    let Some(s1) = collector.collect(input) else {
                        return Ok(false);
                    };
                    let mut c2 = s1;
                    match (self.kind, digest::find(&s1, Signer::Server)) {
                        (Kind::Digest, Some((_, s1_digest))) => {
                            c2 = self.random.packet([0; 4]);
                            digest::sign_answer(&mut c2, &s1_digest, Signer::Client);
                        }
                        _ => self.kind = Kind::Simple,
                    }
                    output.extend_from_slice(&c2);
                    self.state = State::S2 {
                        missing: PACKET_BYTES,
                    };
                }
                State::S2 { missing } => return Ok(skip(input, missing)),
            }
        }
    }

    /// How the two ends shook hands; right once S1 was answered.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}
