//! Counts by quarter of an hour. The days of any time zone can be added up from them.

use super::record::Tokens;
use serde::{Deserialize, Serialize};

/// The length of a [`Bucket`] in seconds. The offset of every current time zone from UTC is a
/// multiple of it, so the days of any zone can be added up without reading a file again.
pub const BUCKET_SECONDS: i64 = 900;

/// The counts of a quarter of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The number of quarters of an hour since 1970-01-01T00:00:00Z.
    pub quarter: u32,
    pub turns: u32,
    pub tokens: Tokens,
}

/// The buckets of a file in order of time. None of them is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buckets(pub Vec<Bucket>);

impl Buckets {
    /// The bucket for a time in unix milliseconds; `None` if the time is out of range.
    pub fn at(&mut self, time: i64) -> Option<&mut Bucket> {
        let quarter = u32::try_from(time.div_euclid(1000).div_euclid(BUCKET_SECONDS)).ok()?;
        // Nearly all lines are in order of time, so the place is at or near the end.
        let place =
            self.0.iter().rposition(|bucket| bucket.quarter <= quarter).map_or(0, |last| last + 1);
        if place == 0 || self.0[place - 1].quarter != quarter {
            self.0.insert(place, Bucket { quarter, ..Bucket::default() });
            return self.0.get_mut(place);
        }
        self.0.get_mut(place - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_in_order_whatever_the_lines_are() {
        let mut buckets = Buckets::default();
        for minutes in [30, 0, 45, 31, 14, 15] {
            buckets.at(minutes * 60_000).unwrap().turns += 1;
        }
        let found: Vec<_> = buckets.0.iter().map(|bucket| (bucket.quarter, bucket.turns)).collect();
        assert_eq!(found, [(0, 2), (1, 1), (2, 2), (3, 1)]);
        assert!(buckets.at(-1).is_none() && buckets.at(i64::MAX).is_none());
    }
}
