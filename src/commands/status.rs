//! `codexline status`: the page, once or again and again; and the terminal that it is shown on.

use crate::config::settings::Settings;
use crate::io::env::Env;
use crate::io::output::{self, Log};
use crate::line;
use crate::model::view::View;
use crate::render::glyphs::{ASCII, Glyphs, UNICODE};
use crate::render::page::{PageOptions, page};
use crate::render::style::{paint_ansi, uncoloured};
use jiff::tz::TimeZone;
use std::io;
use std::time::Duration;

/// How long a person waits for fresh numbers, if `--wait` does not say.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a terminal has that does not say how wide it is.
const COLUMNS: usize = 80;
/// Countdowns below a minute are in seconds.
const TURN: Duration = Duration::from_secs(1);

/// From the top left, each line cleared to its end, then all below: drawing over what is there does not flicker.
const TO_TOP: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\n";
const CLEAR_BELOW: &str = "\x1b[J";
const CLEAR_ALL: &str = "\x1b[2J";

/// `codexline status`.
pub struct StatusArgs {
    pub(crate) settings: Settings,
    /// Go on showing the page.
    pub(crate) is_watched: bool,
}

/// Prints the page; with `is_watched` again at every turn, until interrupted or nobody reads it any more.
pub fn run(args: &StatusArgs, env: &Env) {
    let settings = &args.settings;
    let log = Log::new(settings.verbose);
    let zone = TimeZone::system();
    let views = line::views(settings, env, settings.wait.unwrap_or(PATIENCE), true, &log);
    let mut shown = draw(&views, settings, env, &zone);
    if !args.is_watched {
        return output::print(&shown);
    }
    let mut result = output::show(&on_screen(&shown, env, CLEAR_ALL));
    while result.is_ok() {
        std::thread::sleep(TURN);
        let views = line::views(settings, env, Duration::ZERO, true, &Log::new(false));
        let next = draw(&views, settings, env, &zone);
        // To what is not a terminal only news are written. An age or a countdown changes once a minute at least, which
        // finds out that nobody reads any more.
        if next != shown || env.stdout_is_terminal {
            result = output::show(&on_screen(&next, env, ""));
        }
        shown = next;
    }
    if let Err(error) = result
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        output::warn(format_args!("cannot write the page: {error}"));
    }
}

fn on_screen(page: &str, env: &Env, before: &str) -> String {
    if env.stdout_is_terminal {
        format!("{before}{TO_TOP}{}{CLEAR_BELOW}", page.replace('\n', CLEAR_LINE))
    } else {
        format!("{page}\n")
    }
}

fn draw(views: &[View], settings: &Settings, env: &Env, zone: &TimeZone) -> String {
    let is_coloured = settings.color.applies(env.stdout_is_terminal, env);
    let paper = PageOptions {
        columns: columns(env),
        glyphs: glyphs(settings, env),
        paint: if is_coloured { paint_ansi } else { uncoloured },
        palette: settings.host.palette.with(&settings.colors),
        thresholds: settings.thresholds,
        zone,
    };
    views.iter().map(|view| page(view, &paper)).collect::<Vec<String>>().join("\n")
}

/// `COLUMNS`, else what the terminal says, else the usual.
fn columns(env: &Env) -> usize {
    let named = env.text("COLUMNS").and_then(|text| text.trim().parse().ok());
    named
        .or_else(crate::io::platform::terminal_columns)
        .filter(|columns| *columns > 0)
        .unwrap_or(COLUMNS)
}

/// As it was wished; letters only where the locale has no others.
fn glyphs(settings: &Settings, env: &Env) -> &'static Glyphs {
    if *settings.glyphs == UNICODE && !is_unicode(env) { &ASCII } else { settings.glyphs }
}

/// By the locale, as POSIX ranks its variables: without one it is "C", which has letters only.
fn is_unicode(env: &Env) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env.text(name));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn the_locale_says_which_letters_there_are() {
        let check = |variables: &[(&str, &str)], expected: bool| {
            let env = Env::for_test(variables, || Timestamp::from_unix_seconds(0));
            assert_eq!(is_unicode(&env), expected, "{variables:?}");
        };
        check(&[], false);
        check(&[("LANG", "de_DE.UTF-8")], true);
        check(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], false);
        check(&[("LC_CTYPE", "C.utf8"), ("LANG", "C")], true);
        check(&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")], true);
    }
}
