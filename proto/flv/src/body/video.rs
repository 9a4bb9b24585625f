//! Pictures: the legacy header is one byte, five for AVC; a first bit of one announces the enhanced
//! header.
//!
//! Two codec ids that the specification does not have are read like AVC's, because that is how they
//! are sent: 12 is HEVC (Chinese CDNs and their SDKs since 2017, SRS, ZLMediaKit), 13 is AV1 (SRS).

use super::{Front, Header, Packet, enhanced};
use media::{Codec, Role};

/// Frame types, annex E.4.3.1.
mod frame_type {
    pub(super) const KEY: u8 = 1;
    pub(super) const GENERATED_KEY: u8 = 4;
    pub(super) const COMMAND: u8 = 5;
}

/// Enhanced packet types.
mod packet_type {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const SEQUENCE_END: u8 = 2;
    pub(super) const CODED_FRAMES_X: u8 = 3;
    pub(super) const METADATA: u8 = 4;
    pub(super) const MPEG2TS_SEQUENCE_START: u8 = 5;
    pub(super) const MULTITRACK: u8 = 6;
}

pub(super) fn read(body: &[u8]) -> Option<Header> {
    let mut front = Front::new(body);
    let first = front.byte()?;
    if first & 0x80 != 0 {
        return enhanced(front, first >> 4 & 0b111, first & 0x0f);
    }
    let frame_type = first >> 4;
    let codec = legacy_codec(first & 0x0f);
    if frame_type == frame_type::COMMAND {
        return Some(front.header(Role::Other, Packet::Command, codec));
    }
    if !matches!(codec, Some(Codec::Avc | Codec::Hevc | Codec::Av1)) {
        return Some(front.header(coded_role(frame_type), Packet::Coded, codec));
    }
    let packet = match front.byte()? {
        0 => Packet::SequenceStart,
        1 => Packet::Coded,
        2 => Packet::SequenceEnd,
        other => Packet::Unknown(other),
    };
    let composition_millis = match (packet, front.signed_24()) {
        (Packet::Coded, millis) => millis?,
        (Packet::SequenceStart, millis) => millis.map(|_of_no_meaning| 0)?,
        // a short end is whole enough: nothing follows it
        _ => 0,
    };
    let mut header = front.header(Role::Other, packet, codec);
    header.composition_millis = composition_millis;
    header.role = role(&header, frame_type);
    Some(header)
}

fn enhanced(mut front: Front<'_>, frame_type: u8, packet_type: u8) -> Option<Header> {
    let packet_type = enhanced::past_modifiers(&mut front, packet_type)?;
    if packet_type != packet_type::METADATA && frame_type == frame_type::COMMAND {
        front.byte()?;
        return Some(front.header(Role::Other, Packet::Command, None));
    }
    let (packet_type, track) = enhanced::track(&mut front, packet_type, packet_type::MULTITRACK)?;
    let end = track.end(&front)?;
    let codec = Codec::from_fourcc(track.fourcc);
    let packet = match packet_type {
        packet_type::SEQUENCE_START => Packet::SequenceStart,
        packet_type::CODED_FRAMES | packet_type::CODED_FRAMES_X => Packet::Coded,
        packet_type::SEQUENCE_END => Packet::SequenceEnd,
        packet_type::METADATA => Packet::Metadata,
        packet_type::MPEG2TS_SEQUENCE_START => Packet::Mpeg2TsSequenceStart,
        other => Packet::Unknown(other),
    };
    let is_reordered = matches!(codec, Some(Codec::Avc | Codec::Hevc | Codec::Vvc));
    let composition_millis = match packet_type {
        packet_type::CODED_FRAMES if is_reordered => front.signed_24()?,
        _ => 0,
    };
    if front.at > end {
        return None; // the track is shorter than its own header
    }
    let mut header = front.header(Role::Other, packet, codec);
    header.track = track.id;
    header.end = end;
    header.composition_millis = composition_millis;
    header.role = role(&header, frame_type);
    Some(header)
}

/// A set-up record without a byte is none: kept, it would replace the one before it.
fn role(header: &Header, frame_type: u8) -> Role {
    match header.packet {
        Packet::SequenceStart | Packet::Mpeg2TsSequenceStart if header.start < header.end => {
            Role::Config
        }
        Packet::Coded => coded_role(frame_type),
        _ => Role::Other,
    }
}

fn coded_role(frame_type: u8) -> Role {
    match frame_type {
        frame_type::KEY | frame_type::GENERATED_KEY => Role::Key,
        _ => Role::Inter,
    }
}

fn legacy_codec(id: u8) -> Option<Codec> {
    match id {
        2 => Some(Codec::H263),
        4 | 5 => Some(Codec::Vp6),
        7 => Some(Codec::Avc),
        12 => Some(Codec::Hevc),
        13 => Some(Codec::Av1),
        _ => None,
    }
}
