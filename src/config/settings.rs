//! The options of the line: their names, what they take, and what they set.
//!
//! [`OPTIONS`] is the one table: the command line, the environment, the config file and `--help` are made from it. To add
//! an option, add a field and a row. Which of several places wins is not decided here but by the layers.

use crate::config::accounts::{self, Account};
use crate::config::values::{Choices, duration, one_of, percent, switch, words};
use crate::hosts::Host;
use crate::io::env::Env;
use crate::model::entry::Source;
use crate::model::error::Mistake;
use crate::model::show::Show;
use crate::model::usage::{Measure, Severity, Thresholds};
use crate::render::colour::{self, Style};
use crate::render::glyphs::{self, Glyphs};
use crate::render::template::{Template, TemplateKind};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a run that prints the line goes by.
#[derive(Clone)]
pub struct Settings {
    pub host: &'static Host,
    /// The accounts to show, each with its name; none: the one of `CODEX_HOME`.
    pub accounts: Vec<Account>,
    /// Older numbers are fetched anew.
    pub max_age: Duration,
    /// How long to wait for fresh numbers; `None`: as the host bears it.
    pub wait: Option<Duration>,
    /// Never start a fetch.
    pub offline: bool,
    /// The line; `None`: the program's own form, or [`FORMAT`] if there is a `window`.
    pub format: Option<Template>,
    /// Each limit of it; `None`: likewise, with [`WINDOW`].
    pub window: Option<Template>,
    /// `None`: that of the glyphs.
    pub separator: Option<String>,
    /// Only the binding limit.
    pub short: bool,
    /// Whether numbers and bars tell what is left or what is used.
    pub show: Show,
    /// When the own form tells how soon a limit is reset.
    pub reset: ResetTimes,
    /// In place of the word Codex, or where the template says; `None`: nowhere, and there that of
    /// the glyphs.
    pub icon: Option<Icon>,
    pub glyphs: &'static Glyphs,
    pub thresholds: Thresholds,
    pub severity: Measure,
    pub color: Color,
    /// In place of the host's own; the last of a severity counts.
    pub colors: Vec<(Severity, Style)>,
    /// Exit status 33 when a limit is exhausted, for hosts that know it.
    pub urgent_exit: bool,
    /// Where the numbers come from; `None`: from the first that has some.
    pub source: Option<Source>,
    /// How far the fetch goes if the login is refused.
    pub recover: Recover,
    /// The `codex` to ask where auth.json may not be used; `None`: the one on PATH.
    pub codex_bin: Option<PathBuf>,
    /// What to run once new numbers are stored, by the fetch and never by the line; `None`: nothing.
    pub on_fetch: Option<String>,
    /// What to run when a limit crosses a threshold or is reset, by the fetch and never by the line; `None`: nothing.
    pub on_change: Option<String>,
    /// Tell on stderr what was decided and why.
    pub verbose: bool,
    /// What is wrong in the config file, as far as this host is concerned. Never a reason to print nothing.
    pub mistakes: Vec<Mistake>,
}

/// `--recover`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recover {
    /// Read auth.json again, then renew the login.
    Full,
    /// Read auth.json again only.
    Reload,
    /// Nothing.
    Off,
}

impl Color {
    /// Whether to colour. `is_wanted` is what `auto` means here, unless `NO_COLOR` is set.
    pub fn applies(self, is_wanted: bool, env: &Env) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_wanted && env.variable("NO_COLOR").is_none(),
        }
    }
}

impl Recover {
    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Recover::Full => "full",
            Recover::Reload => "reload",
            Recover::Off => "off",
        }
    }
}

/// `--reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetTimes {
    /// For a limit that is in trouble.
    Trouble,
    /// For every limit.
    Always,
}

/// `--icon`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Icon {
    /// That of the glyphs.
    Auto,
    Text(String),
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// A row of the table.
pub struct Opt {
    /// The long option's name, also a key of the environment: `max-age` is `CODEXLINE_MAX_AGE`.
    pub name: &'static str,
    /// What its value is called; `None` for a switch.
    pub value: Option<&'static str>,
    /// All that its value can be, for completions; empty if it is not one of a few words.
    pub choices: &'static [&'static str],
    pub help: &'static str,
    /// As one would type it, in '…' where it begins or ends with a blank; in (…) what happens without a value.
    pub default: Option<&'static str>,
    apply: fn(&mut Settings, &str) -> Result<(), String>,
}

const MAX_AGE: Duration = Duration::from_secs(120);
const FORMAT: &str = "{windows}";
const WINDOW: &str = "{label} {used} {reset}";
pub const WARN: f64 = 70.0;
const CRITICAL: f64 = 90.0;

