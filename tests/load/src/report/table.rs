//! A report for people: two columns, a line a fact.

use super::{Report, Server};
use crate::histogram::Quantiles;
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use std::collections::BTreeMap;

/// The report as a table for a terminal.
pub fn plain(report: &Report) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    for (what, value) in rows(report) {
        table.add_row([what, value]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// The report as a table for a page.
pub fn markdown(report: &Report) -> String {
    let mut text = String::from("| What | Measured |\n| --- | --- |\n");
    for (what, value) in rows(report) {
        text.push_str(&format!("| {what} | {value} |\n"));
    }
    text
}

fn rows(report: &Report) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |what: &str, value: String| rows.push((what.to_owned(), value));
    let players = &report.players;
    row("measured", format!("{:.1} s", report.seconds));
    if report.asked.players > 0 {
        row(
            "players",
            format!(
                "{} of {}, {} at the end, {} joins",
                players.playing_at_begin,
                report.asked.players,
                players.playing_at_end,
                players.joined
            ),
        );
        let due = players.share_of_due.map_or_else(String::new, |share| {
            format!(", {:.1}% of what was due", share * 100.0)
        });
        let rate = players.gbit_per_second;
        row("received", format!("{rate:.3} Gbit/s{due}"));
    }
    if let Some(each) = players.bytes_of_each {
        let kilobytes = |bytes: u64| format!("{:.0}", bytes as f64 / 1e3);
        row(
            "each player, min / median / max",
            format!(
                "{} / {} / {} kB; the slowest had {:.1}% of the median",
                kilobytes(each.min),
                kilobytes(each.median),
                kilobytes(each.max),
                each.slowest_share() * 100.0
            ),
        );
    }
    reasons(&mut row, "player lost", &players.lost);
    reasons(
        &mut row,
        "stalled or slow player lost",
        &players.idlers_lost,
    );
    if let Some(publishers) = &report.publishers {
        row(
            "publishers",
            format!(
                "{} of {}, {} frames sent, {} left out",
                publishers.publishing_at_end,
                report.asked.streams,
                publishers.frames_sent,
                publishers.frames_left_out
            ),
        );
        reasons(&mut row, "publisher lost", &publishers.lost);
    }
    if let Some(checks) = &report.checks {
        row(
            "checked",
            format!(
                "{} players, {} frames, {} faults",
                checks.players, checks.frames, checks.faults_total
            ),
        );
        for (name, count) in checks.faults.each() {
            if count > 0 {
                row(&format!("  {name}"), count.to_string());
            }
        }
        row("added latency", quantiles(checks.latency.as_ref()));
        row(
            "join to first key frame",
            quantiles(checks.first_key.as_ref()),
        );
    }
    if let Some(server) = &report.server {
        server_rows(&mut row, server);
    }
    let generator = &report.generator;
    row(
        "the generator itself",
        format!(
            "{:.2} CPU s; frames late {}",
            generator.cpu_seconds,
            quantiles(generator.lateness.as_ref())
        ),
    );
    rows
}

fn server_rows(row: &mut impl FnMut(&str, String), server: &Server) {
    row(
        "server's CPU",
        format!(
            "{:.2} s ({:.2} user, {:.2} kernel), {:.0}% of a core",
            server.cpu_seconds,
            server.user_seconds,
            server.system_seconds,
            server.busy * 100.0
        ),
    );
    if let Some(gbit) = server.gbit_per_cpu_second {
        row("Gbit per CPU second", format!("{gbit:.2}"));
    }
    if let Some(bytes) = server.bytes_per_write {
        row("mean write", format!("{bytes:.0} B"));
    }
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    row(
        "server's memory, idle / published / begin / end",
        format!(
            "{} / {} / {} / {} MB resident",
            megabytes(server.resident_idle_bytes),
            megabytes(server.resident_published_bytes),
            megabytes(server.resident_begin_bytes),
            megabytes(server.resident_end_bytes)
        ),
    );
    if let Some(bytes) = server.resident_bytes_per_player {
        row("memory a player", format!("{:.2} kB", bytes / 1e3));
    }
    if let Some(bytes) = server.resident_bytes_per_stream {
        row("memory a stream", format!("{:.0} kB", bytes / 1e3));
    }
    let [idle, begin, end] = server.descriptors;
    row(
        "descriptors, idle / begin / end",
        format!("{idle} / {begin} / {end}"),
    );
}

fn reasons(row: &mut impl FnMut(&str, String), what: &str, reasons: &BTreeMap<String, u64>) {
    for (why, count) in reasons {
        row(what, format!("{count} × {why}"));
    }
}

fn quantiles(quantiles: Option<&Quantiles>) -> String {
    match quantiles {
        None => "not seen".to_owned(),
        Some(of) => format!(
            "p50 {:.2}, p95 {:.2}, p99 {:.2}, max {:.2} ms ({} of them)",
            of.p50_ms, of.p95_ms, of.p99_ms, of.max_ms, of.count
        ),
    }
}
