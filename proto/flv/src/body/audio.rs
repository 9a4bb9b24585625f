//! Sound: the legacy header is one byte, two for AAC; sound format 9 announces the enhanced one.

use super::{Front, Header, Packet, enhanced};
use media::{Codec, Role};

/// Sound formats, annex E.4.2.1.
mod format {
    pub(super) const ENHANCED: u8 = 9;
    pub(super) const AAC: u8 = 10;
}

/// Enhanced packet types.
mod packet_type {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const SEQUENCE_END: u8 = 2;
    pub(super) const MULTICHANNEL_CONFIG: u8 = 4;
    pub(super) const MULTITRACK: u8 = 5;
}

pub(super) fn read(body: &[u8]) -> Option<Header> {
    let mut front = Front::new(body);
    let first = front.byte()?;
    match first >> 4 {
        format::ENHANCED => enhanced(front, first & 0x0f),
        format::AAC => aac(front),
        other => Some(front.header(Role::Inter, Packet::Coded, legacy_codec(other))),
    }
}

fn aac(mut front: Front<'_>) -> Option<Header> {
    let packet = match front.byte()? {
        0 => Packet::SequenceStart,
        1 => Packet::Coded,
        other => Packet::Unknown(other),
    };
    let mut header = front.header(Role::Other, packet, Some(Codec::Aac));
    header.role = role(&header);
    Some(header)
}

fn enhanced(mut front: Front<'_>, packet_type: u8) -> Option<Header> {
    let packet_type = enhanced::past_modifiers(&mut front, packet_type)?;
    let (packet_type, track) = enhanced::track(&mut front, packet_type, packet_type::MULTITRACK)?;
    let packet = match packet_type {
        packet_type::SEQUENCE_START => Packet::SequenceStart,
        packet_type::CODED_FRAMES => Packet::Coded,
        packet_type::SEQUENCE_END => Packet::SequenceEnd,
        packet_type::MULTICHANNEL_CONFIG => Packet::MultichannelConfig,
        other => Packet::Unknown(other),
    };
    let mut header = front.header(Role::Other, packet, Codec::from_fourcc(track.fourcc));
    header.track = track.id;
    header.end = track.end(&front)?;
    header.role = role(&header);
    Some(header)
}

/// A set-up record without a byte is none: kept, it would replace the one before it.
fn role(header: &Header) -> Role {
    match header.packet {
        Packet::SequenceStart if header.start < header.end => Role::Config,
        Packet::Coded => Role::Inter,
        _ => Role::Other,
    }
}

fn legacy_codec(format: u8) -> Option<Codec> {
    match format {
        0 | 3 => Some(Codec::Pcm),
        1 => Some(Codec::Adpcm),
        2 | 14 => Some(Codec::Mp3),
        4..=6 => Some(Codec::Nellymoser),
        7 => Some(Codec::G711A),
        8 => Some(Codec::G711U),
        11 => Some(Codec::Speex),
        _ => None,
    }
}