/// A day is old for any use; what is beyond is a slip (`5M` are five months).
const LONGEST_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// A host that waits longer has given up.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);

/// `--source` without a choice.
const AUTO: &str = "auto";

/// As `--source` is typed.
pub fn source_name(source: Option<Source>) -> &'static str {
    source.map_or(AUTO, Source::name)
}

const GLYPHS: Choices<&Glyphs, 3> = {
    let [unicode, nerd, ascii] = glyphs::SETS;
    [(unicode.name, unicode), (nerd.name, nerd), (ascii.name, ascii)]
};
const MEASURES: Choices<Measure, 2> = [("used", Measure::Used), ("pace", Measure::Pace)];
const SHOWS: Choices<Show, 2> = [(Show::Left.word(), Show::Left), (Show::Used.word(), Show::Used)];
const RESETS: Choices<ResetTimes, 2> =
    [("trouble", ResetTimes::Trouble), ("always", ResetTimes::Always)];
const COLORS: Choices<Color, 3> =
    [("auto", Color::Auto), ("always", Color::Always), ("never", Color::Never)];
/// In the order in which `auto` asks them.
const SOURCES: Choices<Option<Source>, 4> = [
    (AUTO, None),
    (Source::Api.name(), Some(Source::Api)),
    (Source::Codex.name(), Some(Source::Codex)),
    (Source::Sessions.name(), Some(Source::Sessions)),
];
const RECOVERIES: Choices<Recover, 3> = [
    (Recover::Full.name(), Recover::Full),
    (Recover::Reload.name(), Recover::Reload),
    (Recover::Off.name(), Recover::Off),
];

/// The option that every layer may add to.
pub const ACCOUNT: &str = "account";

pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "max-age",
        value: Some("DURATION"),
        choices: &[],
        help: "fetch anew what is older than this",
        default: Some("2m"),
        apply: |settings, text| duration(text, LONGEST_AGE).map(|value| settings.max_age = value),
    },
    Opt {
        name: "wait",
        value: Some("DURATION"),
        choices: &[],
        help: "wait so long for fresh numbers when there are none or only stale ones",
        default: Some("(what the host bears)"),
        apply: |settings, text| {
            duration(text, LONGEST_WAIT).map(|value| settings.wait = Some(value))
        },
    },
    Opt {
        name: "offline",
        value: None,
        choices: &[],
        help: "never start a fetch",
        default: None,
        apply: |settings, text| switch(text).map(|value| settings.offline = value),
    },
    Opt {
        name: ACCOUNT,
        value: Some("NAME=CODEX_HOME"),
        choices: &[],
        help: "show this account too, or, with NAME alone, only this one of those that are defined; repeatable",
        default: Some("(the login in CODEX_HOME)"),
        // The words are put together from all layers in the end.
        apply: |_, text| accounts::parse(text).map(drop),
    },
    Opt {
        name: "format",
        value: Some("TEMPLATE"),
        choices: &[],
        help: "the line by a template: {windows} {account} {plan} {credits} {budget} {age} {icon} {tokens_today} {turns_today} {sessions_today} {binding.used} {5h.left} … [part that may be missing]",
        default: Some("(the program's own form; {windows} if --window is given)"),
        apply: |settings, text| {
            Template::parse(text, TemplateKind::Line).map(|value| settings.format = Some(value))
        },
    },
    Opt {
        name: "window",
        value: Some("TEMPLATE"),
        choices: &[],
        help: "each of {windows}: {label} {used} {left} {bar} {bar:8} {reset} {reset_at} {pace} {runs_out}",
        default: Some("({label} {used} {reset}, if --format is given)"),
        apply: |settings, text| {
            Template::parse(text, TemplateKind::Window).map(|value| settings.window = Some(value))
        },
    },
    Opt {
        name: "separator",
        value: Some("TEXT"),
        choices: &[],
        help: "what stands between windows",
        default: Some("' · '"),
        apply: |settings, text| {
            settings.separator = Some(text.to_string());
            Ok(())
        },
    },
    Opt {
        name: "short",
        value: None,
        choices: &[],
        help: "only the binding limit, for narrow bars",
        default: None,
        apply: |settings, text| switch(text).map(|value| settings.short = value),
    },
    Opt {
        name: "show",
        value: Some("SHARE"),
        choices: &words(&SHOWS),
        help: "what numbers and bars tell: what is left, or what is used",
        default: Some(Show::Left.word()),
        apply: |settings, text| one_of(&SHOWS, text).map(|value| settings.show = value),
    },
    Opt {
        name: "reset",
        value: Some("WHEN"),
        choices: &words(&RESETS),
        help: "when the line tells how soon a limit is reset: if it is in trouble, or always",
        default: Some("trouble"),
        apply: |settings, text| one_of(&RESETS, text).map(|value| settings.reset = value),
    },
    Opt {
        name: "icon",
        value: Some("TEXT"),
        choices: &[],
        help: "in place of the word Codex, or where {icon} stands; auto is that of the glyphs",
        default: Some("none"),
        apply: |settings, text| {
            settings.icon = match text {
                "none" => None,
                "auto" => Some(Icon::Auto),
                _ => Some(Icon::Text(crate::model::text::one_line(text).into_owned())),
            };
            Ok(())
        },
    },
    Opt {
        name: "glyphs",
        value: Some("SET"),
        choices: &words(&GLYPHS),
        help: "unicode, nerd or ascii: icon, bars, separator, marks",
        default: Some("unicode"),
        apply: |settings, text| one_of(&GLYPHS, text).map(|value| settings.glyphs = value),
    },
    Opt {
        name: "ascii",
        value: None,
        choices: &[],
        help: "only ASCII, whatever --glyphs says",
        default: None,
        apply: |settings, text| {
            if switch(text)? {
                settings.glyphs = &glyphs::ASCII;
            }
            Ok(())
        },
    },
    Opt {
        name: "warn",
        value: Some("PERCENT"),
        choices: &[],
        help: "a limit this full is a warning",
        default: Some("70"),
        apply: |settings, text| percent(text).map(|value| settings.thresholds.warn = value),
    },
    Opt {
        name: "critical",
        value: Some("PERCENT"),
        choices: &[],
        help: "a limit this full is critical",
        default: Some("90"),
        apply: |settings, text| percent(text).map(|value| settings.thresholds.critical = value),
    },
    Opt {
        name: "severity",
        value: Some("BY"),
        choices: &words(&MEASURES),
        help: "what makes a limit bad: how full it is (used), or that it will not last until its reset (pace)",
        default: Some("used"),
        apply: |settings, text| one_of(&MEASURES, text).map(|value| settings.severity = value),
    },
    Opt {
        name: "color",
        value: Some("WHEN"),
        choices: &words(&COLORS),
        help: "auto, always or never; auto honours NO_COLOR",
        default: Some("auto"),
        apply: |settings, text| one_of(&COLORS, text).map(|value| settings.color = value),
    },
    Opt {
        name: "colors",
        value: Some("LIST"),
        choices: &[],
        help: "colours by severity, as in ok=green,warning=208,critical=#ff8700,exhausted=bright-red,unknown=none",
        default: Some("(the host's)"),
        apply: |settings, text| colour::parse(text).map(|changes| settings.colors.extend(changes)),
    },
    Opt {
        name: "urgent-exit",
        value: None,
        choices: &[],
        help: "i3blocks: exit status 33, which it shows as urgent, when a limit is exhausted",
        default: None,
        apply: |settings, text| switch(text).map(|value| settings.urgent_exit = value),
    },
    Opt {
        name: "source",
        value: Some("SOURCE"),
        choices: &words(&SOURCES),
        help: "where numbers come from: the usage endpoint (api), codex app-server (codex), the local session files (sessions), or the first of them that has some (auto)",
        default: Some(AUTO),
        apply: |settings, text| one_of(&SOURCES, text).map(|value| settings.source = value),
    },
    Opt {
        name: "recover",
        value: Some("HOW"),
        choices: &words(&RECOVERIES),
        help: "if the login is refused: reload auth.json, then renew it (full), only reload, or off",
        default: Some("full"),
        apply: |settings, text| one_of(&RECOVERIES, text).map(|value| settings.recover = value),
    },
    Opt {
        name: "codex-bin",
        value: Some("PATH"),
        choices: &[],
        help: "the codex to ask where the endpoint cannot be asked, or by --source codex",
        default: Some("(the one on PATH)"),
        apply: |settings, text| {
            settings.codex_bin = Some(PathBuf::from(text));
            Ok(())
        },
    },
    Opt {
        name: "on-fetch",
        value: Some("COMMAND"),
        choices: &[],
        help: "run this by sh once new numbers are stored, such as pkill -RTMIN+8 waybar; '' for nothing",
        default: None,
        apply: |settings, text| {
            settings.on_fetch = Some(text.trim().to_string()).filter(|text| !text.is_empty());
            Ok(())
        },
    },
    Opt {
        name: "on-change",
        value: Some("COMMAND"),
        choices: &[],
        help: "run this by sh when a fetch finds that a limit has crossed warn, critical or 100 %, or has been reset",
        default: None,
        apply: |settings, text| {
            settings.on_change = Some(text.trim().to_string()).filter(|text| !text.is_empty());
            Ok(())
        },
    },
    Opt {
        name: "verbose",
        value: None,
        choices: &[],
        help: "tell on stderr what was decided and why",
        default: None,
        apply: |settings, text| switch(text).map(|value| settings.verbose = value),
    },
];

