//! A look into the session files before the service is asked: Codex writes there what it hears of
//! the limits at each turn, so while somebody works on this machine the newest numbers are on the
//! disk. Whose they are is decided as in [`sessions`].

use super::{FetchContext, sessions};
use crate::activity::discover::{SessionFile, Tree, state_of};
use crate::model::asking::Seen;
use crate::model::entry::{Entry, WatchedFile};
use crate::model::time::Timestamp;
use std::path::Path;

/// What a look has found.
pub(crate) struct Glance {
    /// The entry, with newer limits merged into it.
    pub entry: Entry,
    pub seen: Seen,
}

/// Looks at the newest session files; `thorough`: at all of them. Only those written since
/// the service last answered are read.
pub(crate) fn look(context: &FetchContext, previous: &Entry, thorough: bool) -> Glance {
    let FetchContext { env, home, log, .. } = context;
    let (home, now) = (home.path(), env.now());
    let mut entry = previous.clone().checked(now);
    let in_use = previous.watched.as_ref().map(|watched| Path::new(&watched.file));
    let mut tree = if thorough { Tree::list(home) } else { Tree::recent(home, in_use) };
    // Before anything is read: what is written from here on is another state.
    entry.watched = watched(home, &tree).or(entry.watched);
    let written_at = tree.newest().map(written_at);
    let mut seen = Seen { written_at, ..Seen::default() };
    let Some((answer, answered_at)) =
        previous.answer.as_ref().and_then(|answer| Some((answer, answer.answered_at()?)))
    else {
        return Glance { entry, seen };
    };
    tree.files.retain(|found| self::written_at(found) >= answered_at);
    if tree.files.is_empty() {
        return Glance { entry, seen };
    }
    match sessions::look_in(context, &tree) {
        Ok(found) if found.answer.fetched_at > answered_at => {
            let told = &found.answer.usage;
            seen.differs = answer.usage.lacks_window_of(told)
                || answer.usage.blocked.is_some() && told.blocked.is_none();
            seen.lacks_budget = answer.usage.budget.is_some() && told.budget.is_none();
            entry = entry.or_newer(found.answer, found.account, now);
        }
        Ok(_) => {}
        Err(none) => log.debug(none.error),
    }
    Glance { entry, seen }
}

/// The file to watch from now on, where none is known.
pub(crate) fn watch(context: &FetchContext) -> Option<WatchedFile> {
    let home = context.home.path();
    watched(home, &Tree::recent(home, None))
}

fn watched(home: &Path, tree: &Tree) -> Option<WatchedFile> {
    let path = tree.newest()?.path();
    let file = path.strip_prefix(home).ok()?.to_str()?.to_string();
    Some(WatchedFile { state: state_of(home, Path::new(&file)), file })
}

fn written_at(found: &SessionFile) -> Timestamp {
    Timestamp::from_unix_seconds(found.state.modified.div_euclid(1_000_000_000))
}
