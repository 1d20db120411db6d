//! The rule that tells fresh from stale.

use crate::model::entry::{Entry, Miss, Source};
use crate::model::time::Timestamp;
use std::fmt;

/// Why a fetch runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Somebody typed `codexline fetch`.
    Manual,
    /// Behind a prompt, and only if the entry is still stale.
    Stale,
    /// Behind a bar, by a click, whatever the entry's age.
    Click,
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
    TooOld {
        age: i64,
    },
    WindowReset,
    /// Codex has written to a session file since the last look.
    SessionsWritten,
    RetryDue {
        code: String,
    },
    /// It is not time to ask again, but to look again for what can be found without asking.
    LookDue {
        age: i64,
    },
}

impl fmt::Display for Decision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::model::time::{age as ago, countdown as short};
        match self {
            Decision::Fresh { age } => write!(out, "fresh: {} old", short(*age)),
            Decision::BackingOff { left, code } => {
                write!(out, "the last fetch failed ({code}); next try in {}", short(*left))
            }
            Decision::Stale(Reason::Missing(miss)) => write!(out, "stale: {miss}"),
            Decision::Stale(Reason::LoginChanged) => {
                write!(out, "stale: the login has changed since")
            }
            Decision::Stale(Reason::TooOld { age }) => write!(out, "stale: {} old", short(*age)),
            Decision::Stale(Reason::WindowReset) => {
                write!(out, "stale: a window has been reset since")
            }
            Decision::Stale(Reason::SessionsWritten) => {
                write!(out, "stale: Codex has been at work since")
            }
            Decision::Stale(Reason::RetryDue { code }) => {
                write!(out, "stale: the last fetch failed ({code}) and it is time to try again")
            }
            Decision::Stale(Reason::LookDue { age }) => {
                write!(out, "stale: the session files were read {}", ago(*age))
            }
        }
    }
}

/// Fresh or stale, and why.
///
/// A changed login comes first: it ends a back-off, and numbers of another account are not "fresh".
pub fn decide(entry: Result<&Entry, &Miss>, login: &str, max_age: i64, now: Timestamp) -> Decision {
    let entry = match entry {
        Ok(entry) => entry,
        Err(miss) => return Decision::Stale(Reason::Missing(miss.clone())),
    };
    if entry.login_stamp != login {
        return Decision::Stale(Reason::LoginChanged);
    }
    if let Some(failure) = &entry.failure {
        let (left, code) = (failure.retry_at.seconds_since(now), failure.problem.code.clone());
        let found = entry.answer.as_ref().filter(|answer| answer.source == Source::Sessions);
        let age = found.and(entry.looked_at()).map(|at| now.seconds_since(at));
        return if let Some(age) = age.filter(|age| left > 0 && *age >= max_age) {
            Decision::Stale(Reason::LookDue { age })
        } else if left > 0 {
            Decision::BackingOff { left, code }
        } else {
            Decision::Stale(Reason::RetryDue { code })
        };
    }
    let Some((answer, looked_at)) = entry.answer.as_ref().zip(entry.looked_at()) else {
        return Decision::Stale(Reason::Missing(Miss::Corrupt));
    };
    let age = now.seconds_since(looked_at).max(0);
    if answer.usage.has_reset(looked_at, now) {
        Decision::Stale(Reason::WindowReset)
    } else if age >= max_age {
        Decision::Stale(Reason::TooOld { age })
    } else {
        Decision::Fresh { age }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::tests::{MAX_AGE, NOW, answered, home, outage};

    #[test]
    fn every_decision_has_its_reason() {
        let failed = |age: i64| {
            Entry::failed(
                Some(answered(600)),
                home(),
                "login".into(),
                None,
                &outage(),
                NOW.plus(-age),
            )
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
        let look = |age: i64, source: Source| {
            let mut entry = failed(20).checked(NOW.plus(-age));
            entry.answer.as_mut().unwrap().source = source;
            entry
        };
        check(
            Ok(look(120, Source::Sessions)),
            "login",
            Decision::Stale(Reason::LookDue { age: 120 }),
        );
        check(
            Ok(look(119, Source::Sessions)),
            "login",
            Decision::BackingOff { left: 40, code: code() },
        );
        check(Ok(look(120, Source::Api)), "login", Decision::BackingOff { left: 40, code: code() });
        // What was looked for is as fresh as the look, however old the numbers are.
        check(Ok(answered(600).checked(NOW.plus(-119))), "login", Decision::Fresh { age: 119 });
        let later = NOW.plus(60);
        let checked = answered(0).checked(later);
        assert_eq!(decide(Ok(&checked), "login", MAX_AGE, later), Decision::Fresh { age: 0 });
        assert_eq!(
            decide(Ok(&answered(0)), "login", MAX_AGE, later),
            Decision::Stale(Reason::WindowReset)
        );
    }
}