impl Settings {
    /// Whether what the line shows, or the host around it, tells what was done today.
    pub fn tells_today(&self) -> bool {
        self.host.tells_today
            || !self.short && self.format.as_ref().is_some_and(Template::tells_today)
    }

    /// `--format` and `--window`, with the default of one where only the other is given; `None`
    /// without either: the line then has the program's own form.
    pub fn templates(&self) -> Option<(Template, Template)> {
        if self.format.is_none() && self.window.is_none() {
            return None;
        }
        let or_default = |given: &Option<Template>, text, kind| {
            given.clone().unwrap_or_else(|| {
                Template::parse(text, kind).unwrap_or_else(|_| unreachable!("tested below"))
            })
        };
        let line = or_default(&self.format, FORMAT, TemplateKind::Line);
        Some((line, or_default(&self.window, WINDOW, TemplateKind::Window)))
    }

    /// The defaults, for a host.
    pub fn new(host: &'static Host) -> Settings {
        Settings {
            host,
            accounts: Vec::new(),
            max_age: MAX_AGE,
            wait: None,
            offline: false,
            format: None,
            window: None,
            separator: None,
            short: false,
            show: Show::Left,
            reset: ResetTimes::Trouble,
            icon: None,
            glyphs: &glyphs::UNICODE,
            thresholds: Thresholds { warn: WARN, critical: CRITICAL },
            severity: Measure::Used,
            color: Color::Auto,
            colors: Vec::new(),
            urgent_exit: false,
            source: None,
            recover: Recover::Full,
            codex_bin: None,
            on_fetch: None,
            on_change: None,
            verbose: false,
            mistakes: Vec::new(),
        }
    }
}

impl fmt::Debug for Opt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "--{}", self.name)
    }
}

impl PartialEq for Opt {
    fn eq(&self, other: &Opt) -> bool {
        self.name == other.name
    }
}

impl Opt {
    /// Sets its field.
    ///
    /// # Errors
    /// What is wrong with the value, without naming the option; the settings are as they were.
    pub fn try_on(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        (self.apply)(settings, text)
    }

    /// The default, if it is a value that could be typed.
    pub fn default_value(&self) -> Option<&'static str> {
        let text = self.default.filter(|text| !text.starts_with('('))?;
        Some(text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text))
    }

    /// The default in words.
    pub fn default_words(&self) -> Option<&'static str> {
        self.default.map(|text| {
            text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text)
        })
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        let mut variable = String::with_capacity(32);
        variable.push_str("CODEXLINE_");
        variable.extend(self.name.chars().map(|character| match character {
            '-' => '_',
            other => other.to_ascii_uppercase(),
        }));
        variable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts;

    fn option(name: &str) -> &'static Opt {
        OPTIONS.iter().find(|option| option.name == name).unwrap()
    }

    #[test]
    fn one_template_brings_the_default_of_the_other() {
        let check = |option_name: &str, text: &str, line: &str, window: &str| {
            let mut settings = Settings::new(hosts::DEFAULT);
            assert_eq!(settings.templates(), None);
            option(option_name).try_on(&mut settings, text).unwrap();
            let expected = (
                Template::parse(line, TemplateKind::Line).unwrap(),
                Template::parse(window, TemplateKind::Window).unwrap(),
            );
            assert_eq!(settings.templates(), Some(expected));
        };
        check("format", "{plan}", "{plan}", "{label} {used} {reset}");
        check("window", "{left}", "{windows}", "{left}");
    }

    #[test]
    fn defaults_are_valid_and_as_the_help_says() {
        let defaults = Settings::new(hosts::DEFAULT);
        for option in OPTIONS {
            let Some(default) = option.default_value() else { continue };
            let mut typed = Settings::new(hosts::DEFAULT);
            option.try_on(&mut typed, default).unwrap();
            assert_eq!(typed.max_age, defaults.max_age);
            assert_eq!((typed.show, typed.reset), (defaults.show, defaults.reset));
            let separator = |settings: &Settings| {
                settings.separator.clone().unwrap_or(settings.glyphs.separator.to_string())
            };
            assert_eq!(separator(&typed), separator(&defaults));
            assert_eq!((typed.thresholds, typed.color), (defaults.thresholds, defaults.color));
            assert_eq!(typed.severity, defaults.severity);
            assert_eq!((typed.icon, typed.glyphs.name), (None, defaults.glyphs.name));
        }
        assert_eq!(
            option("separator").default,
            Some(format!("'{}'", defaults.glyphs.separator).as_str())
        );
    }
}
