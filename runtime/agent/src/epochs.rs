//! At which epoch this node owns its streams, told with each report.
//!
//! A controller that has lost its store learns from the reports which epochs it has given out, and gives
//! greater ones. So an epoch is kept for as long as the stream is published here, whatever the controller
//! says of it meanwhile: one that knows nothing wants nothing.

use control::{Arrival, Epoch, Owned, Report};
use media::StreamPath;
use std::collections::HashMap;

/// The epochs of the streams that are published here.
#[derive(Debug, Default)]
pub struct Epochs(HashMap<StreamPath, Epoch>);

impl Epochs {
    /// Learns what the controller says that this node owns.
    pub fn learn(&mut self, owned: &[Owned]) {
        for Owned { path, epoch } in owned {
            let known = self.0.entry(path.clone()).or_default();
            *known = (*known).max(*epoch);
        }
    }

    /// What was learnt of a stream.
    pub(crate) fn of(&self, path: &StreamPath) -> Epoch {
        self.0.get(path).copied().unwrap_or_default()
    }

    /// Puts the epochs into `report`, and forgets those of streams that are no longer published here.
    pub fn tell(&mut self, report: &mut Report) {
        let mut published = HashMap::new();
        for stream in &mut report.streams {
            if stream.arrival == Arrival::Published
                && let Some((path, epoch)) = self.0.remove_entry(&stream.path)
            {
                stream.epoch = epoch;
                published.insert(path, epoch);
            }
        }
        self.0 = published;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::StreamReport;

    fn path(name: &str) -> StreamPath {
        StreamPath::new("v", "live", name).expect("a path")
    }

    fn told(epochs: &mut Epochs, streams: &[(&str, Arrival)]) -> Vec<u64> {
        let streams = streams
            .iter()
            .map(|(name, arrival)| StreamReport::new(path(name), *arrival, 0));
        let mut report = Report {
            streams: streams.collect(),
            ..Report::default()
        };
        epochs.tell(&mut report);
        report.streams.iter().map(|stream| stream.epoch.0).collect()
    }

    #[test]
    fn an_epoch_is_told_for_as_long_as_the_stream_is_published_here() {
        let owned = |epoch| Owned {
            path: path("a"),
            epoch: Epoch(epoch),
        };
        let both = [("a", Arrival::Published), ("b", Arrival::Pulled)];
        let mut epochs = Epochs::default();
        assert_eq!(told(&mut epochs, &both), [0, 0]);
        epochs.learn(&[owned(3)]);
        assert_eq!(told(&mut epochs, &both), [3, 0]);
        // A controller that has lost its store says nothing, then begins anew.
        epochs.learn(&[]);
        epochs.learn(&[owned(1)]);
        assert_eq!(told(&mut epochs, &both), [3, 0]);
        assert_eq!(told(&mut epochs, &both[1..]), [0], "unpublished");
        assert_eq!(told(&mut epochs, &both), [0, 0], "published anew");
    }
}
