//! Adds up the counts of a [`Store`] by local day.

use super::buckets::{BUCKET_SECONDS, Bucket};
use super::record::Tokens;
use super::store::{FileEntry, Store};
use crate::model::hash::{ByHash, Hashes};
use crate::model::time::Timestamp;
use crate::model::today::{Counts, Today};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};
use std::ops::{Range, RangeInclusive};
use std::time::{Duration, SystemTime};

/// A file that was last written before the day began holds nothing of that day. This margin
/// allows for clocks that differ.
const MARGIN: Duration = Duration::from_secs(60 * 60);

/// The activity on some days, as `activity --json` prints it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The days with any activity, oldest first.
    pub days: Vec<Day>,
    /// The sum of all days. A session that lasts several days counts once.
    pub total: Counts,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Day {
    #[serde(serialize_with = "as_text")]
    pub date: Date,
    #[serde(flatten)]
    pub counts: Counts,
}

impl Report {
    /// The counts of one day: zeros if there was no activity.
    pub fn on(&self, date: Date) -> Counts {
        let found = self.days.binary_search_by_key(&date, |day| day.date);
        found
            .ok()
            .and_then(|place| self.days.get(place))
            .map_or_else(Counts::default, |day| day.counts)
    }
}

impl Store {
    /// The counts of the day on which `now` is, in `zone`.
    pub fn today(&self, zone: &TimeZone, now: Timestamp) -> Today {
        let day = now.date(zone);
        let counts = self.report(zone, day..=day).on(day);
        Today { counted_at: now, ends_at: now.end_of_day(zone), counts }
    }

    /// The names of files that repeat a longer file. Programs that copy folders leave such files
    /// behind.
    fn copies(&self) -> Hashes {
        let mut longest: ByHash<(u64, u64)> = ByHash::default();
        let mut copies = Hashes::default();
        let known =
            |(_, entry): &(&u64, &FileEntry)| entry.missing == 0 && entry.thread.origin != 0;
        for (name, entry) in self.entries.iter().filter(known) {
            let this = (entry.offset, *name);
            let best = longest.entry(entry.thread.origin).or_insert(this);
            if *best != this {
                copies.insert(this.min(*best).1);
                *best = this.max(*best);
            }
        }
        copies
    }

    /// The counts of the days in `dates`, by the clock of `zone`.
    pub fn report(&self, zone: &TimeZone, dates: RangeInclusive<Date>) -> Report {
        let copies = self.copies();
        let counts =
            |(name, entry): &(&u64, &FileEntry)| entry.missing == 0 && !copies.contains(*name);
        let entries = || self.entries.iter().filter(counts).map(|(_, entry)| entry);
        let parts = entries().filter(|entry| entry.thread.session != entry.thread.identity);
        let parts: ByHash<u64> =
            parts.map(|entry| (entry.thread.identity, entry.thread.session)).collect();
        let mut calendar = Calendar { zone, days: Vec::new() };
        let bounds = quarters(zone, *dates.start()).start..quarters(zone, *dates.end()).end;
        let mut total = Counts::default();
        let mut active: Vec<(Date, u64)> = Vec::new();
        for entry in entries() {
            let session = session(entry, &parts);
            for bucket in within(&entry.buckets.0, &bounds) {
                let day = calendar.day(bucket.quarter);
                add(&mut day.counts, bucket);
                add(&mut total, bucket);
                if active.last() != Some(&(day.date, session)) {
                    active.push((day.date, session));
                }
            }
        }
        active.sort_unstable();
        active.dedup();
        let mut days: Vec<Day> = Vec::with_capacity(calendar.days.len());
        for (_, day) in calendar.days {
            let sessions = active.partition_point(|(date, _)| *date <= day.date)
                - active.partition_point(|(date, _)| *date < day.date);
            days.push(Day { counts: Counts { sessions: sessions as u64, ..day.counts }, ..day });
        }
        let mut all: Vec<u64> = active.into_iter().map(|(_, session)| session).collect();
        all.sort_unstable();
        all.dedup();
        total.sessions = all.len() as u64;
        Report { days, total }
    }
}

/// The earliest modification time of a file that can hold something of the day of `now`.
pub fn written_since(zone: &TimeZone, now: Timestamp) -> SystemTime {
    let begin = now.start_of_day(zone).unix_seconds().unsigned_abs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(begin).saturating_sub(MARGIN)
}

