//! Whether a request is worth it: what a worker decides once it has looked in the session files.

use crate::model::decision::{Decision, Reason};
use crate::model::entry::{Entry, Source, WatchedFile};
use crate::model::time::{Timestamp, countdown};
use crate::model::usage::Thresholds;
use std::fmt;

/// A limit this many percentage points below a threshold may cross it with the next turn. Then
/// `--max-age` counts, as long as the numbers change or Codex writes; otherwise `--max-idle`.
const NEAR: f64 = 2.0;

/// Seconds without a new line after which a turn that has told no limits is over. One that goes on
/// tells them with its next response.
const QUIET: i64 = 60;

/// Seconds after a look before another one is made because Codex goes on writing: during a turn it
/// does so all the time.
const SETTLED: i64 = 1;

/// Seconds for which a shell may keep a line while Codex is in use: as long as the numbers of a bar
/// that draws four times a minute.
const KEPT: i64 = 15;

/// What session files do not tell (pools, credits, banked resets) is asked for after so many times
/// `--max-idle`, however new the windows are.
const REST: i64 = 8;

/// The options that decide.
#[derive(Clone, Copy, Debug)]
pub struct AskRules {
    /// `--max-age` in seconds.
    pub max_age: i64,
    /// `--max-idle` in seconds.
    pub max_idle: i64,
    pub thresholds: Thresholds,
    pub shows: Shows,
}

/// What somebody is shown of what session files may not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shows {
    pub pools: bool,
    pub budget: bool,
}

/// What a look into the session files has told, beside the limits that were merged into the entry.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// When the newest of them was last written.
    pub written_at: Option<Timestamp>,
    /// The newest limits there are not those that the service told of, or say nothing of a block
    /// that it told of.
    pub differs: bool,
    /// They say nothing of the budget that the service told of.
    pub lacks_budget: bool,
}

/// Whether to ask, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskDecision {
    Ask(AskReason),
    Rest(RestReason),
}

/// Why a request is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskReason {
    /// The service has never answered for this login.
    NeverAnswered,
    /// The last attempt failed, and it is time for the next.
    RetryDue,
    WindowReset,
    /// Session files tell of other limits than the service did.
    OtherLimits,
    NearThreshold,
    /// By something else than a limit that is used up.
    Blocked,
    PoolsShown,
    BudgetShown,
    /// Codex has been at work since, and has not been told the limits yet.
    SessionsWritten,
    /// Use on other machines cannot be seen here.
    Idle {
        age: i64,
    },
}

/// Why it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestReason {
    /// The service has answered within `--max-age`.
    JustAsked {
        age: i64,
    },
    /// The session files have newer limits than the service's last answer.
    SessionsAreNewer {
        age: i64,
    },
    NothingHappened {
        age: i64,
    },
}

