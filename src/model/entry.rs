//! The cache entry: the last answer, the last failure, and the login they belong to.

use crate::model::backoff;
use crate::model::error::Error;
use crate::model::pace::History;
use crate::model::sign_ins::SignIns;
use crate::model::time::Timestamp;
use crate::model::today::Today;
use crate::model::usage::Usage;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// Raised when the meaning of a field changes. Unknown fields are ignored.
const SCHEMA: u32 = 1;
/// In seconds. The clock of a machine may step back a little. An entry from further in the future
/// is not used.
const TOLERATED_FUTURE: i64 = 60;
/// How many bytes of the home's path an entry keeps, counted from the end of the path.
pub(crate) const MAX_HOME: usize = 500;

/// The cache entry of one `CODEX_HOME`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    schema: u32,
    /// The `CODEX_HOME` that it belongs to. The file's name holds only a hash of it, and hashes can
    /// collide.
    pub(crate) home: String,
    /// The login that it was written for, as given by [`crate::codex::stamp::stamp`].
    #[serde(rename = "login")]
    pub login_stamp: String,
    /// The account that the numbers belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// The samples that the pace is computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// Today's activity from the session files of this home, for all accounts together. It is
    /// counted only if it is shown somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub today: Option<Today>,
    /// When the session files were last searched for newer numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// When the limits, or a block, were last found to be others than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<Timestamp>,
    /// The session file that was written last, as it was found then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<WatchedFile>,
    /// Whether the last look at the session files led to a request, and why. `--verbose` and
    /// `doctor` show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asking: Option<String>,
    /// Which accounts were signed in, and when.
    #[serde(rename = "stays", default, skip_serializing_if = "SignIns::is_empty")]
    pub sign_ins: SignIns,
    /// The last failure; `None` after a successful answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// A session file as it was found. If it or its directory changes, Codex has been used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedFile {
    /// The path relative to `CODEX_HOME`.
    pub file: String,
    /// A hash that changes when the file or its directory changes.
    pub state: u64,
}

/// The last good answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// When the answer came. For session files, when the line was written.
    pub fetched_at: Timestamp,
    #[serde(default)]
    pub source: Source,
    /// When the service last answered. Set only if newer windows from a session file were merged
    /// into its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    pub usage: Usage,
}

/// Where numbers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The usage endpoint.
    #[default]
    Api,
    /// The answer of a `codex` process.
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
    /// The numbers as they read at `now`; `None` if none of them still holds.
    ///
    /// An answer of the service is about the whole account, so a window whose reset has passed is
    /// empty. A session file knows only this machine at its last turn. Another machine may have
    /// started the next window, so a window whose reset has passed is dropped.
    pub fn usage_at(&self, now: Timestamp) -> Option<Usage> {
        self.holds(now).then(|| match self.answered_at() {
            Some(_) => self.usage.clone().as_of(self.fetched_at, now),
            None => self.usage.clone().without_passed(self.fetched_at, now),
        })
    }

    /// Whether any of the numbers still holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.answered_at().is_some() || self.usage.goes_on(self.fetched_at, now)
    }

    /// When the service gave the answer; `None` if all numbers are from session files.
    pub fn answered_at(&self) -> Option<Timestamp> {
        self.asked_at.or((self.source != Source::Sessions).then_some(self.fetched_at))
    }

    /// Merges the newer limits of a session file into this answer: see [`Usage::take`]. Numbers
    /// that are from session files alone are replaced.
    fn merged(self, found: Answer) -> Answer {
        let Some(answered_at) = self.answered_at() else { return found };
        let usage = self.usage.take(found.usage);
        Answer { usage, asked_at: Some(answered_at), ..found }
    }

    /// Whether these numbers replace the others: they are newer, or the others no longer hold.
    fn supersedes(&self, other: &Answer, now: Timestamp) -> bool {
        self.fetched_at > other.fetched_at || !other.holds(now)
    }
}

/// The last failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub at: Timestamp,
    /// The earliest time of the next attempt; see [`backoff`].
    pub retry_at: Timestamp,
    /// The number of failures in a row, with this one.
    pub count: u32,
    #[serde(flatten)]
    pub problem: Problem,
}

