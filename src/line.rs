//! The warm path, run at every prompt: read the cache → decide fresh or stale, and why → if stale, start one
//! detached worker → render → print.
//!
//! It opens no socket, builds no HTTP client, reads nothing of Codex's and no token; it only looks at auth.json
//! from outside. What is fast about it is what it does not do.

use crate::cache::{Cache, Decision, Entry, Miss, Problem, decide};
use crate::codex::auth;
use crate::codex::home::Home;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::hosts::{AutoColour, Output, Wait};
use crate::output::{self, Notes};
use crate::render::style::{Markup, uncoloured};
use crate::render::template::{Style, render};
use crate::settings::{Color, Settings};
use crate::view::View;
use crate::worker::{self, Start};
use jiff::tz::TimeZone;
use std::time::{Duration, Instant};

/// How often a waiting run looks whether the worker has stored something.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Prints the line. Every failure on the way is a degraded line, never none.
pub fn run(settings: &Settings, surroundings: &Surroundings) {
    let notes = Notes::new(settings.verbose);
    let located = Home::locate(surroundings)
        .and_then(|home| Cache::locate(&home, surroundings).map(|cache| (home, cache)));
    match located {
        Ok((home, cache)) => show(settings, surroundings, &home, &cache, &notes),
        Err(error) => {
            notes.tell(&error);
            print(settings, surroundings, None, "", Some(Problem::from(&error)));
        }
    }
}

fn show(settings: &Settings, surroundings: &Surroundings, home: &Home, cache: &Cache, notes: &Notes) {
    let login = auth::stamp(home, surroundings);
    let now = surroundings.now();
    let entry = cache.read(now);
    let decision = decide(entry.as_ref(), &login, settings.max_age.as_secs() as i64, now);
    notes.tell(format_args!("{}: {decision}", cache.entry_path().display()));
    let wait = patience(settings, entry.as_ref().ok(), &login);

    let print = |entry: Option<&Entry>, problem| print(settings, surroundings, entry, &login, problem);
    if !matches!(decision, Decision::Stale(_)) || settings.offline {
        return print(entry.as_ref().ok(), None);
    }
    if wait.is_zero() && entry.is_ok() {
        // The host sees its line before the worker exists.
        print(entry.as_ref().ok(), None);
        let _ = start_worker(settings, surroundings, cache, &entry, notes);
        return;
    }
    match start_worker(settings, surroundings, cache, &entry, notes) {
        Ok(_) if wait.is_zero() => print(entry.as_ref().ok(), None),
        Ok(_) => {
            let entry = wait_for_news(surroundings, cache, entry, wait, notes);
            // The worker may have renewed the login: then the news is of the new one.
            let login = auth::stamp(home, surroundings);
            self::print(settings, surroundings, entry.as_ref().ok(), &login, None);
        }
        Err(error) => print(entry.as_ref().ok(), Some(Problem::from(&error))),
    }
}

/// How long this run may wait.
fn patience(settings: &Settings, entry: Option<&Entry>, login: &str) -> Duration {
    if let Some(wait) = settings.wait {
        return wait;
    }
    let has_numbers = entry.is_some_and(|entry| entry.login == login && entry.answer.is_some());
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
    seen: &Result<Entry, Miss>,
    notes: &Notes,
) -> Result<Start, Error> {
    let started = worker::start(cache, settings, || cache.read(surroundings.now()) != *seen);
    match &started {
        Ok(Start::Started) => notes.tell("a fetch has been started"),
        Ok(Start::Busy) => notes.tell("another codexline is fetching"),
        Ok(Start::Done) => notes.tell("another codexline has just fetched"),
        Err(error) => notes.tell(error),
    }
    started
}

/// Waits until the entry is another than the one that was seen, or patience ends.
fn wait_for_news(
    surroundings: &Surroundings,
    cache: &Cache,
    seen: Result<Entry, Miss>,
    wait: Duration,
    notes: &Notes,
) -> Result<Entry, Miss> {
    let begun = Instant::now();
    loop {
        let entry = cache.read(surroundings.now());
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

fn print(
    settings: &Settings,
    surroundings: &Surroundings,
    entry: Option<&Entry>,
    login: &str,
    problem: Option<Problem>,
) {
    let view = View::new(entry, login, problem, surroundings.now(), settings.thresholds);
    output::print(&compose(settings, surroundings, &view));
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
    let needs_zone = settings.format.needs_zone() || settings.window.needs_zone();
    let zone = needs_zone.then(TimeZone::system);
    let Markup { escape, paint } = settings.host.markup;
    let text = render(
        view,
        &Style {
            line: &settings.format,
            window: &settings.window,
            separator: &settings.separator,
            thresholds: settings.thresholds,
            markup: Markup { escape, paint: if coloured { paint } else { uncoloured } },
            zone: zone.as_ref(),
        },
    );
    (settings.host.envelope)(&Output { text: &text, view, coloured })
}
