//! The count behind a prompt: take the lock of the activity store → read what is new in the session
//! files → put today's counts into the cache entry → run `--on-fetch`.
//!
//! It has a process and a lock of its own, so that neither the numbers of the plan wait for session
//! files, nor the counts for the network. The entry is locked only while it is changed. Of the
//! files that are not in the store, only those are read that can hold something of today.
//! `codexline activity` reads the others.

use crate::activity::refresh_since;
use crate::activity::report::written_since;
use crate::background::hooks;
use crate::background::job::{Job, LONGEST_FETCH, under_lock, with_told_hooks};
use crate::cache::Cache;
use crate::codex::home::Home;
use crate::config::options::Worker;
use crate::config::settings::Settings;
use crate::io::env::Env;
use crate::io::output::Log;
use crate::model::error::Error;
use crate::model::today::Today;
use std::time::Duration;

/// Counts, and stores the counts, if the known ones are still old once the lock is taken.
///
/// # Errors
/// [`Error::Busy`] if another count runs, [`Error::CacheUnwritable`].
pub fn run(settings: &Settings, env: &Env) -> Result<(), Error> {
    let cache = Cache::locate(&Home::locate(env)?, settings.source, env)?;
    let max_age = settings.max_age_seconds();
    count(settings, env, &cache, true, &|today| {
        today.is_none_or(|today| today.is_stale(max_age, env.now()))
    })
}

/// The count of a fetch by hand: now, if the counts are shown anywhere. A failure is only logged.
pub(crate) fn where_shown(settings: &Settings, env: &Env, log: &Log) {
    let cache = Home::locate(env).and_then(|home| Cache::locate(&home, settings.source, env));
    let result = cache.and_then(|cache| match cache.read(env.now()) {
        Ok(entry) if entry.today.is_some() => count(settings, env, &cache, false, &|_| true),
        _ => Ok(()),
    });
    if let Err(error) = result {
        log.debug(format_args!("today's sessions are not counted: {error}"));
    }
}

fn count(
    settings: &Settings,
    env: &Env,
    cache: &Cache,
    is_worker: bool,
    is_due: &dyn Fn(Option<&Today>) -> bool,
) -> Result<(), Error> {
    cache.ensure_writable()?;
    let known = || cache.read(env.now()).ok().and_then(|entry| entry.today);
    let work = || {
        if !is_due(known().as_ref()) {
            return Ok(false);
        }
        let zone = env.zone();
        let since = written_since(&zone, env.now());
        let store = refresh_since(cache.home().path(), &cache.activity_path(), since);
        // Asked after the scan, which can last beyond midnight.
        let today = store.today(&zone, env.now());
        keep(cache, today, env)
    };
    let lock = Job { worker: Worker::Count, cache }.lock_path();
    let told = is_worker.then(|| with_told_hooks(settings, &lock));
    let settings = told.as_ref().unwrap_or(settings);
    let is_news = under_lock(&lock, is_worker, Duration::ZERO, work)??;
    if let Some(command) = settings.on_fetch.as_ref().filter(|_| is_news && !hooks::in_hook(env)) {
        hooks::run("--on-fetch", command, &[], env, &Log::new(settings.verbose));
    }
    Ok(())
}

/// Puts the counts into the entry, and says whether they are others than before. Where there is no
/// entry, a fetch has to make one first.
fn keep(cache: &Cache, today: Today, env: &Env) -> Result<bool, Error> {
    let work = || {
        let Ok(mut entry) = cache.read(env.now()) else { return Ok(false) };
        let before = entry.today.replace(today);
        cache.prepare()?.store(&entry)?;
        Ok(before
            .is_none_or(|before| (before.counts, before.ends_at) != (today.counts, today.ends_at)))
    };
    under_lock(&cache.lock_path(), false, LONGEST_FETCH, work)?
}
