//! Points in time, and how they are told to a person.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z. Values are kept within year 1 to 9999, so that every one has
/// a calendar date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub struct Timestamp(i64);

/// The last second of the year 9999.
const LATEST: i64 = 253_402_300_799;

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Timestamp {
        Timestamp::from_unix_seconds(time.as_second())
    }
}

impl Timestamp {
    /// From unix seconds; values past the year 9999 become its last second, negative ones zero.
    pub const fn from_unix_seconds(seconds: i64) -> Timestamp {
        if seconds < 0 {
            Timestamp(0)
        } else if seconds > LATEST {
            Timestamp(LATEST)
        } else {
            Timestamp(seconds)
        }
    }

    pub const fn unix_seconds(self) -> i64 {
        self.0
    }

    /// `seconds` later (earlier if negative), within the bounds of the type.
    pub const fn plus(self, seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this; negative if this comes first.
    pub const fn seconds_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 in UTC: `2026-11-22T14:53:05Z`.
    pub fn rfc3339(self) -> String {
        self.zoned(&TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The local day it falls on.
    pub fn date(self, zone: &TimeZone) -> jiff::civil::Date {
        self.zoned(zone).date()
    }

    /// When its local day began.
    pub fn start_of_day(self, zone: &TimeZone) -> Timestamp {
        self.zoned(zone).start_of_day().map_or(self, |start| start.timestamp().into())
    }

    /// When its local day is over: 23 to 25 hours after it began where clocks are changed.
    pub fn end_of_day(self, zone: &TimeZone) -> Timestamp {
        let next = self.zoned(zone).tomorrow().and_then(|next| next.start_of_day());
        next.map_or(self, |start| start.timestamp().into())
    }

    fn zoned(self, zone: &TimeZone) -> jiff::Zoned {
        // jiff's last second lies a day before ours, for the sake of zones.
        let seconds = self.0.min(LATEST - DAY);
        jiff::Timestamp::from_second(seconds).unwrap_or_default().to_zoned(zone.clone())
    }

    /// Local clock time as one would say it `now`: `14:30` on the same day, `Tue 14:30` within a
    /// week, else `3 Dec 14:30`.
    pub fn clock(self, now: Timestamp, zone: &TimeZone) -> String {
        let (then, today) = (self.zoned(zone), now.zoned(zone));
        let format = if then.date() == today.date() {
            "%H:%M"
        } else if self.seconds_since(now).abs() < 7 * DAY {
            "%a %H:%M"
        } else {
            "%-d %b %H:%M"
        };
        then.strftime(format).to_string()
    }
}

impl From<i64> for Timestamp {
    fn from(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }
}

impl From<Timestamp> for i64 {
    fn from(time: Timestamp) -> i64 {
        time.0
    }
}

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// A duration in its two largest units, rounded down: `5d8h`, `1h03m`, `42m`. Below a minute it is
/// `<1m`, also if it is negative.
pub fn countdown(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / DAY, seconds % DAY / HOUR, seconds % HOUR / MINUTE);
    if days > 0 {
        format!("{days}d{hours}h")
    } else if hours > 0 {
        format!("{hours}h{minutes:02}m")
    } else if minutes > 0 {
        format!("{minutes}m")
    } else {
        "<1m".into()
    }
}

/// How long ago something was: `23m ago`, `1h03m ago`, and `just now` below a minute.
pub fn age(seconds: i64) -> String {
    if seconds < MINUTE { "just now".into() } else { format!("{} ago", countdown(seconds)) }
}

/// The lengths that Codex's windows have had, in seconds.
const KNOWN_LENGTHS: [i64; 7] = [5 * MINUTE, 15 * MINUTE, HOUR, 5 * HOUR, DAY, 7 * DAY, 30 * DAY];

/// The name of a window of this length: the largest unit that divides it (to the nearest minute),
/// `5h`, `7d`, `15m`. Below a minute: seconds.
///
/// A length within a percent of a known one takes its name: older records have 299 and 10079
/// minutes for 5 hours and 7 days.
pub fn window_label(seconds: u32) -> String {
    let seconds = i64::from(seconds);
    let is_near = |known: &&i64| (seconds - **known).abs() * 100 <= **known;
    let seconds = KNOWN_LENGTHS.iter().find(is_near).copied().unwrap_or(seconds);
    if seconds < MINUTE {
        return format!("{seconds}s");
    }
    let minutes = (seconds + MINUTE / 2) / MINUTE;
    if minutes % (24 * 60) == 0 {
        format!("{}d", minutes / (24 * 60))
    } else if minutes % 60 == 0 {
        format!("{}h", minutes / 60)
    } else {
        format!("{minutes}m")
    }
}

/// `Retry-After`: seconds, or a date as HTTP writes it (RFC 9110, 10.2.3). Seconds to wait from
/// `now`; `None` for anything else.
pub fn retry_after(value: &str, now: Timestamp) -> Option<i64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit is still "a very long time".
        return Some(value.parse().unwrap_or(i64::MAX));
    }
    http_date(value).map(|date| date.seconds_since(now))
}

/// A date as HTTP writes it.
pub fn http_date(value: &str) -> Option<Timestamp> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.trim()).ok()?;
    Some(Timestamp::from_unix_seconds(date.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_ages_have_one_form() {
        for (seconds, duration, old) in [
            (-5, "<1m", "just now"),
            (17, "<1m", "just now"),
            (60, "1m", "1m ago"),
            (3599, "59m", "59m ago"),
            (3780, "1h03m", "1h03m ago"),
            (86_400, "1d0h", "1d0h ago"),
            (460_800, "5d8h", "5d8h ago"),
        ] {
            assert_eq!((countdown(seconds).as_str(), age(seconds).as_str()), (duration, old));
        }
    }

    #[test]
    fn labels_come_from_the_length() {
        for (seconds, label) in [
            (300, "5m"),
            (900, "15m"),
            (3600, "1h"),
            (18_000, "5h"),
            (17_999, "5h"),
            (604_800, "7d"),
            (2_592_000, "30d"),
            (5400, "90m"),
            (45, "45s"),
        ] {
            assert_eq!(window_label(seconds), label);
        }
    }

    #[test]
    fn retry_after_takes_seconds_and_dates() {
        let now = Timestamp::from_unix_seconds(784_111_777);
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(i64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), seconds, "{value:?}");
        }
    }

    #[test]
    fn clock_time_says_no_more_than_needed() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        // Sunday, 2026-11-22, 15:00 UTC, which is 17:00 in this zone.
        let now = Timestamp::from_unix_seconds(1_795_359_600);
        assert_eq!(now.plus(HOUR).clock(now, &zone), "18:00");
        assert_eq!(now.plus(DAY).clock(now, &zone), "Mon 17:00");
        assert_eq!(now.plus(11 * DAY).clock(now, &zone), "3 Dec 17:00");
        assert_eq!(now.rfc3339(), "2026-11-22T15:00:00Z");
    }

    #[test]
    fn every_value_has_a_date() {
        for seconds in [i64::MIN, -1, 0, LATEST, i64::MAX] {
            let time = Timestamp::from_unix_seconds(seconds);
            let _ = time.clock(Timestamp(i64::MAX), &TimeZone::UTC) + &time.rfc3339();
        }
    }
}
