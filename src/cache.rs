//! The cache: one small file per `CODEX_HOME` with the last answer and the last failure, and the rule
//! that tells fresh from stale.
//!
//! An entry that cannot be used, for whatever reason, is a miss and never an error: the next fetch
//! writes it anew. Entries are replaced in one step, so a reader needs no lock.

use crate::activity::today::Today;
use crate::backoff;
use crate::codex::home::Home;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::files::{self, Replacement};
use crate::pace::History;
use crate::time::Timestamp;
use crate::usage::Usage;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Raised when a field changes its meaning; unknown fields are ignored.
const SCHEMA: u32 = 1;
/// An entry is smaller than this by construction (`codex::answer` bounds every part).
const MAX_BYTES: usize = 8 * 1024;
/// Bytes of the home's path that are kept in an entry, from its end.
const MAX_HOME: usize = 500;
/// Clocks of one machine may step back a little; beyond that an entry from the future is not believed.
const TOLERATED_FUTURE: i64 = 60;

/// What is kept between runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    schema: u32,
    /// The `CODEX_HOME` it belongs to: file names are hashes, and hashes collide.
    home: String,
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
            today: None,
            failure: None,
        }
    }

    /// The entry after a good answer.
    pub fn answered(home: &Home, login: String, account: Option<String>, answer: Answer) -> Entry {
        Entry { account, answer: Some(answer), ..Entry::empty(home, login) }
    }

    /// The same with the samples of the one before it, if that is surely of the same account, and one more; and with its
    /// counts, which are no account's.
    pub fn following(mut self, previous: Option<&Entry>) -> Entry {
        self.today = previous.and_then(|previous| previous.today);
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
            entry.today = previous.today;
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

    /// Whether both tell the same of the plan, whatever was done.
    pub fn is_same_news(&self, other: &Entry) -> bool {
        let Entry { schema, home, login, account, answer, history, failure, today: _ } = self;
        (schema, home, login, account) == (&other.schema, &other.home, &other.login, &other.account)
            && (answer, history, failure) == (&other.answer, &other.history, &other.failure)
    }

    /// When the latest attempt ended, however it did.
    fn attempted_at(&self) -> Option<Timestamp> {
        let answered = self.answer.as_ref().map(|answer| answer.fetched_at);
        answered.max(self.failure.as_ref().map(|failure| failure.at))
    }

    /// Whether an attempt ended at or after `moment`.
    pub fn is_from(&self, moment: Timestamp) -> bool {
        self.attempted_at().is_some_and(|at| at >= moment)
    }
}

/// Why there is no entry to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// There is none: the usual first start.
    Absent,
    Unreadable(String),
    /// Not JSON, half of it, or of another shape.
    Corrupt,
    /// Of another `CODEX_HOME`.
    Foreign,
    /// Written by a later codexline.
    NewerSchema,
    /// Written by a clock that was ahead.
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

/// What to do about an entry, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing to do.
    Fresh { age: i64 },
    /// Old, but the last attempt failed and it is not time yet. Seconds left.
    BackingOff { left: i64, code: String },
    /// To be fetched.
    Stale(Reason),
}

/// Why an entry is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    Missing(Miss),
    LoginChanged,
    TooOld { age: i64 },
    WindowReset,
    RetryDue { code: String },
}

impl fmt::Display for Decision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::time::age as short;
        match self {
            Decision::Fresh { age } => write!(out, "fresh: {} old", short(*age)),
            Decision::BackingOff { left, code } => {
                write!(out, "the last fetch failed ({code}); next try in {}", short(*left))
            }
            Decision::Stale(Reason::Missing(miss)) => write!(out, "stale: {miss}"),
            Decision::Stale(Reason::LoginChanged) => write!(out, "stale: the login has changed since"),
            Decision::Stale(Reason::TooOld { age }) => write!(out, "stale: {} old", short(*age)),
            Decision::Stale(Reason::WindowReset) => write!(out, "stale: a window has been reset since"),
            Decision::Stale(Reason::RetryDue { code }) => {
                write!(out, "stale: the last fetch failed ({code}) and it is time to try again")
            }
        }
    }
}

/// Fresh or stale, and why. Pure.
///
/// A changed login comes first: it ends a back-off, and numbers of another account are not "fresh".
pub fn decide(entry: Result<&Entry, &Miss>, login: &str, max_age: i64, now: Timestamp) -> Decision {
    let entry = match entry {
        Ok(entry) => entry,
        Err(miss) => return Decision::Stale(Reason::Missing(miss.clone())),
    };
    if entry.login != login {
        return Decision::Stale(Reason::LoginChanged);
    }
    if let Some(failure) = &entry.failure {
        let (left, code) = (failure.retry_at.seconds_since(now), failure.problem.code.clone());
        return if left > 0 {
            Decision::BackingOff { left, code }
        } else {
            Decision::Stale(Reason::RetryDue { code })
        };
    }
    let Some(answer) = &entry.answer else {
        return Decision::Stale(Reason::Missing(Miss::Corrupt));
    };
    let age = now.seconds_since(answer.fetched_at).max(0);
    if answer.usage.has_reset(answer.fetched_at, now) {
        Decision::Stale(Reason::WindowReset)
    } else if age >= max_age {
        Decision::Stale(Reason::TooOld { age })
    } else {
        Decision::Fresh { age }
    }
}

