//! One node as it is observed.

use super::{
    DialogueId, Now,
    shared::{Attendance, Here},
};
use crate::model::board::Attending;
use control::{Arrival, Identity, Load, Report, StreamReport};
use media::StreamPath;
use std::{collections::BTreeMap, time::Duration};

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// It reports.
    Alive,
    /// It went silent, or its dialogue broke.
    Suspect,
    /// It was silent for too long.
    Dead,
}

/// One node.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it says that it is.
    pub identity: Identity,
    /// Whether it is there.
    pub health: Health,
    /// Why it is in that state, if it is not alive.
    pub reason: Option<String>,
    /// Since when it is in that state.
    pub health_since_unix_ms: u64,
    /// When it registered last with this controller.
    pub registered_unix_ms: Option<u64>,
    /// When this controller heard it last.
    pub heard: Option<Now>,
    /// Its work, by its last report.
    pub load: Load,
    /// Its streams, by its last report.
    pub streams: BTreeMap<StreamPath, StreamReport>,
    /// It has reported in this incarnation: `streams` is what it has, and not just what is known.
    pub(super) reported: bool,
    /// It was not heard for long enough since this controller started to be suspect.
    pub(super) missing: bool,
    pub(super) attendance: Attendance,
    /// A later process of it that the store has, while we still talk with this one.
    pub(super) passed_over: Option<Identity>,
    /// From when its silence is counted if it was never heard.
    known: Now,
}

/// What a report changed in the set of a node's streams.
pub(super) struct Difference {
    /// Streams that are new, or came to the node in another way than before.
    pub(super) new: Vec<StreamPath>,
    /// Streams that are gone.
    pub(super) gone: Vec<StreamPath>,
}

impl Node {
    pub(super) fn new(identity: Identity, now: Now) -> Self {
        Self {
            identity,
            health: Health::Alive,
            reason: None,
            health_since_unix_ms: now.unix_ms,
            registered_unix_ms: None,
            heard: None,
            load: Load::default(),
            streams: BTreeMap::new(),
            reported: false,
            missing: false,
            attendance: Attendance::Nobody,
            passed_over: None,
            known: now,
        }
    }

    /// Whether it has a dialogue with a controller now.
    pub fn talks(&self) -> bool {
        match &self.attendance {
            Attendance::Here(_) => true,
            Attendance::There { talks, .. } => *talks,
            Attendance::Was(_) | Attendance::Nobody => false,
        }
    }

    /// Whether its silence is ours to judge: no other controller hears it.
    pub(super) fn is_ours_to_judge(&self) -> bool {
        !matches!(self.attendance, Attendance::There { .. })
    }

    pub(super) fn is_in(&self, dialogue: DialogueId) -> bool {
        matches!(&self.attendance, Attendance::Here(here) if here.dialogue == dialogue)
    }

    /// `true` if it has not reported in this dialogue before.
    pub(super) fn reports_first(&mut self) -> bool {
        match &mut self.attendance {
            Attendance::Here(here) => !std::mem::replace(&mut here.reported, true),
            Attendance::Was(_) | Attendance::There { .. } | Attendance::Nobody => false,
        }
    }

    pub(super) fn publishes(&self, path: &StreamPath) -> bool {
        self.streams
            .get(path)
            .is_some_and(|stream| stream.arrival == Arrival::Published)
    }

    pub(super) fn registered(
        &mut self,
        identity: Identity,
        dialogue: DialogueId,
        before: Option<Attending>,
        restarted: bool,
        now: Now,
    ) {
        self.identity = identity;
        self.passed_over = None;
        self.attendance = Attendance::Here(Here {
            dialogue,
            before,
            reported: false,
        });
        self.registered_unix_ms = Some(now.unix_ms);
        if restarted {
            self.reported = false;
        }
        self.heard(now);
    }

    /// It said something. `true` if it was not alive.
    pub(super) fn heard(&mut self, now: Now) -> bool {
        self.heard = Some(now);
        self.missing = false;
        let was_away = self.health != Health::Alive;
        if was_away {
            self.became(Health::Alive, None, now);
        }
        was_away
    }

    pub(super) fn fell_silent(&mut self, reason: String, now: Now) {
        if let Attendance::Here(here) = &self.attendance {
            self.attendance = Attendance::Was(here.clone());
        }
        self.became(Health::Suspect, Some(reason), now);
    }

    pub(super) fn became(&mut self, health: Health, reason: Option<String>, now: Now) {
        self.health = health;
        self.reason = reason;
        self.health_since_unix_ms = now.unix_ms;
    }

    /// How long ago it was heard last, or became known if it never was.
    pub(crate) fn silent_for(&self, now: Now) -> Duration {
        let last = self.heard.unwrap_or(self.known);
        now.instant.saturating_duration_since(last.instant)
    }

    pub(super) fn reports(&mut self, report: Report) -> Difference {
        self.reported = true;
        self.load = report.load;
        let streams: BTreeMap<_, _> = report
            .streams
            .into_iter()
            .map(|stream| (stream.path.clone(), stream))
            .collect();
        let old = std::mem::replace(&mut self.streams, streams);
        let arrival = |stream: &StreamReport| {
            let turn = stream.pushed.as_ref().map(|pushed| pushed.turn);
            (stream.arrival, stream.since_unix_ms, turn, stream.backup)
        };
        let new = self
            .streams
            .values()
            .filter(|s| old.get(&s.path).map(arrival) != Some(arrival(s)));
        let gone = old.keys().filter(|path| !self.streams.contains_key(*path));
        Difference {
            new: new.map(|s| s.path.clone()).collect(),
            gone: gone.cloned().collect(),
        }
    }

    /// Its process is gone: it has no streams and no load.
    pub(super) fn drop_streams(&mut self) -> Vec<StreamPath> {
        self.load = Load::default();
        std::mem::take(&mut self.streams).into_keys().collect()
    }

    pub(super) fn state_in_words(&self) -> String {
        let state = match self.health {
            Health::Alive => "alive",
            Health::Suspect => "suspect",
            Health::Dead => "dead",
        };
        match &self.reason {
            Some(reason) => format!("{state}: {reason}"),
            None => state.to_owned(),
        }
    }
}
