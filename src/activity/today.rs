//! What was done today, as it is kept for the line: with the moment at which the day is over, so that no time zone is needed
//! to show it. Pure.

use super::report::Counts;
use super::store::Store;
use crate::time::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// Clocks of one machine may step back a little. In seconds.
const TOLERATED_FUTURE: i64 = 60;

/// A file that was written before the day began holds nothing of it; that clocks differ is allowed for.
const MARGIN: Duration = Duration::from_secs(60 * 60);

/// The counts of one local day so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Today {
    pub counted_at: Timestamp,
    /// The local day's end. From then on nothing is known until it is counted anew: "nothing yet" would be a guess, for a
    /// session may have gone on.
    pub ends_at: Timestamp,
    pub counts: Counts,
}

impl Today {
    /// The counts of the day on which `now` is, in `zone`.
    pub fn of(store: &Store, zone: &TimeZone, now: Timestamp) -> Today {
        let day = now.date(zone);
        let counts = store.report(zone, day..=day).on(day);
        Today { counted_at: now, ends_at: now.end_of_day(zone), counts }
    }

    /// Whether the day is still that on which it was counted.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.counted_at.seconds_since(now) <= TOLERATED_FUTURE && now < self.ends_at
    }

    /// Seconds since it was counted.
    pub fn age(&self, now: Timestamp) -> i64 {
        now.seconds_since(self.counted_at).max(0)
    }

    /// Whether it is to be counted anew, like numbers older than `max_age` seconds.
    pub fn is_stale(&self, max_age: i64, now: Timestamp) -> bool {
        !self.holds(now) || self.age(now) >= max_age
    }
}

/// Since when a file that holds anything of the day of `now` has been written to.
pub fn written_since(zone: &TimeZone, now: Timestamp) -> SystemTime {
    let begin = now.start_of_day(zone).unix_seconds().unsigned_abs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(begin).saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sunday 2026-11-22 15:00 UTC.
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    const HOUR: i64 = 3600;

    #[test]
    fn a_day_is_the_zones_own() {
        let check = |rule: &str, left: i64| {
            let zone = TimeZone::posix(rule).unwrap();
            let today = Today::of(&Store::default(), &zone, NOW);
            assert_eq!(today.ends_at.seconds_since(NOW), left * HOUR / 2, "{rule}");
            let begun = written_since(&zone, NOW).duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let whole = today.ends_at.unix_seconds() - begun.as_secs() as i64;
            // The margin.
            (whole - HOUR) / HOUR
        };
        assert_eq!(check("UTC0", 18), 24);
        assert_eq!(check("XXX-5:30", 7), 24);
        assert_eq!(check("XXX5", 28), 24);
        // Where clocks are put forward at two o'clock on the 326th day of the year, which is this one.
        assert_eq!(check("XXX0YYY,J326,J1", 16), 23);
    }

    #[test]
    fn counts_hold_until_the_day_is_over() {
        let today = Today { counted_at: NOW, ends_at: NOW.plus(HOUR), counts: Counts::default() };
        let state = |seconds: i64| {
            let now = NOW.plus(seconds);
            (today.holds(now), today.is_stale(120, now), today.age(now))
        };
        assert_eq!(state(119), (true, false, 119));
        assert_eq!(state(120), (true, true, 120));
        assert_eq!(state(HOUR - 1), (true, true, HOUR - 1));
        assert_eq!(state(HOUR), (false, true, HOUR));
        // A clock that was put back.
        assert_eq!(state(-60), (true, false, 0));
        assert_eq!(state(-61), (false, true, 0));
    }
}
