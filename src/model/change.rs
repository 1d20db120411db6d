//! What `--on-change` is run for: a limit that has become worse than it was in its window before, or that has been reset. Pure.
//!
//! Worse than it *ever* was since the window began, by the samples: one that is corrected downwards and crosses a threshold
//! a second time is not told again. What decides is how full it is, also with `--severity pace`: a pace can cross and cross
//! back at every fetch.

use crate::model::entry::Answer;
use crate::model::pace::History;
use crate::model::time::{MINUTE, Timestamp};
use crate::model::usage::{Limit, Severity, Thresholds, whole_percent};

/// A limit that has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// As it is now.
    pub limit: Limit,
    pub has_reset: bool,
    pub state: Severity,
    /// The worst of its window so far.
    pub previous_state: Severity,
}

/// Tells a program that it runs in such a command: then `CODEXLINE_WINDOW` is a window's name and no template.
pub const MARK: &str = "CODEXLINE_PREVIOUS_STATE";

impl Change {
    /// The variables that a command finds.
    pub fn env_vars(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let used = whole_percent(self.limit.used);
        let resets_at = |tell: &dyn Fn(Timestamp) -> i64| {
            self.limit.resets_at.map(|at| tell(at).to_string()).unwrap_or_default()
        };
        vec![
            ("CODEXLINE_WINDOW", self.limit.label.clone()),
            (
                "CODEXLINE_EVENT",
                if self.has_reset { "reset" } else { self.state.name() }.to_string(),
            ),
            ("CODEXLINE_USED", used.to_string()),
            ("CODEXLINE_LEFT", (100 - used).to_string()),
            ("CODEXLINE_STATE", self.state.name().to_string()),
            (MARK, self.previous_state.name().to_string()),
            ("CODEXLINE_RESETS_AT", resets_at(&Timestamp::unix_seconds)),
            ("CODEXLINE_RESETS_IN", resets_at(&|at| at.seconds_since(now).max(0))),
        ]
    }
}

/// What has changed from one answer for an account to the next. A limit that is new changes nothing: what it was before is not
/// known.
pub fn changes(
    before: &Answer,
    history: Option<&History>,
    after: &Answer,
    thresholds: Thresholds,
) -> Vec<Change> {
    let change = |limit: Limit| {
        let old = before.usage.limits().find(|old| old.label == limit.label)?;
        let has_reset = has_reset(&old, &limit, after.fetched_at);
        let state = thresholds.severity(limit.used);
        let previous_state = thresholds.severity(most_used(&old, history));
        let is_news = if has_reset { old.used > 0.0 } else { state > previous_state };
        is_news.then_some(Change { limit, has_reset, state, previous_state })
    };
    after.usage.limits().filter_map(change).collect()
}

fn has_reset(old: &Limit, new: &Limit, at: Timestamp) -> bool {
    let Some(expected) = old.resets_at else { return false };
    // In time, or before it: a banked reset. A time of reset may wander by seconds from answer to answer.
    let is_later = new.resets_at.is_none_or(|reset| reset > expected.plus(MINUTE));
    is_later && (expected <= at || new.used < old.used)
}

/// The most that was used of a limit since its window began.
fn most_used(limit: &Limit, history: Option<&History>) -> f64 {
    let start =
        limit.resets_at.zip(limit.seconds).map(|(reset, seconds)| reset.plus(-i64::from(seconds)));
    let Some((start, history)) = start.zip(history) else { return limit.used };
    let samples = history.of(&limit.label);
    let of_window = samples.iter().filter(|sample| sample.at >= start).map(|sample| sample.used);
    of_window.fold(limit.used, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::Source;
    use crate::model::usage::{Usage, Window};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    const THRESHOLDS: Thresholds = Thresholds { warn: 70.0, critical: 90.0 };

    fn answer(used: f64, resets_in: Option<i64>, at: i64) -> Answer {
        let resets_at = resets_in.map(|seconds| NOW.plus(seconds));
        let window = Window {
            seconds: Some(18_000),
            slot: None,
            used,
            resets_at,
            started: resets_at.is_some(),
        };
        let usage = Usage { windows: vec![window], ..Usage::default() };
        Answer { fetched_at: NOW.plus(at), source: Source::Api, usage }
    }

    fn told(
        before: &Answer,
        history: Option<&History>,
        after: &Answer,
    ) -> Option<(String, String)> {
        let change = changes(before, history, after, THRESHOLDS).pop()?;
        let env_vars = change.env_vars(NOW);
        let fact =
            |name: &str| env_vars.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        Some((fact("CODEXLINE_EVENT"), fact(MARK)))
    }

    #[test]
    fn worse_or_reset_is_news() {
        let check = |from: (f64, i64), to: (f64, Option<i64>), expected: Option<(&str, &str)>| {
            let found = told(&answer(from.0, Some(from.1), -120), None, &answer(to.0, to.1, 0));
            let expected = expected.map(|(event, state)| (event.to_string(), state.to_string()));
            assert_eq!(found, expected, "{from:?} {to:?}");
        };
        check((50.0, 3600), (69.9, Some(3600)), None);
        check((50.0, 3600), (70.0, Some(3600)), Some(("warning", "ok")));
        check((50.0, 3600), (95.0, Some(3605)), Some(("critical", "ok")));
        check((95.0, 3600), (96.0, Some(3600)), None);
        check((95.0, 3600), (100.0, Some(3600)), Some(("exhausted", "critical")));
        check((95.0, 3600), (85.0, Some(3600)), None);
        // In time; not started anew yet; by a banked reset; one that did nothing.
        check((100.0, -60), (1.0, Some(17_000)), Some(("reset", "exhausted")));
        check((100.0, -60), (0.0, None), Some(("reset", "exhausted")));
        check((20.0, -60), (75.0, Some(17_000)), Some(("reset", "ok")));
        check((80.0, 3600), (0.0, Some(18_000)), Some(("reset", "warning")));
        check((0.0, -60), (0.0, None), None);
        // A reset time that had passed and still stands says nothing.
        check((50.0, -60), (50.0, Some(-60)), None);
    }

    #[test]
    fn a_threshold_is_crossed_once_a_window() {
        let high = answer(72.0, Some(3600), -240);
        let history = History::after(None, &high.usage, NOW.plus(-1240)).unwrap();
        let back = answer(69.0, Some(3600), -120);
        assert_eq!(told(&back, Some(&history), &answer(71.0, Some(3600), 0)), None);
        let worse = told(&back, Some(&history), &answer(91.0, Some(3600), 0)).unwrap();
        assert_eq!(worse, ("critical".into(), "warning".into()));
        // What was in the window before does not count.
        let old = History::after(None, &high.usage, NOW.plus(-15_000)).unwrap();
        assert!(told(&back, Some(&old), &answer(71.0, Some(3600), 0)).is_some());
    }

    #[test]
    fn facts_are_complete() {
        let change =
            changes(&answer(50.0, Some(3600), -60), None, &answer(75.4, Some(3600), 0), THRESHOLDS);
        let env_vars: Vec<String> = change[0]
            .env_vars(NOW)
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            env_vars,
            [
                "CODEXLINE_WINDOW=5h",
                "CODEXLINE_EVENT=warning",
                "CODEXLINE_USED=75",
                "CODEXLINE_LEFT=25",
                "CODEXLINE_STATE=warning",
                "CODEXLINE_PREVIOUS_STATE=ok",
                "CODEXLINE_RESETS_AT=1795363200",
                "CODEXLINE_RESETS_IN=3600",
            ]
        );
    }
}
