//! How much of a plan is used: windows, budget, pools and credits. Also finds the limit that binds,
//! and how bad it is.
//!
//! Callers pass in the time. The cache stores these types unchanged, and `codex::answer` makes them
//! from what the service sends.

use crate::model::hash::hash;
use crate::model::time::{Timestamp, window_label};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The numbers of one answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The plan's name as the service gives it. New names can appear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The plan's windows, shortest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Set if Codex refuses work now, however much of the windows is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Blocked>,
    /// How many limits of the plan were in the answer but could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_windows: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Limits apart from the plan's own, such as those of single models or of code review.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Pool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<Credits>,
    /// `None` if the service does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banked_resets: Option<BankedResets>,
    /// When the list of banked resets was last fetched. The list says when they expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_listed_at: Option<Timestamp>,
    /// Models that cannot be used now although the plan has something left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable_models: Vec<UnavailableModel>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Codex refuses work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Blocked {
    /// The reason in the service's own words; `None` if it gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the block ends, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Banked resets. The user can spend one to empty the windows before their reset time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankedResets {
    pub count: u32,
    /// When the next one expires, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_expires_at: Option<Timestamp>,
}

/// A model that cannot be used now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnavailableModel {
    pub name: String,
    /// When the model can be used again, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_at: Option<Timestamp>,
}

/// A period in which only a certain amount may be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// The length in seconds; `None` if the service does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// The window's slot in the answer. Set only if the length alone does not identify it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<WindowSlot>,
    /// Percent used, 0 to 100.
    pub used: f64,
    /// When the window resets, by the clock of this machine. `None` if that is not known, or if the
    /// window has not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
    /// Whether the window has started. It starts with the first use.
    pub started: bool,
}

/// The slot of a window in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowSlot {
    Primary,
    Secondary,
}

impl WindowSlot {
    /// The names as labels show them.
    pub const NAMES: [&str; 2] = ["primary", "secondary"];

    const fn name(self) -> &'static str {
        WindowSlot::NAMES[self as usize]
    }
}

/// Money or credits that may be spent in a period. Some business plans have no other limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Percent used, 0 to 100.
    pub used_percent: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
}

/// A limit apart from the plan's own, with its own windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    pub name: String,
    pub windows: Vec<Window>,
}

impl Pool {
    /// The windows as [`Limit`]s, with labels such as `5h`.
    pub fn limits(&self) -> impl Iterator<Item = Limit> {
        let pool = Some(hash(self.name.as_bytes()));
        self.windows.iter().map(move |window| Limit { pool, ..window.limit() })
    }
}

/// Credits bought on top of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credits {
    pub available: bool,
    pub unlimited: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<f64>,
}

/// How bad a limit is, from the least to the most severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Unknown,
    Ok,
    Warning,
    Critical,
    Exhausted,
}

impl Severity {
    pub const ALL: [Severity; 5] = [
        Severity::Unknown,
        Severity::Ok,
        Severity::Warning,
        Severity::Critical,
        Severity::Exhausted,
    ];

    /// The name in `json`, and the CSS class.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Unknown => "unknown",
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
            Severity::Exhausted => "exhausted",
        }
    }
}

/// What `--severity` goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How much is used.
    Used,
    /// Whether the limit lasts until its reset: see [`super::pace`].
    Pace,
}

/// The percentages used at which a limit becomes `warning` and `critical`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    pub warn: f64,
    pub critical: f64,
}

impl Thresholds {
    /// The severity of a limit of which `used` percent are used.
    pub fn severity(self, used: f64) -> Severity {
        if used >= 100.0 {
            Severity::Exhausted
        } else if used >= self.critical {
            Severity::Critical
        } else if used >= self.warn {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }
}

/// A window or the budget, where both are treated alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    pub label: String,
    /// Percent used, 0 to 100.
    pub used: f64,
    pub resets_at: Option<Timestamp>,
    /// The length in seconds; `None` if it is not known, as for a budget.
    pub seconds: Option<u32>,
    /// The hash of the name of the pool whose limit it is; `None` for the plan's own.
    pub pool: Option<u64>,
}

impl Limit {
    /// The name that its readings are kept under. Of a pool's it holds a hash, because names of
    /// pools can be long.
    pub(crate) fn track(&self) -> Cow<'_, str> {
        let own_label = self.label.rsplit(' ').next().unwrap_or_default();
        match self.pool {
            None => Cow::Borrowed(&self.label),
            Some(pool) => Cow::Owned(format!("{pool:x} {own_label}")),
        }
    }
}

/// The label of the budget in lists of limits.
pub const BUDGET_LABEL: &str = "budget";
/// The label of a window whose length and slot are not known.
const NAMELESS_LABEL: &str = "limit";