/// The session that a file belongs to. A subagent of an old Codex names only the thread that
/// started it, which may itself be a subagent.
fn session(entry: &FileEntry, parts: &ByHash<u64>) -> u64 {
    const DEEPEST: usize = 8;
    let up = |session: &u64| parts.get(session).copied();
    let chain = std::iter::successors(Some(entry.thread.session), up).take(DEEPEST);
    chain.last().unwrap_or(entry.thread.session)
}

fn within<'a>(buckets: &'a [Bucket], quarters: &Range<u32>) -> &'a [Bucket] {
    let start = buckets.partition_point(|bucket| bucket.quarter < quarters.start);
    let end = buckets.partition_point(|bucket| bucket.quarter < quarters.end);
    buckets.get(start..end).unwrap_or_default()
}

fn add(counts: &mut Counts, bucket: &Bucket) {
    let Tokens { input, cached_input, output, reasoning_output, total } = bucket.tokens;
    counts.turns = counts.turns.saturating_add(u64::from(bucket.turns));
    for (sum, more) in [
        (&mut counts.input_tokens, input),
        (&mut counts.cached_input_tokens, cached_input),
        (&mut counts.output_tokens, output),
        (&mut counts.reasoning_output_tokens, reasoning_output),
        (&mut counts.total_tokens, total),
    ] {
        *sum = sum.saturating_add(more);
    }
}

/// Finds the day of each bucket. The rules of the time zone are evaluated once a day, and not once
/// a bucket.
struct Calendar<'a> {
    zone: &'a TimeZone,
    /// The days in order, each with its buckets.
    days: Vec<(Range<u32>, Day)>,
}

impl Calendar<'_> {
    fn day(&mut self, quarter: u32) -> &mut Day {
        let place = self.days.partition_point(|(quarters, _)| quarters.end <= quarter);
        if self.days.get(place).is_none_or(|(quarters, _)| !quarters.contains(&quarter)) {
            let date = self.zone.to_datetime(time(quarter)).date();
            let mut quarters = quarters(self.zone, date);
            // The lookup must not fail, whatever the rules of the zone are.
            quarters = quarters.start.min(quarter)..quarters.end.max(quarter.saturating_add(1));
            self.days.insert(place, (quarters, Day { date, counts: Counts::default() }));
        }
        &mut self.days[place].1
    }
}

/// The buckets that start on a day. A day has 23 to 25 hours where clocks are changed.
fn quarters(zone: &TimeZone, date: Date) -> Range<u32> {
    let begin = |date: Date| {
        let midnight = zone.to_ambiguous_zoned(date.at(0, 0, 0, 0)).compatible();
        // The first and the last day that can be represented have no time in some zones.
        let end = if date.year() < 1970 { 0 } else { u32::MAX };
        midnight.map_or(end, |midnight| quarter_from(midnight.timestamp()))
    };
    begin(date)..date.tomorrow().map_or(u32::MAX, begin)
}

fn time(quarter: u32) -> jiff::Timestamp {
    let second = i64::from(quarter) * BUCKET_SECONDS;
    jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX)
}

/// The first bucket that starts at or after a time.
fn quarter_from(time: jiff::Timestamp) -> u32 {
    let quarter =
        (time.as_second().saturating_add(BUCKET_SECONDS - 1)).div_euclid(BUCKET_SECONDS).max(0);
    u32::try_from(quarter).unwrap_or(u32::MAX)
}

fn as_text<S: Serializer>(date: &Date, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(date)
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
            let today = Store::default().today(&zone, NOW);
            assert_eq!(today.ends_at.seconds_since(NOW), left * HOUR / 2, "{rule}");
            let begun = written_since(&zone, NOW).duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let whole = today.ends_at.unix_seconds() - begun.as_secs() as i64;
            // The margin.
            (whole - HOUR) / HOUR
        };
        assert_eq!(check("UTC0", 18), 24);
        assert_eq!(check("XXX-5:30", 7), 24);
        assert_eq!(check("XXX5", 28), 24);
        // A zone whose clocks go forward at two o'clock on the 326th day of the year, which is this
        // day.
        assert_eq!(check("XXX0YYY,J326,J1", 16), 23);
    }
}
