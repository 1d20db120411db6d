//! How much of a plan is used: windows, budget, pools, credits; which limit binds, how bad it is.
//!
//! Pure: times are handed in, nothing is read. The shape here is codexline's own, which is also what
//! the cache keeps; `codex::answer` makes it from what the server says.

use crate::model::time::{Timestamp, window_label};
use serde::{Deserialize, Serialize};

/// What one answer said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The plan's name as the server gives it: an open list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The plan's windows, shortest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// The server says that work is refused now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Limits beside the plan's own: single models, code review.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Pool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<Credits>,
    /// How many resets are banked: each empties the windows before their time. `None` where the server does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banked_resets: Option<u32>,
}

/// A span of time in which only so much may be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its length; `None` where the server does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// Percent used, 0 to 100.
    pub used: f64,
    /// When it starts anew, on this machine's clock; `None` if unknown, or not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
    /// Whether its time runs; a window starts with the first use.
    pub started: bool,
}

/// Money or credits to spend in a period: the only limit of some business plans.
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

/// A further limit with windows of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    pub name: String,
    pub windows: Vec<Window>,
}

/// Credits bought on top of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credits {
    pub available: bool,
    pub unlimited: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<f64>,
}

/// How bad it is. The order is that of badness.
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

/// What decides how bad a limit is: `--severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How full it is.
    Used,
    /// Whether it lasts until its reset: the module `pace` says.
    Pace,
}

/// From how many percent used on a limit counts as `warning`, and as `critical`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    pub warn: f64,
    pub critical: f64,
}

impl Thresholds {
    /// How bad `used` percent are.
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

/// A window or the budget, seen alike: something that fills up and may start anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    pub label: String,
    /// Percent used, 0 to 100.
    pub used: f64,
    pub resets_at: Option<Timestamp>,
    /// Its length; `None` where that is not known, as for a budget.
    pub seconds: Option<u32>,
}

/// The label of the budget where limits are listed.
pub const BUDGET_LABEL: &str = "budget";
/// The label of a window whose length the server does not say.
const NAMELESS_LABEL: &str = "limit";

impl Window {
    /// Its name: its length, never its slot in the answer.
    pub fn label(&self) -> String {
        self.seconds.map_or_else(|| NAMELESS_LABEL.to_string(), window_label)
    }

    /// As one limit among others.
    pub fn limit(&self) -> Limit {
        Limit {
            label: self.label(),
            used: self.used,
            resets_at: self.resets_at,
            seconds: self.seconds,
        }
    }

    fn has_reset(&self, fetched_at: Timestamp, now: Timestamp) -> bool {
        passed(self.resets_at, fetched_at, now)
    }

    fn reset(&mut self) {
        *self = Window { seconds: self.seconds, used: 0.0, resets_at: None, started: false };
    }
}

impl Budget {
    fn limit(&self) -> Limit {
        Limit {
            label: BUDGET_LABEL.to_string(),
            used: self.used_percent,
            resets_at: self.resets_at,
            seconds: None,
        }
    }
}

/// Whether a reset time has passed since the numbers were fetched. One that lay in the past already
/// then says nothing new.
fn passed(resets_at: Option<Timestamp>, fetched_at: Timestamp, now: Timestamp) -> bool {
    resets_at.is_some_and(|reset| fetched_at < reset && reset <= now)
}

impl Usage {
    /// Whether a window or the budget has started anew since the answer came.
    pub fn has_reset(&self, fetched_at: Timestamp, now: Timestamp) -> bool {
        self.windows.iter().any(|window| window.has_reset(fetched_at, now))
            || self.budget.as_ref().is_some_and(|budget| passed(budget.resets_at, fetched_at, now))
    }

    /// The same answer as it reads `now`: what has started anew since it was fetched is empty.
    pub fn as_of(mut self, fetched_at: Timestamp, now: Timestamp) -> Usage {
        if self.has_reset(fetched_at, now) {
            // Which limit blocked is not known for sure; with one of them empty, do not claim it.
            self.blocked = false;
        }
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

    /// Whether a window goes on that was measured then.
    pub fn goes_on(&self, measured_at: Timestamp, now: Timestamp) -> bool {
        self.windows.iter().any(|window| !window.has_reset(measured_at, now))
    }

    /// The same without the windows that have started anew since it was measured.
    pub fn without_passed(mut self, measured_at: Timestamp, now: Timestamp) -> Usage {
        self.windows.retain(|window| !window.has_reset(measured_at, now));
        self
    }

    /// The budget as one limit among others.
    pub fn budget_limit(&self) -> Option<Limit> {
        self.budget.as_ref().map(Budget::limit)
    }

    /// Windows, then the budget.
    pub fn limits(&self) -> impl Iterator<Item = Limit> {
        self.windows.iter().map(Window::limit).chain(self.budget.iter().map(Budget::limit))
    }

    /// The limit that stops you: the exhausted one (of several, that which lasts longest), else the
    /// fullest.
    pub fn binding(&self) -> Option<Limit> {
        self.limits().reduce(|best, next| {
            let lasts_longer =
                best.used >= 100.0 && next.used >= 100.0 && next.resets_at > best.resets_at;
            if next.used > best.used || lasts_longer { next } else { best }
        })
    }

    /// How bad the binding limit is, or that work is refused for a reason without a number.
    pub fn severity(&self, thresholds: Thresholds) -> Severity {
        if self.blocked {
            return Severity::Exhausted;
        }
        self.binding().map_or(Severity::Ok, |limit| thresholds.severity(limit.used))
    }
}

/// To whole percent, but never to an end of the scale that is not reached: 99.6 is not 100.
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
        Window { seconds: Some(seconds), used, resets_at: Some(NOW.plus(resets_in)), started: true }
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
        let refused = Usage { blocked: true, ..Usage::default() };
        assert_eq!(refused.severity(THRESHOLDS), Severity::Exhausted);
    }

    #[test]
    fn a_window_whose_time_has_passed_is_empty() {
        let fetched_at = NOW.plus(-600);
        let mut old = usage(vec![window(18_000, 100.0, -60), window(604_800, 40.0, 600)]);
        old.blocked = true;
        let now = old.as_of(fetched_at, NOW);
        assert_eq!(
            (now.windows[0].used, now.windows[0].resets_at, now.windows[0].started),
            (0.0, None, false)
        );
        assert_eq!(now.windows[1].used, 40.0);
        assert_eq!(now.severity(THRESHOLDS), Severity::Ok);
    }

    #[test]
    fn a_reset_that_was_past_at_the_fetch_says_nothing() {
        let stale_server = usage(vec![window(18_000, 50.0, -60)]);
        assert!(!stale_server.has_reset(NOW, NOW.plus(600)));
        assert_eq!(stale_server.clone().as_of(NOW, NOW.plus(600)), stale_server);
    }
}
