//! The count behind a prompt: take the lock of the store → read what is new in the session files → put today's counts into the
//! cache entry → tell the bar (`--on-fetch`).
//!
//! A process and a lock of its own: the numbers of the plan never wait for files, however many, nor these for the network.
//! The entry is locked only to change it. Of files that are not in the store only those are read that can hold something of
//! today; `codexline activity` reads the others.

use crate::activity::today::{Today, written_since};
use crate::activity::{lock_path, refresh_since};
use crate::cache::Cache;
use crate::codex::home::Home;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::output::Notes;
use crate::push;
use crate::settings::Settings;
use crate::worker::{LONGEST_FETCH, under_lock};
use std::time::Duration;

/// Counts if what is known is still old when its turn comes, and stores it.
///
/// # Errors
/// [`Error::Busy`] if somebody else is at it; [`Error::CacheUnwritable`].
pub fn run(settings: &Settings, surroundings: &Surroundings) -> Result<(), Error> {
    let cache = Cache::locate(&Home::locate(surroundings)?, settings.source, surroundings)?;
    let max_age = settings.max_age.as_secs() as i64;
    count(settings, surroundings, &cache, true, &|today| {
        today.is_none_or(|today| today.is_stale(max_age, surroundings.now()))
    })
}

/// As part of a fetch by hand: counts now, if the counts are shown somewhere. What keeps it from that costs no numbers.
pub(crate) fn where_shown(settings: &Settings, surroundings: &Surroundings, notes: &Notes) {
    let cache =
        Home::locate(surroundings).and_then(|home| Cache::locate(&home, settings.source, surroundings));
    let result = cache.and_then(|cache| match cache.read(surroundings.now()) {
        Ok(entry) if entry.today.is_some() => count(settings, surroundings, &cache, false, &|_| true),
        _ => Ok(()),
    });
    if let Err(error) = result {
        notes.tell(format_args!("today's sessions are not counted: {error}"));
    }
}

fn count(
    settings: &Settings,
    surroundings: &Surroundings,
    cache: &Cache,
    is_worker: bool,
    is_due: &dyn Fn(Option<&Today>) -> bool,
) -> Result<(), Error> {
    cache.ensure_writable()?;
    let known = || cache.read(surroundings.now()).ok().and_then(|entry| entry.today);
    let place = cache.activity_path();
    let work = || {
        if !is_due(known().as_ref()) {
            return Ok(false);
        }
        let zone = surroundings.zone();
        let store = refresh_since(cache.home().path(), &place, written_since(&zone, surroundings.now()));
        // After the scan, which can last beyond midnight.
        let today = Today::of(&store, &zone, surroundings.now());
        keep(cache, today, surroundings)
    };
    let is_news = under_lock(&lock_path(&place), is_worker, Duration::ZERO, work)??;
    if let Some(command) =
        settings.on_fetch.as_ref().filter(|_| is_news && !push::is_within_one(surroundings))
    {
        push::run("--on-fetch", command, &[], surroundings, &Notes::new(settings.verbose));
    }
    Ok(())
}

/// Puts the counts into the entry; whether they are others than before. Where there is no entry, a fetch makes one first.
fn keep(cache: &Cache, today: Today, surroundings: &Surroundings) -> Result<bool, Error> {
    let work = || {
        let Ok(mut entry) = cache.read(surroundings.now()) else { return Ok(false) };
        let before = entry.today.replace(today);
        cache.prepare()?.store(&entry)?;
        Ok(before.is_none_or(|before| (before.counts, before.ends_at) != (today.counts, today.ends_at)))
    };
    under_lock(&cache.lock_path(), false, LONGEST_FETCH, work)?
}
