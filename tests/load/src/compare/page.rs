//! A comparison for people: a row a fact, a column a contender, and ratios to the first.

use super::{Comparison, Fact, Results};
use crate::report::Report;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets::NOTHING};

/// A fact's name, how many decimals it has, where it stands in a report, and whether its ratio says
/// something.
type Row = (&'static str, usize, Fact, bool);

const ROWS: [Row; 15] = [
    ("Gbit per CPU second", 2, gbit_per_cpu, true),
    (
        "Gbit/s received",
        3,
        |report| Some(report.players.gbit_per_second),
        false,
    ),
    (
        "received, % of what was due",
        1,
        |report| Some(report.players.share_of_due? * 100.0),
        false,
    ),
    (
        "cores in use",
        3,
        |report| Some(report.server.as_ref()?.busy),
        false,
    ),
    (
        "bytes a write",
        0,
        |report| report.server.as_ref()?.bytes_per_write,
        false,
    ),
    (
        "memory a player, kB",
        2,
        |report| Some(report.server.as_ref()?.resident_bytes_per_player? / 1e3),
        true,
    ),
    (
        "memory a stream, kB",
        0,
        |report| Some(report.server.as_ref()?.resident_bytes_per_stream? / 1e3),
        false,
    ),
    (
        "memory at the end, MB",
        1,
        |report| Some(report.server.as_ref()?.resident_end_bytes as f64 / 1e6),
        false,
    ),
    (
        "slowest player, % of median",
        1,
        |report| Some(report.players.bytes_of_each?.slowest_share() * 100.0),
        false,
    ),
    (
        "added latency p50, ms",
        2,
        |report| Some(report.checks.as_ref()?.latency?.p50_ms),
        false,
    ),
    (
        "added latency p99, ms",
        2,
        |report| Some(report.checks.as_ref()?.latency?.p99_ms),
        false,
    ),
    (
        "join to first key frame p99, ms",
        2,
        |report| Some(report.checks.as_ref()?.first_key?.p99_ms),
        false,
    ),
    (
        "faults found",
        0,
        |report| Some(report.checks.as_ref()?.faults_total as f64),
        false,
    ),
    (
        "players lost",
        0,
        |report| Some(report.players.lost.values().sum::<u64>() as f64),
        false,
    ),
    (
        "generator's CPU, s",
        2,
        |report| Some(report.generator.cpu_seconds),
        false,
    ),
];

fn gbit_per_cpu(report: &Report) -> Option<f64> {
    report.server.as_ref()?.gbit_per_cpu_second
}

/// Header and rows. The first contender's ratio to another stands behind the other's own value.
fn cells(comparison: &Comparison) -> (Vec<String>, Vec<Vec<String>>) {
    let mut header = vec![format!("median of {}", comparison.rounds)];
    header.extend(
        comparison
            .contenders
            .iter()
            .map(|results| results.name.clone()),
    );
    let rows = ROWS
        .iter()
        .filter_map(|row| cells_of(row, &comparison.contenders));
    (header, rows.collect())
}

fn cells_of(row: &Row, contenders: &[Results]) -> Option<Vec<String>> {
    let (name, decimals, fact, has_ratio) = *row;
    let (first, others) = contenders.split_first()?;
    let show = |value: Option<f64>| {
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
    };
    let mut cells = vec![name.to_owned(), show(first.median(fact))];
    for other in others {
        let mut cell = show(other.median(fact));
        // A ratio to what rounds to nothing says nothing.
        let is_something = other.median(fact).is_some_and(|own| own >= 0.1);
        if let Some(ratio) = other
            .ratio(first, fact)
            .filter(|_| has_ratio && is_something)
        {
            cell.push_str(&format!(" ({ratio:.2} ×)"));
        }
        cells.push(cell);
    }
    let is_empty = cells.iter().skip(1).all(|cell| cell == "–");
    (!is_empty).then_some(cells)
}

/// What the ratios mean.
fn legend(comparison: &Comparison) -> String {
    match comparison.contenders.as_slice() {
        [first, _, ..] => format!(
            "(n ×): what {} has is n times this; the median of each round's ratio.",
            first.name
        ),
        _ => String::new(),
    }
}

pub(super) fn plain(comparison: &Comparison) -> String {
    let (header, rows) = cells(comparison);
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table.add_rows(rows);
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if number > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!(
        "{}\n{}\n\n{}",
        table.trim_fmt(),
        legend(comparison),
        about(comparison, "")
    )
}

pub(super) fn markdown(comparison: &Comparison) -> String {
    let (header, rows) = cells(comparison);
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let rule = format!("| --- |{}\n", " ---: |".repeat(comparison.contenders.len()));
    let body: String = rows.into_iter().map(line).collect();
    let legend = legend(comparison);
    format!(
        "{}{rule}{body}\n{legend}\n\n{}",
        line(header),
        about(comparison, "- ")
    )
}

/// Machine, versions and command.
fn about(comparison: &Comparison, bullet: &str) -> String {
    let mut lines = vec![format!("{bullet}machine: {}", comparison.machine)];
    for results in &comparison.contenders {
        lines.push(format!("{bullet}{}: {}", results.name, results.version));
    }
    lines.push(format!("{bullet}command: `{}`", comparison.command));
    lines.join("\n")
}