/// Whether the service is to be asked for a stale entry of the present login. The limits in
/// the session files have been merged into it.
pub fn worth_asking(entry: &Entry, seen: Seen, rules: AskRules, now: Timestamp) -> AskDecision {
    let Some((answer, asked_at)) =
        entry.answer.as_ref().and_then(|answer| Some((answer, answer.answered_at()?)))
    else {
        return AskDecision::Ask(AskReason::NeverAnswered);
    };
    if entry.failure.is_some() {
        return AskDecision::Ask(AskReason::RetryDue);
    }
    if answer.usage.has_reset(answer.fetched_at, now) {
        return AskDecision::Ask(AskReason::WindowReset);
    }
    let age = |at: Timestamp| now.seconds_since(at).max(0);
    let (asked_age, known_age) = (age(asked_at), age(answer.fetched_at));
    if asked_age < rules.max_age {
        return AskDecision::Rest(RestReason::JustAsked { age: asked_age });
    }
    if seen.differs {
        return AskDecision::Ask(AskReason::OtherLimits);
    }
    let is_near = |used: f64| {
        let Thresholds { warn, critical } = rules.thresholds;
        [warn, critical, 100.0].iter().any(|end| (end - NEAR..*end).contains(&used))
    };
    // A limit that stands still near a threshold all evening does not cross it.
    let latest = seen.written_at.max(entry.moved_at);
    let is_in_use = latest.is_none_or(|at| age(at) < rules.max_idle);
    if known_age >= rules.max_age && is_in_use {
        if answer.usage.limits().any(|limit| is_near(limit.used)) {
            return AskDecision::Ask(AskReason::NearThreshold);
        }
        // Whoever lifts it, such as the owner of a workspace, does so elsewhere.
        if answer.usage.block_without_limit().is_some() {
            return AskDecision::Ask(AskReason::Blocked);
        }
    }
    if rules.shows.pools && !answer.usage.pools.is_empty() {
        return AskDecision::Ask(AskReason::PoolsShown);
    }
    if rules.shows.budget && seen.lacks_budget {
        return AskDecision::Ask(AskReason::BudgetShown);
    }
    if known_age >= rules.max_idle {
        return AskDecision::Ask(AskReason::Idle { age: known_age });
    }
    if asked_age >= rules.max_idle.saturating_mul(REST) {
        return AskDecision::Ask(AskReason::Idle { age: asked_age });
    }
    if answer.fetched_at > asked_at {
        AskDecision::Rest(RestReason::SessionsAreNewer { age: known_age })
    } else if seen.written_at.is_some_and(|at| at > asked_at && age(at) >= QUIET) {
        AskDecision::Ask(AskReason::SessionsWritten)
    } else {
        AskDecision::Rest(RestReason::NothingHappened { age: known_age })
    }
}

/// An entry that would be fresh by [`crate::model::decision::decide`] is stale all the same when
/// Codex has been at work since the last look, or the numbers have become older than `--max-idle`
/// (in seconds). `has_changed`: whether what an entry watches is in another state now.
pub fn look_again(
    decision: Decision,
    entry: &Entry,
    max_idle: i64,
    has_changed: impl FnOnce(&WatchedFile) -> bool,
    now: Timestamp,
) -> Decision {
    let Decision::Fresh { age } = decision else { return decision };
    let Some((answer, looked_at)) = entry.answer.as_ref().zip(entry.looked_at()) else {
        return decision;
    };
    let idle_at = answer.fetched_at.plus(max_idle);
    if looked_at < idle_at && idle_at <= now {
        return Decision::Stale(Reason::TooOld { age: now.seconds_since(answer.fetched_at) });
    }
    if age >= SETTLED && entry.watched.as_ref().is_some_and(has_changed) {
        return Decision::Stale(Reason::SessionsWritten);
    }
    decision
}

/// Whether the session files may tell other numbers at the time `then`, so that a shell has to run
/// the line again: Codex has told limits here within `max_idle` (in seconds).
pub fn may_have_moved(entry: &Entry, max_idle: i64, now: Timestamp, then: Timestamp) -> bool {
    let is_in_use = entry.answer.as_ref().is_some_and(|answer| {
        answer.source == Source::Sessions && now.seconds_since(answer.fetched_at) < max_idle
    });
    is_in_use && then.seconds_since(now) >= KEPT
}

impl fmt::Display for AskDecision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskDecision::Ask(reason) => write!(out, "the service is asked: {reason}"),
            AskDecision::Rest(reason) => write!(out, "the service is not asked: {reason}"),
        }
    }
}

impl fmt::Display for AskReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskReason::NeverAnswered => write!(out, "it has not answered yet"),
            AskReason::RetryDue => write!(out, "the last fetch failed, and it is time to retry"),
            AskReason::WindowReset => write!(out, "a window has been reset since"),
            AskReason::OtherLimits => write!(out, "the session files tell of other limits"),
            AskReason::NearThreshold => write!(out, "a limit is near a threshold"),
            AskReason::Blocked => write!(out, "a block may have been lifted"),
            AskReason::PoolsShown => write!(out, "pools are shown, and no session file has them"),
            AskReason::BudgetShown => {
                write!(out, "the budget is shown, and the session files do not have it")
            }
            AskReason::SessionsWritten => write!(out, "Codex has been at work since"),
            AskReason::Idle { age } => {
                write!(out, "its answer is {} old, and use elsewhere is unseen", countdown(*age))
            }
        }
    }
}

