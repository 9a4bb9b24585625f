//! Reads a record bit by bit, most significant first, and never past its end.
//!
//! The numbers that set-up records are made of: fixed widths, Exp-Golomb codes (ITU-T H.264 and
//! H.265 section 9), AV1's `leb128` and `uvlc`. The end of the bytes is [`Ended`], never a panic.

/// The bytes ended inside a number, or a number is wider than its specification allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bits end inside a number")]
pub struct Ended;

/// A place in bytes, counted in bits.
#[derive(Debug, Clone)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    /// At the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bits are left.
    pub fn left(&self) -> usize {
        self.bytes
            .len()
            .saturating_mul(8)
            .saturating_sub(self.position)
    }

    /// The next bit as a flag.
    ///
    /// # Errors
    /// At the end.
    pub fn flag(&mut self) -> Result<bool, Ended> {
        let byte = self.bytes.get(self.position / 8).ok_or(Ended)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Ok(bit == 1)
    }

    /// The next `width` bits as a number; `width` is at most 32.
    ///
    /// # Errors
    /// If fewer are left, or `width` is above 32; nothing is taken then.
    pub fn take(&mut self, width: u32) -> Result<u32, Ended> {
        if width > 32 || self.left() < width as usize {
            return Err(Ended);
        }
        let mut number = 0;
        for _ in 0..width {
            number = number << 1 | u32::from(self.flag()?);
        }
        Ok(number)
    }

    /// The next 8 bits.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn byte(&mut self) -> Result<u8, Ended> {
        self.take(8).map(|bits| bits as u8)
    }

    /// The next 16 bits.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn short(&mut self) -> Result<u16, Ended> {
        self.take(16).map(|bits| bits as u16)
    }

    /// Passes over `width` bits.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn skip(&mut self, width: usize) -> Result<(), Ended> {
        if self.left() < width {
            return Err(Ended);
        }
        self.position += width;
        Ok(())
    }

    /// The next `count` whole bytes; the place must be at a byte's first bit.
    ///
    /// # Errors
    /// If fewer are left, or the place is inside a byte.
    pub fn slice(&mut self, count: usize) -> Result<&'a [u8], Ended> {
        if !self.position.is_multiple_of(8) {
            return Err(Ended);
        }
        let rest = self.bytes.get(self.position / 8..).ok_or(Ended)?;
        let taken = rest.get(..count).ok_or(Ended)?;
        self.position += count * 8;
        Ok(taken)
    }

    /// `ue(v)`: an unsigned Exp-Golomb code; AV1's `uvlc` is the same code.
    ///
    /// # Errors
    /// At the end, or if the code is above 2^32 - 2.
    pub fn ue(&mut self) -> Result<u32, Ended> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(Ended);
            }
        }
        // at most 2^31 - 1 + 2^31 - 1
        Ok(((1u32 << zeros) - 1) + self.take(zeros)?)
    }

    /// `se(v)`: a signed Exp-Golomb code.
    ///
    /// # Errors
    /// As [`ue`](Self::ue).
    pub fn se(&mut self) -> Result<i64, Ended> {
        let code = i64::from(self.ue()?);
        Ok(if code % 2 == 1 {
            (code + 1) / 2
        } else {
            -(code / 2)
        })
    }

    /// `leb128`: seven bits a byte, least significant first (AV1 section 4.10.5).
    ///
    /// # Errors
    /// At the end, or after eight bytes that all say that more follow.
    pub fn leb128(&mut self) -> Result<u64, Ended> {
        let mut number = 0;
        for index in 0..8 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Ended)
    }
}

/// A NAL unit without its emulation prevention: the 3 of each 0, 0, 3 (H.264 section 7.4.1).
pub fn without_emulation_prevention(nal: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for byte in nal {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        plain.push(*byte);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exp_golomb_codes_read_as_h_264_table_9_2_says() {
        // 1, 010, 011, 00100, 00111, and the padding
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0011, 0b1000_0000]);
        for number in [0, 1, 2, 3, 6] {
            assert_eq!(bits.ue(), Ok(number));
        }
        assert_eq!(bits.ue(), Err(Ended), "zeros without an end");

        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        for number in [0, 1, -1, 2, -2] {
            assert_eq!(bits.se(), Ok(number));
        }
    }

    #[test]
    fn the_widest_codes_do_not_overflow() {
        assert_eq!(
            Bits::new(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]).ue(),
            Ok(u32::MAX - 1)
        );
        assert_eq!(
            Bits::new(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]).ue(),
            Err(Ended)
        );
        assert_eq!(Bits::new(&[0xff; 9]).leb128(), Err(Ended));
        assert_eq!(Bits::new(&[0xe5, 0x8e, 0x26]).leb128(), Ok(624_485));
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        let plain = without_emulation_prevention(&[0, 0, 3, 1, 0, 0, 0, 3, 0, 0, 3, 3]);
        assert_eq!(plain, [0, 0, 1, 0, 0, 0, 0, 0, 3]);
    }

    proptest! {
        #[test]
        fn bits_are_read_in_order(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let mut bits = Bits::new(&bytes);
            let read: Vec<u8> = std::iter::from_fn(|| bits.byte().ok()).collect();
            prop_assert_eq!(&read, &bytes);
            prop_assert_eq!(bits.flag(), Err(Ended));
        }
    }
}
