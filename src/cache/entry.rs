//! What is kept between runs: the last answer, the last failure, and whose they are. Pure.

use super::SCHEMA;
use super::stays::Stays;
use crate::activity::today::Today;
use crate::backoff;
use crate::codex::home::Home;
use crate::error::Error;
use crate::pace::History;
use crate::time::Timestamp;
use crate::usage::Usage;
use serde::{Deserialize, Serialize};

/// Bytes of the home's path that are kept in an entry, from its end.
pub(super) const MAX_HOME: usize = 500;

/// What is kept between runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub(super) schema: u32,
    /// The `CODEX_HOME` it belongs to: file names are hashes, and hashes collide.
    pub(super) home: String,
    /// The login that it was written for: [`crate::codex::auth::stamp`].
    pub login: String,
    /// The account that the numbers are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// What was used when, for the pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// What was done today, by the session files of this home, whosever the login is; only if it is shown somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub today: Option<Today>,
    /// When numbers that are not fetched, but found, were last looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// Which accounts have been seen signed in, and when.
    #[serde(default, skip_serializing_if = "Stays::is_empty")]
    pub stays: Stays,
    /// What went wrong last; `None` once an answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The last good answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// When the numbers held: when the answer came, or, from session files, when the line was written.
    pub fetched_at: Timestamp,
    #[serde(default)]
    pub source: Source,
    pub usage: Usage,
}

/// Where numbers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The usage endpoint.
    #[default]
    Api,
    /// Codex itself, asked for it.
    Codex,
    /// The newest rate limits in the local session files.
    Sessions,
}

impl Source {
    /// The name in `json`.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Api => "api",
            Source::Codex => "codex",
            Source::Sessions => "sessions",
        }
    }
}

impl Answer {
    /// The numbers as they read `now`; `None` if nothing is left of them.
    ///
    /// What was fetched speaks for the whole account: a window whose time has passed is empty. A session file speaks for this
    /// machine at the time of its last turn, and others may have begun the next window since: such a window is not
    /// known any more.
    pub fn usage_at(&self, now: Timestamp) -> Option<Usage> {
        self.holds(now).then(|| match self.source {
            Source::Api | Source::Codex => self.usage.clone().as_of(self.fetched_at, now),
            Source::Sessions => self.usage.clone().without_passed(self.fetched_at, now),
        })
    }

    /// Whether anything is left of the numbers.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.source != Source::Sessions || self.usage.goes_on(self.fetched_at, now)
    }

    /// Whether these numbers take the place of others: newer ones, or any where nothing is left of those.
    fn supersedes(&self, other: &Answer, now: Timestamp) -> bool {
        self.fetched_at > other.fetched_at || !other.holds(now)
    }
}

/// The last failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub at: Timestamp,
    /// Not to be asked again before; see [`backoff`].
    pub retry_at: Timestamp,
    /// How many in a row, this one included.
    pub count: u32,
    #[serde(flatten)]
    pub problem: Problem,
}

/// An error as it is shown: its texts without its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
    pub word: String,
    pub message: String,
    pub hint: String,
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Problem {
        Problem {
            code: error.code().into(),
            word: error.word().into(),
            // Paths and URLs can be long; the entry may not.
            message: crate::text::plain(&error.to_string(), 300),
            hint: error.hint().into(),
        }
    }
}

impl Entry {
    fn empty(home: &Home, login: String) -> Entry {
        Entry {
            schema: SCHEMA,
            home: name(home),
            login,
            account: None,
            answer: None,
            history: None,
            today: None,
            checked_at: None,
            stays: Stays::default(),
            failure: None,
        }
    }

    /// The entry after a good answer.
    pub fn answered(home: &Home, login: String, account: Option<String>, answer: Answer) -> Entry {
        Entry { account, answer: Some(answer), ..Entry::empty(home, login) }
    }

