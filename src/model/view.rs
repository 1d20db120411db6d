//! The data that a host shows: the numbers, how old they are, and what is wrong. It is made from a
//! cache entry.

use crate::model::entry::{Answer, Entry, Problem, Source};
use crate::model::error::Mistake;
use crate::model::pace::{self, History, Pace};
use crate::model::show::Show;
use crate::model::text::short_count;
use crate::model::time::{MINUTE, Timestamp, age, countdown};
use crate::model::today::Counts;
use crate::model::today::Today;
use crate::model::usage::{
    BUDGET_LABEL, BankedResets, Limit, Measure, Severity, Thresholds, Usage,
};

/// In seconds. Older numbers are marked as old.
const OLD: i64 = 15 * MINUTE;

/// The word that stands for numbers before the first answer.
const PENDING: &str = "loading";

pub struct View {
    pub now: Timestamp,
    /// The account's name, if several are shown.
    pub account: Option<String>,
    /// The numbers as they read now; `None` if there are none to show.
    pub usage: Option<Usage>,
    pub age_seconds: Option<i64>,
    /// Where the numbers come from.
    pub source: Option<Source>,
    /// Seconds since the service last answered; `None` if all numbers are from session files.
    pub answer_age_seconds: Option<i64>,
    /// The numbers are old, or the last fetch failed.
    pub is_stale: bool,
    pub problem: Option<Problem>,
    /// The earliest time for the next fetch after a failed one.
    pub retry_at: Option<Timestamp>,
    /// Marks the line if the config file has a mistake. The line is printed all the same.
    pub mistake: Option<String>,
    pub binding: Option<Limit>,
    pub severity: Severity,
    /// What the severity goes by.
    pub measure: Measure,
    /// The samples that the pace is computed from.
    pub history: Option<History>,
    /// Today's activity, if it is known.
    pub today: Option<Today>,
}

impl View {
    /// The view of a cache entry for a login. Numbers of another login are not shown, because they
    /// may belong to another account. `problem` is what went wrong in this run. It is preferred to
    /// the stored one.
    pub fn new(
        entry: Option<&Entry>,
        login: &str,
        problem: Option<Problem>,
        now: Timestamp,
        thresholds: Thresholds,
    ) -> View {
        // Today's activity comes from the files on this machine, so it is shown for any login.
        let today = entry.and_then(|entry| entry.today).filter(|today| today.holds(now));
        let entry = entry.filter(|entry| entry.login_stamp == login);
        let stored = || {
            entry.and_then(|entry| entry.failure.as_ref()).map(|failure| failure.problem.clone())
        };
        let problem = problem.or_else(stored);
        let mut view = match entry.and_then(|entry| entry.answer.as_ref()) {
            Some(answer) => View::of_answer(answer, now, thresholds),
            None => View::empty(now),
        };
        view.retry_at = entry.and_then(|entry| Some(entry.failure.as_ref()?.retry_at));
        view.today = today;
        view.history = entry.and_then(|entry| entry.history.clone());
        view.is_stale |= problem.is_some();
        view.problem = problem.or(view.problem);
        view.classify(thresholds);
        view
    }

    fn empty(now: Timestamp) -> View {
        View {
            now,
            account: None,
            usage: None,
            age_seconds: None,
            source: None,
            answer_age_seconds: None,
            is_stale: false,
            problem: None,
            retry_at: None,
            mistake: None,
            binding: None,
            severity: Severity::Unknown,
            measure: Measure::Used,
            history: None,
            today: None,
        }
    }

    /// The view of an answer, without a failure.
    pub fn of_answer(answer: &Answer, now: Timestamp, thresholds: Thresholds) -> View {
        let Some(usage) = answer.usage_at(now) else { return View::empty(now) };
        let age_seconds = now.seconds_since(answer.fetched_at).max(0);
        View {
            binding: usage.binding(),
            severity: usage.severity(thresholds),
            problem: Problem::of_loss(usage.lost_windows),
            usage: Some(usage),
            age_seconds: Some(age_seconds),
            source: Some(answer.source),
            answer_age_seconds: answer.answered_at().map(|at| now.seconds_since(at).max(0)),
            is_stale: age_seconds > OLD,
            ..View::empty(now)
        }
    }

