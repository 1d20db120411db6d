//! The warm path, run at every prompt: look up the cache entry → decide whether it is stale → start
//! a worker if it is → compose the line → print it.
//!
//! It opens no socket and no file of Codex's. It only looks at the size and time of auth.json, and
//! a login in the environment only chooses the cache entry. It is fast because of what it does not
//! do.

mod clicks;
mod compose;
mod lookup;
mod ttl;

pub use self::compose::compose;

use self::clicks::Clicks;
use self::compose::{compose_in, is_urgent, worst, zone};
use self::lookup::{Lookup, Patience, look_up, start_jobs, wait_for_jobs};
use self::ttl::Jobs;
use crate::background::hooks;
use crate::config::settings::Settings;
use crate::hosts;
use crate::io::env::Env;
use crate::io::output::{self, Log};
use crate::io::platform;
use crate::model::asking::Shows;
use crate::model::time::Timestamp;
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
        let status = print(settings, env, &lookups, &clicks);
        if lookups.iter().any(Lookup::wants_job) {
            platform::end_output();
        }
        start_jobs(&mut lookups, settings, &log);
        return status;
    }
    start_jobs(&mut lookups, settings, &log);
    wait_for_jobs(&mut lookups, &patience, settings, &log);
    print(settings, env, &lookups, &clicks)
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
    // Whoever waits is shown the pools as well.
    let settings = &Settings { shows: Shows { pools: true, budget: true }, ..settings.clone() };
    let mut lookups = look_up(settings, env, log);
    if may_start_jobs(settings, env) {
        for lookup in &mut lookups {
            lookup.want_jobs(false, shows_today, settings);
        }
    }
    start_jobs(&mut lookups, settings, log);
    let patience = Patience::for_wait(wait, settings);
    wait_for_jobs(&mut lookups, &patience, settings, log);
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
fn print(settings: &Settings, env: &Env, lookups: &[Lookup], clicks: &Clicks) -> u8 {
    let (text, status) = output(settings, env, lookups, clicks);
    output::print(&text);
    status
}

