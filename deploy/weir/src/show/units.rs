//! Numbers as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "-";

/// `850 kbit/s`, `2.4 Mbit/s`.
pub(super) fn rate(bits_per_second: u64) -> String {
    match bits_per_second {
        0..1_000_000 => format!("{} kbit/s", bits_per_second / 1000),
        1_000_000..1_000_000_000 => format!("{:.1} Mbit/s", bits_per_second as f64 / 1e6),
        _ => format!("{:.2} Gbit/s", bits_per_second as f64 / 1e9),
    }
}

/// `12 kB`, `3.4 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// `7s`, `3m 05s`, `2h 14m`, `9d 3h`.
pub(super) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// How long ago that was, by this machine's clock; a clock that is behind says `0s`.
pub(super) fn since(unix_ms: u64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    length(now.saturating_sub(Duration::from_millis(unix_ms)))
}

/// `2026-11-22 15:04:05.678`, UTC.
pub(super) fn moment(unix_ms: u64) -> String {
    let (days, in_day) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (seconds, millis) = (in_day / 1000, in_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03}")
}

/// Year, month and day of a number of days after 1970-01-01, Gregorian.
///
/// Counted in eras of 400 years (146,097 days) that begin on 1 March, so that the leap day is a
/// year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The number, or [`UNKNOWN`].
pub(super) fn or_unknown<T: ToString>(known: Option<T>) -> String {
    known.map_or_else(|| UNKNOWN.to_owned(), |known| known.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_say_them() {
        let rates = [0, 850_999, 2_400_000, 1_250_000_000].map(rate);
        assert_eq!(
            rates,
            ["0 kbit/s", "850 kbit/s", "2.4 Mbit/s", "1.25 Gbit/s"]
        );
        assert_eq!([900, 3_400_000].map(bytes), ["0 kB", "3.4 MB"]);
        let lengths = [7, 185, 8_040, 788_400].map(|seconds| length(Duration::from_secs(seconds)));
        assert_eq!(lengths, ["7s", "3m 05s", "2h 14m", "9d 3h"]);
        assert_eq!(since(u64::MAX), "0s");
    }

    #[test]
    fn moments_are_right_at_leap_days_and_year_ends() {
        for (unix_ms, text) in [
            (0, "1970-01-01 00:00:00.000"),
            (951_782_400_000, "2000-02-29 00:00:00.000"),
            (1_735_689_599_999, "2024-12-31 23:59:59.999"),
            (1_795_359_845_678, "2026-11-22 15:04:05.678"),
        ] {
            assert_eq!(moment(unix_ms), text);
        }
    }
}
