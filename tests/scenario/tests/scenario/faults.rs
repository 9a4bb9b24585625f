//! What tests that kill and pause programs share: how often, at which moments, what a controller says
//! afterwards, and a table of how long players waited.

use anyhow::{Context, Result};
use harness::{Program, http};
use serde_json::Value;
use std::{fmt::Write, time::Duration};

/// How many faults `WEIR_SCENARIO_KILLS` asks for; `None`, if nobody asks for the long form.
pub(crate) fn kills() -> Option<usize> {
    let kills = std::env::var("WEIR_SCENARIO_KILLS").ok();
    kills.and_then(|kills| kills.parse().ok())
}

/// Whose moments are those of the seed, which is printed.
pub(crate) fn moments() -> fastrand::Rng {
    let seed = crate::witness::seed();
    eprintln!("WEIR_SCENARIO_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// What a controller answers over REST.
pub(crate) async fn says(controller: &Program, path: &str) -> Result<Value> {
    let url = format!("http://{}{path}", controller.listener("rest"));
    let body = http::get_ok(&url).await?;
    serde_json::from_str(&body).with_context(|| body.clone())
}

/// How many of these gaps are below each bound (rising, in milliseconds), and above them all, as a Markdown
/// table.
pub(crate) fn table(what: &str, gaps: &[Duration], bounds: &[u128]) -> String {
    let mut sorted = gaps.to_vec();
    sorted.sort_unstable();
    let at = |permille: usize| {
        let place = sorted.len().saturating_sub(1) * permille / 1_000;
        sorted.get(place).map_or(0, Duration::as_millis)
    };
    let mut table = format!(
        "\n{what}: {} gaps; min {} ms, p50 {} ms, p95 {} ms, max {} ms\n\n| gap | players |\n| --- | --- |\n",
        sorted.len(),
        at(0),
        at(500),
        at(950),
        at(1_000)
    );
    let mut below = 0;
    for bound in bounds {
        let count = sorted.iter().filter(|gap| gap.as_millis() < *bound).count();
        let _ = writeln!(table, "| under {bound} ms | {} |", count - below);
        below = count;
    }
    let _ = writeln!(table, "| longer | {} |", sorted.len() - below);
    table
}

#[cfg(test)]
mod own {
    use super::*;

    #[test]
    fn each_gap_is_counted_in_one_row() {
        let gaps = [70, 39, 40, 500, 10].map(Duration::from_millis);
        let table = table("waited", &gaps, &[40, 80]);
        let heading = "waited: 5 gaps; min 10 ms, p50 40 ms, p95 70 ms, max 500 ms";
        assert!(table.contains(heading), "{table}");
        let rows = "| under 40 ms | 2 |\n| under 80 ms | 2 |\n| longer | 1 |\n";
        assert!(table.ends_with(rows), "{table}");
        assert!(super::table("nobody", &[], &[40]).contains("max 0 ms"));
    }
}
