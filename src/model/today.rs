//! What was done today, as the cache keeps it. The end of the day stands with it, so that showing
//! it needs no time zone.

use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Clocks of one machine may step back a little. In seconds.
const TOLERATED_FUTURE: i64 = 60;

/// The counts of one local day so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Today {
    pub counted_at: Timestamp,
    /// The local day's end. From then on nothing is known until it is counted anew: "nothing yet"
    /// would be a guess, for a session may have gone on.
    pub ends_at: Timestamp,
    pub counts: Counts,
}

impl Today {
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Sessions with a turn or a response; a subagent's work is that of its session.
    pub sessions: u64,
    /// Turns begun, failed ones too.
    pub turns: u64,
    /// Tokens sent, cached ones included.
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    /// Tokens received, reasoning included.
    pub output_tokens: u64,
    pub reasoning_output_tokens: u64,
    pub total_tokens: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sunday 2026-11-22 15:00 UTC.
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    const HOUR: i64 = 3600;

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
