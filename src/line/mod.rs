//! The warm path, run at every prompt: read the cache → decide fresh or stale, and why → if stale, start one
//! detached worker → render → print.
//!
//! It opens no socket, builds no HTTP client, reads nothing of Codex's and no token; it only looks at auth.json
//! from outside. What is fast about it is what it does not do.

mod clicks;

use self::clicks::Clicks;
use crate::activity::lock_path;
use crate::background::hooks;
use crate::background::spawn::{self, Launch};
use crate::cache::Cache;
use crate::codex::home::Home;
use crate::codex::stamp::stamp;
use crate::config::accounts::Account;
use crate::config::settings::{Icon, ResetTimes, Settings};
use crate::hosts::{self, AutoColour, Output, Wait};
use crate::io::env::Env;
use crate::io::files::Lock;
use crate::io::output::{self, Log};
use crate::model::decision::{Decision, Reason, Trigger, decide};
use crate::model::entry::{Entry, Miss, Problem};
use crate::model::today::Today;
use crate::model::usage::{Severity, Usage};
use crate::model::view::View;
use crate::render::line::{LineOptions, Templates, render, render_short};
use std::time::{Duration, Instant};

/// How long whoever waits for numbers, and has no counts yet, waits for these: they are there in a moment, unless today's files
/// have gigabytes.
const PATIENCE_FOR_COUNTS: Duration = Duration::from_secs(1);
/// How often a waiting run looks whether the worker has stored something.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Prints the line, and gives the exit status. Every failure on the way is a degraded line, never none.
pub fn run(settings: &Settings, env: &Env) -> u8 {
    let log = Log::new(settings.verbose);
    tell_mistakes(settings, env);
    let mut lookups = lookups(settings, env, &log);
    let clicks = match (settings.host.is_block, &lookups[0].cache) {
        (true, Some(cache)) => Clicks::of(env, cache, lookups[0].usage(), &log),
        _ => Clicks::default(),
    };
    let print = |lookups: &[Lookup]| print(settings, env, lookups, clicks.shown.as_deref());
    let is_silent = settings.offline || hooks::in_hook(env);
    for lookup in &mut lookups {
        lookup.trigger = lookup.trigger(clicks.wants_fetch, env).filter(|_| !is_silent);
        lookup.is_uncounted = settings.tells_today() && !is_silent && lookup.is_uncounted(settings);
    }
    let wanted = || lookups.iter().filter(|lookup| lookup.trigger.is_some());
    let wait = wanted().map(|lookup| lookup.patience(settings)).max().unwrap_or_default();
    let uncounted = || lookups.iter().filter(|lookup| lookup.is_uncounted);
    let wait_for_counts =
        uncounted().map(|lookup| lookup.patience_for_counts(settings)).max().unwrap_or_default();
    if wait.max(wait_for_counts).is_zero() && wanted().all(|lookup| lookup.entry.is_ok()) {
        // The host sees its line before a worker exists.
        let status = print(&lookups);
        if wanted().next().or(uncounted().next()).is_some() {
            crate::io::platform::end_output();
        }
        for lookup in &mut lookups {
            lookup.fetch(settings, &log);
            lookup.count(settings, &log);
        }
        return status;
    }
    for lookup in &mut lookups {
        lookup.fetch(settings, &log);
        lookup.count(settings, &log);
    }
    let begun = Instant::now();
    for lookup in &mut lookups {
        lookup.wait_for_news(begun, wait, &log);
    }
    for lookup in &mut lookups {
        lookup.wait_for_counts(begun, wait_for_counts, &log);
    }
    print(&lookups)
}

/// What there is to show to whoever waits for it, a person at `status` or a script at `check`: as fresh as `--max-age` asks for,
/// if that comes within `wait`. `today`: also what was done today, for which it waits a moment at most.
pub(crate) fn views(
    settings: &Settings,
    env: &Env,
    wait: Duration,
    today: bool,
    log: &Log,
) -> Vec<View> {
    let mut lookups = lookups(settings, env, log);
    let is_silent = settings.offline || hooks::in_hook(env);
    for lookup in lookups.iter_mut().filter(|_| !is_silent) {
        lookup.trigger = lookup.trigger(false, env);
        lookup.fetch(settings, log);
        lookup.is_uncounted = today && lookup.is_uncounted(settings);
        lookup.count(settings, log);
    }
    let begun = Instant::now();
    for lookup in &mut lookups {
        lookup.wait_for_news(begun, wait, log);
    }
    for lookup in &mut lookups {
        lookup.wait_for_counts(begun, wait.min(settings.wait.unwrap_or(PATIENCE_FOR_COUNTS)), log);
    }
    lookups.iter().map(|lookup| lookup.view(settings)).collect()
}

