//! The same load on several servers in turn, A B A B, and what they cost side by side.
//!
//! Every round starts each server anew, alone, loads it, and kills it; so whatever else happens on
//! the machine happens to all. What counts is the median of the rounds, and the median of the rounds'
//! ratios, which is steadier than the ratio of medians.

pub mod machine;
mod page;

use crate::{
    floor::Pieces,
    plan::Plan,
    report::Report,
    run::{self, RunError, Watcher},
    server::{self, Recipe, StartError, Via},
};
use machine::Machine;
use serde::Serialize;

/// One of those that are compared.
#[derive(Debug, Clone)]
pub struct Contender {
    /// What it is called in tables.
    pub name: String,
    /// How it is started. The bare loop's pieces are replaced by as long ones as the first
    /// contender writes, where that is known.
    pub recipe: Recipe,
}

/// Why a comparison was not finished.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A server did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A run failed.
    #[error("{name}: {error}\n{said}")]
    Run {
        /// With whom.
        name: String,
        /// How.
        error: RunError,
        /// The end of what the server wrote.
        said: String,
    },
    /// A server is gone.
    #[error("{name} is gone: {error}\n{said}")]
    Gone {
        /// Which one.
        name: String,
        /// What the system says.
        error: std::io::Error,
        /// The end of what it wrote.
        said: String,
    },
}

/// A comparison's result.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Where it was made.
    pub machine: Machine,
    /// What the command line was, so that anyone can do it again.
    pub command: String,
    /// How often.
    pub rounds: u32,
    /// Everybody's results; the first is whom the others are compared with.
    pub contenders: Vec<Results>,
}

/// One contender's results.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// Its name.
    pub name: String,
    /// Its program's version.
    pub version: String,
    /// A report a round.
    pub reports: Vec<Report>,
}

/// Loads each of `contenders` with `plan`, `rounds` times in turn. `watcher` makes a watcher for
/// each run, of the contender's name and the round.
///
/// # Errors
/// If a server does not start or dies, or a run fails. A server that serves badly is no error: its
/// report says so.
pub fn compare<W: Watcher>(
    contenders: &[Contender],
    plan: &Plan,
    via: Via,
    rounds: u32,
    command: String,
    mut watcher: impl FnMut(&str, u32) -> W,
) -> Result<Comparison, CompareError> {
    let machine = Machine::look();
    let mut results: Vec<_> = contenders
        .iter()
        .map(|contender| Results {
            name: contender.name.clone(),
            version: server::version(&contender.recipe),
            reports: Vec::new(),
        })
        .collect();
    for round in 1..=rounds {
        // What the first contender wrote this round.
        let mut piece_bytes = None;
        for (contender, results) in contenders.iter().zip(&mut results) {
            let mut recipe = contender.recipe.clone();
            if let (Recipe::Floor(pieces), Some(bytes)) = (&mut recipe, piece_bytes) {
                *pieces = Pieces { bytes, ..*pieces };
                results.version = server::version(&recipe);
            }
            let report = load(
                contender,
                &recipe,
                plan,
                via,
                &mut watcher(&contender.name, round),
            )?;
            if piece_bytes.is_none() {
                let written = report
                    .server
                    .as_ref()
                    .and_then(|server| server.bytes_per_write);
                piece_bytes = written.map(|bytes| bytes as u32);
            }
            results.reports.push(report);
        }
    }
    Ok(Comparison {
        machine,
        command,
        rounds,
        contenders: results,
    })
}

fn load(
    contender: &Contender,
    recipe: &Recipe,
    plan: &Plan,
    via: Via,
    watcher: &mut dyn Watcher,
) -> Result<Report, CompareError> {
    let server = recipe.start(via)?;
    let name = contender.name.clone();
    let pids = server.pids().map_err(|error| CompareError::Gone {
        name: name.clone(),
        error,
        said: server.said(),
    })?;
    let mut plan = Plan {
        publish: server.publish.clone(),
        play: vec![server.play.clone()],
        pids,
        metrics: server.metrics,
        ..plan.clone()
    };
    if plan.publish.is_none() {
        // The bare loop sends no media that could be checked, and one "stream" to all.
        plan.check = 0;
        plan.streams = 1;
    }
    run::run(&plan, watcher).map_err(|error| CompareError::Run {
        name,
        error,
        said: server.said(),
    })
}

impl Comparison {
    /// As JSON, for programs.
    ///
    /// # Panics
    /// Never: it holds only what JSON can hold.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers, texts and maps of them")
    }

    /// As a table for a terminal.
    pub fn plain(&self) -> String {
        page::plain(self)
    }

    /// As a table for a page, with machine, versions and command.
    pub fn markdown(&self) -> String {
        page::markdown(self)
    }

    /// Whether every run of the first contender, whom it is about, was without a fault.
    pub fn is_clean(&self) -> bool {
        let first = self.contenders.first();
        first.is_some_and(|results| results.reports.iter().all(Report::is_clean))
    }
}

/// A fact of a report; `None` where the run did not give it.
pub(crate) type Fact = fn(&Report) -> Option<f64>;

impl Results {
    /// The rounds' median of a fact.
    pub(crate) fn median(&self, fact: Fact) -> Option<f64> {
        median(self.reports.iter().filter_map(fact).collect())
    }

    /// The median of the rounds' ratios of `first`'s fact to this one's.
    pub(crate) fn ratio(&self, first: &Self, fact: Fact) -> Option<f64> {
        let pairs = first.reports.iter().zip(&self.reports);
        let ratios = pairs.filter_map(|(first, own)| {
            let own = fact(own).filter(|own| *own != 0.0)?;
            Some(fact(first)? / own)
        });
        median(ratios.collect())
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(values.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
