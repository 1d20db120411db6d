//! What there is to show now: the numbers, how old they are, and what is wrong. It is made from a
//! cache entry and handed to the host.

use crate::model::entry::{Answer, Entry, Problem, Source};
use crate::model::error::Mistake;
use crate::model::pace::{self, History, Pace};
use crate::model::show::Show;
use crate::model::text::short_count;
use crate::model::time::{MINUTE, Timestamp, age, countdown};
use crate::model::today::Counts;
use crate::model::today::Today;
use crate::model::usage::{
    BUDGET_LABEL, BankedResets, Limit, Measure, Pool, Severity, Thresholds, Usage,
};

/// Older numbers than this are marked.
const OLD: i64 = 15 * MINUTE;

/// The word for "no answer has come yet".
const PENDING: &str = "loading";

pub struct View {
    pub now: Timestamp,
    /// Its name, if it is one of several.
    pub account: Option<String>,
    /// As it reads now; `None`: nothing to show.
    pub usage: Option<Usage>,
    pub age_seconds: Option<i64>,
    /// Where the numbers come from.
    pub source: Option<Source>,
    /// Seconds since the service last answered; `None` if all that is shown is from session files.
    pub answer_age_seconds: Option<i64>,
    /// Old, or the last fetch failed.
    pub is_stale: bool,
    pub problem: Option<Problem>,
    /// When the next fetch may come after the last one failed.
    pub retry_at: Option<Timestamp>,
    /// What marks a line that is printed in spite of a mistake in the config file.
    pub mistake: Option<String>,
    pub binding: Option<Limit>,
    pub severity: Severity,
    /// What decides how bad a limit is.
    pub measure: Measure,
    /// What was used when.
    pub history: Option<History>,
    /// What was done today, if that is known.
    pub today: Option<Today>,
}

impl View {
    /// What an entry has to show for a login. Numbers of another login are not shown, because they
    /// may be of another account. `problem` is what went wrong in this run; it counts more than the
    /// stored one.
    pub fn new(
        entry: Option<&Entry>,
        login: &str,
        problem: Option<Problem>,
        now: Timestamp,
        thresholds: Thresholds,
    ) -> View {
        // By the files on this machine, whoever is signed in.
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

    /// Numbers without a problem.
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

    /// With a mistake in the config file. It marks the line, and is the problem if there is no
    /// other.
    pub fn with_mistake(mut self, mistake: Option<&Mistake>) -> View {
        if let Some(mistake) = mistake {
            self.mistake = Some(mistake.mark());
            self.problem.get_or_insert_with(|| Problem::from(&mistake.error()));
        }
        self
    }

    /// With severities by another measure. By the pace, the worst of all limits counts: the fullest
    /// one may last.
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
        // Codex has answered since, with numbers that could not be read. So it may be worse by now.
        let is_unreadable = self.problem.as_ref().is_some_and(Problem::is_bad_answer);
        if is_unreadable && self.severity == Severity::Ok {
            self.severity = Severity::Unknown;
        }
    }

    /// How bad a limit is.
    pub fn severity_of(&self, limit: &Limit, thresholds: Thresholds) -> Severity {
        if self.usage.as_ref().is_some_and(|usage| usage.blocked.is_some()) {
            return Severity::Exhausted;
        }
        match self.measure {
            Measure::Used => thresholds.severity(limit.used),
            Measure::Pace => pace::severity(limit, &self.pace(limit), thresholds),
        }
    }

    /// Whether a limit of the plan will last.
    pub fn pace(&self, limit: &Limit) -> Pace {
        let samples = self.history.as_ref().map(|history| history.of(&limit.label));
        pace::pace(limit, &samples.unwrap_or_default(), self.measured_at(), self.now)
    }

    /// Whether a limit of a pool will.
    pub fn pool_pace(&self, pool: &Pool, limit: &Limit) -> Pace {
        let samples =
            self.history.as_ref().map(|history| history.of_pool(&pool.name, &limit.label));
        pace::pace(limit, &samples.unwrap_or_default(), self.measured_at(), self.now)
    }

    /// What was done today, in words; `None` if that is nothing, or not known.
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

    /// Whether the numbers are too old to go by.
    pub fn is_old(&self) -> bool {
        self.age_seconds.is_some_and(|seconds| seconds > OLD)
    }

    /// When the numbers came.
    pub fn measured_at(&self) -> Timestamp {
        self.now.plus(-self.age_seconds.unwrap_or_default())
    }

    /// The one word that stands where numbers would.
    pub fn word(&self) -> &str {
        self.problem.as_ref().map_or(PENDING, |problem| &problem.word)
    }

    /// Why there are no newer numbers, in a word or two; `None` if nothing has failed.
    pub fn stale_reason(&self) -> Option<&str> {
        let problem = self.problem.as_ref()?;
        match &self.mistake {
            Some(mistake) if problem.code == Mistake::CODE => Some(mistake),
            _ => Some(&problem.word),
        }
    }

    /// Whether work goes on although a limit is used up, because credits pay for it.
    pub fn works_on_credits(&self) -> bool {
        self.usage.as_ref().is_some_and(|usage| usage.blocked.is_none()) && self.credits().is_some()
    }

    /// How old numbers are that are not to be trusted blindly: `23m ago`.
    pub fn stale_age(&self) -> Option<String> {
        self.age_seconds.filter(|_| self.is_stale).map(age)
    }

    /// Leaves only the limit of this label; a word instead of numbers if the plan has none such.
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

    /// The resets in hand; `None` if there are none.
    pub fn banked_resets(&self) -> Option<BankedResets> {
        self.usage.as_ref()?.banked_resets.filter(|banked| banked.count > 0)
    }

    /// The models that are out, with commas between them; `None` if there are none.
    pub fn models_out(&self) -> Option<String> {
        let models = &self.usage.as_ref()?.unavailable_models;
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// What stops the user though limits are left: `blocked`, and when that ends if it is known.
    pub fn blocked(&self) -> Option<String> {
        let blocked = self.usage.as_ref()?.block_without_limit()?;
        Some(match blocked.until {
            Some(until) => {
                format!("blocked, back in {}", countdown(until.seconds_since(self.now)))
            }
            None => "blocked".into(),
        })
    }

    /// What a plan without windows and without a budget is told by.
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

    /// The credits that can be spent: a number, or `unlimited`. `None` if there are none.
    pub fn credits(&self) -> Option<String> {
        let credits = self.usage.as_ref()?.credits.as_ref()?;
        if credits.unlimited {
            return Some(UNLIMITED.into());
        }
        credits.balance.filter(|balance| credits.available || *balance > 0.0).map(amount)
    }

    /// Used and limit of the budget, or its percentage if the amounts are not known.
    pub fn budget(&self) -> Option<String> {
        let budget = self.usage.as_ref()?.budget.as_ref()?;
        Some(match (budget.used, budget.limit) {
            (Some(used), Some(limit)) => format!("{}/{}", amount(used), amount(limit)),
            _ => Show::Used.percent(budget.used_percent),
        })
    }
}

const UNLIMITED: &str = "unlimited";

/// An amount as short as it can be: whole from 100 on, else with up to two decimals.
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
