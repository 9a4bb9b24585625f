//! The summary for a person.

use super::{Summary, watch::TrackReport};
use crate::plural::counted;
use std::fmt::Write;

pub(super) fn text(summary: &Summary) -> String {
    let report = &summary.report;
    let mut text = format!(
        "{}: {:.1} s",
        summary.url,
        report.watched_ms as f64 / 1000.0
    );
    if let Some(join) = report.join_ms {
        text += &format!(", key frame after {join} ms");
    }
    if let Some(bits) = report.bits_per_second {
        text += &format!(", {} kbit/s", bits / 1000);
    }
    text += &format!("; ended: {}\n", summary.ended);
    for (what, track) in [("video", &report.video), ("audio", &report.audio)] {
        if let Some(track) = track {
            line(&mut text, what, &track_text(track));
        }
    }
    let worst = report.lateness_max_ms;
    line(
        &mut text,
        "late",
        &format!(
            "{}, the worst {worst} ms",
            counted(report.late_frames, "frame")
        ),
    );
    if summary.publisher_gone > 0 {
        line(
            &mut text,
            "gone",
            &format!("the publisher, {}", counted(summary.publisher_gone, "time")),
        );
    }
    let start = match report.video {
        Some(_) => "starts at a key frame after its headers",
        None => "starts after its headers",
    };
    if report.faults.is_empty() {
        line(&mut text, "good", &format!("{start}; no gap, time goes on"));
    }
    for fault in &report.faults {
        line(&mut text, "FAULT", fault);
    }
    text.trim_end().to_owned()
}

fn track_text(track: &TrackReport) -> String {
    let mut text = track.codec.unwrap_or("unknown codec").to_owned();
    if let Some(profile) = &track.profile {
        text += &format!(" {profile}");
    }
    if let (Some(width), Some(height)) = (track.width, track.height) {
        text += &format!(" {width}x{height}");
    }
    if let Some(rate) = track.sample_rate {
        text += &format!(" {rate} Hz");
    }
    if let Some(channels) = track.channels {
        text += &format!(" {channels} ch");
    }
    text += &format!(", {}", counted(track.frames, "frame"));
    if let Some(keys) = track.key_frames {
        text += &format!(" ({keys} key)");
    }
    if let Some(rate) = track.frames_per_second {
        text += &format!(", {rate:.2} a second");
    }
    text + &format!(", time {} to {} ms", track.first_dts_ms, track.last_dts_ms)
}

fn line(text: &mut String, title: &str, content: &str) {
    writeln!(text, "  {title:<6} {content}").expect("a string takes everything");
}