    /// Adds a mistake in the config file. It marks the line, and becomes the problem if there is no
    /// other.
    pub fn with_mistake(mut self, mistake: Option<&Mistake>) -> View {
        if let Some(mistake) = mistake {
            self.mistake = Some(mistake.mark());
            self.problem.get_or_insert_with(|| Problem::from(&mistake.error()));
        }
        self
    }

    /// Sets what the severity goes by. With the pace, the worst of all limits counts, because the
    /// limit that is used most may well last.
    pub fn measured_by(mut self, measure: Measure, thresholds: Thresholds) -> View {
        self.measure = measure;
        self.classify(thresholds);
        self
    }

    fn classify(&mut self, thresholds: Thresholds) {
        let Some(usage) = &self.usage else { return };
        self.severity = match self.measure {
            Measure::Pace if usage.blocked.is_none() => {
                let severities = usage.limits().map(|limit| self.severity_of(&limit, thresholds));
                severities.max().unwrap_or(Severity::Ok)
            }
            _ => usage.severity(thresholds),
        };
        // The newest answer could not be read, so the state may be worse than these numbers.
        let is_unreadable = self.problem.as_ref().is_some_and(Problem::is_bad_answer);
        if is_unreadable && self.severity == Severity::Ok {
            self.severity = Severity::Unknown;
        }
    }

    /// The severity of one limit.
    pub fn severity_of(&self, limit: &Limit, thresholds: Thresholds) -> Severity {
        if self.usage.as_ref().is_some_and(|usage| usage.blocked.is_some()) {
            return Severity::Exhausted;
        }
        match self.measure {
            Measure::Used => thresholds.severity(limit.used),
            Measure::Pace => pace::severity(limit, &self.pace(limit), thresholds),
        }
    }

    /// The pace of a limit, of the plan's own or a pool's.
    pub fn pace(&self, limit: &Limit) -> Pace {
        let samples = self.history.as_ref().map(|history| history.of_limit(limit));
        pace::pace(limit, &samples.unwrap_or_default(), self.measured_at(), self.now)
    }

    /// Today's activity in words; `None` if there was none, or if it is not known.
    pub fn today(&self) -> Option<String> {
        let Counts { sessions, turns, total_tokens, .. } = self.today?.counts;
        if sessions == 0 {
            return None;
        }
        let count = |count: u64, what: &str| {
            format!("{} {what}{}", short_count(count), if count == 1 { "" } else { "s" })
        };
        let parts =
            [count(sessions, "session"), count(turns, "turn"), count(total_tokens, "token")];
        Some(parts.join(", "))
    }

    /// Whether the numbers are too old to rely on.
    pub fn is_old(&self) -> bool {
        self.age_seconds.is_some_and(|seconds| seconds > OLD)
    }

    /// When the numbers were measured.
    pub fn measured_at(&self) -> Timestamp {
        self.now.plus(-self.age_seconds.unwrap_or_default())
    }

    /// The word that is shown instead of numbers.
    pub fn word(&self) -> &str {
        self.problem.as_ref().map_or(PENDING, |problem| &problem.word)
    }

    /// Why there are no newer numbers, in a word or two; `None` if nothing failed.
    pub fn stale_reason(&self) -> Option<&str> {
        let problem = self.problem.as_ref()?;
        match &self.mistake {
            Some(mistake) if problem.code == Mistake::CODE => Some(mistake),
            _ => Some(&problem.word),
        }
    }

    /// Whether work continues although a limit is used up, because credits pay for it.
    pub fn works_on_credits(&self) -> bool {
        self.usage.as_ref().is_some_and(|usage| usage.blocked.is_none()) && self.credits().is_some()
    }

    /// The age of numbers that are stale: `23m ago`.
    pub fn stale_age(&self) -> Option<String> {
        self.age_seconds.filter(|_| self.is_stale).map(age)
    }

    /// Keeps only the limit with this label. If the plan has none, a word is shown instead of
    /// numbers.
    pub fn select(&mut self, label: &str, thresholds: Thresholds) {
        let Some(usage) = &mut self.usage else { return };
        let known: Vec<String> = usage.limits().map(|limit| limit.label).collect();
        if !known.iter().any(|known| known == label) {
            let label = crate::model::text::plain(label, 20);
            self.problem = Some(Problem {
                code: "no_such_window".into(),
                word: format!("no {label}"),
                message: format!("the plan has no window {label}"),
                hint: format!("it has: {}", known.join(", ")),
            });
            self.usage = None;
            self.binding = None;
            self.severity = Severity::Unknown;
            return;
        }
        usage.windows.retain(|window| window.label() == label);
        if label != BUDGET_LABEL {
            usage.budget = None;
        }
        self.binding = usage.binding();
        self.classify(thresholds);
    }