/// The files of one `CODEX_HOME`.
#[derive(Clone, Debug)]
pub struct Cache {
    home: Home,
    entry: PathBuf,
}

impl Cache {
    /// # Errors
    /// [`Error::NoHome`] if there is neither `XDG_CACHE_HOME` nor a home directory.
    pub fn locate(home: &Home, surroundings: &Surroundings) -> Result<Cache, Error> {
        // The XDG specification: a relative path is to be ignored.
        let named =
            surroundings.variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = match named {
            Some(directory) => directory,
            None => surroundings.home_directory().ok_or(Error::NoHome)?.join(".cache"),
        };
        let key = hash(home.path().as_os_str().as_encoded_bytes());
        Ok(Cache { home: home.clone(), entry: directory.join("codexline").join(format!("{key:016x}.json")) })
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    pub fn entry_path(&self) -> &Path {
        &self.entry
    }

    pub fn lock_path(&self) -> PathBuf {
        self.entry.with_extension("lock")
    }

    /// Where the counts of session files are kept, with a lock of their own.
    pub fn activity_path(&self) -> PathBuf {
        let mut name = self.entry.file_stem().unwrap_or_default().to_os_string();
        name.push("-activity.bin");
        self.entry.with_file_name(name)
    }

    /// # Errors
    /// Why there is nothing to use: a [`Miss`].
    pub fn read(&self, now: Timestamp) -> Result<Entry, Miss> {
        let mut buffer = [0; MAX_BYTES];
        let bytes = match files::read_once(&self.entry, &mut buffer) {
            Ok(bytes) => bytes,
            Err(error) => {
                return Err(match error.kind() {
                    io::ErrorKind::NotFound => Miss::Absent,
                    io::ErrorKind::FileTooLarge => Miss::Corrupt,
                    _ => Miss::Unreadable(Error::io_reason(&error)),
                });
            }
        };
        parse(bytes, &name(&self.home), now)
    }

    /// Makes the directory if need be, and makes sure that files can be made in it.
    ///
    /// # Errors
    /// [`Error::CacheUnwritable`].
    pub fn ensure_writable(&self) -> Result<(), Error> {
        let directory = self.entry.parent().unwrap_or(Path::new("/"));
        if crate::platform::is_foreign_to_root(directory) {
            let reason = "it belongs to another user, who could not replace what root makes there";
            return Err(Error::CacheUnwritable { path: directory.to_path_buf(), reason: reason.into() });
        }
        files::create_private_directory(directory).map_err(|error| unwritable(directory, &error))?;
        if !crate::platform::is_writable_directory(directory) {
            return Err(unwritable(directory, &io::Error::from(io::ErrorKind::PermissionDenied)));
        }
        Ok(())
    }

    /// Takes the room for the next entry. For the holder of the lock.
    ///
    /// # Errors
    /// [`Error::CacheUnwritable`].
    pub fn prepare(&self) -> Result<Slot, Error> {
        let replacement =
            Replacement::prepare(&self.entry, MAX_BYTES).map_err(|error| unwritable(&self.entry, &error))?;
        Ok(Slot { replacement, path: self.entry.clone() })
    }
}

/// Room for an entry.
pub struct Slot {
    replacement: Replacement,
    path: PathBuf,
}

impl Slot {
    /// # Errors
    /// [`Error::CacheUnwritable`]; the old entry is still there.
    pub fn store(self, entry: &Entry) -> Result<(), Error> {
        let failed = |error: serde_json::Error| unwritable(&self.path, &error.into());
        let mut bytes = serde_json::to_vec(entry).map_err(failed)?;
        if bytes.len() >= MAX_BYTES {
            // Names at their longest, in the widest letters. A reader would take it for damaged and ask again, at every
            // prompt: the numbers of the plan matter more than the rest.
            let mut smaller = Entry { history: None, ..entry.clone() };
            bytes = serde_json::to_vec(&smaller).map_err(failed)?;
            if let Some(answer) = smaller.answer.as_mut().filter(|_| bytes.len() >= MAX_BYTES) {
                answer.usage.pools.clear();
                bytes = serde_json::to_vec(&smaller).map_err(failed)?;
            }
        }
        self.replacement.commit(&bytes).map_err(|error| unwritable(&self.path, &error))
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::CacheUnwritable { path: path.to_path_buf(), reason: Error::io_reason(error) }
}

fn parse(bytes: &[u8], home: &str, now: Timestamp) -> Result<Entry, Miss> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let entry: Entry = match serde_json::from_slice(bytes) {
        Ok(entry) => entry,
        Err(_) => {
            // A later schema may have another shape altogether.
            let version = serde_json::from_slice::<Version>(bytes).map_or(0, |version| version.schema);
            return Err(if version > SCHEMA { Miss::NewerSchema } else { Miss::Corrupt });
        }
    };
    if entry.schema > SCHEMA {
        return Err(Miss::NewerSchema);
    }
    if entry.schema < SCHEMA {
        return Err(Miss::Corrupt);
    }
    if entry.home != home {
        return Err(Miss::Foreign);
    }
    if entry.attempted_at().is_some_and(|at| at.seconds_since(now) > TOLERATED_FUTURE) {
        return Err(Miss::FutureDated);
    }
    Ok(entry)
}

fn name(home: &Home) -> String {
    let name = home.path().to_string_lossy();
    // A path may have 4 KiB, an entry not: its end tells homes apart as well.
    let surplus = name.len().saturating_sub(MAX_HOME);
    let start = (surplus..name.len()).find(|start| name.is_char_boundary(*start)).unwrap_or_default();
    name[start..].to_string()
}

/// FNV-1a, 64 bits: the same in every version of every compiler, which the standard hasher is not.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Window;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    const MAX_AGE: i64 = 120;

