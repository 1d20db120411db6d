//! Tells whether a limit will last, from how much is used and how fast.
//!
//! **Pace.** A window of `S` seconds that ends at `R` starts at `R - S`. If use were even, `100 ·
//! (t - (R - S)) / S` percent would be used at the time `t` of the numbers. The pace is the
//! percentage that is used minus that one, in points. With `+12`, use is twelve points ahead, and
//! the limit will not last at this pace.
//!
//! **Rate.** The rate is in points per second. It comes from the first of these that is known:
//! 1. The samples of the last sixth of the window's length before `t` (50 minutes of 5 hours, 28
//!    hours of 7 days). All increases are added up and divided by the time from the first sample to
//!    the last. This is long enough for whole percentages to change, and short enough to show the
//!    present. If the window starts between two samples, the increase counts from 0, so a reset is
//!    no decrease. Any other decrease (a correction, a banked reset) counts as nothing. The samples
//!    must span a third of that time, because after a gap the present rate is not known.
//! 2. The percentage used divided by the time elapsed, once a thirtieth of the window has passed
//!    (10 minutes of 5 hours). Earlier than that, one percent, which may be rounded up, would give
//!    any rate.
//!
//! **Running out.** At the rate `r`, the rest lasts `(100 - used) / r` from `t`. This is reported
//! only if it ends before the reset.
//!
//! **Samples.** There is one for each 24th of the window's length, on a grid that does not depend
//! on resets. Each cell of the grid keeps its last reading, so frequent fetches do not keep more.
//! All samples belong to one account. The cache entry of another account starts without any.

use crate::model::time::Timestamp;
use crate::model::usage::{Limit, Pool, Severity, Thresholds, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The number of grid cells in a window's length, and the most samples kept of a limit.
pub const MAX_SAMPLES: usize = 24;
/// The most limits that samples are kept of. So far, no plan had more than two windows and a
/// budget.
const MAX_TRACKS: usize = 4;
/// The most samples kept of a pool. Only its present rate is shown, so the samples of the last
/// sixth and one before them are enough.
const MAX_POOL_SAMPLES: usize = MAX_SAMPLES / LOOK_BACK as usize + 2;
const MAX_POOL_TRACKS: usize = 8;
/// The length to assume for limits without one, such as budgets: a week, in seconds.
const UNKNOWN_LENGTH: i64 = 7 * crate::model::time::DAY;
/// The present rate looks back over this fraction of a window: one sixth.
const LOOK_BACK: i64 = 6;
/// Samples must span this fraction of that time: one third.
const LEAST_SPAN: i64 = 3;
/// The percentage used divided by the time elapsed is not used before this fraction of the window
/// has passed: one thirtieth.
const LEAST_ELAPSED: i64 = 30;

/// One reading of a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub at: Timestamp,
    /// Percent used, 0 to 100.
    pub used: f64,
}

/// The readings of every limit, as the cache entry keeps them: `{"5h": [[unix seconds, tenths of a
/// percent], …]}`.
///
/// They stay JSON text until the pace is needed, so that a prompt without a pace only copies them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(Box<RawValue>);

type Tracks = BTreeMap<String, Vec<(Timestamp, u16)>>;

impl PartialEq for History {
    fn eq(&self, other: &History) -> bool {
        self.0.get() == other.0.get()
    }
}

impl History {
    /// The readings to keep after `usage` came at `at`.
    pub fn after(previous: Option<&History>, usage: &Usage, at: Timestamp) -> Option<History> {
        let mut old = previous.map(History::tracks).unwrap_or_default();
        let mut tracks = Tracks::new();
        for limit in usage.limits().take(MAX_TRACKS) {
            let track = old.remove(&limit.label).unwrap_or_default();
            let length = limit.seconds.map_or(UNKNOWN_LENGTH, i64::from);
            let sample = (at, tenths(limit.used));
            tracks
                .entry(limit.label)
                .or_insert_with(|| with_sample(track, sample, length, MAX_SAMPLES));
        }
        for limit in usage.pools.iter().flat_map(Pool::limits).take(MAX_POOL_TRACKS) {
            let name = limit.track().into_owned();
            let track = old.remove(&name).unwrap_or_default();
            let length = limit.seconds.map_or(UNKNOWN_LENGTH, i64::from);
            let sample = (at, tenths(limit.used));
            tracks
                .entry(name)
                .or_insert_with(|| with_sample(track, sample, length, MAX_POOL_SAMPLES));
        }
        serde_json::value::to_raw_value(&tracks).ok().map(History)
    }

