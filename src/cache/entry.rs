//! What is kept between runs: the last answer, the last failure, and whose they are. Pure.

use super::SCHEMA;
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
    /// What went wrong last; `None` once an answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The last good answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
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
}

impl Source {
    /// The name in `json`.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Api => "api",
            Source::Codex => "codex",
        }
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
            failure: None,
        }
    }

    /// The entry after a good answer.
    pub fn answered(home: &Home, login: String, account: Option<String>, answer: Answer) -> Entry {
        Entry { account, answer: Some(answer), ..Entry::empty(home, login) }
    }

    /// The same with the samples of the one before it, if that is surely of the same account, and one more.
    pub fn following(mut self, previous: Option<&Entry>) -> Entry {
        let previous = previous.filter(|previous| self.is_of_same_account(previous));
        let history = previous.and_then(|previous| previous.history.as_ref());
        let answer = self.answer.as_ref();
        self.history = answer.and_then(|answer| History::after(history, &answer.usage, answer.fetched_at));
        self
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
        let mut count = 1;
        if let Some(previous) = previous {
            let same_login = previous.login == entry.login;
            if same_login || (account.is_some() && previous.account.as_deref() == account) {
                count += previous.failure.as_ref().map_or(0, |failure| failure.count);
                entry.account = previous.account;
                entry.answer = previous.answer;
                entry.history = previous.history;
            }
        }
        let retry_at = now.plus(backoff::seconds(error, count));
        entry.failure = Some(Failure { at: now, retry_at, count, problem: Problem::from(error) });
        entry
    }

    /// When the latest attempt ended, however it did.
    pub(super) fn attempted_at(&self) -> Option<Timestamp> {
        let answered = self.answer.as_ref().map(|answer| answer.fetched_at);
        answered.max(self.failure.as_ref().map(|failure| failure.at))
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
            let previous = Entry { account: Some("acc-1".into()), ..answered(3600).following(None) };
            let next = Entry { account: account.map(String::from), login: login.into(), ..answered(0) };
            let history = next.following(Some(&previous)).history.unwrap();
            history.of("5h").len()
        };
        assert_eq!(count("login", Some("acc-1")), 2);
        assert_eq!(count("renewed", Some("acc-1")), 2);
        assert_eq!(count("login", Some("acc-2")), 1);
        assert_eq!(count("other", None), 1);
        assert_eq!(count("login", None), 2);
    }
}
