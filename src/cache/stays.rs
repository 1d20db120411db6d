//! Which accounts have been seen signed in, and when. Pure.

use super::hash;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// More changes than these are not remembered: the oldest go.
const MOST: usize = 6;

/// The stays of accounts, oldest first; the last is that of the present one.
///
/// Kept as text and read only by who wants to know: a prompt pays for a copy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stays(Option<Box<RawValue>>);

/// An account (its hash: they can be of any length), when it was first seen and when last, in one go.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Stay(u64, Timestamp, Timestamp);

impl PartialEq for Stays {
    fn eq(&self, other: &Stays) -> bool {
        self.0.as_deref().map(RawValue::get) == other.0.as_deref().map(RawValue::get)
    }
}

impl Stays {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What is known after `account` (if that is known) was seen at `now`.
    pub fn after(previous: Option<&Stays>, account: Option<&str>, now: Timestamp) -> Stays {
        let Some(account) = account else { return previous.cloned().unwrap_or_default() };
        let mut stays = previous.map(Stays::read).unwrap_or_default();
        let account = hash(account.as_bytes());
        match stays.last_mut().filter(|last| last.0 == account) {
            Some(last) => last.2 = now,
            None => stays.push(Stay(account, now, now)),
        }
        let surplus = stays.len().saturating_sub(MOST);
        stays.drain(..surplus);
        Stays(serde_json::value::to_raw_value(&stays).ok())
    }

    /// Whether another account than this one was, or may have been, signed in at a time: from when the one before it was
    /// last seen until the one after it was first seen.
    pub fn is_anothers(&self, account: &str, at: Timestamp) -> bool {
        let account = hash(account.as_bytes());
        let stays = self.read();
        stays.iter().enumerate().filter(|(_, stay)| stay.0 != account).any(|(place, stay)| {
            let before = place.checked_sub(1).and_then(|place| stays.get(place));
            let begin = before.map_or(stay.1, |before| before.2);
            let end = stays.get(place + 1).map(|after| after.1);
            begin < at && end.is_none_or(|end| at < end)
        })
    }

    fn read(&self) -> Vec<Stay> {
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
        let mut stays = Stays::default();
        for (account, seconds) in [("a", 100), ("a", 200), ("b", 300), ("b", 400), ("a", 500)] {
            stays = Stays::after(Some(&stays), Some(account), at(seconds));
        }
        stays = Stays::after(Some(&stays), None, at(600));
        for (account, seconds, expected) in [
            // What was before anybody was seen is not known to be anybody's.
            ("a", 50, false),
            ("a", 150, false),
            // b may have come any time after a was last seen, and stayed until a was seen again.
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
            assert_eq!(stays.is_anothers(account, at(seconds)), expected, "{account} {seconds}");
        }
        assert!(!Stays::default().is_anothers("a", at(1)));
    }

    #[test]
    fn they_stay_few_and_survive_the_file() {
        let mut stays = Stays::default();
        for seconds in 0..100 {
            stays = Stays::after(Some(&stays), Some(&format!("acc-{seconds}")), at(seconds));
        }
        let text = serde_json::to_string(&stays).unwrap();
        assert_eq!(stays.read().len(), MOST);
        assert!(text.len() < 400, "{text}");
        assert_eq!(serde_json::from_str::<Stays>(&text).unwrap(), stays);
        let broken: Stays = serde_json::from_str("{\"x\":1}").unwrap();
        assert!(broken.read().is_empty());
    }
}