    /// The same with the samples of the one before it, if that is surely of the same account, and one more; and with
    /// its numbers, if those are newer, as they can be if these are found and not fetched. Its counts are no account's.
    pub fn following(mut self, previous: Option<&Entry>, now: Timestamp) -> Entry {
        self.today = previous.and_then(|previous| previous.today);
        self.stays = Stays::after(previous.map(|entry| &entry.stays), self.account.as_deref(), now);
        let previous = previous.filter(|previous| self.is_of_same_account(previous));
        let history = previous.and_then(|previous| previous.history.as_ref());
        if let (Some(answer), Some(previous)) = (&self.answer, previous)
            && answer.source == Source::Sessions
            && previous.answer.as_ref().is_some_and(|kept| !answer.supersedes(kept, now))
        {
            self.answer.clone_from(&previous.answer);
            self.history.clone_from(&previous.history);
            return self;
        }
        let answer = self.answer.as_ref();
        self.history = answer.and_then(|answer| History::after(history, &answer.usage, answer.fetched_at));
        self
    }

    /// The same with numbers that were found beside a failure, unless those that it has are newer.
    pub fn or_newer(mut self, found: Answer, account: Option<String>, now: Timestamp) -> Entry {
        if account.is_some() && self.account.is_some() && account != self.account {
            // The login changed while it was looked for.
            return self.checked(now);
        }
        self.account = account.or(self.account);
        if self.answer.as_ref().is_none_or(|kept| found.supersedes(kept, now)) {
            self.history = History::after(self.history.as_ref(), &found.usage, found.fetched_at);
            self.answer = Some(found);
        }
        self.checked(now)
    }

    /// The same, having been looked at `now`.
    pub fn checked(self, now: Timestamp) -> Entry {
        Entry { checked_at: Some(now), ..self }
    }

    /// When the numbers were last asked for or looked for, if there are any.
    pub(super) fn looked_at(&self) -> Option<Timestamp> {
        let answer = self.answer.as_ref()?;
        Some(self.checked_at.map_or(answer.fetched_at, |at| at.max(answer.fetched_at)))
    }

