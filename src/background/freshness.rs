//! Fresh or stale, as a line and a worker see it.

use crate::activity::discover::state_of;
use crate::codex::home::Home;
use crate::config::settings::Settings;
use crate::model::asking::look_again;
use crate::model::decision::{Decision, decide};
use crate::model::entry::{Entry, Miss, WatchedFile};
use crate::model::time::Timestamp;
use std::path::Path;

/// As [`decide`], and [`look_again`] for an entry that would be fresh: of Codex's, nothing is read
/// for that.
pub(crate) fn decide_now(
    entry: Result<&Entry, &Miss>,
    login: &str,
    settings: &Settings,
    home: &Home,
    now: Timestamp,
) -> Decision {
    let decision = decide(entry, login, settings.max_age_seconds(), now);
    let has_changed =
        |watched: &WatchedFile| state_of(home.path(), Path::new(&watched.file)) != watched.state;
    match (entry, settings.source) {
        (Ok(entry), None) => {
            look_again(decision, entry, settings.max_idle.as_secs() as i64, has_changed, now)
        }
        _ => decision,
    }
}
