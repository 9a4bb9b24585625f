//! The server's end of the handshake.

use super::{
    Collector, Kind, PACKET_BYTES, VERSION, check_version,
    digest::{self, Signer},
    random::Random,
    skip,
};
use crate::{Error, limits::PROXY_HEADER_BYTES_MAX};
use bytes::BytesMut;
use std::net::Ipv4Addr;

/// What our S1 says where Flash Media Server has its version.
const SERVER_VERSION: [u8; 4] = [1, 0, 5, 4];

/// The byte by which a proxy's pre-header is known: it stands where C0's version would.
const PROXY_HEADER: u8 = 0xF3;

/// Waits for C0 and C1, answers with S0, S1 and S2, waits for C2.
#[derive(Debug)]
pub struct Server {
    random: Random,
    state: State,
    kind: Kind,
    proxied_address: Option<Ipv4Addr>,
}

#[derive(Debug)]
enum State {
    /// Before C0 and a pre-header.
    Start,
    /// Inside the pre-header: its bytes so far.
    ProxyHeader(Vec<u8>),
    /// Behind the pre-header.
    C0,
    C1(Collector),
    C2 {
        missing: usize,
    },
}

impl Server {
    /// `random` makes this handshake differ from others; it is no secret.
    pub fn new(random: [u8; 32]) -> Self {
        Self {
            random: Random::new(random),
            state: State::Start,
            kind: Kind::Simple,
            proxied_address: None,
        }
    }

    /// Takes the handshake's bytes from the front of `input`, appends answers to `output`; whether
    /// the handshake is over. What follows C2 is left in `input`.
    ///
    /// # Errors
    /// If this is not RTMP, or a pre-header is too long. Nothing is to be answered then.
    pub fn input(&mut self, input: &mut &[u8], output: &mut BytesMut) -> Result<bool, Error> {
        loop {
            match &mut self.state {
                State::Start => match input.first() {
                    None => return Ok(false),
                    Some(&PROXY_HEADER) => self.state = State::ProxyHeader(Vec::new()),
                    Some(_) => self.state = State::C0,
                },
                State::ProxyHeader(bytes) => {
                    let Some(address) = read_proxy_header(bytes, input)? else {
                        return Ok(false);
                    };
                    self.proxied_address = address;
                    self.state = State::C0;
                }
                State::C0 => {
                    let Some((&version, rest)) = input.split_first() else {
                        return Ok(false);
                    };
                    check_version(version)?;
                    *input = rest;
                    self.state = State::C1(Collector::new());
                }
                State::C1(collector) => {
                    let Some(c1) = collector.collect(input) else {
                        return Ok(false);
                    };
                    let mut s1 = self.random.packet(SERVER_VERSION);
                    let mut s2 = c1;
                    if let Some((scheme, c1_digest)) = digest::find(&c1, Signer::Client) {
                        self.kind = Kind::Digest;
                        digest::sign(&mut s1, scheme, Signer::Server);
                        s2 = self.random.packet([0; 4]);
                        digest::sign_answer(&mut s2, &c1_digest, Signer::Server);
                    } else {
                        // Four zeros are the specification's mark of the simple handshake.
                        s1[4..8].fill(0);
                    }
                    output.reserve(1 + 2 * PACKET_BYTES);
                    output.extend_from_slice(&[VERSION]);
                    output.extend_from_slice(&s1);
                    output.extend_from_slice(&s2);
                    self.state = State::C2 {
                        missing: PACKET_BYTES,
                    };
                }
                State::C2 { missing } => return Ok(skip(input, missing)),
            }
        }
    }

    /// How the client shook hands; right once C1 was answered.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The client's own address, if a proxy told it.
    pub fn proxied_address(&self) -> Option<Ipv4Addr> {
        self.proxied_address
    }
}

/// SRS's pre-header: 0xF3, the length of what follows (2 bytes, big endian), and in that first the
/// client's IPv4 address. Outer `None`: more bytes are needed. Inner `None`: it holds no address.
fn read_proxy_header(
    bytes: &mut Vec<u8>,
    input: &mut &[u8],
) -> Result<Option<Option<Ipv4Addr>>, Error> {
    const FIXED: usize = 3;
    loop {
        let length = match bytes[..] {
            [_, high, low, ..] => usize::from(u16::from_be_bytes([high, low])),
            _ => 0,
        };
        if length > PROXY_HEADER_BYTES_MAX {
            return Err(Error::ProxyHeaderTooLong {
                bytes: length,
                max: PROXY_HEADER_BYTES_MAX,
            });
        }
        if bytes.len() == FIXED + length && bytes.len() >= FIXED {
            return Ok(Some(match bytes[FIXED..] {
                [a, b, c, d, ..] => Some(Ipv4Addr::new(a, b, c, d)),
                _ => None,
            }));
        }
        let now = (FIXED + length - bytes.len()).min(input.len());
        if now == 0 {
            return Ok(None);
        }
        let (taken, rest) = input.split_at(now);
        bytes.extend_from_slice(taken);
        *input = rest;
    }
}
