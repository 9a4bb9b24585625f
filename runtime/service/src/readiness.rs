//! Named conditions that must all hold before this node takes work.
//!
//! Each part of the program registers what it waits for (`rtmp listener`, `controller`); `/readyz`
//! is the conjunction, with reasons. A draining node is not ready, whatever its conditions say.
//! Readiness is not liveness: a node that is not ready goes on serving those whom it has.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use serde::Serialize;

/// All conditions of one process; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    conditions: Arc<Mutex<BTreeMap<String, Option<String>>>>,
}

/// One condition; its owner says when it holds. It stays registered when this handle is dropped.
#[derive(Debug, Clone)]
pub struct Condition {
    name: String,
    readiness: Readiness,
}

/// Why a node is not ready: one condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// The condition's name.
    pub condition: String,
    /// What it waits for.
    pub reason: String,
}

impl Readiness {
    /// No condition yet: ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a condition, which does not hold until [`Condition::hold`] is called. Registering
    /// a name again makes it wait again.
    pub fn condition(&self, name: impl Into<String>) -> Condition {
        let condition = Condition {
            name: name.into(),
            readiness: self.clone(),
        };
        condition.fail("starting");
        condition
    }

    /// The conditions that do not hold, by name; empty if the node is ready.
    pub fn unmet(&self) -> Vec<Unmet> {
        let conditions = self.conditions.lock();
        conditions
            .iter()
            .filter_map(|(name, reason)| {
                let reason = reason.clone()?;
                Some(Unmet {
                    condition: name.clone(),
                    reason,
                })
            })
            .collect()
    }

    /// Whether all conditions hold.
    pub fn is_ready(&self) -> bool {
        self.conditions.lock().values().all(Option::is_none)
    }
}

impl Condition {
    /// The condition holds from now on.
    pub fn hold(&self) {
        self.set(None);
    }

    /// The condition does not hold; `reason` is shown to the operator.
    pub fn fail(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, reason: Option<String>) {
        self.readiness
            .conditions
            .lock()
            .insert(self.name.clone(), reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_must_hold_and_those_that_do_not_say_why() {
        let readiness = Readiness::new();
        assert!(readiness.is_ready());
        let listener = readiness.condition("rtmp listener");
        let controller = readiness.condition("controller");
        listener.hold();
        controller.fail("no replica answers");
        assert!(!readiness.is_ready());
        let reason = "no replica answers".to_owned();
        assert_eq!(
            readiness.unmet(),
            [Unmet {
                condition: "controller".into(),
                reason
            }]
        );
        controller.hold();
        assert!(readiness.is_ready() && readiness.unmet().is_empty());
    }
}