impl Window {
    /// The label is the length of the window. The slot is used if the length is not known, and is
    /// added if two windows have the same length.
    pub fn label(&self) -> String {
        let length = self.seconds.map(window_label);
        match (length, self.slot.map(WindowSlot::name)) {
            (Some(length), Some(slot)) => format!("{length}-{slot}"),
            (Some(length), None) => length,
            (None, Some(slot)) => slot.to_string(),
            (None, None) => NAMELESS_LABEL.to_string(),
        }
    }

    /// The windows of an answer, shortest first, with different labels.
    pub fn in_order(
        primary: Option<Window>,
        secondary: Option<Window>,
    ) -> impl Iterator<Item = Window> {
        let mut windows = [primary, secondary];
        for (window, slot) in windows.iter_mut().zip([WindowSlot::Primary, WindowSlot::Secondary]) {
            if let Some(window) = window {
                window.slot = window.seconds.is_none().then_some(slot);
            }
        }
        let [primary, secondary] = &mut windows;
        if let (Some(primary), Some(secondary)) = (primary, secondary)
            && primary.label() == secondary.label()
        {
            secondary.slot = Some(WindowSlot::Secondary);
        }
        windows
            .sort_by_key(|window| window.as_ref().map(|window| window.seconds.unwrap_or(u32::MAX)));
        windows.into_iter().flatten()
    }

    /// This window as a [`Limit`].
    pub fn limit(&self) -> Limit {
        Limit {
            label: self.label(),
            used: self.used,
            resets_at: self.resets_at,
            seconds: self.seconds,
            pool: None,
        }
    }

    /// Whether both have the same length. The labels are compared, because versions of Codex round
    /// the seconds differently.
    fn is_as_long_as(&self, other: &Window) -> bool {
        self.label() == other.label()
    }

    fn has_reset(&self, fetched_at: Timestamp, now: Timestamp) -> bool {
        passed(self.resets_at, fetched_at, now)
    }

    fn reset(&mut self) {
        *self = Window {
            seconds: self.seconds,
            slot: self.slot,
            used: 0.0,
            resets_at: None,
            started: false,
        };
    }
}

impl Budget {
    fn limit(&self) -> Limit {
        Limit {
            label: BUDGET_LABEL.to_string(),
            used: self.used_percent,
            resets_at: self.resets_at,
            seconds: None,
            pool: None,
        }
    }
}

/// Whether a reset time has passed since the numbers were fetched. A time that was already past at
/// the fetch does not count.
fn passed(resets_at: Option<Timestamp>, fetched_at: Timestamp, now: Timestamp) -> bool {
    resets_at.is_some_and(|reset| fetched_at < reset && reset <= now)
}

impl Usage {
    /// Whether a window or the budget has reset since the answer came.
    pub fn has_reset(&self, fetched_at: Timestamp, now: Timestamp) -> bool {
        self.windows.iter().any(|window| window.has_reset(fetched_at, now))
            || self.budget.as_ref().is_some_and(|budget| passed(budget.resets_at, fetched_at, now))
    }

    /// The answer as it reads at `now`. Limits that have reset since the fetch are empty.
    pub fn as_of(mut self, fetched_at: Timestamp, now: Timestamp) -> Usage {
        self.unblock(fetched_at, now);
        let pools = self.pools.iter_mut().flat_map(|pool| pool.windows.iter_mut());
        for window in self.windows.iter_mut().chain(pools) {
            if window.has_reset(fetched_at, now) {
                window.reset();
            }
        }
        if let Some(budget) = &mut self.budget
            && passed(budget.resets_at, fetched_at, now)
        {
            *budget = Budget {
                used_percent: 0.0,
                limit: budget.limit,
                used: budget.used.map(|_| 0.0),
                remaining: budget.limit,
                resets_at: None,
            };
        }
        self
    }

    /// Whether a window, the budget or a block from that time is still running.
    pub fn goes_on(&self, measured_at: Timestamp, now: Timestamp) -> bool {
        let goes_on = |end: Option<Timestamp>| !passed(end, measured_at, now);
        self.windows.iter().any(|window| goes_on(window.resets_at))
            || self.budget.as_ref().is_some_and(|budget| goes_on(budget.resets_at))
            || self.blocked.as_ref().is_some_and(|blocked| goes_on(blocked.until))
    }

    /// The answer without the limits that have reset since it was measured.
    pub fn without_passed(mut self, measured_at: Timestamp, now: Timestamp) -> Usage {
        self.unblock(measured_at, now);
        self.windows.retain(|window| !window.has_reset(measured_at, now));
        self.budget = self.budget.filter(|budget| !passed(budget.resets_at, measured_at, now));
        self
    }

    /// Removes the block if it has ended since the answer came. A block without a known end stays
    /// until the next answer.
    fn unblock(&mut self, fetched_at: Timestamp, now: Timestamp) {
        if self.blocked.as_ref().is_some_and(|blocked| passed(blocked.until, fetched_at, now)) {
            self.blocked = None;
        }
    }