/// What is printed, and the exit status.
fn output(settings: &Settings, env: &Env, lookups: &[Lookup], clicks: &Clicks) -> (String, u8) {
    let names_limits = settings.format.as_ref().is_some_and(|format| !format.lists_windows());
    let narrowed;
    let settings = match clicks.shown {
        // A template of named limits has no place for the limit that is wanted.
        Some(_) if names_limits => {
            narrowed = Settings { format: None, ..settings.clone() };
            &narrowed
        }
        _ => settings,
    };
    let views_at = |now: Timestamp| -> Vec<View> {
        let view = |lookup: &Lookup| {
            let mut view = lookup.view_at(now, settings);
            clicks.shown.iter().for_each(|label| view.select(label, settings.thresholds));
            view
        };
        lookups.iter().map(view).collect()
    };
    let now = env.now();
    let views = views_at(now);
    let zone = zone(settings, env, &views);
    let mut text = compose_in(zone.as_ref(), settings, env, &views);
    if settings.ttl {
        let jobs = lookups.iter().map(Lookup::jobs).max().unwrap_or(Jobs::Idle);
        let has_jobs = may_start_jobs(settings, env);
        let ttl = ttl::seconds(jobs, |seconds| {
            let then = now.plus(seconds);
            let is_due = |lookup: &Lookup| lookup.will_want_jobs(then, settings);
            // Asked first, because it takes next to nothing.
            !(has_jobs && jobs == Jobs::Idle && lookups.iter().any(is_due))
                && compose_in(zone.as_ref(), settings, env, &views_at(then)) == text
        });
        text.insert_str(0, &format!("{ttl}\t"));
    }
    let is_urgent = is_urgent(settings, worst(&views));
    (text, if is_urgent { clicks::URGENT } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::codex::home::Home;
    use crate::codex::stamp::stamp;
    use crate::config::options::tests::option;
    use crate::hosts::HOSTS;
    use crate::model::entry::{Answer, Entry, Source};
    use crate::model::usage::{BankedResets, Usage, Window};
    use std::cell::Cell;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);

    thread_local! {
        static CLOCK: Cell<Timestamp> = const { Cell::new(NOW) };
    }

    /// A cache with one entry, and a clock that the test sets.
    struct Fixture {
        directory: std::path::PathBuf,
        env: Env,
    }

    impl Fixture {
        fn new(name: &str) -> Fixture {
            let name = format!("codexline-ttl-{name}-{}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            std::fs::create_dir_all(directory.join("codex")).unwrap();
            let home = directory.join("codex");
            let variables = [
                ("CODEX_HOME", home.to_str().unwrap()),
                ("XDG_CACHE_HOME", directory.to_str().unwrap()),
                ("TZ", "UTC0"),
            ];
            let env = Env::for_test(&variables, || CLOCK.get());
            Fixture { directory, env }
        }

        /// Numbers that came at [`NOW`]: (percent used, seconds until the reset) of two windows.
        fn store(&self, windows: [(f64, i64); 2], banked: Option<BankedResets>) {
            let home = Home::locate(&self.env).unwrap();
            let window = |seconds, (used, resets_in)| Window {
                slot: None,
                seconds: Some(seconds),
                used,
                resets_at: Some(NOW.plus(resets_in)),
                started: true,
            };
            let [hours, week] = windows;
            let windows = vec![window(18_000, hours), window(604_800, week)];
            let usage = Usage { windows, banked_resets: banked, ..Usage::default() };
            let answer = Answer { fetched_at: NOW, source: Source::Api, asked_at: None, usage };
            let stamp = stamp(&home, &self.env);
            let entry = Entry::answered(home.path(), stamp, None, answer);
            let cache = Cache::locate(&home, None, &self.env).unwrap();
            cache.ensure_writable().unwrap();
            cache.prepare().unwrap().store(&entry.following(None, NOW)).unwrap();
        }

        /// The number and the text that a run prints so many seconds later.
        fn run(&self, settings: &Settings, later: i64) -> (i64, String) {
            let lookups = self.look_up(settings, later);
            let output = self.output(settings, &lookups, later);
            let (ttl, text) = output.split_once('\t').unwrap_or(("0", &output));
            (ttl.parse().unwrap(), text.to_string())
        }

        fn look_up(&self, settings: &Settings, later: i64) -> Vec<Lookup> {
            CLOCK.set(NOW.plus(later));
            let mut lookups = look_up(settings, &self.env, &Log::new(false));
            if may_start_jobs(settings, &self.env) {
                for lookup in &mut lookups {
                    lookup.want_jobs(false, settings.tells_today(), settings);
                }
            }
            lookups
        }

        fn output(&self, settings: &Settings, lookups: &[Lookup], later: i64) -> String {
            CLOCK.set(NOW.plus(later));
            output(settings, &self.env, lookups, &Clicks::default()).0
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    fn settings(host: &'static hosts::Host, options: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::new(host);
        for (name, value) in [&[("ttl", "1")], options].concat() {
            option(name).try_on(&mut settings, value).unwrap();
        }
        settings
    }

    #[test]
    fn a_line_lasts_until_the_next_change_of_what_it_shows() {
        let fixture = Fixture::new("table");
        let check = |windows: [(f64, i64); 2], options: &[(&str, &str)], later: i64, ttl: i64| {
            fixture.store(windows, None);
            let settings = settings(hosts::DEFAULT, options);
            let (found, text) = fixture.run(&settings, later);
            assert_eq!(found, ttl, "{options:?} {later}: {text}");
        };
        let fine = [(42.0, 3780), (17.0, 460_800)];
        // Nothing moves, until the numbers become stale.
        check(fine, &[], 0, 120);
        check(fine, &[], 80, 40);
        check(fine, &[("max-age", "10m")], 1, 599);
        check(fine, &[("max-age", "10m"), ("max-idle", "5m")], 0, 300);
        check(fine, &[("max-age", "30s")], 0, 30);
        // Stale: a worker is started, and is to have an answer soon.
        check(fine, &[], 120, 1);
        check(fine, &[], 4000, 1);
        // Nobody fetches. The age is marked after 15 minutes, and moves each minute.
        check(fine, &[("offline", "1")], 300, 601);
        check(fine, &[("offline", "1")], 890, 11);
        check(fine, &[("offline", "1")], 901, 59);
        // A limit in trouble has a countdown, which changes one second after each full minute.
        check([(78.0, 3780), (17.0, 460_800)], &[], 0, 1);
        check([(78.0, 3800), (17.0, 460_800)], &[], 0, 21);
        check(fine, &[("window", "{used} {reset}")], 0, 1);
        check([(42.0, 3790), (17.0, 460_810)], &[("reset", "always")], 0, 11);
        // A window that is reset becomes empty, and its numbers are fetched anew.
        check([(42.0, 37), (17.0, 460_800)], &[], 0, 37);
        check([(42.0, 37), (17.0, 460_800)], &[("offline", "1")], 0, 37);
        check(fine, &[("offline", "1"), ("format", "{age}")], 30, 30);
        // Nothing that is shown changes.
        check(fine, &[("format", "no numbers")], 30, 90);
        check(fine, &[("offline", "1"), ("format", "no numbers")], 30, 871);
    }

    #[test]
    fn within_the_time_every_line_reads_the_same() {
        let fixture = Fixture::new("property");
        let windows = ["{used}", "{left} {bar:3}", "{reset}", "{reset_at}", "{pace} {runs_out}"];
        let formats = ["{windows} {age}", "{binding.reset}[ {5h.used}]", "{credits} {plan}", "x"];
        let mut options: Vec<Vec<(&str, &str)>> = vec![
            vec![],
            vec![("short", "1")],
            vec![("severity", "pace")],
            vec![("reset", "always"), ("show", "used")],
        ];
        options.extend(windows.map(|window| vec![("window", window)]));
        options.extend(formats.map(|format| vec![("format", format)]));
        let banked = BankedResets { count: 2, next_expires_at: Some(NOW.plus(3 * 86_400 + 70)) };
        for numbers in [[(42.0, 3780), (83.0, 460_800)], [(100.0, 95), (17.0, 460_800)]] {
            fixture.store(numbers, Some(banked));
            for host in HOSTS {
                for (index, options) in options.iter().enumerate() {
                    let mut settings = settings(host, options);
                    settings.offline = index % 2 == 0;
                    for later in [0, 29, 91, 1000, 3725] {
                        let (ttl, text) = fixture.run(&settings, later);
                        assert!((1..=3600).contains(&ttl), "{ttl}");
                        let settings = Settings { ttl: false, ..settings.clone() };
                        let lookups = fixture.look_up(&settings, later);
                        for second in 1..ttl {
                            let then = fixture.output(&settings, &lookups, later + second);
                            assert_eq!(then, text, "{} {options:?} {later}+{second}", host.name);
                        }
                        let last = fixture.run(&settings, later + ttl - 1).1;
                        assert_eq!(last, text, "{} {options:?} {later}", host.name);
                    }
                }
            }
        }
    }
}
