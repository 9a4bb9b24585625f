//! HTTP/1.1's chunked body (RFC 9112, 7.1), as some servers wrap an endless FLV.

use super::DialogueError;

/// Longest line that says a chunk's length, extensions included.
const LINE_BYTES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Chunked {
    line: Vec<u8>,
    /// Bytes that are left of the chunk.
    left: usize,
    /// Whether the next line ends a chunk rather than begins one.
    after_chunk: bool,
    /// Whether the last chunk, of no bytes, has come; only trailers follow.
    has_ended: bool,
}

impl Chunked {
    /// Appends what `bytes` hold of the body to `body`; whether the body's end was among them.
    pub(super) fn read(
        &mut self,
        mut bytes: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<bool, DialogueError> {
        while !bytes.is_empty() && !self.has_ended {
            if self.left > 0 {
                let (here, rest) = bytes.split_at(self.left.min(bytes.len()));
                body.extend_from_slice(here);
                self.left -= here.len();
                self.after_chunk = self.left == 0;
                bytes = rest;
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                self.line.extend_from_slice(bytes);
                return if self.line.len() > LINE_BYTES_MAX {
                    Err(broken("a chunk's length has no end"))
                } else {
                    Ok(false)
                };
            };
            let (line, rest) = bytes.split_at(end + 1);
            self.line.extend_from_slice(line);
            bytes = rest;
            let line = std::mem::take(&mut self.line);
            let line = line.trim_ascii();
            if self.after_chunk {
                if !line.is_empty() {
                    return Err(broken("a chunk is longer than it said"));
                }
                self.after_chunk = false;
                continue;
            }
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
            self.left = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok())
                .ok_or_else(|| broken("a chunk's length is no number"))?;
            self.has_ended = self.left == 0;
        }
        Ok(self.has_ended)
    }
}

fn broken(what: &str) -> DialogueError {
    DialogueError::Broken(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_unwrapped_and_the_last_one_ends_the_body() {
        let mut body = Vec::new();
        let mut chunked = Chunked::default();
        let wire = b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let ends: Vec<_> = wire
            .iter()
            .map(|byte| chunked.read(&[*byte], &mut body).expect("whole"))
            .collect();
        assert_eq!(body, b"abcde");
        assert_eq!(ends.iter().filter(|end| **end).count(), 3);
    }

    #[test]
    fn a_wrong_length_is_broken() {
        for wire in [&b"2\r\nabc\r\n"[..], b"zz\r\n", &[b'1'; 300]] {
            let mut chunked = Chunked::default();
            assert!(chunked.read(wire, &mut Vec::new()).is_err());
        }
    }
}
