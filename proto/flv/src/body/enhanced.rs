//! What enhanced sound and pictures have in common: modifiers, FourCC, tracks (Enhanced RTMP
//! version 2, `ExAudioTagHeader` and `ExVideoTagHeader`).

use super::Front;

/// A packet type that only modifies the one after it; 7 for sound and pictures.
const MOD_EX: u8 = 7;

/// The kind of multitrack whose only track has no size; all others have one for each track.
const ONE_TRACK: u8 = 0;

/// The first track of a body.
pub(super) struct Track {
    pub(super) id: u8,
    pub(super) fourcc: [u8; 4],
    /// Where the packet begins and how many bytes it has; none if it is all the rest.
    size: Option<(usize, usize)>,
}

/// Passes over modifiers (a time in nanoseconds is the only one defined) to the packet type that
/// they modify.
pub(super) fn past_modifiers(front: &mut Front<'_>, mut packet_type: u8) -> Option<u8> {
    while packet_type == MOD_EX {
        let mut bytes = usize::from(front.byte()?) + 1;
        if bytes == 256 {
            bytes = usize::from(u16::from_be_bytes(front.array()?)) + 1;
        }
        front.skip(bytes)?;
        packet_type = front.byte()? & 0x0f;
    }
    Some(packet_type)
}

/// Reads the FourCC and, with multitrack, the first track's id and size; gives the packet type that
/// all tracks share.
pub(super) fn track(
    front: &mut Front<'_>,
    packet_type: u8,
    packet_type_multitrack: u8,
) -> Option<(u8, Track)> {
    if packet_type != packet_type_multitrack {
        return Some((
            packet_type,
            Track {
                id: 0,
                fourcc: front.array()?,
                size: None,
            },
        ));
    }
    let types = front.byte()?;
    let (multitrack, packet_type) = (types >> 4, types & 0x0f);
    // where all tracks share a codec it stands here; where they do not, the first track's does
    let fourcc = front.array()?;
    let id = front.byte()?;
    let size = match multitrack {
        ONE_TRACK => None,
        _ => {
            let bytes = front.unsigned_24()?;
            Some((front.at, bytes))
        }
    };
    Some((packet_type, Track { id, fourcc, size }))
}

impl Track {
    /// Where the track's packet ends; `None` if the body ends before it.
    pub(super) fn end(&self, front: &Front<'_>) -> Option<usize> {
        let Some((start, bytes)) = self.size else {
            return Some(front.body.len());
        };
        start
            .checked_add(bytes)
            .filter(|end| *end <= front.body.len())
    }
}