/// Every account's, or that of the one login.
fn lookups(settings: &Settings, env: &Env, log: &Log) -> Vec<Lookup> {
    if settings.accounts.is_empty() {
        vec![Lookup::of(None, env.clone(), settings, log)]
    } else {
        let lookup = |account: &Account| {
            let own = env.for_account(&account.home);
            Lookup::of(Some(account.name.clone()), own, settings, log)
        };
        settings.accounts.iter().map(lookup).collect()
    }
}

/// A person is told of each mistake in the config file. A bar is not: most drop what comes on stderr, the others would log it
/// every few seconds, and the line is marked.
fn tell_mistakes(settings: &Settings, env: &Env) {
    let is_for_a_bar = settings.host.name != hosts::DEFAULT.name;
    if is_for_a_bar && !settings.verbose && !env.stdout_is_terminal {
        return;
    }
    for mistake in &settings.mistakes {
        let error = mistake.error();
        output::warn(format_args!("{error}; {}", error.hint()));
    }
}

/// One login and what its cache entry says of it.
struct Lookup {
    account: Option<String>,
    env: Env,
    /// `None` where not even its place is known.
    cache: Option<Cache>,
    login: String,
    entry: Result<Entry, Miss>,
    decision: Decision,
    /// Whether a fetch is wanted, and how much.
    trigger: Option<Trigger>,
    /// A fetch has been started, by us or by others.
    is_under_way: bool,
    /// A count of what was done today is wanted.
    is_uncounted: bool,
    /// One has been started, by us or by others.
    is_being_counted: bool,
    /// What went wrong in this run.
    problem: Option<Problem>,
}

impl Lookup {
    fn of(account: Option<String>, env: Env, settings: &Settings, log: &Log) -> Lookup {
        let mut lookup = Lookup {
            account,
            cache: None,
            login: String::new(),
            entry: Err(Miss::Absent),
            decision: Decision::Stale(Reason::Missing(Miss::Absent)),
            trigger: None,
            is_under_way: false,
            is_uncounted: false,
            is_being_counted: false,
            problem: None,
            env,
        };
        let env = &lookup.env;
        let located = Home::locate(env)
            .and_then(|home| Cache::locate(&home, settings.source, env).map(|cache| (home, cache)));
        match located {
            Ok((home, cache)) => {
                let now = env.now();
                lookup.login = stamp(&home, env);
                lookup.entry = cache.read(now);
                let max_age = settings.max_age.as_secs() as i64;
                lookup.decision = decide(lookup.entry.as_ref(), &lookup.login, max_age, now);
                log.debug(format_args!("{}: {}", cache.entry_path().display(), lookup.decision));
                lookup.cache = Some(cache);
            }
            Err(error) => {
                log.debug(&error);
                lookup.problem = Some(Problem::from(&error));
            }
        }
        lookup
    }

    /// The numbers that may be shown for the login.
    fn usage(&self) -> Option<&Usage> {
        let entry = self.entry.as_ref().ok().filter(|entry| entry.login_stamp == self.login)?;
        let answer = entry.answer.as_ref().filter(|answer| answer.holds(self.env.now()))?;
        Some(&answer.usage)
    }

    /// `is_clicked`: the user has asked for it.
    fn trigger(&self, is_clicked: bool, env: &Env) -> Option<Trigger> {
        self.cache.as_ref()?;
        // What came this very second is as fresh as can be; a double click is not worth two fetches.
        let now = env.now();
        let is_newest =
            self.entry.as_ref().is_ok_and(|entry| entry.failure.is_none() && entry.is_from(now));
        match &self.decision {
            _ if is_clicked && !is_newest => Some(Trigger::Click),
            Decision::Stale(_) => Some(Trigger::Stale),
            _ => None,
        }
    }