/// Why no cache entry can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// There is no file, as at the first start.
    Absent,
    Unreadable(String),
    /// Not JSON, incomplete, or of an unknown shape.
    Corrupt,
    /// It belongs to another `CODEX_HOME`.
    Foreign,
    /// Written by a newer codexline.
    NewerSchema,
    /// Written while the clock was ahead.
    FutureDated,
}

impl fmt::Display for Miss {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Miss::Absent => write!(out, "there is no cache entry yet"),
            Miss::Unreadable(reason) => write!(out, "the cache entry cannot be read: {reason}"),
            Miss::Corrupt => write!(out, "the cache entry is damaged"),
            Miss::Foreign => write!(out, "the cache entry is of another CODEX_HOME"),
            Miss::NewerSchema => write!(out, "the cache entry is from a newer codexline"),
            Miss::FutureDated => write!(out, "the cache entry is from the future"),
        }
    }
}

/// An error as it is shown and stored: only its texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
    pub word: String,
    pub message: String,
    pub hint: String,
}

impl Problem {
    /// The problem to report if `count` limits could not be read. `None` for 0.
    pub(crate) fn of_loss(count: u32) -> Option<Problem> {
        (count > 0).then(|| Problem {
            code: "partial_answer".into(),
            word: "partial".into(),
            message: match count {
                1 => "one limit in the answer cannot be read".into(),
                _ => format!("{count} limits in the answer cannot be read"),
            },
            hint: "look for a newer codexline".into(),
        })
    }

    /// Whether the service answered with something that could not be read.
    pub(crate) fn is_bad_answer(&self) -> bool {
        self.code == "bad_answer"
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Problem {
        Problem {
            code: error.code().into(),
            word: error.word().into(),
            // Paths and URLs can be long, but the entry must stay small.
            message: crate::model::text::plain(&error.to_string(), 300),
            hint: error.hint().into(),
        }
    }
}

impl Entry {
    /// Parses an entry and checks that it belongs to `home`.
    ///
    /// # Errors
    /// The reason why the entry cannot be used.
    pub fn parse(bytes: &[u8], home: &Path, now: Timestamp) -> Result<Entry, Miss> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let entry: Entry = match serde_json::from_slice(bytes) {
            Ok(entry) => entry,
            Err(_) => {
                // A newer schema may have a different shape.
                let version =
                    serde_json::from_slice::<Version>(bytes).map_or(0, |version| version.schema);
                return Err(if version > SCHEMA { Miss::NewerSchema } else { Miss::Corrupt });
            }
        };
        if entry.schema > SCHEMA {
            return Err(Miss::NewerSchema);
        }
        if entry.schema < SCHEMA {
            return Err(Miss::Corrupt);
        }
        if entry.home != name(home) {
            return Err(Miss::Foreign);
        }
        if entry.attempted_at().is_some_and(|at| at.seconds_since(now) > TOLERATED_FUTURE) {
            return Err(Miss::FutureDated);
        }
        Ok(entry)
    }

    fn empty(home: &Path, login_stamp: String) -> Entry {
        Entry {
            schema: SCHEMA,
            home: name(home),
            login_stamp,
            account: None,
            answer: None,
            history: None,
            today: None,
            checked_at: None,
            moved_at: None,
            watched: None,
            asking: None,
            sign_ins: SignIns::default(),
            failure: None,
        }
    }

    /// The entry after a successful answer.
    pub fn answered(home: &Path, login: String, account: Option<String>, answer: Answer) -> Entry {
        Entry { account, answer: Some(answer), ..Entry::empty(home, login) }
    }

    /// Takes over what stays from the entry before. The samples stay if both entries certainly
    /// belong to the same account. The old numbers stay if the new ones are from session files and
    /// are not newer. Today's activity always stays, because it belongs to no account.
    pub fn following(mut self, previous: Option<&Entry>, now: Timestamp) -> Entry {
        self.today = previous.and_then(|previous| previous.today);
        self.watched = previous.and_then(|previous| previous.watched.clone());
        self.sign_ins =
            SignIns::after(previous.map(|entry| &entry.sign_ins), self.account.as_deref(), now);
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
        self.history =
            answer.and_then(|answer| History::after(history, &answer.usage, answer.fetched_at));
        self.moved_at = moved_at(previous, answer);
        self
    }