    /// The block, unless a limit that is used up explains it.
    pub fn block_without_limit(&self) -> Option<&Blocked> {
        self.blocked.as_ref().filter(|_| self.limits().all(|limit| limit.used < 100.0))
    }

    /// Merges the newer numbers of a session file into these. The budget and windows of the same
    /// length take the newer percentage and reset time. A block in the session file is added, but
    /// only the service can lift one, because not every version of Codex writes it. Everything else
    /// stays.
    #[must_use]
    pub fn take(mut self, newer: Usage) -> Usage {
        for window in &mut self.windows {
            if let Some(found) = newer.windows.iter().find(|found| found.is_as_long_as(window)) {
                window.clone_from(found);
            }
        }
        self.budget = newer.budget.or(self.budget);
        self.blocked = newer.blocked.or(self.blocked);
        self
    }

    /// Whether the other answer has a window that this one lacks.
    pub fn lacks_window_of(&self, other: &Usage) -> bool {
        let is_known = |window: &Window| self.windows.iter().any(|own| own.is_as_long_as(window));
        !other.windows.iter().all(is_known)
    }

    /// The budget as a [`Limit`].
    pub fn budget_limit(&self) -> Option<Limit> {
        self.budget.as_ref().map(Budget::limit)
    }

    /// The windows, then the budget.
    pub fn limits(&self) -> impl Iterator<Item = Limit> {
        self.windows.iter().map(Window::limit).chain(self.budget.iter().map(Budget::limit))
    }

    /// The windows of all pools, with labels such as `spark 5h`.
    pub fn pool_limits(&self) -> impl Iterator<Item = Limit> {
        self.pools.iter().flat_map(|pool| {
            let name = self.short_name(pool);
            pool.limits()
                .map(move |limit| Limit { label: format!("{name} {}", limit.label), ..limit })
        })
    }

    /// A window of the pool with this short or full name. `None` as the label gives the window that
    /// is used most.
    pub fn pool_limit(&self, name: &str, label: Option<&str>) -> Option<Limit> {
        let is_named = |pool: &&Pool| {
            pool.name.eq_ignore_ascii_case(name) || self.short_name(pool).eq_ignore_ascii_case(name)
        };
        let limits = self.pools.iter().find(is_named)?.limits();
        let wanted = limits.filter(|limit| label.is_none_or(|label| limit.label == label));
        wanted.max_by(|left, right| left.used.total_cmp(&right.used))
    }

    /// The name of a pool in a line: `spark` for `GPT-5.3-Codex-Spark`, unless another pool would
    /// get the same name.
    fn short_name(&self, pool: &Pool) -> String {
        let last = |pool: &Pool| {
            let name = pool.name.to_lowercase();
            name.rsplit('-').next().map(String::from).unwrap_or(name)
        };
        let name = last(pool);
        let is_plain = name.chars().any(char::is_alphabetic);
        let is_alone = self.pools.iter().filter(|other| last(other) == name).count() == 1;
        if is_plain && is_alone { name } else { pool.name.to_lowercase() }
    }

    /// The limit that stops the user first. This is a limit that is used up, and of several the one
    /// with the latest reset. If none is used up, it is the one used most.
    pub fn binding(&self) -> Option<Limit> {
        self.limits().reduce(|best, next| {
            let lasts_longer =
                best.used >= 100.0 && next.used >= 100.0 && next.resets_at > best.resets_at;
            if next.used > best.used || lasts_longer { next } else { best }
        })
    }

    /// The severity of the binding limit. If Codex refuses work, it is `exhausted`.
    pub fn severity(&self, thresholds: Thresholds) -> Severity {
        if self.blocked.is_some() {
            return Severity::Exhausted;
        }
        self.binding().map_or(Severity::Ok, |limit| thresholds.severity(limit.used))
    }
}

