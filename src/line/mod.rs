//! The warm path, run at every prompt: look up the cache entry → decide whether it is stale → start
//! a worker if it is → compose the line → print it.
//!
//! It opens no socket, reads no token and nothing else of Codex's. It only looks at the size and
//! time of auth.json. It is fast because of what it does not do.

mod clicks;
mod compose;
mod lookup;

pub use self::compose::compose;

use self::clicks::Clicks;
use self::compose::{is_urgent, worst};
use self::lookup::{Lookup, Patience, look_up, start_jobs, wait_for_jobs};
use crate::background::hooks;
use crate::config::settings::Settings;
use crate::hosts;
use crate::io::env::Env;
use crate::io::output::{self, Log};
use crate::io::platform;
use crate::model::view::View;
use std::time::Duration;

/// Prints the line, and returns the exit status. Whatever fails, a line is printed.
pub fn run(settings: &Settings, env: &Env) -> u8 {
    let log = Log::new(settings.verbose);
    warn_of_mistakes(settings, env);
    let mut lookups = look_up(settings, env, &log);
    let clicks = clicks(&lookups[0], settings, env, &log);
    if may_start_jobs(settings, env) {
        for lookup in &mut lookups {
            lookup.want_jobs(clicks.wants_fetch, settings.tells_today(), settings);
        }
    }
    let patience = Patience::of(&lookups, settings);
    if patience.is_none() && !lookups.iter().any(Lookup::needs_entry) {
        // The host has its line before a worker is started.
        let status = print(settings, env, &lookups, clicks);
        if lookups.iter().any(Lookup::wants_job) {
            platform::end_output();
        }
        start_jobs(&mut lookups, settings, &log);
        return status;
    }
    start_jobs(&mut lookups, settings, &log);
    wait_for_jobs(&mut lookups, &patience, &log);
    print(settings, env, &lookups, clicks)
}

/// What there is to show to somebody who waits for it: a person at `status`, a script at `check`.
/// It is as fresh as `--max-age` asks for, if new numbers come within `wait`. `shows_today`: also
/// today's counts, for which it waits only a moment.
pub(crate) fn views(
    settings: &Settings,
    env: &Env,
    wait: Duration,
    shows_today: bool,
    log: &Log,
) -> Vec<View> {
    let mut lookups = look_up(settings, env, log);
    if may_start_jobs(settings, env) {
        for lookup in &mut lookups {
            lookup.want_jobs(false, shows_today, settings);
        }
    }
    start_jobs(&mut lookups, settings, log);
    wait_for_jobs(&mut lookups, &Patience::as_long_as(wait, settings), log);
    lookups.iter().map(|lookup| lookup.view(settings)).collect()
}

fn may_start_jobs(settings: &Settings, env: &Env) -> bool {
    !settings.offline && !hooks::in_hook(env)
}

/// What i3blocks says in the environment. Other hosts say nothing.
fn clicks(lookup: &Lookup, settings: &Settings, env: &Env, log: &Log) -> Clicks {
    match &lookup.cache {
        Some(cache) if settings.host.is_block => Clicks::of(env, cache, lookup.usage(), log),
        _ => Clicks::default(),
    }
}

/// Warns a person of each mistake in the config file. Bars are not warned: most of them drop what
/// comes on stderr, the others would log it every few seconds. Their line is marked.
fn warn_of_mistakes(settings: &Settings, env: &Env) {
    let is_for_a_bar = settings.host.name != hosts::DEFAULT.name;
    if is_for_a_bar && !settings.verbose && !env.stdout_is_terminal {
        return;
    }
    for mistake in &settings.mistakes {
        let error = mistake.error();
        output::warn(format_args!("{error}; {}", error.hint()));
    }
}

/// Prints what there is to show, and returns the exit status.
fn print(settings: &Settings, env: &Env, lookups: &[Lookup], clicks: Clicks) -> u8 {
    let mut views: Vec<View> = lookups.iter().map(|lookup| lookup.view(settings)).collect();
    if let Some(label) = &clicks.shown {
        for view in &mut views {
            view.select(label, settings.thresholds);
        }
    }
    let names_limits = settings.format.as_ref().is_some_and(|format| !format.lists_windows());
    if clicks.shown.is_some() && names_limits {
        // A template of named limits has no place for the limit that is wanted.
        let settings = Settings { format: None, ..settings.clone() };
        output::print(&compose(&settings, env, &views));
    } else {
        output::print(&compose(settings, env, &views));
    }
    if is_urgent(settings, worst(&views)) { clicks::URGENT } else { 0 }
}
