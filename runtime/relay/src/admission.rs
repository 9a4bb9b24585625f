//! How many connections a node takes: in all, and from one address.

use crate::settings::Limits;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
};

/// Counts connections on all shards. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    limits: Limits,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    /// Kept only where there is a bound.
    by_address: HashMap<IpAddr, u32>,
}

/// Why a connection is closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("limits.connections ({0}) are open already")]
    Full(u32),
    #[error("limits.connections_per_address ({0}) are open already from this address")]
    AddressFull(u32),
}

/// A connection that was let in; its place is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Admission,
    address: IpAddr,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            counts: Arc::default(),
        }
    }

    /// Lets a connection from `address` in, if there is room.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Admitted, Refused> {
        let mut counts = self.counts.lock();
        if counts.all >= self.limits.connections {
            return Err(Refused::Full(self.limits.connections));
        }
        let per_address = self.limits.connections_per_address;
        if per_address > 0 {
            let count = counts.by_address.entry(address).or_default();
            if *count >= per_address {
                return Err(Refused::AddressFull(per_address));
            }
            *count += 1;
        }
        counts.all += 1;
        drop(counts);
        Ok(Admitted {
            admission: self.clone(),
            address,
        })
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> u32 {
        self.counts.lock().all
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Entry::Occupied(mut entry) = counts.by_address.entry(self.address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_connection_has_ended() {
        let admission = Admission::new(Limits {
            connections: 2,
            connections_per_address: 1,
        });
        let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
        let first = admission.admit(a).expect("room");
        assert_eq!(admission.admit(a).err(), Some(Refused::AddressFull(1)));
        let _second = admission.admit(b).expect("room");
        assert_eq!(admission.admit(c).err(), Some(Refused::Full(2)));
        drop(first);
        assert_eq!(admission.open(), 1);
        assert!(admission.admit(a).is_ok());
    }
}
