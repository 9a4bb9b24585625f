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