    /// The samples of a limit, oldest first.
    pub fn of_limit(&self, limit: &Limit) -> Vec<Sample> {
        self.of(&limit.track())
    }

    /// The samples of the plan's limit with this label, oldest first. Empty if there are none, or
    /// if they cannot be read.
    pub fn of(&self, label: &str) -> Vec<Sample> {
        let track = self.tracks().remove(label).unwrap_or_default();
        let sample = |(at, tenths): (Timestamp, u16)| Sample {
            at,
            used: f64::from(tenths.min(1000)) / 10.0,
        };
        track.into_iter().map(sample).collect()
    }

    fn tracks(&self) -> Tracks {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

fn tenths(used: f64) -> u16 {
    (used.clamp(0.0, 100.0) * 10.0).round() as u16
}

/// Adds a sample. Each cell of the grid keeps one sample. Samples from the future (the clock was
/// set back) and samples older than the window's length are dropped.
fn with_sample(
    mut track: Vec<(Timestamp, u16)>,
    next: (Timestamp, u16),
    length: i64,
    most: usize,
) -> Vec<(Timestamp, u16)> {
    let cell = (length / MAX_SAMPLES as i64).max(1);
    let cell_of = |at: Timestamp| at.unix_seconds() / cell;
    track.retain(|(at, _)| cell_of(*at) < cell_of(next.0) && next.0.seconds_since(*at) <= length);
    track.push(next);
    let surplus = track.len().saturating_sub(most);
    track.drain(..surplus);
    track
}

/// The pace of a limit, and whether it will last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Points ahead of even use; negative if behind. `None` if the start or the end of the window
    /// is not known.
    pub points: Option<f64>,
    /// Seconds from now until the limit is used up, if that is before its reset.
    pub runs_out: Option<i64>,
    /// Seconds from that moment until the reset.
    pub before_reset: Option<i64>,
    /// Whether the limit lasts until its reset; `None` if that is not known.
    pub lasts: Option<bool>,
}

/// The pace of a limit whose numbers were measured at `measured_at`. The top of this file gives the
/// rules.
pub fn pace(limit: &Limit, samples: &[Sample], measured_at: Timestamp, now: Timestamp) -> Pace {
    let length = limit.seconds.map(i64::from);
    if length.is_some() && limit.resets_at.is_none() {
        // The window has not started.
        return Pace::default();
    }
    let start = length.and_then(|length| Some(limit.resets_at?.plus(-length)));
    let elapsed =
        start.zip(length).map(|(start, length)| measured_at.seconds_since(start).clamp(0, length));
    let points = elapsed
        .zip(length.filter(|length| *length > 0))
        .map(|(elapsed, length)| limit.used - 100.0 * elapsed as f64 / length as f64);
    if limit.used >= 100.0 {
        return Pace { points, lasts: Some(false), ..Pace::default() };
    }
    let latest = Sample { at: measured_at, used: limit.used };
    let look_back = length.unwrap_or(UNKNOWN_LENGTH) / LOOK_BACK;
    let rate = present_rate(samples, latest, start, look_back).or_else(|| {
        let (elapsed, length) = elapsed.zip(length)?;
        (elapsed > 0 && elapsed >= length / LEAST_ELAPSED).then(|| limit.used / elapsed as f64)
    });
    let Some(rate) = rate else { return Pace { points, ..Pace::default() } };
    let left = limit.resets_at.map(|reset| reset.seconds_since(now).max(0));
    // The float may be infinite. The cast then gives the largest integer.
    let runs_out = (rate > 0.0)
        .then(|| ((100.0 - limit.used) / rate) as i64)
        .map(|seconds| seconds.saturating_sub(now.seconds_since(measured_at).max(0)).max(0))
        .filter(|seconds| left.is_none_or(|left| *seconds < left));
    Pace {
        points,
        runs_out,
        before_reset: runs_out.zip(left).map(|(seconds, left)| left - seconds),
        lasts: Some(runs_out.is_none()),
    }
}

/// Points per second over the `look_back` seconds before `latest`. `None` if the samples span too
/// little of that time.
fn present_rate(
    samples: &[Sample],
    latest: Sample,
    start: Option<Timestamp>,
    look_back: i64,
) -> Option<f64> {
    let is_recent =
        |sample: &&Sample| (1..=look_back).contains(&latest.at.seconds_since(sample.at));
    let mut earlier: Option<Sample> = None;
    let (mut first, mut increase) = (None, 0.0);
    for sample in samples.iter().filter(is_recent).chain([&latest]) {
        first = first.or(Some(sample.at));
        if let Some(earlier) = earlier {
            let has_reset = start.is_some_and(|start| earlier.at < start && start <= sample.at);
            increase += if has_reset { sample.used } else { (sample.used - earlier.used).max(0.0) };
        }
        earlier = Some(*sample);
    }
    let span = latest.at.seconds_since(first?);
    (span > 0 && span >= look_back / LEAST_SPAN).then(|| increase / span as f64)
}

/// The severity of a limit by its pace. A limit that lasts until its reset is fine, however much of
/// it is used. One that does not last is at least a warning, and more if the threshold for that is
/// reached. If the pace is not known, the percentage used decides.
pub fn severity(limit: &Limit, pace: &Pace, thresholds: Thresholds) -> Severity {
    let by_use = thresholds.severity(limit.used);
    match pace.lasts {
        Some(true) => Severity::Ok,
        Some(false) => by_use.max(Severity::Warning),
        None => by_use,
    }
}

/// The pace as a line shows it: `+12`, `-3`.
pub fn points_text(pace: &Pace) -> Option<String> {
    pace.points.map(|points| format!("{:+}", points.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hash::hash;
    use crate::model::usage::Window;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    const HOUR: i64 = 3600;
    const THRESHOLDS: Thresholds = Thresholds { warn: 70.0, critical: 90.0 };

    /// A window of 5 hours.
    fn limit(used: f64, resets_in: i64) -> Limit {
        Limit {
            label: "5h".into(),
            used,
            resets_at: Some(NOW.plus(resets_in)),
            seconds: Some(18_000),
            pool: None,
        }
    }

    fn samples(of: &[(i64, f64)]) -> Vec<Sample> {
        of.iter()
            .map(|(minutes, used)| Sample { at: NOW.plus(minutes * 60), used: *used })
            .collect()
    }

    #[test]
    fn pace_is_used_against_elapsed() {
        for (used, resets_in, expected) in [
            (42.0, 4 * HOUR, 22.0),
            (20.0, 4 * HOUR, 0.0),
            (0.0, HOUR, -80.0),
            (100.0, HOUR, 20.0),
            // A reset that is further away than the window is long, or past: the clocks differ.
            (10.0, 9 * HOUR, 10.0),
            (10.0, -HOUR, -90.0),
        ] {
            assert_eq!(
                pace(&limit(used, resets_in), &[], NOW, NOW).points,
                Some(expected),
                "{used} {resets_in}"
            );
        }
        let unstarted = Limit { resets_at: None, ..limit(0.0, 0) };
        assert_eq!(pace(&unstarted, &samples(&[(-30, 50.0)]), NOW, NOW), Pace::default());
    }

    #[test]
    fn running_out_is_told_only_before_the_reset() {
        for (name, used, resets_in, earlier, expected) in [
            // One hour has passed: 40 points an hour, so 60 more take an hour and a half.
            ("even pace", 40.0, 4 * HOUR, vec![], Some(5400)),
            ("lasts", 15.0, 4 * HOUR, vec![], None),
            ("exactly even", 20.0, 4 * HOUR, vec![], None),
            ("too early to tell", 2.0, 18_000 - 500, vec![], None),
            ("exhausted", 100.0, 4 * HOUR, vec![], None),
            // Samples beat the even pace: nothing was used in the last half hour.
            ("idle", 40.0, 4 * HOUR, vec![(-30, 40.0)], None),
            ("faster now", 40.0, 4 * HOUR, vec![(-40, 20.0), (-20, 30.0)], Some(7200)),
            // 5 minutes span too little, an hour ago is not the present.
            ("short", 40.0, 4 * HOUR, vec![(-5, 10.0)], Some(5400)),
            ("gap", 40.0, 4 * HOUR, vec![(-60, 0.0), (-5, 39.0)], Some(5400)),
            // The window began 20 minutes ago, so what was used before is no decrease.
            ("reset", 20.0, 18_000 - 1200, vec![(-40, 70.0), (-30, 80.0)], Some(6400)),
            // A decrease without a reset is a correction.
            ("correction", 30.0, 4 * HOUR, vec![(-40, 80.0), (-20, 25.0)], Some(33_600)),
        ] {
            let found = pace(&limit(used, resets_in), &samples(&earlier), NOW, NOW);
            let expected = expected.filter(|seconds| *seconds < resets_in);
            assert_eq!(found.runs_out, expected, "{name}: {found:?}");
            assert_eq!(found.before_reset, expected.map(|seconds| resets_in - seconds), "{name}");
        }
    }

    #[test]
    fn time_that_passed_since_the_measurement_is_taken_off() {
        let at = |later: i64| pace(&limit(40.0, 4 * HOUR), &[], NOW, NOW.plus(later)).runs_out;
        assert_eq!(
            (at(0), at(600), at(5400), at(7200)),
            (Some(5400), Some(4800), Some(0), Some(0))
        );
    }

    #[test]
    fn a_budget_has_a_rate_from_samples_only() {
        let budget = Limit { label: "budget".into(), seconds: None, ..limit(50.0, 20 * 24 * HOUR) };
        assert_eq!(pace(&budget, &[], NOW, NOW), Pace::default());
        let found = pace(&budget, &samples(&[(-20 * 60, 40.0)]), NOW, NOW);
        assert_eq!((found.points, found.runs_out), (None, Some(100 * HOUR)));
        let endless = Limit { resets_at: None, ..budget };
        let found = pace(&endless, &samples(&[(-20 * 60, 40.0)]), NOW, NOW);
        assert_eq!((found.runs_out, found.before_reset), (Some(100 * HOUR), None));
    }

    #[test]
    fn severity_by_pace() {
        let check = |used: f64, lasts: Option<bool>, expected: Severity| {
            let pace = Pace { lasts, ..Pace::default() };
            assert_eq!(severity(&limit(used, HOUR), &pace, THRESHOLDS), expected);
        };
        check(95.0, Some(true), Severity::Ok);
        check(30.0, Some(false), Severity::Warning);
        check(95.0, Some(false), Severity::Critical);
        check(100.0, Some(false), Severity::Exhausted);
        check(95.0, None, Severity::Critical);
    }

    #[test]
    fn points_have_a_sign() {
        assert_eq!(points_text(&Pace { points: Some(-0.4), ..Pace::default() }).unwrap(), "+0");
    }

    fn usage(used: f64, resets_at: Option<Timestamp>) -> Usage {
        let window =
            |seconds| Window { seconds: Some(seconds), slot: None, used, resets_at, started: true };
        Usage { windows: vec![window(18_000), window(604_800)], ..Usage::default() }
    }

    #[test]
    fn samples_are_one_a_cell_and_end_with_the_newest() {
        let mut history = None;
        for minute in 0..2000 {
            let at = NOW.plus(minute * 60);
            history = History::after(history.as_ref(), &usage((minute % 100) as f64, None), at);
        }
        let history = history.unwrap();
        for (label, least) in [("5h", 23), ("7d", 4)] {
            let samples = history.of(label);
            assert!((least..=MAX_SAMPLES).contains(&samples.len()), "{label}: {samples:?}");
            assert_eq!(samples.last(), Some(&Sample { at: NOW.plus(1999 * 60), used: 99.0 }));
        }
        assert!(history.0.get().len() < 2048);
        // A clock that was set back: what it wrote before that is not believed.
        let back = History::after(Some(&history), &usage(5.0, None), NOW).unwrap();
        assert_eq!(back.of("7d").len(), 1);
        assert!(History::of(&back, "30d").is_empty());
    }

    #[test]
    fn pools_keep_what_tells_their_present_rate() {
        let at = |minute: i64| NOW.plus((minute - 3000) * 60);
        let start = at(3000 - 120);
        let (mut history, mut all) = (None, Vec::new());
        for minute in 0..=3000 {
            let used = if at(minute) < start {
                50.0
            } else {
                at(minute).seconds_since(start) as f64 / 300.0
            };
            let mut usage = usage(used, Some(start.plus(18_000)));
            usage.pools = (0..9)
                .map(|number| Pool {
                    name: format!("pool {number}"),
                    windows: usage.windows.clone(),
                })
                .collect();
            history = History::after(history.as_ref(), &usage, at(minute));
            all.push(Sample { at: at(minute), used });
        }
        let history = history.unwrap();
        let of_pool = |name: &str, label: &str| {
            let pool = Some(hash(name.as_bytes()));
            history.of_limit(&Limit { label: label.into(), pool, ..limit(0.0, 0) })
        };
        let samples = of_pool("pool 0", "5h");
        // A line calls it by another name.
        assert_eq!(of_pool("pool 0", "spark 5h"), samples);
        assert_eq!(samples.len(), MAX_POOL_SAMPLES);
        let limit = Limit { resets_at: Some(start.plus(18_000)), ..limit(24.0, 0) };
        let rate = |samples: &[Sample]| pace(&limit, samples, NOW, NOW).runs_out;
        assert_eq!(rate(&samples), rate(&history.of("5h")));
        assert_eq!(rate(&samples), rate(&all));
        // The first few, whatever their names.
        assert_eq!(of_pool("pool 3", "7d").len(), MAX_POOL_SAMPLES);
        assert!(of_pool("pool 4", "5h").is_empty() && of_pool("pool", "5h").is_empty());
        assert!(history.0.get().len() < 3072, "{}", history.0.get().len());
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        for text in ["[]", "{\"5h\":5}", "{\"5h\":[[1,-2]]}", "\"x\""] {
            let history: History = serde_json::from_str(text).unwrap();
            assert!(history.of("5h").is_empty(), "{text}");
            assert_eq!(
                History::after(Some(&history), &usage(5.0, None), NOW).unwrap().of("5h").len(),
                1
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_the_samples_it_is_within_bounds(
            used in 0.0..=100.0_f64,
            resets_in in proptest::option::of(any::<i64>()),
            seconds in proptest::option::of(any::<u32>()),
            readings in proptest::collection::vec((any::<i64>(), 0.0..=100.0_f64), 0..30),
            near in proptest::collection::vec((-20_000..100_i64, 0.0..=100.0_f64), 0..30),
            age in any::<i64>(),
        ) {
            let resets_at = resets_in.map(|seconds| NOW.plus(seconds));
            let limit = Limit { label: "x".into(), used, resets_at, seconds, pool: None };
            let samples: Vec<Sample> = readings.into_iter().chain(near)
                .map(|(at, used)| Sample { at: NOW.plus(at), used }).collect();
            let found = pace(&limit, &samples, NOW.plus(age.saturating_neg()), NOW);
            if let Some(points) = found.points {
                prop_assert!((-100.0..=100.0).contains(&points));
            }
            if let Some(runs_out) = found.runs_out {
                prop_assert!(runs_out >= 0 && used < 100.0);
                let end = NOW.plus(runs_out);
                prop_assert!(resets_at.is_none_or(|reset| end < reset || reset <= NOW));
            }
            let _ = points_text(&found);
        }

        #[test]
        fn more_use_never_lasts_longer(
            used in 1.0..98.0_f64,
            more in 0.1..2.0_f64,
            resets_in in 1..17_000_i64,
            before in 0.0..=100.0_f64,
        ) {
            let samples = samples(&[(-40, before.min(used))]);
            let less = pace(&limit(used, resets_in), &samples, NOW, NOW);
            let greater = pace(&limit(used + more, resets_in), &samples, NOW, NOW);
            prop_assert!(less.points < greater.points);
            if let Some(runs_out) = less.runs_out {
                prop_assert!(greater.runs_out.is_some_and(|sooner| sooner <= runs_out));
            }
        }
    }
}
