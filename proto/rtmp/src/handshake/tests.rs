//! The handshake's promises: every pair of ends, every split, every kind of stranger.

use super::{
    Client, Kind, PACKET_BYTES, Packet, Server,
    digest::{self, DIGEST_BYTES, Scheme, Signer},
    random::Random,
};
use crate::Error;
use bytes::BytesMut;
use std::net::Ipv4Addr;

const AFTER: &[u8] = b"what follows";

/// Feeds `bytes` in pieces of `piece`; gives what was left when the handshake was over.
fn feed(
    bytes: &[u8],
    piece: usize,
    mut input: impl FnMut(&mut &[u8]) -> Result<bool, Error>,
) -> Result<Option<Vec<u8>>, Error> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (mut now, later) = rest.split_at(piece.min(rest.len()));
        if input(&mut now)? {
            return Ok(Some([now, later].concat()));
        }
        assert!(now.is_empty(), "all is taken until it is over");
        rest = later;
    }
    Ok(None)
}

#[test]
fn both_ends_agree_under_any_split() {
    for kind in [Kind::Simple, Kind::Digest] {
        for piece in [1, 7, 1535, 1536, 1537, 3073, 10_000] {
            let mut client = Client::new(kind, [1; 32]);
            let mut server = Server::new([2; 32]);
            let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
            assert_eq!(client.input(&mut &b""[..], &mut up), Ok(false));
            assert_eq!(up.len(), 1 + PACKET_BYTES);

            let over = feed(&up.split(), piece, |bytes| server.input(bytes, &mut down));
            assert_eq!((over, down.len()), (Ok(None), 1 + 2 * PACKET_BYTES));
            down.extend_from_slice(AFTER);
            let over = feed(&down.split(), piece, |bytes| client.input(bytes, &mut up));
            assert_eq!(over, Ok(Some(AFTER.to_vec())));
            assert_eq!(up.len(), PACKET_BYTES);
            up.extend_from_slice(AFTER);
            let over = feed(&up.split(), piece, |bytes| server.input(bytes, &mut down));
            assert_eq!(over, Ok(Some(AFTER.to_vec())));
            assert_eq!((client.kind(), server.kind()), (kind, kind));
        }
    }
}

fn answer(c0_c1: &[u8]) -> (Server, Packet, Packet) {
    let mut server = Server::new([3; 32]);
    let mut out = BytesMut::new();
    assert_eq!(server.input(&mut &*c0_c1, &mut out), Ok(false));
    assert_eq!(out[0], 3);
    let packets = out[1..].as_chunks::<PACKET_BYTES>().0;
    (server, packets[0], packets[1])
}

#[test]
fn a_simple_c1_is_echoed() {
    let c1 = Random::new([4; 32]).packet([0; 4]);
    let (server, s1, s2) = answer(&[&[3], &c1[..]].concat());
    assert_eq!(server.kind(), Kind::Simple);
    assert_eq!(s2, c1);
    assert_eq!(s1[..8], [0; 8]);
    assert_eq!(digest::find(&s1, Signer::Server), None);
}

#[test]
fn a_signed_c1_is_answered_in_its_own_scheme() {
    for scheme in [Scheme::KeyFirst, Scheme::DigestFirst] {
        let mut c1 = Random::new([5; 32]).packet([9, 0, 124, 2]);
        let c1_digest = digest::sign(&mut c1, scheme, Signer::Client);
        let (server, s1, s2) = answer(&[&[3], &c1[..]].concat());
        assert_eq!(server.kind(), Kind::Digest);
        assert_eq!(
            digest::find(&s1, Signer::Server).map(|found| found.0),
            Some(scheme)
        );
        let mut signed = s2;
        digest::sign_answer(&mut signed, &c1_digest, Signer::Server);
        assert_eq!(s2, signed);
    }
}

#[test]
fn one_wrong_bit_makes_a_handshake_simple() {
    for at in [0, 100, 900, PACKET_BYTES - 1] {
        let mut c1 = Random::new([6; 32]).packet([9, 0, 124, 2]);
        digest::sign(&mut c1, Scheme::DigestFirst, Signer::Client);
        c1[at] ^= 1;
        let (server, _, s2) = answer(&[&[3], &c1[..]].concat());
        assert_eq!((server.kind(), s2), (Kind::Simple, c1), "byte {at}");
    }
}