    /// The banked resets; `None` if there are none.
    pub fn banked_resets(&self) -> Option<BankedResets> {
        self.usage.as_ref()?.banked_resets.filter(|banked| banked.count > 0)
    }

    /// The models that cannot be used now, separated by commas; `None` if there are none.
    pub fn models_out(&self) -> Option<String> {
        let models = &self.usage.as_ref()?.unavailable_models;
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// The text for a block that no used-up limit explains: `blocked`, and when it ends if that is
    /// known.
    pub fn blocked(&self) -> Option<String> {
        let blocked = self.usage.as_ref()?.block_without_limit()?;
        Some(match blocked.until {
            Some(until) => {
                format!("blocked, back in {}", countdown(until.seconds_since(self.now)))
            }
            None => "blocked".into(),
        })
    }

    /// The text for a plan that has neither windows nor a budget.
    pub fn without_limits(&self) -> String {
        if self.severity == Severity::Exhausted {
            return "used up".into();
        }
        match self.credits() {
            Some(credits) if credits == UNLIMITED => credits,
            Some(credits) => format!("{credits} credits"),
            None => "no limits".into(),
        }
    }

    /// The credits that can be spent: a number or `unlimited`. `None` if there are none.
    pub fn credits(&self) -> Option<String> {
        let credits = self.usage.as_ref()?.credits.as_ref()?;
        if credits.unlimited {
            return Some(UNLIMITED.into());
        }
        credits.balance.filter(|balance| credits.available || *balance > 0.0).map(amount)
    }

    /// The amount used and the limit of the budget. If the amounts are not known, the percentage.
    pub fn budget(&self) -> Option<String> {
        let budget = self.usage.as_ref()?.budget.as_ref()?;
        Some(match (budget.used, budget.limit) {
            (Some(used), Some(limit)) => format!("{}/{}", amount(used), amount(limit)),
            _ => Show::Used.percent(budget.used_percent),
        })
    }
}

const UNLIMITED: &str = "unlimited";

/// Formats an amount: whole from 100 on, otherwise with at most two decimals.
fn amount(value: f64) -> String {
    if value.abs() >= 100.0 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::usage::{Budget, Window};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    const THRESHOLDS: Thresholds = Thresholds { warn: 70.0, critical: 90.0 };

    fn view() -> View {
        let window = |seconds, used| Window {
            seconds: Some(seconds),
            slot: None,
            used,
            resets_at: None,
            started: true,
        };
        let budget = Budget {
            used_percent: 75.0,
            limit: None,
            used: None,
            remaining: None,
            resets_at: None,
        };
        let windows = vec![window(18_000, 42.0), window(604_800, 100.0)];
        let usage = Usage { windows, budget: Some(budget), ..Usage::default() };
        View::of_answer(
            &Answer { fetched_at: NOW, source: Source::Api, asked_at: None, usage },
            NOW,
            THRESHOLDS,
        )
    }

    #[test]
    fn one_limit_alone_decides_the_severity() {
        let check = |label: &str, severity: Severity| {
            let mut view = view();
            view.select(label, THRESHOLDS);
            let labels: Vec<String> =
                view.usage.iter().flat_map(Usage::limits).map(|limit| limit.label).collect();
            assert_eq!((labels, view.severity), (vec![label.to_string()], severity));
        };
        check("5h", Severity::Ok);
        check("7d", Severity::Exhausted);
        check("budget", Severity::Warning);
    }

    #[test]
    fn a_limit_that_is_not_there_is_a_word() {
        let mut view = view();
        view.select("30d", THRESHOLDS);
        assert_eq!((view.word(), view.severity), ("no 30d", Severity::Unknown));
        assert_eq!(view.problem.unwrap().hint, "it has: 5h, 7d, budget");
    }

    #[test]
    fn amounts_are_short() {
        for (value, text) in
            [(0.0, "0"), (94.48079, "94.48"), (12500.0, "12500"), (3.5, "3.5"), (7.0, "7")]
        {
            assert_eq!(amount(value), text);
        }
    }
}
