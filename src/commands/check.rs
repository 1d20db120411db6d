//! `codexline check`: whether enough is left, for scripts.

use crate::config::settings::Settings;
use crate::io::env::Env;
use crate::io::output::{self, Log};
use crate::line;
use crate::model::time::{Timestamp, countdown};
use crate::model::usage::{Blocked, Limit, Severity, whole_percent};
use crate::model::view::View;
use std::time::Duration;

/// How long a script waits for fresh numbers, if `--wait` does not say.
const PATIENCE: Duration = Duration::from_secs(20);

/// `codexline check`.
pub struct CheckArgs {
    pub(crate) settings: Settings,
    /// Percent that must be left.
    pub left: f64,
    /// Of this limit only; `None`: of every limit of the plan.
    pub window: Option<String>,
}

/// Whether enough is left of every account. If not, or if nobody knows, one line on stderr says
/// why.
pub fn run(args: &CheckArgs, env: &Env) -> bool {
    let settings = &args.settings;
    let log = Log::new(settings.verbose);
    let views = line::views(settings, env, settings.wait.unwrap_or(PATIENCE), false, &log);
    for view in &views {
        if let Err(reason) = judge(args, view) {
            let account = view.account.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            output::warn(format_args!("{account}{reason}"));
            return false;
        }
    }
    true
}

/// Whether enough is left of one account.
///
/// # Errors
/// Why not: too little is left, work is refused, or nobody knows.
fn judge(args: &CheckArgs, view: &View) -> Result<(), String> {
    let why = || match &view.problem {
        Some(problem) => format!("{}; {}", problem.message, problem.hint),
        None => "no answer yet".to_string(),
    };
    let Some(usage) = &view.usage else {
        return Err(format!("what is left is not known: {}", why()));
    };
    if view.is_old() {
        let age = countdown(view.age_seconds.unwrap_or_default());
        return Err(format!("what is left is not known: the last answer is {age} old: {}", why()));
    }
    let mut limits: Vec<Limit> = usage.limits().collect();
    if view.severity == Severity::Unknown {
        return Err(format!("what is left is not known: {}", why()));
    }
    if let Some(label) = &args.window {
        limits.retain(|limit| limit.label == *label);
        if limits.is_empty() {
            let known: Vec<String> = usage.limits().map(|limit| limit.label).collect();
            let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
            return Err(format!(
                "what is left is not known: there is no window {label} (there is: {known})"
            ));
        }
    } else if usage.lost_windows > 0 {
        return Err(format!("what is left is not known: {}", why()));
    }
    let lacking = limits.into_iter().filter(|limit| 100.0 - limit.used < args.left);
    match lacking.max_by(|left, right| left.used.total_cmp(&right.used)) {
        None => match &usage.blocked {
            Some(blocked) => Err(refusal(blocked, view.now)),
            None => Ok(()),
        },
        Some(limit) => {
            let reset = limit
                .resets_at
                .map(|at| format!("; resets in {}", countdown(at.seconds_since(view.now))));
            let left = 100 - whole_percent(limit.used);
            Err(format!(
                "{}: {left}% left, less than {}%{}",
                limit.label,
                args.left,
                reset.unwrap_or_default()
            ))
        }
    }
}

/// Why nothing can be done although enough would be left.
fn refusal(blocked: &Blocked, now: Timestamp) -> String {
    let mut text = "nothing is left: work is refused".to_string();
    if let Some(reason) = &blocked.reason {
        text.push_str(&format!(" ({reason})"));
    }
    if let Some(until) = blocked.until {
        text.push_str(&format!("; back in {}", countdown(until.seconds_since(now))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts;
    use crate::model::entry::{Answer, Source};
    use crate::model::usage::{Thresholds, Usage, Window};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    const THRESHOLDS: Thresholds = Thresholds { warn: 70.0, critical: 90.0 };

    fn usage(five_hours: f64, week: f64) -> Usage {
        let window = |seconds, used, left| Window {
            slot: None,
            seconds: Some(seconds),
            used,
            resets_at: Some(NOW.plus(left)),
            started: true,
        };
        Usage {
            windows: vec![window(18_000, five_hours, 3780), window(604_800, week, 99_999)],
            ..Usage::default()
        }
    }

    fn judged(left: f64, window: Option<&str>, usage: Usage, age: i64) -> Result<(), String> {
        let answer =
            Answer { fetched_at: NOW.plus(-age), source: Source::Api, asked_at: None, usage };
        let args = CheckArgs {
            settings: Settings::new(hosts::DEFAULT),
            left,
            window: window.map(String::from),
        };
        judge(&args, &View::of_answer(&answer, NOW, THRESHOLDS))
    }

    #[test]
    fn every_limit_counts_unless_one_is_named() {
        assert_eq!(judged(10.0, None, usage(90.0, 50.0), 0), Ok(()));
        assert_eq!(
            judged(10.0, None, usage(90.5, 95.0), 0),
            Err("7d: 5% left, less than 10%; resets in 1d3h".into())
        );
        assert_eq!(
            judged(10.0, Some("5h"), usage(90.5, 50.0), 0),
            Err("5h: 9% left, less than 10%; resets in 1h03m".into())
        );
        assert_eq!(judged(10.0, Some("7d"), usage(99.0, 50.0), 0), Ok(()));
        assert_eq!(judged(0.0, None, usage(100.0, 100.0), 0), Ok(()));
        assert_eq!(judged(10.0, None, Usage::default(), 0), Ok(()));
    }

    #[test]
    fn what_is_not_known_is_not_enough() {
        let unknown = judged(0.0, Some("30d"), usage(1.0, 1.0), 0).unwrap_err();
        assert_eq!(unknown, "what is left is not known: there is no window 30d (there is: 5h, 7d)");
        let old = judged(0.0, None, usage(1.0, 1.0), 3600).unwrap_err();
        assert_eq!(old, "what is left is not known: the last answer is 1h00m old: no answer yet");
        let refused = |blocked: Blocked| {
            let refused = Usage { blocked: Some(blocked), ..usage(1.0, 1.0) };
            let named = judged(0.0, Some("5h"), refused.clone(), 0).unwrap_err();
            assert_eq!(judged(0.0, None, refused, 0).unwrap_err(), named);
            named
        };
        assert_eq!(refused(Blocked::default()), "nothing is left: work is refused");
        let reason = Some("credits depleted".into());
        assert_eq!(
            refused(Blocked { reason, until: Some(NOW.plus(3780)) }),
            "nothing is left: work is refused (credits depleted); back in 1h03m"
        );
        let partial = || Usage { lost_windows: 1, ..usage(1.0, 1.0) };
        let lost = judged(0.0, None, partial(), 0).unwrap_err();
        assert!(lost.contains("one limit in the answer cannot be read"), "{lost}");
        assert_eq!(judged(0.0, Some("5h"), partial(), 0), Ok(()));
    }
}
