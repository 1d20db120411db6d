//! What `--on-change` is run for: a limit that is worse than before in its window, or has started
//! anew; banked resets that are about to lapse; a model that is out, or back.
//!
//! A limit is compared with the worst that it was since its window began, by the samples. So one
//! that is corrected downwards and crosses a threshold a second time is told once. What counts is
//! how full it is, also with `--severity pace`: a pace can cross and cross back at every fetch.

use crate::model::entry::Answer;
use crate::model::pace::History;
use crate::model::time::{HOUR, MINUTE, Timestamp};
use crate::model::usage::{
    BankedResets, Limit, Severity, Thresholds, UnavailableModel, whole_percent,
};

/// Banked resets are told once, when the next one lapses within this many seconds.
const LAPSES_SOON: i64 = 48 * HOUR;

/// Something that has changed from one answer to the next.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Limit(LimitChange),
    /// The next of the banked resets lapses at this time.
    ResetsExpiring {
        count: u32,
        at: Timestamp,
    },
    ModelOut(UnavailableModel),
    ModelBack {
        name: String,
    },
}

/// A limit that has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitChange {
    /// As it is now.
    limit: Limit,
    has_reset: bool,
    state: Severity,
    /// The worst of its window so far.
    previous_state: Severity,
}

/// Tells a program that it runs in such a command. `CODEXLINE_WINDOW` is then the name of a window
/// and not a template.
pub const MARK: &str = "CODEXLINE_PREVIOUS_STATE";

impl Change {
    /// The variables that a command finds.
    pub fn env_vars(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        const EVENT: &str = "CODEXLINE_EVENT";
        let until = |at: Timestamp| at.seconds_since(now).max(0).to_string();
        match self {
            Change::Limit(change) => change.env_vars(now),
            Change::ResetsExpiring { count, at } => vec![
                (EVENT, "resets-expiring".into()),
                ("CODEXLINE_RESETS", count.to_string()),
                ("CODEXLINE_EXPIRES_AT", at.unix_seconds().to_string()),
                ("CODEXLINE_EXPIRES_IN", until(*at)),
            ],
            Change::ModelOut(model) => {
                let back = model.available_at;
                let back_at = back.map(|at| at.unix_seconds().to_string()).unwrap_or_default();
                vec![
                    (EVENT, "model-out".into()),
                    ("CODEXLINE_MODEL", model.name.clone()),
                    ("CODEXLINE_AVAILABLE_AT", back_at),
                    ("CODEXLINE_AVAILABLE_IN", back.map(until).unwrap_or_default()),
                ]
            }
            Change::ModelBack { name } => {
                vec![(EVENT, "model-back".into()), ("CODEXLINE_MODEL", name.clone())]
            }
        }
    }
}

impl LimitChange {
    fn env_vars(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let used = whole_percent(self.limit.used);
        let event = if self.has_reset { "reset" } else { self.state.name() };
        let resets_at = |tell: &dyn Fn(Timestamp) -> i64| {
            self.limit.resets_at.map(|at| tell(at).to_string()).unwrap_or_default()
        };
        vec![
            ("CODEXLINE_WINDOW", self.limit.label.clone()),
            ("CODEXLINE_EVENT", event.to_string()),
            ("CODEXLINE_USED", used.to_string()),
            ("CODEXLINE_LEFT", (100 - used).to_string()),
            ("CODEXLINE_STATE", self.state.name().to_string()),
            (MARK, self.previous_state.name().to_string()),
            ("CODEXLINE_RESETS_AT", resets_at(&Timestamp::unix_seconds)),
            ("CODEXLINE_RESETS_IN", resets_at(&|at| at.seconds_since(now).max(0))),
        ]
    }
}

/// What has changed from one answer for an account to the next. A new limit is no change, because
/// what it was before is not known. Of a first answer, only resets that are about to lapse count.
pub fn changes(
    before: Option<&Answer>,
    history: Option<&History>,
    after: &Answer,
    thresholds: Thresholds,
) -> Vec<Change> {
    let lapsing = expiring(before, after);
    let Some(before) = before else { return lapsing.into_iter().collect() };
    let change = |limit: Limit| {
        let old = before.usage.limits().find(|old| old.label == limit.label)?;
        let has_reset = has_reset(&old, &limit, after.fetched_at);
        let state = thresholds.severity(limit.used);
        let previous_state = thresholds.severity(most_used(&old, history));
        let is_news = if has_reset { old.used > 0.0 } else { state > previous_state };
        is_news.then_some(Change::Limit(LimitChange { limit, has_reset, state, previous_state }))
    };
    let limits = after.usage.limits().filter_map(change);
    limits.chain(lapsing).chain(models(before, after)).collect()
}

