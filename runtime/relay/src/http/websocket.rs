//! What a WebSocket-FLV player sends us: a close, pings, or nothing that matters (RFC 6455 §5).
//!
//! Players receive the tape; so only the other direction is read here, frame by frame, at no more
//! memory than a control frame's.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::{
    handshake::derive_accept_key,
    protocol::frame::{
        FrameHeader,
        coding::{Control, Data, OpCode},
    },
};

/// A control frame's payload is at most this long (RFC 6455 §5.5).
const CONTROL_BYTES_MAX: usize = 125;

/// What a client's frame header takes at most, its mask included.
const HEADER_BYTES_MAX: usize = 14;

/// The answer to an upgrade request with this `Sec-WebSocket-Key`.
pub(crate) fn upgrade_response(key: &str) -> Bytes {
    let accept = derive_accept_key(key.as_bytes());
    Bytes::from(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}

/// A close frame with a status code and a reason (RFC 6455 §5.5.1).
pub(crate) fn close(code: u16, reason: &str) -> Bytes {
    let reason = &reason.as_bytes()[..reason.len().min(CONTROL_BYTES_MAX - 2)];
    let mut payload = BytesMut::with_capacity(2 + reason.len());
    payload.put_u16(code);
    payload.put_slice(reason);
    control(Control::Close, &payload)
}

fn control(kind: Control, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES_MAX + payload.len());
    let header = FrameHeader {
        opcode: OpCode::Control(kind),
        ..FrameHeader::default()
    };
    if header
        .format(payload.len() as u64, &mut (&mut out).writer())
        .is_err()
    {
        unreachable!("writing to memory does not fail");
    }
    out.put_slice(payload);
    out.freeze()
}

/// What a player has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing that wants an answer.
    Nothing,
    /// A ping: send these bytes back.
    Ping(Bytes),
    /// It hangs up.
    Close,
    /// What no client may send.
    Nonsense,
}

/// Reads a player's frames.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    /// The beginning of a frame: a header, or a control frame in part.
    partial: BytesMut,
    /// Payload of a data frame that is still to be thrown away, in bytes.
    discard: u64,
}

impl Inbound {
    /// Takes in what came; call again with nothing until it says [`Said::Nothing`].
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Said {
        loop {
            let skipped = usize::try_from(self.discard)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            self.discard -= skipped as u64;
            bytes = &bytes[skipped..];
            self.partial.extend_from_slice(bytes);
            if self.partial.is_empty() {
                // Gives back what a burst of frames took.
                self.partial = BytesMut::new();
                return Said::Nothing;
            }
            let mut cursor = std::io::Cursor::new(&self.partial[..]);
            let (header, length) = match FrameHeader::parse(&mut cursor) {
                Ok(Some(parsed)) => parsed,
                Ok(None) if self.partial.len() < HEADER_BYTES_MAX => return Said::Nothing,
                Ok(None) | Err(_) => return Said::Nonsense,
            };
            let header_length = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
            let Some(mask) = header.mask else {
                return Said::Nonsense;
            };
            match header.opcode {
                OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
                    return Said::Nonsense;
                }
                OpCode::Data(_) => {
                    self.partial.advance(header_length);
                    let skipped = usize::try_from(length)
                        .unwrap_or(usize::MAX)
                        .min(self.partial.len());
                    self.partial.advance(skipped);
                    self.discard = length - skipped as u64;
                    bytes = &[];
                }
                OpCode::Control(kind) => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    if length > CONTROL_BYTES_MAX {
                        return Said::Nonsense;
                    }
                    if self.partial.len() < header_length + length {
                        return Said::Nothing;
                    }
                    let frame = self.partial.split_to(header_length + length);
                    match kind {
                        Control::Close => return Said::Close,
                        Control::Ping => {
                            let payload: Vec<u8> = frame[header_length..]
                                .iter()
                                .zip(mask.iter().cycle())
                                .map(|(b, m)| b ^ m)
                                .collect();
                            return Said::Ping(control(Control::Pong, &payload));
                        }
                        _ => bytes = &[],
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING_HI: [u8; 8] = [0x89, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];

    #[test]
    fn a_ping_is_answered_under_any_split() {
        for split in 0..PING_HI.len() {
            let mut inbound = Inbound::default();
            assert_eq!(inbound.read(&PING_HI[..split]), Said::Nothing);
            let pong = Bytes::from_static(&[0x8a, 2, b'h', b'i']);
            assert_eq!(
                inbound.read(&PING_HI[split..]),
                Said::Ping(pong),
                "split at {split}"
            );
            assert_eq!(inbound.read(&[]), Said::Nothing);
        }
    }

    #[test]
    fn what_a_player_says_is_thrown_away_until_it_closes() {
        let mut inbound = Inbound::default();
        let mut text = vec![0x81, 0x80 | 5, 0, 0, 0, 0];
        text.extend_from_slice(b"hello");
        text.extend_from_slice(&[0x88, 0x80, 0, 0, 0, 0]);
        assert_eq!(inbound.read(&text), Said::Close);
        let huge = [0x82, 0xff, 0, 0, 0, 0, 0xff, 0, 0, 0, 1, 2, 3, 4, 9, 9, 9];
        assert_eq!(Inbound::default().read(&huge), Said::Nothing);
        assert_eq!(
            Inbound::default().read(&[0x81, 0x05, 0, 0, 0, 0]),
            Said::Nonsense,
            "unmasked"
        );
    }

    #[test]
    fn many_small_frames_cost_no_more_than_their_bytes() {
        let frames = [0x81, 0x80, 0, 0, 0, 0].repeat(10_000);
        let mut inbound = Inbound::default();
        assert_eq!(inbound.read(&frames), Said::Nothing);
        assert_eq!(inbound.partial.capacity(), 0, "nothing is kept");
        assert_eq!(inbound.read(&PING_HI[..3]), Said::Nothing);
        assert_eq!(&inbound.partial[..], &PING_HI[..3]);
    }
}