    /// Whether the last attempt failed and it is not time for the next.
    pub fn is_backing_off(&self, now: Timestamp) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.retry_at > now)
    }

    /// Whether both are surely of one account.
    pub fn is_of_same_account(&self, other: &Entry) -> bool {
        match (&other.account, &self.account) {
            (Some(before), Some(now)) => before == now,
            _ => other.login == self.login,
        }
    }

    /// The entry after a failure: numbers are kept if they are surely of the same account. `account` is
    /// the one that auth.json names now, as far as it could be read.
    pub fn failed(
        previous: Option<Entry>,
        home: &Home,
        login: String,
        account: Option<&str>,
        error: &Error,
        now: Timestamp,
    ) -> Entry {
        let mut entry = Entry::empty(home, login);
        entry.stays = Stays::after(previous.as_ref().map(|entry| &entry.stays), account, now);
        let mut count = 1;
        if let Some(previous) = previous {
            entry.today = previous.today;
            let same_login = previous.login == entry.login;
            if same_login || (account.is_some() && previous.account.as_deref() == account) {
                count += previous.failure.as_ref().map_or(0, |failure| failure.count);
                entry.account = previous.account;
                entry.answer = previous.answer;
                entry.history = previous.history;
                entry.checked_at = previous.checked_at;
            }
        }
        let retry_at = now.plus(backoff::seconds(error, count));
        entry.failure = Some(Failure { at: now, retry_at, count, problem: Problem::from(error) });
        entry
    }

    /// Whether both tell the same of the plan, whatever was done today.
    pub fn is_same_news(&self, other: &Entry) -> bool {
        let Entry { schema, home, login, account, answer, history, checked_at, stays, failure, today: _ } =
            self;
        (schema, home, login, account) == (&other.schema, &other.home, &other.login, &other.account)
            && (answer, history, failure) == (&other.answer, &other.history, &other.failure)
            && (checked_at, stays) == (&other.checked_at, &other.stays)
    }

    /// When the latest attempt ended, however it did.
    pub(super) fn attempted_at(&self) -> Option<Timestamp> {
        let answered = self.answer.as_ref().map(|answer| answer.fetched_at);
        answered.max(self.checked_at).max(self.failure.as_ref().map(|failure| failure.at))
    }

    /// Whether an attempt ended at or after `moment`.
    pub fn is_from(&self, moment: Timestamp) -> bool {
        self.attempted_at().is_some_and(|at| at >= moment)
    }
}
pub(super) fn name(home: &Home) -> String {
    let name = home.path().to_string_lossy();
    // A path may have 4 KiB, an entry not: its end tells homes apart as well.
    let surplus = name.len().saturating_sub(MAX_HOME);
    let start = (surplus..name.len()).find(|start| name.is_char_boundary(*start)).unwrap_or_default();
    name[start..].to_string()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, answered, home, outage};
    use super::*;

    #[test]
    fn a_failure_keeps_numbers_of_the_same_account_only() {
        let check = |login: &str, account: Option<&str>, kept: bool, count: u32| {
            let first = Entry::failed(Some(answered(0)), &home(), "login".into(), None, &outage(), NOW);
            let second = Entry::failed(Some(first), &home(), login.into(), account, &outage(), NOW);
            assert_eq!(second.answer.is_some(), kept, "{login} {account:?}");
            assert_eq!(second.failure.unwrap().count, count);
        };
        check("login", None, true, 2);
        check("renewed", Some("acc-1"), true, 2);
        check("other", Some("acc-2"), false, 1);
        check("unreadable", None, false, 1);
    }

    #[test]
    fn samples_follow_the_account() {
        let count = |login: &str, account: Option<&str>| {
            let previous = Entry { account: Some("acc-1".into()), ..answered(3600).following(None, NOW) };
            let next = Entry { account: account.map(String::from), login: login.into(), ..answered(0) };
            let history = next.following(Some(&previous), NOW).history.unwrap();
            history.of("5h").len()
        };
        assert_eq!(count("login", Some("acc-1")), 2);
        assert_eq!(count("renewed", Some("acc-1")), 2);
        assert_eq!(count("login", Some("acc-2")), 1);
        assert_eq!(count("other", None), 1);
        assert_eq!(count("login", None), 2);
    }

    #[test]
    fn what_is_found_beside_a_failure_is_taken_if_it_is_newer_and_of_the_same_account() {
        let check = |age: i64, account: Option<&str>, taken: bool| {
            let entry = Entry::failed(Some(answered(600)), &home(), "login".into(), None, &outage(), NOW);
            let mut found = answered(age).answer.unwrap();
            found.source = Source::Sessions;
            let entry = entry.or_newer(found, account.map(String::from), NOW);
            let source = entry.answer.as_ref().unwrap().source;
            assert_eq!(source == Source::Sessions, taken, "{age} {account:?}");
            assert_eq!((entry.checked_at, entry.failure.unwrap().count), (Some(NOW), 1));
        };
        check(300, Some("acc-1"), true);
        check(300, None, true);
        check(600, Some("acc-1"), false);
        check(900, Some("acc-1"), false);
        check(300, Some("acc-2"), false);
    }

    #[test]
    fn a_window_that_has_passed_is_empty_if_it_was_fetched_and_unknown_if_it_was_found() {
        let mut answer = answered(60).answer.unwrap();
        let passed = NOW.plus(61);
        assert_eq!(answer.usage_at(passed).unwrap().windows[0].used, 0.0);
        answer.source = Source::Sessions;
        assert_eq!(answer.usage_at(NOW).unwrap().windows[0].used, 42.0);
        assert_eq!(answer.usage_at(passed), None);
        let mut longer = answer.usage.windows[0].clone();
        longer.resets_at = Some(NOW.plus(3600));
        answer.usage.windows.push(longer);
        assert_eq!(answer.usage_at(passed).unwrap().windows.len(), 1);
    }
}
