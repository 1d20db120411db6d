//! The warm path, run at every prompt: read the cache → decide fresh or stale, and why → if stale, start one
//! detached worker → render → print.
//!
//! It opens no socket, builds no HTTP client, reads nothing of Codex's and no token; it only looks at auth.json
//! from outside. What is fast about it is what it does not do.

use crate::accounts::Account;
use crate::activity::lock_path;
use crate::activity::today::Today;
use crate::block::{self, Block};
use crate::cache::{Cache, Decision, Entry, Miss, Problem, Reason, decide};
use crate::codex::auth;
use crate::codex::home::Home;
use crate::environment::Surroundings;
use crate::files::Lock;
use crate::hosts::{self, AutoColour, Output, Wait};
use crate::output::{self, Notes};
use crate::push;
use crate::render::fill::{Style, render, render_short};
use crate::render::style::{Markup, uncoloured};
use crate::render::template::Template;
use crate::settings::{Color, Icon, Settings};
use crate::usage::{Severity, Usage};
use crate::view::View;
use crate::worker::{self, Start, Urge};
use std::time::{Duration, Instant};

const BETWEEN_ACCOUNTS: &str = " | ";
/// How long whoever waits for numbers, and has no counts yet, waits for these: they are there in a moment, unless today's files
/// have gigabytes.
const PATIENCE_FOR_COUNTS: Duration = Duration::from_secs(1);
/// How often a waiting run looks whether the worker has stored something.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Prints the line, and gives the exit status. Every failure on the way is a degraded line, never none.
pub fn run(settings: &Settings, surroundings: &Surroundings) -> u8 {
    let notes = Notes::new(settings.verbose);
    tell_mistakes(settings, surroundings);
    let mut sights = sights(settings, surroundings, &notes);
    let block = match (settings.host.is_block, &sights[0].cache) {
        (true, Some(cache)) => Block::of(surroundings, cache, sights[0].usage(), &notes),
        _ => Block::default(),
    };
    let print = |sights: &[Sight]| print(settings, surroundings, sights, block.shown.as_deref());
    let is_silent = settings.offline || push::is_within_one(surroundings);
    for sight in &mut sights {
        sight.urge = sight.urge(block.wants_fetch, surroundings).filter(|_| !is_silent);
        sight.is_uncounted = settings.tells_today() && !is_silent && sight.is_uncounted(settings);
    }
    let wanted = || sights.iter().filter(|sight| sight.urge.is_some());
    let wait = wanted().map(|sight| sight.patience(settings)).max().unwrap_or_default();
    let uncounted = || sights.iter().filter(|sight| sight.is_uncounted);
    let wait_for_counts =
        uncounted().map(|sight| sight.patience_for_counts(settings)).max().unwrap_or_default();
    if wait.max(wait_for_counts).is_zero() && wanted().all(|sight| sight.entry.is_ok()) {
        // The host sees its line before a worker exists.
        let status = print(&sights);
        if wanted().next().or(uncounted().next()).is_some() {
            crate::platform::end_output();
        }
        for sight in &mut sights {
            sight.fetch(settings, &notes);
            sight.count(settings, &notes);
        }
        return status;
    }
    for sight in &mut sights {
        sight.fetch(settings, &notes);
        sight.count(settings, &notes);
    }
    let begun = Instant::now();
    for sight in &mut sights {
        sight.wait_for_news(begun, wait, &notes);
    }
    for sight in &mut sights {
        sight.wait_for_counts(begun, wait_for_counts, &notes);
    }
    print(&sights)
}

