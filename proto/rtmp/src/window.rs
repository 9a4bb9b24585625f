//! Acknowledgement windows (RTMP 1.0, 5.4.3 and 5.4.4): how much has arrived, and when to say so.

/// Counts what arrives and says when an acknowledgement is due.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// In bytes; 0 until the peer asks for acknowledgements.
    size: u32,
    received_bytes: u64,
    acknowledged_bytes: u64,
}

impl Window {
    /// The peer wants an acknowledgement each time so many bytes have arrived; 0 ends that.
    pub fn set_size(&mut self, bytes: u32) {
        self.size = bytes;
    }

    /// Counts bytes; gives the sequence number to acknowledge, if that is due.
    ///
    /// Due at half a window: a peer that stops when its window is full never has to. The number
    /// is all that has arrived, and wraps at 32 bits.
    pub fn receive(&mut self, bytes: usize) -> Option<u32> {
        self.received_bytes += bytes as u64;
        let unacknowledged = self.received_bytes - self.acknowledged_bytes;
        if self.size == 0 || unacknowledged < u64::from(self.size.div_ceil(2)) {
            return None;
        }
        self.acknowledged_bytes = self.received_bytes;
        Some(self.received_bytes as u32)
    }

    /// All that has arrived, the handshake included.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_due_at_half_a_window() {
        let mut window = Window::default();
        assert_eq!(window.receive(1_000_000), None, "before the peer asks");
        window.set_size(1000);
        assert_eq!(window.receive(1), Some(1_000_001));
        assert_eq!(window.receive(499), None);
        assert_eq!(window.receive(1), Some(1_000_501));
        window.set_size(0);
        assert_eq!(window.receive(1_000_000), None);
        assert_eq!(window.received_bytes(), 2_000_501);
    }

    #[test]
    fn the_sequence_number_wraps_at_32_bits() {
        let mut window = Window::default();
        window.set_size(u32::MAX);
        assert_eq!(window.receive(u32::MAX as usize - 1), Some(u32::MAX - 1));
        window.set_size(10);
        assert_eq!(window.receive(7), Some(5));
    }

    #[test]
    fn a_window_of_one_byte_acknowledges_every_byte() {
        let mut window = Window::default();
        window.set_size(1);
        let acknowledged = [0, 1, 1].map(|bytes| window.receive(bytes));
        assert_eq!(acknowledged, [None, Some(1), Some(2)]);
    }
}
