//! `codexline status`: the page, once or again and again; and the terminal that it is shown on.

use crate::config::settings::Settings;
use crate::io::env::Env;
use crate::io::output::{self, Log};
use crate::io::platform::{Keys, note_requests_to_end, request_to_end, terminal_size};
use crate::line;
use crate::model::view::View;
use crate::render::glyphs::{ASCII, Glyphs, UNICODE};
use crate::render::page::{Mark, PageOptions, page};
use crate::render::style::{paint_ansi, uncoloured};
use jiff::tz::TimeZone;
use std::io;
use std::time::{Duration, Instant};

/// How long a person waits for fresh numbers, if `--wait` does not say.
const PATIENCE: Duration = Duration::from_secs(10);
/// The page is made anew so often.
const TURN: Duration = Duration::from_secs(1);

/// Without keys to wait for, whether the program is to end is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The alternate screen keeps what stood in the terminal before. The cursor is hidden on it.
const BEGIN: &str = "\x1b[?1049h\x1b[?25l";
const END: &str = "\x1b[?25h\x1b[?1049l";
/// From the top left each line is cleared to its end, then everything below: to draw over what
/// stands there does not flicker.
const TO_TOP: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\n";
const CLEAR_BELOW: &str = "\x1b[J";
/// The keys that end `--watch`: q, Q, and Ctrl-C and Ctrl-D, which come as keys here.
const END_KEYS: [u8; 4] = [b'q', b'Q', 3, 4];
const HOW_TO_END: &str = "q ends it";

/// `codexline status`.
pub struct StatusArgs {
    pub(crate) settings: Settings,
    /// Go on showing the page.
    pub(crate) is_watched: bool,
}

/// Prints the page. With `args.is_watched` it is shown again and again, until the person ends it or
/// nobody reads it any more. The exit status: that of a signal which ended it, else 0.
pub fn run(args: &StatusArgs, env: &Env) -> u8 {
    let settings = &args.settings;
    let log = Log::new(settings.verbose);
    let zone = TimeZone::system();
    let wait = settings.wait.unwrap_or(PATIENCE);
    let screen = Screen { settings, env, zone: &zone };
    let result = if !args.is_watched {
        let views = line::views(settings, env, wait, true, &log);
        output::print(&screen.draw(&views, ""));
        Ok(())
    } else if env.stdout_is_terminal {
        screen.watch()
    } else {
        screen.follow(wait)
    };
    if let Err(error) = result
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        output::warn(format_args!("cannot write the page: {error}"));
    }
    request_to_end().unwrap_or(0)
}

struct Screen<'a> {
    settings: &'a Settings,
    env: &'a Env,
    zone: &'a TimeZone,
}

/// The alternate screen of a terminal, which is left when it is dropped.
struct Alternate;

impl Alternate {
    fn begin() -> io::Result<Alternate> {
        output::show(BEGIN).map(|()| Alternate)
    }
}

impl Drop for Alternate {
    fn drop(&mut self) {
        let _ = output::show(END);
    }
}

impl Screen<'_> {
    fn views(&self, wait: Duration) -> Vec<View> {
        line::views(self.settings, self.env, wait, true, &Log::new(false))
    }

    /// On a terminal: drawn at every turn, and at once when its size changes. A signal that asks
    /// the program to end leaves the terminal as it was, too.
    fn watch(&self) -> io::Result<()> {
        note_requests_to_end();
        let mut keys = Keys::begin();
        let _alternate = Alternate::begin()?;
        let footer = if keys.is_some() { HOW_TO_END } else { "Ctrl-C ends it" };
        // Not even the first page waits for the network.
        let mut views = self.views(Duration::ZERO);
        while request_to_end().is_none() {
            let (drawn, size) = (Instant::now(), terminal_size());
            let page = self.draw(&views, footer);
            // The last line feed would push the first line off a full screen.
            let page = page.trim_end().replace('\n', CLEAR_LINE);
            output::show(&format!("{TO_TOP}{page}{CLEAR_BELOW}"))?;
            let is_due = || drawn.elapsed() >= TURN || terminal_size() != size;
            while !is_due() && request_to_end().is_none() {
                match &mut keys {
                    Some(keys) => match keys.read()? {
                        Some(key) if END_KEYS.contains(&key) => return Ok(()),
                        _ => {}
                    },
                    None => std::thread::sleep(LOOK_AGAIN),
                }
            }
            views = self.views(Duration::ZERO);
        }
        Ok(())
    }

    /// To what is no terminal only news are written, one page below the other. An age or a
    /// countdown changes once a minute at least, which finds out that nobody reads any more.
    fn follow(&self, wait: Duration) -> io::Result<()> {
        let mut shown = String::new();
        let mut wait = wait;
        loop {
            let next = self.draw(&self.views(wait), "");
            if next != shown {
                output::show(&format!("{next}\n"))?;
                shown = next;
            }
            wait = Duration::ZERO;
            std::thread::sleep(TURN);
        }
    }

    /// The page as text. `footer` stands below it, if it is not empty.
    fn draw(&self, views: &[View], footer: &str) -> String {
        let (settings, env) = (self.settings, self.env);
        let is_coloured = settings.color.applies(env.stdout_is_terminal, env);
        let (columns, lines) = env.page_size();
        let options = PageOptions {
            columns,
            // The footer and the blank line before it, or the prompt behind the page.
            lines: lines.map(|lines| lines.saturating_sub(2)),
            is_tooltip: false,
            glyphs: glyphs(settings, env),
            show: settings.show,
            thresholds: settings.thresholds,
            zone: Some(self.zone),
        };
        let palette = settings.host.palette.with(&settings.colors);
        let paint = if is_coloured { paint_ansi } else { uncoloured };
        let mut out = String::with_capacity(2048);
        for line in page(views, &options) {
            for span in &line {
                paint(span.mark.style(&palette), &span.text, &mut out);
            }
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
        }
        if !footer.is_empty() {
            out.push('\n');
            paint(Mark::Faint.style(&palette), footer, &mut out);
            out.push('\n');
        }
        out
    }
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