impl fmt::Display for RestReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestReason::JustAsked { age } => write!(out, "it answered {} ago", countdown(*age)),
            RestReason::SessionsAreNewer { age } => {
                write!(out, "the session files have limits that are {} old", countdown(*age))
            }
            RestReason::NothingHappened { age } => {
                write!(out, "nothing has happened since its answer {} ago", countdown(*age))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::Answer;
    use crate::model::entry::tests::{NOW, answered, home, outage};
    use crate::model::usage::{Blocked, Pool, Usage, Window};

    const RULES: AskRules = AskRules {
        max_age: 120,
        max_idle: 900,
        thresholds: Thresholds { warn: 70.0, critical: 90.0 },
        shows: Shows { pools: false, budget: false },
    };

    fn window(used: f64) -> Window {
        let resets_at = Some(NOW.plus(3600));
        Window { seconds: Some(18_000), slot: None, used, resets_at, started: true }
    }

    /// An entry whose answer is so old, with newer windows from a session file if `found`.
    fn entry(asked: i64, used: f64, found: Option<i64>) -> Entry {
        let mut entry = answered(asked);
        entry.answer.as_mut().unwrap().usage.windows = vec![window(used)];
        match found {
            None => entry,
            Some(age) => {
                let usage = Usage { windows: vec![window(used)], ..Usage::default() };
                let (fetched_at, source) = (NOW.plus(-age), Source::Sessions);
                let found = Answer { fetched_at, source, asked_at: None, usage };
                entry.or_newer(found, Some("acc-1".into()), NOW)
            }
        }
    }

    #[test]
    fn every_request_has_its_reason() {
        let check = |entry: &Entry, written: Option<i64>, expected: AskDecision| {
            let written_at = written.map(|age| NOW.plus(-age));
            let seen = Seen { written_at, ..Seen::default() };
            assert_eq!(worth_asking(entry, seen, RULES, NOW), expected);
        };
        let (ask, rest) = (AskDecision::Ask, AskDecision::Rest);
        check(&entry(300, 42.0, None), None, rest(RestReason::NothingHappened { age: 300 }));
        check(&entry(300, 42.0, None), Some(400), rest(RestReason::NothingHappened { age: 300 }));
        check(&entry(300, 42.0, None), Some(200), ask(AskReason::SessionsWritten));
        let newer = rest(RestReason::SessionsAreNewer { age: 200 });
        check(&entry(300, 42.0, Some(200)), Some(100), newer);
        check(&entry(60, 42.0, None), Some(30), rest(RestReason::JustAsked { age: 60 }));
        // A turn that goes on will tell.
        let at_work = rest(RestReason::NothingHappened { age: 300 });
        check(&entry(300, 42.0, None), Some(59), at_work);
        check(&entry(899, 42.0, None), None, rest(RestReason::NothingHappened { age: 899 }));
        check(&entry(900, 42.0, None), None, ask(AskReason::Idle { age: 900 }));
        check(&entry(1000, 42.0, Some(900)), None, ask(AskReason::Idle { age: 900 }));
        check(&entry(7200, 42.0, Some(10)), None, ask(AskReason::Idle { age: 7200 }));
        for (used, is_near) in
            [(67.9, false), (68.0, true), (70.0, false), (88.0, true), (99.0, true), (100.0, false)]
        {
            let near = ask(AskReason::NearThreshold);
            let rests = rest(RestReason::NothingHappened { age: 300 });
            check(&entry(300, used, None), None, if is_near { near } else { rests });
            // What Codex was told a moment ago is as good as an answer.
            let rests = rest(RestReason::SessionsAreNewer { age: 100 });
            check(&entry(300, used, Some(100)), None, rests);
        }
        // Nothing has moved for a while: then it is as idle as any other.
        let mut still = entry(300, 69.0, None);
        for (moved, is_near) in [(899, true), (900, false)] {
            still.moved_at = Some(NOW.plus(-moved));
            let rests = rest(RestReason::NothingHappened { age: 300 });
            check(&still, None, if is_near { ask(AskReason::NearThreshold) } else { rests });
        }
        check(&still, Some(400), ask(AskReason::NearThreshold));
        let mut blocked = entry(300, 42.0, None);
        blocked.answer.as_mut().unwrap().usage.blocked = Some(Blocked::default());
        check(&blocked, None, ask(AskReason::Blocked));
        blocked.moved_at = Some(NOW.plus(-900));
        check(&blocked, None, rest(RestReason::NothingHappened { age: 300 }));
        check(&blocked, Some(30), ask(AskReason::Blocked));
        blocked.answer.as_mut().unwrap().usage.windows = vec![window(100.0)];
        check(&blocked, Some(30), rest(RestReason::NothingHappened { age: 300 }));
        let mut passed = entry(130, 42.0, None);
        passed.answer.as_mut().unwrap().usage.windows[0].resets_at = Some(NOW.plus(-5));
        check(&passed, None, ask(AskReason::WindowReset));
        let login = || "login".into();
        let failed =
            Entry::failed(Some(entry(300, 42.0, None)), home(), login(), None, &outage(), NOW);
        check(&failed, None, ask(AskReason::RetryDue));
        let mut alone = entry(300, 42.0, None);
        alone.answer.as_mut().unwrap().source = Source::Sessions;
        check(&alone, None, ask(AskReason::NeverAnswered));
    }

    #[test]
    fn a_fresh_entry_is_looked_at_again_when_codex_has_written() {
        let fresh = |age: i64| Decision::Fresh { age };
        let check = |answered: i64, looked: i64, has_changed: bool, expected: Decision| {
            let mut entry = entry(answered, 42.0, None).checked(NOW.plus(-looked));
            entry.watched = Some(WatchedFile { file: "sessions/a".into(), state: 1 });
            let found = look_again(fresh(looked), &entry, 900, |_| has_changed, NOW);
            assert_eq!(found, expected, "{answered} {looked} {has_changed}");
        };
        check(300, 60, false, fresh(60));
        check(300, 60, true, Decision::Stale(Reason::SessionsWritten));
        check(300, 1, true, Decision::Stale(Reason::SessionsWritten));
        check(300, 0, true, fresh(0));
        check(900, 60, false, Decision::Stale(Reason::TooOld { age: 900 }));
        // It was too old at that look already, and something was decided.
        check(961, 60, false, fresh(60));
    }

    #[test]
    fn a_shell_keeps_a_line_for_seconds_while_codex_is_in_use() {
        let check = |found: Option<i64>, later: i64, expected: bool| {
            let entry = entry(1000, 42.0, found);
            assert_eq!(may_have_moved(&entry, 900, NOW, NOW.plus(later)), expected, "{found:?}");
        };
        check(Some(10), 15, true);
        check(Some(10), 14, false);
        check(Some(899), 15, true);
        check(Some(900), 3600, false);
        check(None, 3600, false);
    }

    #[test]
    fn what_no_session_file_tells_is_asked_for_where_it_is_shown() {
        let mut pooled = entry(300, 42.0, Some(10));
        let pool = Pool { name: "spark".into(), windows: vec![window(1.0)] };
        pooled.answer.as_mut().unwrap().usage.pools = vec![pool];
        let asks = |rules: AskRules, differs: bool| {
            worth_asking(&pooled, Seen { differs, ..Seen::default() }, rules, NOW)
        };
        let rests = AskDecision::Rest(RestReason::SessionsAreNewer { age: 10 });
        assert_eq!(asks(RULES, false), rests);
        let shown = AskRules { shows: Shows { pools: true, budget: false }, ..RULES };
        assert_eq!(asks(shown, false), AskDecision::Ask(AskReason::PoolsShown));
        assert_eq!(asks(RULES, true), AskDecision::Ask(AskReason::OtherLimits));
        let lacking = Seen { lacks_budget: true, ..Seen::default() };
        assert_eq!(worth_asking(&pooled, lacking, RULES, NOW), rests);
        let shown = AskRules { shows: Shows { pools: false, budget: true }, ..RULES };
        let asked = worth_asking(&pooled, lacking, shown, NOW);
        assert_eq!(asked, AskDecision::Ask(AskReason::BudgetShown));
        assert_eq!(asks(shown, false), rests);
    }
}