    /// Takes numbers that were found after a failed fetch, unless the entry has newer ones.
    pub fn or_newer(mut self, found: Answer, account: Option<String>, now: Timestamp) -> Entry {
        if account.is_some() && self.account.is_some() && account != self.account {
            // The login changed during the search.
            return self.checked(now);
        }
        self.account = account.or(self.account);
        if self.answer.as_ref().is_none_or(|kept| found.supersedes(kept, now)) {
            let answer = match self.answer.clone() {
                Some(kept) => kept.merged(found),
                None => found,
            };
            self.moved_at = moved_at(Some(&self), Some(&answer));
            self.history = History::after(self.history.as_ref(), &answer.usage, answer.fetched_at);
            self.answer = Some(answer);
        }
        self.checked(now)
    }

    /// Sets the time of the last look to `now`.
    pub fn checked(self, now: Timestamp) -> Entry {
        Entry { checked_at: Some(now), ..self }
    }

    /// When numbers were last fetched or searched for; `None` if there are none.
    pub fn looked_at(&self) -> Option<Timestamp> {
        let answer = self.answer.as_ref()?;
        Some(self.checked_at.map_or(answer.fetched_at, |at| at.max(answer.fetched_at)))
    }

    /// Whether the last attempt failed and the next one is not due yet.
    pub fn is_backing_off(&self, now: Timestamp) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.retry_at > now)
    }

    /// Whether both entries certainly belong to the same account.
    pub fn is_of_same_account(&self, other: &Entry) -> bool {
        match (&other.account, &self.account) {
            (Some(before), Some(now)) => before == now,
            _ => other.login_stamp == self.login_stamp,
        }
    }

    /// The entry after a failure. Numbers stay if they certainly belong to the same account.
    /// `account` is the one that auth.json names now, if it could be read.
    pub fn failed(
        previous: Option<Entry>,
        home: &Path,
        login: String,
        account: Option<&str>,
        error: &Error,
        now: Timestamp,
    ) -> Entry {
        let mut entry = Entry::empty(home, login);
        entry.sign_ins =
            SignIns::after(previous.as_ref().map(|entry| &entry.sign_ins), account, now);
        let mut count = 1;
        if let Some(previous) = previous {
            entry.today = previous.today;
            entry.watched = previous.watched;
            let same_login = previous.login_stamp == entry.login_stamp;
            if same_login || (account.is_some() && previous.account.as_deref() == account) {
                count += previous.failure.as_ref().map_or(0, |failure| failure.count);
                entry.account = previous.account;
                entry.answer = previous.answer;
                entry.history = previous.history;
                entry.checked_at = previous.checked_at;
                entry.moved_at = previous.moved_at;
            }
        }
        let retry_at = now.plus(backoff::seconds(error, count));
        entry.failure = Some(Failure { at: now, retry_at, count, problem: Problem::from(error) });
        entry
    }

    /// Whether both entries say the same about the plan. Today's activity is not compared.
    pub fn is_same_news(&self, other: &Entry) -> bool {
        let Entry {
            schema,
            home,
            login_stamp,
            account,
            answer,
            history,
            checked_at,
            sign_ins,
            failure,
            moved_at: _,
            watched: _,
            asking: _,
            today: _,
        } = self;
        (schema, home, login_stamp, account)
            == (&other.schema, &other.home, &other.login_stamp, &other.account)
            && (answer, history, failure) == (&other.answer, &other.history, &other.failure)
            && (checked_at, sign_ins) == (&other.checked_at, &other.sign_ins)
    }

    /// When the last attempt ended, successful or not.
    pub(crate) fn attempted_at(&self) -> Option<Timestamp> {
        let answered = self.answer.as_ref().map(|answer| answer.fetched_at);
        answered.max(self.checked_at).max(self.failure.as_ref().map(|failure| failure.at))
    }

    /// Whether an attempt ended at or after `moment`.
    pub fn is_from(&self, moment: Timestamp) -> bool {
        self.attempted_at().is_some_and(|at| at >= moment)
    }
}

