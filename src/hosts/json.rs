//! The JSON output for programs. Keys are only added, never changed. The README lists them, and a
//! test compares both.

use super::{AutoColour, Host, Output, PLAIN_MARKUP, PROMPT, Wait};
use crate::model::entry::{Problem, Source};
use crate::model::pace::Pace;
use crate::model::time::Timestamp;
use crate::model::today::Counts;
use crate::model::usage::{Budget, Credits, Limit, Usage, Window};
use crate::model::view::View;
use serde::{Serialize, Serializer};
use std::time::Duration;

pub const HOST: Host = Host {
    name: "json",
    about: "one JSON object, for programs",
    wait: Wait::WhenEmpty(Duration::from_secs(5)),
    markup: PLAIN_MARKUP,
    colour: AutoColour::Never,
    tells_today: true,
    tells_everything: true,
    envelope,
    ..PROMPT
};

#[derive(Serialize)]
struct JsonReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    state: &'a str,
    plan: Option<&'a str>,
    windows: Vec<WindowReport>,
    binding: Option<&'a str>,
    budget: Option<BudgetReport>,
    pools: Vec<PoolReport<'a>>,
    credits: Option<CreditsReport>,
    banked_resets: Option<u32>,
    banked_resets_expire_at: Option<Timestamp>,
    blocked: Option<BlockedReport<'a>>,
    lost_windows: u32,
    unavailable_models: Vec<ModelReport<'a>>,
    activity: Option<ActivityReport>,
    source: Option<&'a str>,
    age_seconds: Option<i64>,
    answer_age_seconds: Option<i64>,
    stale: bool,
    error: Option<ErrorReport<'a>>,
}

#[derive(Serialize)]
struct WindowReport {
    label: String,
    minutes: Option<u32>,
    #[serde(serialize_with = "number")]
    used_percent: f64,
    #[serde(serialize_with = "number")]
    left_percent: f64,
    resets_at: Option<Timestamp>,
    resets_in_seconds: Option<i64>,
    started: bool,
    #[serde(serialize_with = "optional_number")]
    pace: Option<f64>,
    runs_out_seconds: Option<i64>,
}

#[derive(Serialize)]
struct BudgetReport {
    #[serde(serialize_with = "number")]
    used_percent: f64,
    #[serde(serialize_with = "optional_number")]
    limit: Option<f64>,
    #[serde(serialize_with = "optional_number")]
    used: Option<f64>,
    #[serde(serialize_with = "optional_number")]
    remaining: Option<f64>,
    resets_at: Option<Timestamp>,
}

/// Codex refuses work.
#[derive(Serialize)]
struct BlockedReport<'a> {
    reason: Option<&'a str>,
    until: Option<Timestamp>,
}

/// A model that cannot be used now.
#[derive(Serialize)]
struct ModelReport<'a> {
    name: &'a str,
    available_at: Option<Timestamp>,
}

/// The counts of today.
#[derive(Serialize)]
struct ActivityReport {
    #[serde(flatten)]
    counts: Counts,
    age_seconds: i64,
}

#[derive(Serialize)]
struct PoolReport<'a> {
    name: &'a str,
    windows: Vec<WindowReport>,
}

#[derive(Serialize)]
struct CreditsReport {
    available: bool,
    unlimited: bool,
    #[serde(serialize_with = "optional_number")]
    balance: Option<f64>,
}

/// A failure, as the JSON output reports it.
#[derive(Serialize)]
pub(crate) struct ErrorReport<'a> {
    code: &'a str,
    message: &'a str,
    hint: &'a str,
}

fn envelope(output: &Output) -> String {
    match output.views {
        [view] if view.account.is_none() => line(&report(view, &Usage::default())),
        views => {
            let nothing = Usage::default();
            line(&views.iter().map(|view| report(view, &nothing)).collect::<Vec<_>>())
        }
    }
}

/// The report of one view. `nothing` is used if the view has no numbers.
fn report<'a>(view: &'a View, nothing: &'a Usage) -> JsonReport<'a> {
    let usage = view.usage.as_ref().unwrap_or(nothing);
    JsonReport {
        account: view.account.as_deref(),
        state: view.severity.name(),
        plan: usage.plan.as_deref(),
        windows: windows(usage.windows.iter().map(|window| (window, window.limit())), view),
        binding: view.binding.as_ref().map(|limit| limit.label.as_str()),
        budget: usage.budget.as_ref().map(budget),
        pools: usage
            .pools
            .iter()
            .map(|pool| PoolReport {
                name: &pool.name,
                windows: windows(pool.windows.iter().zip(pool.limits()), view),
            })
            .collect(),
        credits: usage.credits.as_ref().map(credits),
        banked_resets: usage.banked_resets.map(|banked| banked.count),
        banked_resets_expire_at: usage.banked_resets.and_then(|banked| banked.next_expires_at),
        blocked: usage.blocked.as_ref().map(|blocked| BlockedReport {
            reason: blocked.reason.as_deref(),
            until: blocked.until,
        }),
        lost_windows: usage.lost_windows,
        unavailable_models: usage
            .unavailable_models
            .iter()
            .map(|model| ModelReport { name: &model.name, available_at: model.available_at })
            .collect(),
        activity: view
            .today
            .map(|today| ActivityReport { counts: today.counts, age_seconds: today.age(view.now) }),
        source: view.source.map(Source::name),
        age_seconds: view.age_seconds,
        answer_age_seconds: view.answer_age_seconds,
        stale: view.is_stale,
        error: view.problem.as_ref().map(ErrorReport::from),
    }
}

fn windows<'a>(
    windows: impl Iterator<Item = (&'a Window, Limit)>,
    view: &View,
) -> Vec<WindowReport> {
    let report = |window: &Window, pace: Pace| WindowReport {
        label: window.label(),
        minutes: window.seconds.map(|seconds| seconds.div_ceil(60)),
        used_percent: window.used,
        // Rounded, because 100 - 42.7 is not exactly 57.3 as a float.
        left_percent: ((100.0 - window.used) * 1e6).round() / 1e6,
        resets_at: window.resets_at,
        resets_in_seconds: window.resets_at.map(|at| at.seconds_since(view.now).max(0)),
        started: window.started,
        pace: pace.points.map(|points| (points * 10.0).round() / 10.0),
        runs_out_seconds: pace.runs_out,
    };
    windows.map(|(window, limit)| report(window, view.pace(&limit))).collect()
}

fn budget(budget: &Budget) -> BudgetReport {
    BudgetReport {
        used_percent: budget.used_percent,
        limit: budget.limit,
        used: budget.used,
        remaining: budget.remaining,
        resets_at: budget.resets_at,
    }
}

fn credits(credits: &Credits) -> CreditsReport {
    CreditsReport {
        available: credits.available,
        unlimited: credits.unlimited,
        balance: credits.balance,
    }
}

impl<'a> From<&'a Problem> for ErrorReport<'a> {
    fn from(problem: &'a Problem) -> ErrorReport<'a> {
        ErrorReport { code: &problem.code, message: &problem.message, hint: &problem.hint }
    }
}

/// Writes a whole number without a fraction: 42, not 42.0.
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

fn optional_number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => number(value, serializer),
        None => serializer.serialize_none(),
    }
}

/// The value as one line of JSON. JSON escapes line breaks in strings.
pub(crate) fn line(value: &impl Serialize) -> String {
    // Serializing fails only for maps whose keys are not strings, and there are none here.
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}
