//! A server's WebSocket frames (RFC 6455, 5.2): never masked; binary ones hold FLV.

use super::DialogueError;
use crate::limits;
use bytes::{BufMut, BytesMut};

const BINARY: u8 = 2;
const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;

#[derive(Debug, Default)]
pub(super) struct Messages {
    head: Vec<u8>,
    opcode: u8,
    left: u64,
    ping: Vec<u8>,
}

impl Messages {
    /// Appends what `bytes` hold of media to `media` and answers pings in `output`; whether the
    /// server closed.
    pub(super) fn read(
        &mut self,
        mut bytes: &[u8],
        media: &mut Vec<u8>,
        output: &mut BytesMut,
    ) -> Result<bool, DialogueError> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left == 0 {
                self.head.push(*first);
                bytes = rest;
                if self.begin()? && self.left == 0 && self.finish(output) {
                    return Ok(true);
                }
                continue;
            }
            let here = usize::try_from(self.left)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let (here, rest) = bytes.split_at(here);
            bytes = rest;
            self.left -= here.len() as u64;
            match self.opcode {
                BINARY | CONTINUATION => media.extend_from_slice(here),
                PING => self.ping.extend_from_slice(here),
                _ => {}
            }
            if self.left == 0 && self.finish(output) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a frame's head is whole now; if so, its length stands in `left`.
    fn begin(&mut self) -> Result<bool, DialogueError> {
        let [first, second, extended @ ..] = self.head.as_slice() else {
            return Ok(false);
        };
        if second & 0x80 != 0 {
            return Err(DialogueError::Broken("a server's masked frame".into()));
        }
        let length = match (second & 0x7f, extended) {
            (126, [a, b]) => u64::from(u16::from_be_bytes([*a, *b])),
            (127, extended) if extended.len() == 8 => extended
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
            (126 | 127, _) => return Ok(false),
            (length, _) => u64::from(length),
        };
        let opcode = first & 0x0f;
        let max = if opcode >= CLOSE {
            125
        } else {
            limits::WEBSOCKET_MESSAGE_BYTES_MAX
        };
        if length > max {
            return Err(DialogueError::Broken(format!(
                "a WebSocket frame of {length} bytes"
            )));
        }
        self.opcode = opcode;
        self.left = length;
        self.head.clear();
        Ok(true)
    }

    /// At a frame's end; whether it was the last one.
    fn finish(&mut self, output: &mut BytesMut) -> bool {
        if self.opcode == PING {
            // A client masks; a mask of zeros changes nothing (5.3).
            output.put_slice(&[0x8a, 0x80 | self.ping.len() as u8, 0, 0, 0, 0]);
            output.put_slice(&self.ping);
            self.ping.clear();
        }
        self.opcode == CLOSE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_pings_and_the_close_are_told_apart() {
        let mut wire = vec![0x82, 126, 1, 0];
        wire.extend_from_slice(&[7; 256]);
        wire.extend_from_slice(&[0x89, 2, b'h', b'i', 0x82, 1, 8, 0x88, 0]);
        for split in [1, 3, 1000] {
            let mut messages = Messages::default();
            let (mut media, mut output) = (Vec::new(), BytesMut::new());
            let mut closed = false;
            for piece in wire.chunks(split) {
                closed |= messages
                    .read(piece, &mut media, &mut output)
                    .expect("whole");
            }
            assert_eq!(media.len(), 257);
            assert_eq!(media.last(), Some(&8));
            assert_eq!(&output[..], b"\x8a\x82\0\0\0\0hi");
            assert!(closed);
        }
    }

    #[test]
    fn absurd_frames_are_broken() {
        for wire in [
            &[0x82, 0x80][..],
            &[0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0],
            &[0x89, 126, 1, 0],
        ] {
            let outcome = Messages::default().read(wire, &mut Vec::new(), &mut BytesMut::new());
            assert!(outcome.is_err());
        }
    }
}