/// What there is to show to whoever waits for it, a person at `status` or a script at `check`: as fresh as `--max-age` asks for,
/// if that comes within `wait`. `today`: also what was done today, for which it waits a moment at most.
pub(crate) fn views(
    settings: &Settings,
    surroundings: &Surroundings,
    wait: Duration,
    today: bool,
    notes: &Notes,
) -> Vec<View> {
    let mut sights = sights(settings, surroundings, notes);
    let is_silent = settings.offline || push::is_within_one(surroundings);
    for sight in sights.iter_mut().filter(|_| !is_silent) {
        sight.urge = sight.urge(false, surroundings);
        sight.fetch(settings, notes);
        sight.is_uncounted = today && sight.is_uncounted(settings);
        sight.count(settings, notes);
    }
    let begun = Instant::now();
    for sight in &mut sights {
        sight.wait_for_news(begun, wait, notes);
    }
    for sight in &mut sights {
        sight.wait_for_counts(begun, wait.min(settings.wait.unwrap_or(PATIENCE_FOR_COUNTS)), notes);
    }
    sights.iter().map(|sight| sight.view(settings)).collect()
}

/// Every account's, or that of the one login.
fn sights(settings: &Settings, surroundings: &Surroundings, notes: &Notes) -> Vec<Sight> {
    if settings.accounts.is_empty() {
        vec![Sight::of(None, surroundings.clone(), settings, notes)]
    } else {
        let sight = |account: &Account| {
            let own = surroundings.of_account(&account.home);
            Sight::of(Some(account.name.clone()), own, settings, notes)
        };
        settings.accounts.iter().map(sight).collect()
    }
}

/// A person is told of each mistake in the config file. A bar is not: most drop what comes on stderr, the others would log it
/// every few seconds, and the line is marked.
fn tell_mistakes(settings: &Settings, surroundings: &Surroundings) {
    let is_for_a_bar = settings.host.name != hosts::DEFAULT.name;
    if is_for_a_bar && !settings.verbose && !surroundings.stdout_is_terminal {
        return;
    }
    for mistake in &settings.mistakes {
        let error = mistake.error();
        output::complain(format_args!("{error}; {}", error.hint()));
    }
}

/// One login and what its cache entry says of it.
struct Sight {
    account: Option<String>,
    surroundings: Surroundings,
    /// `None` where not even its place is known.
    cache: Option<Cache>,
    login: String,
    entry: Result<Entry, Miss>,
    decision: Decision,
    /// Whether a fetch is wanted, and how much.
    urge: Option<Urge>,
    /// A fetch has been started, by us or by others.
    is_under_way: bool,
    /// A count of what was done today is wanted.
    is_uncounted: bool,
    /// One has been started, by us or by others.
    is_being_counted: bool,
    /// What went wrong in this run.
    problem: Option<Problem>,
}

impl Sight {
    fn of(account: Option<String>, surroundings: Surroundings, settings: &Settings, notes: &Notes) -> Sight {
        let mut sight = Sight {
            account,
            cache: None,
            login: String::new(),
            entry: Err(Miss::Absent),
            decision: Decision::Stale(Reason::Missing(Miss::Absent)),
            urge: None,
            is_under_way: false,
            is_uncounted: false,
            is_being_counted: false,
            problem: None,
            surroundings,
        };
        let surroundings = &sight.surroundings;
        let located = Home::locate(surroundings)
            .and_then(|home| Cache::locate(&home, settings.source, surroundings).map(|cache| (home, cache)));
        match located {
            Ok((home, cache)) => {
                let now = surroundings.now();
                sight.login = auth::stamp(&home, surroundings);
                sight.entry = cache.read(now);
                let max_age = settings.max_age.as_secs() as i64;
                sight.decision = decide(sight.entry.as_ref(), &sight.login, max_age, now);
                notes.tell(format_args!("{}: {}", cache.entry_path().display(), sight.decision));
                sight.cache = Some(cache);
            }
            Err(error) => {
                notes.tell(&error);
                sight.problem = Some(Problem::from(&error));
            }
        }
        sight
    }

    /// The numbers that may be shown for the login.
    fn usage(&self) -> Option<&Usage> {
        let entry = self.entry.as_ref().ok().filter(|entry| entry.login == self.login)?;
        let answer = entry.answer.as_ref().filter(|answer| answer.holds(self.surroundings.now()))?;
        Some(&answer.usage)
    }