/// Rounds to a whole percentage. Only exactly 0 gives 0, and only a limit that is used up gives
/// 100, so 99.6 gives 99.
pub fn whole_percent(used: f64) -> i64 {
    if used <= 0.0 {
        0
    } else if used >= 100.0 {
        100
    } else {
        (used.round() as i64).clamp(1, 99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    const THRESHOLDS: Thresholds = Thresholds { warn: 70.0, critical: 90.0 };

    fn window(seconds: u32, used: f64, resets_in: i64) -> Window {
        Window {
            seconds: Some(seconds),
            slot: None,
            used,
            resets_at: Some(NOW.plus(resets_in)),
            started: true,
        }
    }

    fn usage(windows: Vec<Window>) -> Usage {
        Usage { windows, ..Usage::default() }
    }

    #[test]
    fn the_binding_limit_is_the_exhausted_one_else_the_fullest() {
        let check = |five_hours: f64, week: f64, budget: Option<f64>, expected: &str| {
            let mut usage = usage(vec![window(18_000, five_hours, 60), window(604_800, week, 600)]);
            usage.budget = budget.map(|used_percent| Budget {
                used_percent,
                limit: None,
                used: None,
                remaining: None,
                resets_at: None,
            });
            assert_eq!(usage.binding().unwrap().label, expected);
        };
        check(10.0, 20.0, None, "7d");
        check(30.0, 20.0, None, "5h");
        check(0.0, 0.0, None, "5h");
        check(100.0, 99.0, None, "5h");
        check(100.0, 100.0, None, "7d");
        check(10.0, 20.0, Some(21.0), "budget");
        assert_eq!(Usage::default().binding(), None);
    }

    #[test]
    fn severity_follows_the_thresholds() {
        for (used, expected) in [
            (0.0, Severity::Ok),
            (69.9, Severity::Ok),
            (70.0, Severity::Warning),
            (90.0, Severity::Critical),
            (99.9, Severity::Critical),
            (100.0, Severity::Exhausted),
        ] {
            assert_eq!(usage(vec![window(18_000, used, 60)]).severity(THRESHOLDS), expected);
        }
        let refused = Usage { blocked: Some(Blocked::default()), ..Usage::default() };
        assert_eq!(refused.severity(THRESHOLDS), Severity::Exhausted);
    }

    #[test]
    fn a_window_whose_time_has_passed_is_empty() {
        let fetched_at = NOW.plus(-600);
        let mut old = usage(vec![window(18_000, 100.0, -60), window(604_800, 40.0, 600)]);
        old.blocked = Some(Blocked { reason: None, until: Some(NOW.plus(-60)) });
        let now = old.as_of(fetched_at, NOW);
        assert_eq!(
            (now.windows[0].used, now.windows[0].resets_at, now.windows[0].started),
            (0.0, None, false)
        );
        assert_eq!(now.windows[1].used, 40.0);
        assert_eq!(now.severity(THRESHOLDS), Severity::Ok);
    }

    #[test]
    fn a_block_ends_when_the_answer_said_and_not_before() {
        let blocked = |until: Option<i64>| {
            let mut usage = usage(vec![window(18_000, 5.0, -60), window(604_800, 5.0, 600)]);
            let until = until.map(|seconds| NOW.plus(seconds));
            usage.blocked = Some(Blocked { reason: None, until });
            usage.as_of(NOW.plus(-600), NOW).severity(THRESHOLDS)
        };
        assert_eq!(blocked(Some(-60)), Severity::Ok);
        assert_eq!(blocked(Some(60)), Severity::Exhausted);
        assert_eq!(blocked(None), Severity::Exhausted);
    }

    #[test]
    fn pools_have_short_names_unless_two_would_have_the_same() {
        let pool = |name: &str| Pool { name: name.into(), windows: vec![window(18_000, 9.0, 60)] };
        let labels = |names: &[&str]| -> Vec<String> {
            let pools = names.iter().map(|name| pool(name)).collect();
            let usage = Usage { pools, ..Usage::default() };
            usage.pool_limits().map(|limit| limit.label).collect()
        };
        assert_eq!(labels(&["GPT-5.3-Codex-Spark", "gpt-reserve"]), ["spark 5h", "reserve 5h"]);
        assert_eq!(labels(&["code review", "gpt-5"]), ["code review 5h", "gpt-5 5h"]);
        assert_eq!(labels(&["a-spark", "b-Spark"]), ["a-spark 5h", "b-spark 5h"]);
    }

    #[test]
    fn no_two_windows_bear_the_same_label() {
        let labels = |primary: Option<u32>, secondary: Option<u32>| -> Vec<String> {
            let of = |seconds| Some(Window { seconds, ..window(0, 1.0, 60) });
            Window::in_order(of(primary), of(secondary)).map(|window| window.label()).collect()
        };
        assert_eq!(labels(Some(604_800), Some(18_000)), ["5h", "7d"]);
        assert_eq!(labels(None, None), ["primary", "secondary"]);
        assert_eq!(labels(None, Some(18_000)), ["5h", "primary"]);
        assert_eq!(labels(Some(18_000), Some(17_940)), ["5h-secondary", "5h"]);
        assert_eq!(labels(Some(18_000), Some(18_000)), ["5h", "5h-secondary"]);
    }

    #[test]
    fn a_reset_that_was_past_at_the_fetch_says_nothing() {
        let stale_server = usage(vec![window(18_000, 50.0, -60)]);
        assert!(!stale_server.has_reset(NOW, NOW.plus(600)));
        assert_eq!(stale_server.clone().as_of(NOW, NOW.plus(600)), stale_server);
    }
}