    /// How long this run may wait for it.
    fn patience(&self, settings: &Settings) -> Duration {
        if let Some(wait) = settings.wait {
            return wait;
        }
        match settings.host.wait {
            Wait::Always(wait) => wait,
            Wait::WhenEmpty(wait) if self.usage().is_none() => wait,
            Wait::WhenEmpty(_) | Wait::Never => Duration::ZERO,
        }
    }

    /// Starts a worker if one is wanted.
    fn fetch(&mut self, settings: &Settings, log: &Log) {
        let (Some(trigger), Some(cache)) = (self.trigger, &self.cache) else { return };
        let is_done = || self.is_news(&cache.read(self.env.now()));
        let started = spawn::start_fetch(cache, settings, &self.env, trigger, is_done);
        self.is_under_way = started.is_ok();
        match started {
            Ok(Launch::Started) => log.debug("a fetch has been started"),
            Ok(Launch::AlreadyRunning) => log.debug("another codexline is fetching"),
            Ok(Launch::NotNeeded) => log.debug("another codexline has just fetched"),
            Err(error) => {
                log.debug(&error);
                self.problem = Some(Problem::from(&error));
            }
        }
    }

    /// Whether an entry tells something of the plan that the one that was seen does not.
    fn is_news(&self, entry: &Result<Entry, Miss>) -> bool {
        match (&self.entry, entry) {
            (Ok(seen), Ok(entry)) => !seen.is_same_news(entry),
            (seen, entry) => seen != entry,
        }
    }

    /// What was done today, as far as it was seen.
    fn today(&self) -> Option<Today> {
        self.entry.as_ref().ok().and_then(|entry| entry.today)
    }

    /// Whether what was done today is to be counted anew.
    fn is_uncounted(&self, settings: &Settings) -> bool {
        let max_age = settings.max_age.as_secs() as i64;
        let is_stale = |today: Today| today.is_stale(max_age, self.env.now());
        self.cache.is_some() && self.today().is_none_or(is_stale)
    }

    /// How long this run may wait for it.
    fn patience_for_counts(&self, settings: &Settings) -> Duration {
        let is_known = self.today().is_some_and(|today| today.holds(self.env.now()));
        match (settings.wait, settings.host.wait) {
            (Some(wait), _) => wait,
            (None, Wait::WhenEmpty(wait)) if !is_known => wait.min(PATIENCE_FOR_COUNTS),
            (None, _) => Duration::ZERO,
        }
    }

    /// Starts a count if one is wanted. Where that is not possible, the fetch tells why.
    fn count(&mut self, settings: &Settings, log: &Log) {
        let Some(cache) = self.cache.as_ref().filter(|_| self.is_uncounted) else { return };
        let is_done = || cache.read(self.env.now()).is_ok_and(|entry| entry.today != self.today());
        match spawn::start_count(cache, settings, &self.env, is_done) {
            Ok(start) => {
                self.is_being_counted = true;
                log.debug(match start {
                    Launch::Started => "a count of today's sessions has been started",
                    Launch::AlreadyRunning => "another codexline is counting",
                    Launch::NotNeeded => "another codexline has just counted",
                });
            }
            Err(error) => log.debug(error),
        }
    }

    /// Waits until the entry has other counts than those that were seen, the count has ended, or patience ends.
    fn wait_for_counts(&mut self, begun: Instant, wait: Duration, log: &Log) {
        let Some(cache) = self.cache.as_ref().filter(|_| self.is_being_counted && !wait.is_zero())
        else {
            return;
        };
        let mut lock = Lock::open(&lock_path(&cache.activity_path()));
        loop {
            let has_ended = lock.as_mut().is_ok_and(Lock::is_free);
            let entry = cache.read(self.env.now());
            let counted = entry.as_ref().is_ok_and(|entry| entry.today != self.today());
            if counted {
                self.entry = entry;
            }
            if counted || has_ended || begun.elapsed() >= wait {
                return log.debug(format_args!(
                    "waited {} ms for the count",
                    begun.elapsed().as_millis()
                ));
            }
            std::thread::sleep(LOOK_AGAIN.min(wait));
        }
    }

