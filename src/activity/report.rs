//! The counts of a [`Store`] by local day. Pure.

use super::line::Tokens;
use super::slots::{SLOT_SECONDS, Slot};
use super::store::{Entry, Store};
use crate::hash::ByHash;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize, Serializer};
use std::ops::{Range, RangeInclusive};

/// What was done on some days: what `activity --json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The days on which something was done, oldest first.
    pub days: Vec<Day>,
    /// All of them. A session that went on over days counts once.
    pub total: Counts,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Day {
    #[serde(serialize_with = "as_text")]
    pub date: Date,
    #[serde(flatten)]
    pub counts: Counts,
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

impl Report {
    /// The counts of one day: zeros if nothing was done.
    pub fn on(&self, date: Date) -> Counts {
        let found = self.days.binary_search_by_key(&date, |day| day.date);
        found.ok().and_then(|place| self.days.get(place)).map_or_else(Counts::default, |day| day.counts)
    }
}

impl Store {
    /// The counts of the days in `dates`, as they are told in `zone`.
    pub fn report(&self, zone: &TimeZone, dates: RangeInclusive<Date>) -> Report {
        let entries = || self.entries.values().filter(|entry| entry.missing == 0);
        let parts = entries().filter(|entry| entry.thread.session != entry.thread.identity);
        let parts: ByHash<u64> = parts.map(|entry| (entry.thread.identity, entry.thread.session)).collect();
        let mut calendar = Calendar { zone, days: Vec::new() };
        let bounds = quarters(zone, *dates.start()).start..quarters(zone, *dates.end()).end;
        let mut total = Counts::default();
        let mut active: Vec<(Date, u64)> = Vec::new();
        for entry in entries() {
            let session = session(entry, &parts);
            for slot in within(&entry.slots.0, &bounds) {
                let day = calendar.day(slot.quarter);
                day.counts.add(slot);
                total.add(slot);
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

/// The session that a file's work belongs to. A subagent of an old Codex names only the thread that started it,
/// which may be a subagent itself.
fn session(entry: &Entry, parts: &ByHash<u64>) -> u64 {
    const DEEPEST: usize = 8;
    let up = |session: &u64| parts.get(session).copied();
    let chain = std::iter::successors(Some(entry.thread.session), up).take(DEEPEST);
    chain.last().unwrap_or(entry.thread.session)
}

fn within<'a>(slots: &'a [Slot], quarters: &Range<u32>) -> &'a [Slot] {
    let start = slots.partition_point(|slot| slot.quarter < quarters.start);
    let end = slots.partition_point(|slot| slot.quarter < quarters.end);
    slots.get(start..end).unwrap_or_default()
}

impl Counts {
    fn add(&mut self, slot: &Slot) {
        let Tokens { input, cached_input, output, reasoning_output, total } = slot.tokens;
        self.turns = self.turns.saturating_add(u64::from(slot.turns));
        for (sum, more) in [
            (&mut self.input_tokens, input),
            (&mut self.cached_input_tokens, cached_input),
            (&mut self.output_tokens, output),
            (&mut self.reasoning_output_tokens, reasoning_output),
            (&mut self.total_tokens, total),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// The days that slots fall on. A zone's rules are asked once a day, not once a slot.
struct Calendar<'a> {
    zone: &'a TimeZone,
    /// In order, each with its slots.
    days: Vec<(Range<u32>, Day)>,
}

impl Calendar<'_> {
    fn day(&mut self, quarter: u32) -> &mut Day {
        let place = self.days.partition_point(|(quarters, _)| quarters.end <= quarter);
        if self.days.get(place).is_none_or(|(quarters, _)| !quarters.contains(&quarter)) {
            let date = self.zone.to_datetime(time(quarter)).date();
            let mut quarters = quarters(self.zone, date);
            // Whatever a zone's rules are, the slot is found again.
            quarters = quarters.start.min(quarter)..quarters.end.max(quarter.saturating_add(1));
            self.days.insert(place, (quarters, Day { date, counts: Counts::default() }));
        }
        &mut self.days[place].1
    }
}

/// The slots that begin on a day: 23 to 25 hours where clocks are changed.
fn quarters(zone: &TimeZone, date: Date) -> Range<u32> {
    let begin = |date: Date| {
        let midnight = zone.to_ambiguous_zoned(date.at(0, 0, 0, 0)).compatible();
        // The first and the last day there is have no time in every zone.
        let end = if date.year() < 1970 { 0 } else { u32::MAX };
        midnight.map_or(end, |midnight| quarter_from(midnight.timestamp()))
    };
    begin(date)..date.tomorrow().map_or(u32::MAX, begin)
}

fn time(quarter: u32) -> Timestamp {
    Timestamp::from_second(i64::from(quarter) * SLOT_SECONDS).unwrap_or(Timestamp::MAX)
}

/// The first slot that begins at or after a time.
fn quarter_from(time: Timestamp) -> u32 {
    let quarter = (time.as_second().saturating_add(SLOT_SECONDS - 1)).div_euclid(SLOT_SECONDS).max(0);
    u32::try_from(quarter).unwrap_or(u32::MAX)
}

fn as_text<S: Serializer>(date: &Date, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(date)
}