    fn home() -> Home {
        Home::at("/home/someone/.codex".into())
    }

    fn answered(age: i64) -> Entry {
        let window =
            Window { seconds: Some(18_000), used: 42.0, resets_at: Some(NOW.plus(60)), started: true };
        let usage = Usage { windows: vec![window], ..Usage::default() };
        let answer = Answer { fetched_at: NOW.plus(-age), source: Source::Api, usage };
        Entry::answered(&home(), "login".into(), Some("acc-1".into()), answer)
    }

    fn outage() -> Error {
        Error::Server { url: "https://example.invalid".into(), status: 500, retry_after: None }
    }

    #[test]
    fn every_decision_has_its_reason() {
        let failed = |age: i64| {
            Entry::failed(Some(answered(600)), &home(), "login".into(), None, &outage(), NOW.plus(-age))
        };
        let code = || "server_error".to_string();
        let check = |entry: Result<Entry, Miss>, login: &str, expected: Decision| {
            assert_eq!(decide(entry.as_ref(), login, MAX_AGE, NOW), expected);
        };
        check(Ok(answered(119)), "login", Decision::Fresh { age: 119 });
        check(Ok(answered(-30)), "login", Decision::Fresh { age: 0 });
        check(Ok(answered(120)), "login", Decision::Stale(Reason::TooOld { age: 120 }));
        check(Ok(answered(1)), "other", Decision::Stale(Reason::LoginChanged));
        check(Ok(failed(20)), "login", Decision::BackingOff { left: 40, code: code() });
        check(Ok(failed(20)), "other", Decision::Stale(Reason::LoginChanged));
        check(Ok(failed(60)), "login", Decision::Stale(Reason::RetryDue { code: code() }));
        check(Err(Miss::Absent), "login", Decision::Stale(Reason::Missing(Miss::Absent)));
        let later = NOW.plus(60);
        assert_eq!(decide(Ok(&answered(0)), "login", MAX_AGE, later), Decision::Stale(Reason::WindowReset));
    }

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

    #[test]
    fn the_largest_entry_is_one_that_can_be_read() {
        let wide = |count: usize| "\u{1f600}".repeat(count);
        let window =
            Window { seconds: Some(u32::MAX), used: 100.0 / 3.0, resets_at: Some(NOW), started: true };
        let pool = crate::usage::Pool { name: wide(48), windows: vec![window.clone(), window] };
        let mut entry = answered(0).following(None);
        entry.home = wide(MAX_HOME);
        entry.answer.as_mut().unwrap().usage.pools = vec![pool; 12];
        let directory = std::env::temp_dir().join(format!("codexline-entry-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("entry.json");
        let replacement = Replacement::prepare(&path, MAX_BYTES).unwrap();
        Slot { replacement, path: path.clone() }.store(&entry).unwrap();
        let bytes = files::read_bounded(&path, MAX_BYTES as u64 - 1).unwrap();
        let _ = std::fs::remove_dir_all(&directory);
        let stored = parse(&bytes, &entry.home, NOW).unwrap();
        assert_eq!(stored.answer.unwrap().usage.windows, answered(0).answer.unwrap().usage.windows);
    }

    #[test]
    fn what_cannot_be_used_is_a_miss() {
        let good = serde_json::to_string(&answered(0)).unwrap();
        let home = name(&home());
        let check = |text: &str, expected: Miss| {
            assert_eq!(parse(text.as_bytes(), &home, NOW), Err(expected), "{text}");
        };
        assert_eq!(parse(good.as_bytes(), &home, NOW), Ok(answered(0)));
        check("", Miss::Corrupt);
        check(&good[..good.len() / 2], Miss::Corrupt);
        check("[]", Miss::Corrupt);
        check(&good.replace("\"schema\":1", "\"schema\":0"), Miss::Corrupt);
        check(&good.replace("\"schema\":1", "\"schema\":2"), Miss::NewerSchema);
        check("{\"schema\":9,\"entries\":[]}", Miss::NewerSchema);
        check(&good.replace("/home/someone", "/home/other"), Miss::Foreign);
        assert_eq!(parse(good.as_bytes(), &home, NOW.plus(-61)), Err(Miss::FutureDated));
        assert!(parse(good.as_bytes(), &home, NOW.plus(-60)).is_ok());
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