    /// Waits until the entry is another than the one that was seen, the fetch has ended without leaving one, or patience
    /// ends.
    fn wait_for_news(&mut self, begun: Instant, wait: Duration, log: &Log) {
        let Some(cache) = self.cache.as_ref().filter(|_| self.is_under_way && !wait.is_zero())
        else {
            return;
        };
        let mut lock = Lock::open(&cache.lock_path());
        loop {
            // Looked at before the entry: whoever held it has stored what there is to store.
            let has_ended = lock.as_mut().is_ok_and(Lock::is_free);
            let entry = cache.read(self.env.now());
            if self.is_news(&entry) {
                log.debug(format_args!("an answer came after {} ms", begun.elapsed().as_millis()));
                self.entry = entry;
                // The worker may have renewed the login: then the news is of the new one.
                self.login = stamp(cache.home(), &self.env);
                return;
            }
            if has_ended {
                return log.debug("the fetch has ended without an answer");
            }
            if begun.elapsed() >= wait {
                return log.debug(format_args!("no answer within {} ms", wait.as_millis()));
            }
            std::thread::sleep(LOOK_AGAIN.min(wait));
        }
    }

    fn view(&self, settings: &Settings) -> View {
        let (entry, now) = (self.entry.as_ref().ok(), self.env.now());
        let view = View::new(entry, &self.login, self.problem.clone(), now, settings.thresholds)
            .measured_by(settings.severity, settings.thresholds);
        View { account: self.account.clone(), ..view.with_mistake(settings.mistakes.first()) }
    }
}

/// Prints what there is to show, and gives the exit status. `shown`: the only limit to show.
fn print(settings: &Settings, env: &Env, lookups: &[Lookup], shown: Option<&str>) -> u8 {
    let mut views: Vec<View> = lookups.iter().map(|lookup| lookup.view(settings)).collect();
    if let Some(label) = shown {
        for view in &mut views {
            view.select(label, settings.thresholds);
        }
        if settings.format.as_ref().is_some_and(|format| !format.lists_windows()) {
            // A line of named limits has no place for the one that is wanted.
            let settings = Settings { format: None, ..settings.clone() };
            output::print(&compose(&settings, env, &views));
            return status(&settings, worst(&views));
        }
    }
    output::print(&compose(settings, env, &views));
    status(settings, worst(&views))
}

/// The first of those that are worst off.
fn worst(views: &[View]) -> &View {
    views
        .iter()
        .reduce(|worst, view| if view.severity > worst.severity { view } else { worst })
        .unwrap_or(&views[0])
}

fn status(settings: &Settings, view: &View) -> u8 {
    if is_urgent(settings, view) { clicks::URGENT } else { 0 }
}

fn is_urgent(settings: &Settings, view: &View) -> bool {
    settings.urgent_exit && settings.host.is_block && view.severity == Severity::Exhausted
}

/// What a host is given for one or several views: the line in its envelope.
pub fn compose(settings: &Settings, env: &Env, views: &[View]) -> String {
    let host = settings.host;
    let is_wanted = match host.colour {
        AutoColour::Never => false,
        AutoColour::Always => true,
        AutoColour::OnTerminal => env.stdout_is_terminal,
    };
    let coloured = settings.color.applies(is_wanted, env);
    let templates = settings.templates();
    let needs_zone = host.needs_zone
        || templates
            .as_ref()
            .is_some_and(|(line, window)| line.needs_zone() || window.needs_zone());
    let has_numbers = views.iter().any(|view| view.usage.is_some());
    let zone = (needs_zone && has_numbers).then(|| env.zone());
    let style = LineOptions {
        templates: templates.as_ref().map(|(line, window)| Templates { line, window }),
        separator: settings.separator.as_deref().unwrap_or(settings.glyphs.separator),
        icon: settings.icon.as_ref().map(|icon| match icon {
            Icon::Text(text) => text.as_str(),
            Icon::Auto => settings.glyphs.icon,
        }),
        show: settings.show,
        always_resets: settings.reset == ResetTimes::Always,
        glyphs: settings.glyphs,
        thresholds: settings.thresholds,
        markup: host.markup.in_colours(coloured),
        palette: if coloured { host.palette.with(&settings.colors) } else { host.palette },
        zone: zone.as_ref(),
    };
    let render = if settings.short { render_short } else { render };
    let text = render(views, &style);
    let view = worst(views);
    let is_urgent = is_urgent(settings, view);
    (host.envelope)(&Output { text: &text, views, view, coloured, style: &style, is_urgent })
}
