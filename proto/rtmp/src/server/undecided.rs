//! What a client sends on while its request is being decided upon: kept, in order, up to a bound.

use crate::Error;

/// Bytes that the session has not read yet.
#[derive(Debug, Default)]
pub(super) struct Undecided {
    bytes: Vec<u8>,
    /// How many of them are read since: a client may put many requests into few bytes, and what
    /// is behind them is not moved for each.
    read: usize,
}

impl Undecided {
    /// What is still to be read.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.read..).unwrap_or_default()
    }

    /// Keeps `more` behind the rest, and never reserves more than `max` bytes.
    ///
    /// # Errors
    /// [`Error::TooManyUndecidedBytes`] if that makes more than `max`; then nothing is kept.
    pub(super) fn keep(&mut self, more: &[u8], max: usize) -> Result<(), Error> {
        if more.is_empty() {
            return Ok(());
        }
        self.bytes.drain(..self.read.min(self.bytes.len()));
        self.read = 0;
        let needed = self.bytes.len().saturating_add(more.len());
        if needed > max {
            *self = Self::default();
            return Err(Error::TooManyUndecidedBytes { max });
        }
        if needed > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2).min(max);
            let capacity = doubled.max(needed);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Goes on: these are all that is still to be read, the end of what [`Undecided::rest`] gave.
    pub(super) fn keep_last(&mut self, bytes: usize) {
        self.read = self.bytes.len().saturating_sub(bytes);
        if bytes == 0 {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_in_order_and_given_back_with_their_memory() {
        let mut undecided = Undecided::default();
        undecided.keep(b"abc", 6).expect("room");
        undecided.keep(b"def", 6).expect("room");
        assert_eq!(undecided.rest(), b"abcdef");
        undecided.keep_last(2);
        assert_eq!(undecided.rest(), b"ef");
        undecided
            .keep(b"ghij", 6)
            .expect("what was read leaves room");
        assert_eq!(undecided.rest(), b"efghij");
        undecided.keep_last(0);
        assert_eq!(
            (undecided.rest(), undecided.bytes.capacity()),
            (&b""[..], 0)
        );
    }

    #[test]
    fn no_more_is_reserved_than_the_bound() {
        let mut undecided = Undecided::default();
        for _ in 0..1000 {
            undecided.keep(&[0], 1000).expect("room");
            assert!(undecided.bytes.capacity() <= 1000);
        }
        assert_eq!(
            undecided.keep(&[0], 1000),
            Err(Error::TooManyUndecidedBytes { max: 1000 })
        );
        assert_eq!(undecided.bytes.capacity(), 0);
    }
}