/// That banked resets are about to lapse, if that was not so at the answer before.
fn expiring(before: Option<&Answer>, after: &Answer) -> Option<Change> {
    let soon = |answer: &Answer| {
        let BankedResets { count, next_expires_at } = answer.usage.banked_resets?;
        let at = next_expires_at.filter(|_| count > 0)?;
        (at.seconds_since(answer.fetched_at) <= LAPSES_SOON).then_some((count, at))
    };
    let (count, at) = soon(after)?;
    let is_told =
        before.and_then(soon).is_some_and(|(_, told)| at.seconds_since(told).abs() < MINUTE);
    (!is_told).then_some(Change::ResetsExpiring { count, at })
}

/// The models that went out or came back.
fn models(before: &Answer, after: &Answer) -> impl Iterator<Item = Change> {
    let (before, after) = (&before.usage.unavailable_models, &after.usage.unavailable_models);
    let is_in = |model: &UnavailableModel, list: &[UnavailableModel]| {
        list.iter().any(|other| other.name == model.name)
    };
    let out = after.iter().filter(move |model| !is_in(model, before));
    let back = before.iter().filter(move |model| !is_in(model, after));
    out.cloned()
        .map(Change::ModelOut)
        .chain(back.map(|model| Change::ModelBack { name: model.name.clone() }))
}

fn has_reset(old: &Limit, new: &Limit, at: Timestamp) -> bool {
    let Some(expected) = old.resets_at else { return false };
    // A banked reset comes before the time. The time itself may differ by seconds in each answer.
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
        Answer { fetched_at: NOW.plus(at), source: Source::Api, asked_at: None, usage }
    }

    fn told(
        before: &Answer,
        history: Option<&History>,
        after: &Answer,
    ) -> Option<(String, String)> {
        let change = changes(Some(before), history, after, THRESHOLDS).pop()?;
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
    fn resets_that_lapse_are_told_once() {
        let with = |expires_in: Option<i64>, at: i64| {
            let mut answer = answer(5.0, Some(3600), at);
            let next_expires_at = expires_in.map(|seconds| NOW.plus(seconds));
            answer.usage.banked_resets = Some(BankedResets { count: 2, next_expires_at });
            answer
        };
        let told = |before: &Answer, after: &Answer| changes(Some(before), None, after, THRESHOLDS);
        let days = |count: i64| Some(count * 24 * HOUR);
        assert_eq!(told(&with(days(3), -60), &with(days(3), 0)), []);
        let found = told(&with(days(2), -60), &with(days(2), 0));
        let env_vars: Vec<String> =
            found[0].env_vars(NOW).into_iter().map(|(_, value)| value).collect();
        assert_eq!(env_vars, ["resets-expiring", "2", "1795532400", "172800"]);
        assert_eq!(told(&with(days(1), -60), &with(days(1), 0)), []);
        assert_eq!(told(&with(None, -60), &with(days(1), 0)).len(), 1);
        assert_eq!(changes(None, None, &with(days(1), 0), THRESHOLDS).len(), 1, "the first");
        assert_eq!(changes(None, None, &with(days(3), 0), THRESHOLDS), []);
        assert_eq!(told(&with(days(1), -60), &with(days(2), 0)).len(), 1, "the one after it");
    }

    #[test]
    fn models_that_go_out_or_come_back_are_told() {
        let with = |names: &[&str]| {
            let mut answer = answer(5.0, Some(3600), 0);
            let model = |name: &&str| UnavailableModel { name: (*name).into(), available_at: None };
            answer.usage.unavailable_models = names.iter().map(model).collect();
            answer
        };
        let told = |before: &[&str], after: &[&str]| -> Vec<(String, String)> {
            let found = changes(Some(&with(before)), None, &with(after), THRESHOLDS);
            let told = |change: &Change| {
                let env_vars = change.env_vars(NOW);
                (env_vars[0].1.clone(), env_vars[1].1.clone())
            };
            found.iter().map(told).collect()
        };
        let event = |event: &str, name: &str| (event.to_string(), name.to_string());
        assert_eq!(told(&[], &["a"]), [event("model-out", "a")]);
        assert_eq!(told(&["a"], &["a"]), []);
        assert_eq!(told(&["a"], &["b"]), [event("model-out", "b"), event("model-back", "a")]);
    }

    #[test]
    fn facts_are_complete() {
        let change = changes(
            Some(&answer(50.0, Some(3600), -60)),
            None,
            &answer(75.4, Some(3600), 0),
            THRESHOLDS,
        );
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