#[test]
fn a_digest_stays_inside_its_block_whatever_the_offset() {
    for offset in [[0; 4], [0xFF; 4], [0xFF, 0xFF, 0xDA, 0], [1, 2, 3, 4]] {
        for (scheme, block) in [(Scheme::KeyFirst, 772), (Scheme::DigestFirst, 8)] {
            let mut packet = [0; PACKET_BYTES];
            packet[block..block + 4].copy_from_slice(&offset);
            let before = packet;
            digest::sign(&mut packet, scheme, Signer::Client);
            let changed = (0..PACKET_BYTES).filter(|at| packet[*at] != before[*at]);
            let (first, last) = (changed.clone().min(), changed.max());
            assert!(first >= Some(block + 4) && last < Some(block + 764));
            assert!(
                last.zip(first)
                    .is_some_and(|(last, first)| last - first < DIGEST_BYTES)
            );
        }
    }
}

#[test]
fn our_client_takes_a_server_that_does_not_sign() {
    let mut client = Client::new(Kind::Digest, [7; 32]);
    let mut up = BytesMut::new();
    assert_eq!(client.input(&mut &b""[..], &mut up), Ok(false));
    let c1 = up.split().split_off(1);
    let s1 = Random::new([8; 32]).packet([0; 4]);
    let answer = [&[3], &s1[..], &c1].concat();
    assert_eq!(client.input(&mut &answer[..], &mut up), Ok(true));
    assert_eq!((client.kind(), &up[..]), (Kind::Simple, &s1[..]));
}

#[test]
fn a_proxy_s_pre_header_tells_the_client_s_address() {
    let c1 = [0; PACKET_BYTES];
    for (pre_header, address) in [
        (
            &b"\xF3\0\x04\xC0\0\x02\x07"[..],
            Some(Ipv4Addr::new(192, 0, 2, 7)),
        ),
        (
            b"\xF3\0\x06\xC0\0\x02\x07xx",
            Some(Ipv4Addr::new(192, 0, 2, 7)),
        ),
        (b"\xF3\0\x03abc", None),
        (b"\xF3\0\0", None),
        (b"", None),
    ] {
        for piece in [1, 5, 10_000] {
            let bytes = [pre_header, b"\x03", &c1, &c1, AFTER].concat();
            let mut server = Server::new([9; 32]);
            let mut out = BytesMut::new();
            let over = feed(&bytes, piece, |bytes| server.input(bytes, &mut out));
            assert_eq!(over, Ok(Some(AFTER.to_vec())));
            assert_eq!(server.proxied_address(), address);
        }
    }
}

#[test]
fn strangers_are_called_by_their_name() {
    let not_rtmp = |looks_like, first_byte| Error::NotRtmp {
        looks_like,
        first_byte,
    };
    for (bytes, error) in [
        (&b"GET / HTTP/1.1\r\n"[..], not_rtmp("HTTP", b'G')),
        (b"POST /open/1 HTTP/1.1\r\n", not_rtmp("HTTP", b'P')),
        (b"\x16\x03\x01\x02\0\x01", not_rtmp("TLS", 0x16)),
        (b"\x00", Error::Version { version: 0 }),
        (b"\x02", Error::Version { version: 2 }),
        (b"\x20", Error::Version { version: 32 }),
        (b"\xFF", Error::Version { version: 255 }),
        (
            b"\xF3\xFF\xFF",
            Error::ProxyHeaderTooLong {
                bytes: 65_535,
                max: 1024,
            },
        ),
        (b"\xF3\0\0\xF3", Error::Version { version: 0xF3 }),
    ] {
        let mut out = BytesMut::new();
        assert_eq!(
            Server::new([0; 32]).input(&mut &bytes[..], &mut out),
            Err(error)
        );
        assert!(out.is_empty());
    }
    let mut client = Client::new(Kind::Simple, [0; 32]);
    let refused = client.input(
        &mut &b"HTTP/1.1 400 Bad Request\r\n"[..],
        &mut BytesMut::new(),
    );
    assert_eq!(refused, Err(not_rtmp("HTTP", b'H')));
}

#[test]
fn a_later_version_is_answered_with_ours() {
    for version in [3, 4, 6, 31] {
        let (_, _, s2) = answer(&[&[version], &[0; PACKET_BYTES][..]].concat());
        assert_eq!(s2, [0; PACKET_BYTES]);
    }
}

#[test]
fn two_seeds_make_two_handshakes() {
    let packet = |seed| Random::new([seed; 32]).packet([0; 4]);
    assert_eq!(packet(1), packet(1));
    assert_ne!(packet(1), packet(2));
}