    /// `is_clicked`: the user has asked for it.
    fn urge(&self, is_clicked: bool, surroundings: &Surroundings) -> Option<Urge> {
        self.cache.as_ref()?;
        // What came this very second is as fresh as can be; a double click is not worth two fetches.
        let now = surroundings.now();
        let is_newest = self.entry.as_ref().is_ok_and(|entry| entry.failure.is_none() && entry.is_from(now));
        match &self.decision {
            _ if is_clicked && !is_newest => Some(Urge::Anyway),
            Decision::Stale(_) => Some(Urge::IfStale),
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
    fn fetch(&mut self, settings: &Settings, notes: &Notes) {
        let (Some(urge), Some(cache)) = (self.urge, &self.cache) else { return };
        let is_done = || self.is_news(&cache.read(self.surroundings.now()));
        let started = worker::start_fetch(cache, settings, &self.surroundings, urge, is_done);
        self.is_under_way = started.is_ok();
        match started {
            Ok(Start::Started) => notes.tell("a fetch has been started"),
            Ok(Start::Busy) => notes.tell("another codexline is fetching"),
            Ok(Start::Done) => notes.tell("another codexline has just fetched"),
            Err(error) => {
                notes.tell(&error);
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
        let is_stale = |today: Today| today.is_stale(max_age, self.surroundings.now());
        self.cache.is_some() && self.today().is_none_or(is_stale)
    }

    /// How long this run may wait for it.
    fn patience_for_counts(&self, settings: &Settings) -> Duration {
        let is_known = self.today().is_some_and(|today| today.holds(self.surroundings.now()));
        match (settings.wait, settings.host.wait) {
            (Some(wait), _) => wait,
            (None, Wait::WhenEmpty(wait)) if !is_known => wait.min(PATIENCE_FOR_COUNTS),
            (None, _) => Duration::ZERO,
        }
    }

    /// Starts a count if one is wanted. Where that is not possible, the fetch tells why.
    fn count(&mut self, settings: &Settings, notes: &Notes) {
        let Some(cache) = self.cache.as_ref().filter(|_| self.is_uncounted) else { return };
        let is_done = || cache.read(self.surroundings.now()).is_ok_and(|entry| entry.today != self.today());
        match worker::start_count(cache, settings, &self.surroundings, is_done) {
            Ok(start) => {
                self.is_being_counted = true;
                notes.tell(match start {
                    Start::Started => "a count of today's sessions has been started",
                    Start::Busy => "another codexline is counting",
                    Start::Done => "another codexline has just counted",
                });
            }
            Err(error) => notes.tell(error),
        }
    }

    /// Waits until the entry has other counts than those that were seen, the count has ended, or patience ends.
    fn wait_for_counts(&mut self, begun: Instant, wait: Duration, notes: &Notes) {
        let Some(cache) = self.cache.as_ref().filter(|_| self.is_being_counted && !wait.is_zero()) else {
            return;
        };
        let mut lock = Lock::open(&lock_path(&cache.activity_path()));
        loop {
            let has_ended = lock.as_mut().is_ok_and(Lock::is_free);
            let entry = cache.read(self.surroundings.now());
            let counted = entry.as_ref().is_ok_and(|entry| entry.today != self.today());
            if counted {
                self.entry = entry;
            }
            if counted || has_ended || begun.elapsed() >= wait {
                return notes.tell(format_args!("waited {} ms for the count", begun.elapsed().as_millis()));
            }
            std::thread::sleep(LOOK_AGAIN.min(wait));
        }
    }

    /// Waits until the entry is another than the one that was seen, the fetch has ended without leaving one, or patience
    /// ends.
    fn wait_for_news(&mut self, begun: Instant, wait: Duration, notes: &Notes) {
        let Some(cache) = self.cache.as_ref().filter(|_| self.is_under_way && !wait.is_zero()) else {
            return;
        };
        let mut lock = Lock::open(&cache.lock_path());
        loop {
            // Looked at before the entry: whoever held it has stored what there is to store.
            let has_ended = lock.as_mut().is_ok_and(Lock::is_free);
            let entry = cache.read(self.surroundings.now());
            if self.is_news(&entry) {
                notes.tell(format_args!("an answer came after {} ms", begun.elapsed().as_millis()));
                self.entry = entry;
                // The worker may have renewed the login: then the news is of the new one.
                self.login = auth::stamp(cache.home(), &self.surroundings);
                return;
            }
            if has_ended {
                return notes.tell("the fetch has ended without an answer");
            }
            if begun.elapsed() >= wait {
                return notes.tell(format_args!("no answer within {} ms", wait.as_millis()));
            }
            std::thread::sleep(LOOK_AGAIN.min(wait));
        }
    }

    fn view(&self, settings: &Settings) -> View {
        let (entry, now) = (self.entry.as_ref().ok(), self.surroundings.now());
        let view = View::new(entry, &self.login, self.problem.clone(), now, settings.thresholds)
            .measured_by(settings.severity, settings.thresholds);
        View { account: self.account.clone(), ..view.with_mistake(settings.mistakes.first()) }
    }
}

/// Prints what there is to show, and gives the exit status. `shown`: the only limit to show.
fn print(settings: &Settings, surroundings: &Surroundings, sights: &[Sight], shown: Option<&str>) -> u8 {
    let mut views: Vec<View> = sights.iter().map(|sight| sight.view(settings)).collect();
    if let Some(label) = shown {
        for view in &mut views {
            view.select(label, settings.thresholds);
        }
        if !settings.format.lists_windows() {
            // A line of named limits has no place for the one that is wanted.
            let settings = Settings { format: Template::windows(), ..settings.clone() };
            output::print(&compose(&settings, surroundings, &views));
            return status(&settings, worst(&views));
        }
    }
    output::print(&compose(settings, surroundings, &views));
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
    if is_urgent(settings, view) { block::URGENT } else { 0 }
}

fn is_urgent(settings: &Settings, view: &View) -> bool {
    settings.urgent_exit && settings.host.is_block && view.severity == Severity::Exhausted
}

/// What a host is given for one or several views: the line in its envelope.
pub fn compose(settings: &Settings, surroundings: &Surroundings, views: &[View]) -> String {
    let coloured = match settings.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let wanted = match settings.host.colour {
                AutoColour::Never => false,
                AutoColour::Always => true,
                AutoColour::OnTerminal => surroundings.stdout_is_terminal,
            };
            wanted && surroundings.variable("NO_COLOR").is_none()
        }
    };
    let host = settings.host;
    let needs_zone = host.needs_zone || settings.format.needs_zone() || settings.window.needs_zone();
    let has_numbers = views.iter().any(|view| view.usage.is_some());
    let zone = (needs_zone && has_numbers).then(|| surroundings.zone());
    let Markup { escape, paint } = host.markup;
    let style = Style {
        line: &settings.format,
        window: &settings.window,
        separator: settings.separator.as_deref().unwrap_or(settings.glyphs.separator),
        icon: match &settings.icon {
            Some(Icon::Text(text)) => text,
            Some(Icon::Auto) | None => settings.glyphs.icon,
        },
        icon_leads: settings.icon.is_some() && !settings.format.places_icon(),
        glyphs: settings.glyphs,
        thresholds: settings.thresholds,
        markup: Markup { escape, paint: if coloured { paint } else { uncoloured } },
        inks: host.inks.with(&settings.colors),
        zone: zone.as_ref(),
    };
    let render = if settings.short { render_short } else { render };
    let mut text = String::new();
    for view in views {
        if text.is_empty() {
            text = render(view, &style);
        } else {
            // One icon is enough.
            text.push_str(BETWEEN_ACCOUNTS);
            text.push_str(&render(view, &Style { icon_leads: false, ..style }));
        }
    }
    let view = worst(views);
    let is_urgent = is_urgent(settings, view);
    (host.envelope)(&Output { text: &text, views, view, coloured, style: &style, is_urgent })
}
