//! Looks at once after an origin that somebody accuses: an edge could not push to it any more, or a
//! stream that it owns is published at another origin.
//!
//! Waiting until it has missed its reports would cost every player seconds. So it is asked directly; if
//! it does not answer it is suspect from now on, and a suspect keeps no stream that another origin has.
//! Whether it is dead is for [`Supervision`](crate::plan::supervision::Supervision) to say, in its time.

use super::{identity, probe};
use crate::{
    limits::{ACCUSED_PATIENCE, PROBES_AT_ONCE_MAX},
    metrics::PROBES,
    program::{Parts, now},
};
use ::metrics::counter;
use control::NodeId;
use std::sync::Arc;
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

/// Asks those who are accused, until the controller ends.
pub(crate) async fn run(parts: Parts) {
    let Parts {
        model,
        cancel,
        supervisor,
        ..
    } = &parts;
    let at_once = Arc::new(Semaphore::new(PROBES_AT_ONCE_MAX));
    let mut asking: JoinSet<(NodeId, Result<(), String>)> = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            () = model.accused() => {
                for node in model.take_accused() {
                    let known = identity(model, &node);
                    // Who cannot be asked is believed: nothing speaks against it but its accuser.
                    let known = known.filter(|known| !probe::addresses(known).is_empty());
                    let hands = Arc::clone(&supervisor.hands);
                    let at_once = Arc::clone(&at_once);
                    asking.spawn(async move {
                        // Closed never.
                        let _place = at_once.acquire_owned().await;
                        let answer = match known {
                            Some(known) => timeout(ACCUSED_PATIENCE, hands.probe(known)).await,
                            None => Ok(Ok(())),
                        };
                        let late = |_| Err(format!("no answer within {ACCUSED_PATIENCE:?}"));
                        (node, answer.unwrap_or_else(late))
                    });
                }
            }
            Some(Ok((node, answer))) = asking.join_next() => {
                let outcome = if answer.is_ok() { "answered" } else { "failed" };
                counter!(PROBES, "outcome" => outcome).increment(1);
                model.judged(&node, answer, now());
            }
        }
    }
}
