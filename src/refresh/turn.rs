//! Whose turn it is to refresh a login whose access token is refused. Works on data only.
//!
//! Codex has the same refresh token. If both send it at the same moment, the service may revoke the
//! login. So where nobody waits for the numbers, Codex goes first: the first refusal only marks the
//! cache entry. If the same login is still refused when the mark has come of age, it is our turn.
//! A random share keeps several machines and bars apart.

use crate::model::entry::Entry;
use crate::model::error::Error;
use crate::model::time::{HOUR, Timestamp};

/// How long Codex goes first, in seconds.
const CODEX_FIRST: i64 = 30;
/// The most that the random share adds, in seconds.
const MOST_SHARE: u64 = 30;
/// A mark that is older than this was made before the laptop slept: Codex may wake up now. In
/// seconds.
const LONGEST_MARK: i64 = HOUR;

/// Who refreshes, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Ours(&'static str),
    /// We look again after `wait` seconds.
    Codex {
        wait: i64,
        reason: &'static str,
    },
}

/// `previous` is the cache entry, `stamp` the login that is refused now, as
/// [`crate::codex::stamp::stamp`] tells logins apart. `random` is any number.
pub fn decide(
    is_by_hand: bool,
    previous: Option<&Entry>,
    stamp: &str,
    now: Timestamp,
    random: u64,
) -> Turn {
    if is_by_hand {
        return Turn::Ours("it is asked for by hand");
    }
    let mark = previous.filter(|entry| entry.login_stamp == stamp).and_then(|entry| {
        let failure = entry.failure.as_ref()?;
        (failure.problem.code == Error::REFRESH_DUE).then_some((failure.at, failure.retry_at))
    });
    let wait = CODEX_FIRST + (random % (MOST_SHARE + 1)) as i64;
    match mark {
        None => Turn::Codex { wait, reason: "this is the first refusal" },
        Some((at, _)) if !(0..=LONGEST_MARK).contains(&now.seconds_since(at)) => {
            Turn::Codex { wait, reason: "the last refusal was long ago" }
        }
        Some((_, until)) if until > now => {
            let wait = until.seconds_since(now);
            Turn::Codex { wait, reason: "it was refused a moment ago" }
        }
        Some(_) => Turn::Ours("the same login is still refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::tests::NOW;
    use std::path::Path;

    fn marked(stamp: &str, wait: i64, seconds_ago: i64) -> Entry {
        let error = Error::RefreshDue { url: "https://example.invalid".into(), wait };
        Entry::failed(None, Path::new("/x"), stamp.into(), None, &error, NOW.plus(-seconds_ago))
    }

    #[test]
    fn codex_goes_first_where_nobody_waits() {
        let first = |random| decide(false, None, "a", NOW, random);
        assert!(matches!(first(0), Turn::Codex { wait: 30, .. }));
        assert!(matches!(first(30), Turn::Codex { wait: 60, .. }));
        assert!(matches!(first(31), Turn::Codex { wait: 30, .. }));
        assert!(matches!(decide(true, None, "a", NOW, 0), Turn::Ours(_)));
        let hand = decide(true, Some(&marked("a", 40, 1)), "a", NOW, 0);
        assert!(matches!(hand, Turn::Ours(_)));
    }

    #[test]
    fn it_is_our_turn_when_the_mark_has_come_of_age() {
        let decide = |entry: &Entry| decide(false, Some(entry), "a", NOW, 7);
        assert!(matches!(decide(&marked("a", 40, 39)), Turn::Codex { wait: 1, .. }));
        assert!(matches!(decide(&marked("a", 40, 40)), Turn::Ours(_)));
        assert!(matches!(decide(&marked("a", 40, HOUR)), Turn::Ours(_)));
        assert!(matches!(decide(&marked("a", 40, HOUR + 1)), Turn::Codex { wait: 37, .. }));
        // Another login, another failure.
        assert!(matches!(decide(&marked("b", 40, 50)), Turn::Codex { wait: 37, .. }));
        let error = Error::Unauthorized { url: "x".into(), is_json: true };
        let other = Entry::failed(None, Path::new("/x"), "a".into(), None, &error, NOW.plus(-99));
        assert!(matches!(decide(&other), Turn::Codex { wait: 37, .. }));
    }
}
