//! The warm path, run at every prompt: read the cache → decide fresh or stale, and why → if stale, start one
//! detached worker → render → print.
//!
//! It opens no socket, builds no HTTP client, reads nothing of Codex's and no token; it only looks at auth.json
//! from outside. What is fast about it is what it does not do.

use crate::block::{self, Block};
use crate::cache::{Cache, Decision, Entry, Miss, Problem, decide};
use crate::codex::auth;
use crate::codex::home::Home;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::files::Lock;
use crate::hosts::{self, AutoColour, Output, Wait};
use crate::output::{self, Notes};
use crate::push;
use crate::render::style::{Markup, uncoloured};
use crate::render::template::{Style, Template, render, render_short};
use crate::settings::{Color, Icon, Settings};
use crate::usage::{Severity, Usage};
use crate::view::View;
use crate::worker::{self, Start, Urge};
use std::time::{Duration, Instant};

/// How often a waiting run looks whether the worker has stored something.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Prints the line, and gives the exit status. Every failure on the way is a degraded line, never none.
pub fn run(settings: &Settings, surroundings: &Surroundings) -> u8 {
    let notes = Notes::new(settings.verbose);
    tell_mistakes(settings, surroundings);
    let located = Home::locate(surroundings)
        .and_then(|home| Cache::locate(&home, surroundings).map(|cache| (home, cache)));
    match located {
        Ok((home, cache)) => show(settings, surroundings, &home, &cache, &notes),
        Err(error) => {
            notes.tell(&error);
            print(settings, surroundings, None, "", Some(Problem::from(&error)), None)
        }
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

fn show(settings: &Settings, surroundings: &Surroundings, home: &Home, cache: &Cache, notes: &Notes) -> u8 {
    let login = auth::stamp(home, surroundings);
    let now = surroundings.now();
    let entry = cache.read(now);
    let decision = decide(entry.as_ref(), &login, settings.max_age.as_secs() as i64, now);
    notes.tell(format_args!("{}: {decision}", cache.entry_path().display()));
    let wait = patience(settings, entry.as_ref().ok(), &login);

    let block = match settings.host.is_block {
        true => Block::of(surroundings, cache, usage_of(entry.as_ref().ok(), &login), notes),
        false => Block::default(),
    };
    let shown = block.shown.as_deref();
    let print = |entry: Option<&Entry>, problem| print(settings, surroundings, entry, &login, problem, shown);
    // What came this very second is as fresh as can be; a double click is not worth two fetches.
    let is_newest = entry.as_ref().is_ok_and(|entry| entry.failure.is_none() && entry.is_from(now));
    let urge = if block.wants_fetch && !is_newest { Urge::Anyway } else { Urge::IfStale };
    let is_wanted = urge == Urge::Anyway || matches!(decision, Decision::Stale(_));
    if !is_wanted || settings.offline || push::is_within_one(surroundings) {
        return print(entry.as_ref().ok(), None);
    }
    if wait.is_zero() && entry.is_ok() {
        // The host sees its line before the worker exists.
        let status = print(entry.as_ref().ok(), None);
        let _ = start_worker(settings, surroundings, cache, urge, &entry, notes);
        return status;
    }
    match start_worker(settings, surroundings, cache, urge, &entry, notes) {
        Ok(_) if wait.is_zero() => print(entry.as_ref().ok(), None),
        Ok(_) => {
            let entry = wait_for_news(surroundings, cache, entry, wait, notes);
            print(entry.as_ref().ok(), None)
        }
        Err(error) => print(entry.as_ref().ok(), Some(Problem::from(&error))),
    }
}

/// The numbers that may be shown for a login.
fn usage_of<'a>(entry: Option<&'a Entry>, login: &str) -> Option<&'a Usage> {
    let answer = entry.filter(|entry| entry.login == login)?.answer.as_ref()?;
    Some(&answer.usage)
}

/// How long this run may wait.
fn patience(settings: &Settings, entry: Option<&Entry>, login: &str) -> Duration {
    if let Some(wait) = settings.wait {
        return wait;
    }
    let has_numbers = usage_of(entry, login).is_some();
    match settings.host.wait {
        Wait::Always(wait) => wait,
        Wait::WhenEmpty(wait) if !has_numbers => wait,
        Wait::WhenEmpty(_) | Wait::Never => Duration::ZERO,
    }
}

fn start_worker(
    settings: &Settings,
    surroundings: &Surroundings,
    cache: &Cache,
    urge: Urge,
    seen: &Result<Entry, Miss>,
    notes: &Notes,
) -> Result<Start, Error> {
    let started = worker::start(cache, settings, urge, || cache.read(surroundings.now()) != *seen);
    match &started {
        Ok(Start::Started) => notes.tell("a fetch has been started"),
        Ok(Start::Busy) => notes.tell("another codexline is fetching"),
        Ok(Start::Done) => notes.tell("another codexline has just fetched"),
        Err(error) => notes.tell(error),
    }
    started
}

/// Waits until the entry is another than the one that was seen, the fetch has ended without leaving one, or patience
/// ends.
fn wait_for_news(
    surroundings: &Surroundings,
    cache: &Cache,
    seen: Result<Entry, Miss>,
    wait: Duration,
    notes: &Notes,
) -> Result<Entry, Miss> {
    let begun = Instant::now();
    let mut lock = Lock::open(&cache.lock_path());
    loop {
        // Looked at before the entry: whoever held it has stored what there is to store.
        let has_ended = lock.as_mut().is_ok_and(|lock| lock.try_hold(|| ()).is_ok_and(|free| free.is_some()));
        let entry = cache.read(surroundings.now());
        if has_ended && entry == seen {
            notes.tell("the fetch has ended without an answer");
            return entry;
        }
        if entry != seen {
            notes.tell(format_args!("an answer came after {} ms", begun.elapsed().as_millis()));
            return entry;
        }
        if begun.elapsed() >= wait {
            notes.tell(format_args!("no answer within {} ms", wait.as_millis()));
            return entry;
        }
        std::thread::sleep(LOOK_AGAIN.min(wait));
    }
}

/// Prints what there is to show, and gives the exit status. `shown`: the only limit to show.
fn print(
    settings: &Settings,
    surroundings: &Surroundings,
    entry: Option<&Entry>,
    login: &str,
    problem: Option<Problem>,
    shown: Option<&str>,
) -> u8 {
    let mut view = View::new(entry, login, problem, surroundings.now(), settings.thresholds)
        .with_mistake(settings.mistakes.first());
    if let Some(label) = shown {
        view.select(label, settings.thresholds);
        if !settings.format.lists_windows() {
            // A line of named limits has no place for the one that is wanted.
            let settings = Settings { format: Template::windows(), ..settings.clone() };
            output::print(&compose(&settings, surroundings, &view));
            return status(&settings, &view);
        }
    }
    output::print(&compose(settings, surroundings, &view));
    status(settings, &view)
}

fn status(settings: &Settings, view: &View) -> u8 {
    if is_urgent(settings, view) { block::URGENT } else { 0 }
}

fn is_urgent(settings: &Settings, view: &View) -> bool {
    settings.urgent_exit && settings.host.is_block && view.severity == Severity::Exhausted
}

/// What a host is given for a view: the line in its envelope.
pub fn compose(settings: &Settings, surroundings: &Surroundings, view: &View) -> String {
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
    let zone = (needs_zone && view.usage.is_some()).then(|| surroundings.zone());
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
    let text = if settings.short { render_short(view, &style) } else { render(view, &style) };
    let is_urgent = is_urgent(settings, view);
    (host.envelope)(&Output { text: &text, view, coloured, style: &style, is_urgent })
}