/// [`Entry::moved_at`] of an entry with this answer. `previous`: the entry before it, of the same
/// account.
fn moved_at(previous: Option<&Entry>, answer: Option<&Answer>) -> Option<Timestamp> {
    let told = |answer: &Answer| {
        let used: Vec<f64> = answer.usage.limits().map(|limit| limit.used).collect();
        (used, answer.usage.blocked.is_some())
    };
    let before =
        previous.and_then(|previous| Some((previous.answer.as_ref()?, previous.moved_at?)));
    match before {
        Some((before, moved_at)) if told(before) == told(answer?) => Some(moved_at),
        _ => answer.map(|answer| answer.fetched_at),
    }
}

fn name(home: &Path) -> String {
    let name = home.to_string_lossy();
    // A path can have 4 KiB, which is too long for an entry. The end of the path also distinguishes
    // homes.
    let surplus = name.len().saturating_sub(MAX_HOME);
    let start =
        (surplus..name.len()).find(|start| name.is_char_boundary(*start)).unwrap_or_default();
    name[start..].to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::usage::Window;

    pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    pub(crate) const MAX_AGE: i64 = 120;

    pub(crate) fn home() -> &'static Path {
        Path::new("/home/someone/.codex")
    }

    pub(crate) fn answered(age: i64) -> Entry {
        let window = Window {
            slot: None,
            seconds: Some(18_000),
            used: 42.0,
            resets_at: Some(NOW.plus(60)),
            started: true,
        };
        let usage = Usage { windows: vec![window], ..Usage::default() };
        let answer =
            Answer { fetched_at: NOW.plus(-age), source: Source::Api, asked_at: None, usage };
        Entry::answered(home(), "login".into(), Some("acc-1".into()), answer)
    }

    pub(crate) fn outage() -> Error {
        Error::Server { url: "https://example.invalid".into(), status: 500, retry_after: None }
    }

    #[test]
    fn what_cannot_be_used_is_a_miss() {
        let good = serde_json::to_string(&answered(0)).unwrap();
        let check = |text: &str, expected: Miss| {
            assert_eq!(Entry::parse(text.as_bytes(), home(), NOW), Err(expected), "{text}");
        };
        assert_eq!(Entry::parse(good.as_bytes(), home(), NOW), Ok(answered(0)));
        check("", Miss::Corrupt);
        check(&good[..good.len() / 2], Miss::Corrupt);
        check("[]", Miss::Corrupt);
        check(&good.replace("\"schema\":1", "\"schema\":0"), Miss::Corrupt);
        check(&good.replace("\"schema\":1", "\"schema\":2"), Miss::NewerSchema);
        check("{\"schema\":9,\"entries\":[]}", Miss::NewerSchema);
        check(&good.replace("/home/someone", "/home/other"), Miss::Foreign);
        let at = |now: Timestamp| Entry::parse(good.as_bytes(), home(), now);
        assert_eq!(at(NOW.plus(-61)), Err(Miss::FutureDated));
        assert!(at(NOW.plus(-60)).is_ok());
    }

    #[test]
    fn a_failure_keeps_numbers_of_the_same_account_only() {
        let check = |login: &str, account: Option<&str>, kept: bool, count: u32| {
            let first =
                Entry::failed(Some(answered(0)), home(), "login".into(), None, &outage(), NOW);
            let second = Entry::failed(Some(first), home(), login.into(), account, &outage(), NOW);
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
            let previous =
                Entry { account: Some("acc-1".into()), ..answered(3600).following(None, NOW) };
            let next = Entry {
                account: account.map(String::from),
                login_stamp: login.into(),
                ..answered(0)
            };
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
            let entry =
                Entry::failed(Some(answered(600)), home(), "login".into(), None, &outage(), NOW);
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
