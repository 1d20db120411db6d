//! Remembers which accounts were signed in, and when.

use crate::model::hash::hash;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// At most this many periods are remembered. The oldest are dropped first.
const MOST: usize = 6;

/// The periods in which each account was signed in, oldest first. The last one is that of the
/// current account.
///
/// Kept as JSON text, and parsed only when it is needed. Most prompts only copy it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignIns(Option<Box<RawValue>>);

/// One period: the hash of the account (a name can be of any length), and when it was first and
/// last seen in that period.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct SignIn(u64, Timestamp, Timestamp);

impl PartialEq for SignIns {
    fn eq(&self, other: &SignIns) -> bool {
        self.0.as_deref().map(RawValue::get) == other.0.as_deref().map(RawValue::get)
    }
}

impl SignIns {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The periods after `account` was seen at `now`. `None` changes nothing.
    pub fn after(previous: Option<&SignIns>, account: Option<&str>, now: Timestamp) -> SignIns {
        let Some(account) = account else { return previous.cloned().unwrap_or_default() };
        let mut sign_ins = previous.map(SignIns::read).unwrap_or_default();
        let account = hash(account.as_bytes());
        match sign_ins.last_mut().filter(|last| last.0 == account) {
            Some(last) => last.2 = now,
            None => sign_ins.push(SignIn(account, now, now)),
        }
        let surplus = sign_ins.len().saturating_sub(MOST);
        sign_ins.drain(..surplus);
        SignIns(serde_json::value::to_raw_value(&sign_ins).ok())
    }

    /// Whether another account was, or may have been, signed in at the time `at`. An account may
    /// have been signed in from when the one before it was last seen until the one after it was
    /// first seen.
    pub fn is_anothers(&self, account: &str, at: Timestamp) -> bool {
        let account = hash(account.as_bytes());
        let sign_ins = self.read();
        sign_ins.iter().enumerate().filter(|(_, stay)| stay.0 != account).any(|(place, stay)| {
            let before = place.checked_sub(1).and_then(|place| sign_ins.get(place));
            let begin = before.map_or(stay.1, |before| before.2);
            let end = sign_ins.get(place + 1).map(|after| after.1);
            begin < at && end.is_none_or(|end| at < end)
        })
    }

    fn read(&self) -> Vec<SignIn> {
        self.0.as_ref().and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn times_of_others_are_known_with_their_edges() {
        let mut sign_ins = SignIns::default();
        for (account, seconds) in [("a", 100), ("a", 200), ("b", 300), ("b", 400), ("a", 500)] {
            sign_ins = SignIns::after(Some(&sign_ins), Some(account), at(seconds));
        }
        sign_ins = SignIns::after(Some(&sign_ins), None, at(600));
        for (account, seconds, expected) in [
            // Before the first account was seen, nothing is known.
            ("a", 50, false),
            ("a", 150, false),
            // b may have signed in at any time after a was last seen, and stayed until a was seen
            // again.
            ("a", 250, true),
            ("a", 350, true),
            ("a", 450, true),
            ("a", 550, false),
            ("b", 50, false),
            ("b", 150, true),
            ("b", 350, false),
            ("b", 550, true),
            ("c", 350, true),
        ] {
            assert_eq!(sign_ins.is_anothers(account, at(seconds)), expected, "{account} {seconds}");
        }
        assert!(!SignIns::default().is_anothers("a", at(1)));
    }

    #[test]
    fn they_stay_few_and_survive_the_file() {
        let mut sign_ins = SignIns::default();
        for seconds in 0..100 {
            sign_ins =
                SignIns::after(Some(&sign_ins), Some(&format!("acc-{seconds}")), at(seconds));
        }
        let text = serde_json::to_string(&sign_ins).unwrap();
        assert_eq!(sign_ins.read().len(), MOST);
        assert!(text.len() < 400, "{text}");
        assert_eq!(serde_json::from_str::<SignIns>(&text).unwrap(), sign_ins);
        let broken: SignIns = serde_json::from_str("{\"x\":1}").unwrap();
        assert!(broken.read().is_empty());
    }
}
