//! The options of the line: their names, what they take, what they set, and which worker needs
//! them.
//!
//! To add an option, add a row to [`OPTIONS`] and a field to [`Settings`]. Which of several places
//! wins is decided in [`crate::config::layers`].

use crate::config::accounts;
use crate::config::settings::{Color, Icon, Recover, ResetTimes, Settings};
use crate::config::values::{Choices, duration, one_of, percent, switch, words};
use crate::io::platform::MAY_REPLACE_LOGIN;
use crate::model::entry::Source;
use crate::model::show::Show;
use crate::model::usage::Measure;
use crate::render::colour;
use crate::render::glyphs::{self, Glyphs};
use crate::render::template::{Template, TemplateKind};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A row of the table.
pub struct Opt {
    /// The long option's name, also a key of the config file and the environment: `max-age` is
    /// `CODEXLINE_MAX_AGE`.
    pub name: &'static str,
    /// What its value is called. `None`: a switch.
    pub(crate) value: Option<&'static str>,
    /// Every word that its value can be. Empty: any text.
    pub(crate) choices: &'static [&'static str],
    pub(crate) help: &'static str,
    /// As one would type it, in '…' where it begins or ends with a blank. In (…): what happens
    /// without a value.
    pub default: Option<&'static str>,
    apply: fn(&mut Settings, &str) -> Result<(), String>,
    /// Which workers are told the value. `None`: no worker needs it.
    forward: Option<Forward>,
}

/// A process behind a prompt, for one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worker {
    /// Gets the numbers of the plan.
    Fetch,
    /// Counts what was done today.
    Count,
}

/// How a worker is told the value of an option.
struct Forward {
    to: &'static [Worker],
    /// The value in force, as one would type it.
    value: fn(&Settings) -> OsString,
}

const FETCH: &[Worker] = &[Worker::Fetch];
const BOTH: &[Worker] = &[Worker::Fetch, Worker::Count];

const fn forward(to: &'static [Worker], value: fn(&Settings) -> OsString) -> Option<Forward> {
    Some(Forward { to, value })
}

/// A day is old for any use. A longer time is a slip: `5M` are five months.
const LONGEST_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// A host that waits longer has given up.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);

/// `--source` without a choice.
const AUTO: &str = "auto";

/// As `--source` is typed.
pub(crate) fn source_name(source: Option<Source>) -> &'static str {
    source.map_or(AUTO, Source::name)
}

/// `--codex-bin` for a worker, which runs in another directory. A bare name is looked up on PATH.
fn absolute_codex(settings: &Settings) -> OsString {
    let codex = settings.codex_bin.as_deref().unwrap_or(Path::new(""));
    let is_name = codex.components().count() < 2;
    match std::path::absolute(codex) {
        Ok(path) if !is_name => path.into(),
        _ => codex.into(),
    }
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

/// The option to which every layer may add.
pub(crate) const ACCOUNT: &str = "account";

/// What a row does not say.
const BLANK: Opt = Opt {
    name: "",
    value: None,
    choices: &[],
    help: "",
    default: None,
    apply: |_, _| Ok(()),
    forward: None,
};

/// The one table of options. The command line, the environment, the config file, `--help` and the
/// command lines of workers are made from it.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "max-age",
        value: Some("DURATION"),
        help: "fetch anew what is older than this",
        default: Some("2m"),
        apply: |settings, text| duration(text, LONGEST_AGE).map(|value| settings.max_age = value),
        forward: forward(BOTH, |settings| format!("{}s", settings.max_age.as_secs()).into()),
        ..BLANK
    },
    Opt {
        name: "max-idle",
        value: Some("DURATION"),
        help: "ask only this often while Codex is not in use here",
        default: Some("15m"),
        apply: |settings, text| duration(text, LONGEST_AGE).map(|value| settings.max_idle = value),
        forward: forward(FETCH, |settings| format!("{}s", settings.max_idle.as_secs()).into()),
        ..BLANK
    },
    Opt {
        name: "wait",
        value: Some("DURATION"),
        help: "wait so long for fresh numbers when there are none or only stale ones",
        default: Some("(what the host bears)"),
        apply: |settings, text| {
            duration(text, LONGEST_WAIT).map(|value| settings.wait = Some(value))
        },
        ..BLANK
    },
    Opt {
        name: "offline",
        help: "never start a fetch",
        apply: |settings, text| switch(text).map(|value| settings.offline = value),
        ..BLANK
    },
    Opt {
        name: ACCOUNT,
        value: Some("NAME=CODEX_HOME"),
        help: "show this account too, or, with NAME alone, only this one of those that \
               are defined; repeatable",
        default: Some("(the login in CODEX_HOME)"),
        // `config::layers` puts the words of all layers together.
        apply: |_, text| accounts::parse(text).map(drop),
        ..BLANK
    },
    Opt {
        name: "format",
        value: Some("TEMPLATE"),
        help: "the line by a template: {windows} {account} {plan} {credits} {budget} {age} {icon} \
               {tokens_today} {turns_today} {sessions_today} {binding.used} {5h.left} … \
               [part that may be missing]",
        default: Some("(the program's own form; {windows} if --window is given)"),
        apply: |settings, text| {
            Template::parse(text, TemplateKind::Line).map(|value| settings.format = Some(value))
        },
        ..BLANK
    },
    Opt {
        name: "window",
        value: Some("TEMPLATE"),
        help: "each of {windows}: {label} {used} {left} {bar} {bar:8} {reset} {reset_at} {pace} \
               {runs_out}",
        default: Some("({label} {used} {reset}, if --format is given)"),
        apply: |settings, text| {
            Template::parse(text, TemplateKind::Window).map(|value| settings.window = Some(value))
        },
        ..BLANK
    },
    Opt {
        name: "separator",
        value: Some("TEXT"),
        help: "what stands between windows",
        default: Some("' · '"),
        apply: |settings, text| {
            settings.separator = Some(text.to_string());
            Ok(())
        },
        ..BLANK
    },
    Opt {
        name: "short",
        help: "only the binding limit, for narrow bars",
        apply: |settings, text| switch(text).map(|value| settings.short = value),
        ..BLANK
    },
    Opt {
        name: "ttl",
        help: "in front: for how many seconds the line reads the same, and a tab; for shell hooks",
        apply: |settings, text| switch(text).map(|value| settings.ttl = value),
        ..BLANK
    },
    Opt {
        name: "show",
        value: Some("SHARE"),
        choices: &words(&SHOWS),
        help: "what numbers and bars tell: what is left, or what is used",
        default: Some(Show::Left.word()),
        apply: |settings, text| one_of(&SHOWS, text).map(|value| settings.show = value),
        ..BLANK
    },
    Opt {
        name: "reset",
        value: Some("WHEN"),
        choices: &words(&RESETS),
        help: "when the line tells how soon a limit is reset: if it is in trouble, or always",
        default: Some("trouble"),
        apply: |settings, text| one_of(&RESETS, text).map(|value| settings.reset = value),
        ..BLANK
    },
    Opt {
        name: "icon",
        value: Some("TEXT"),
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
        ..BLANK
    },
    Opt {
        name: "glyphs",
        value: Some("SET"),
        choices: &words(&GLYPHS),
        help: "unicode, nerd or ascii: icon, bars, separator, marks",
        default: Some("unicode"),
        apply: |settings, text| one_of(&GLYPHS, text).map(|value| settings.glyphs = value),
        ..BLANK
    },
    Opt {
        name: "warn",
        value: Some("PERCENT"),
        help: "a limit this full is a warning",
        default: Some("70"),
        apply: |settings, text| percent(text).map(|value| settings.thresholds.warn = value),
        forward: forward(FETCH, |settings| settings.thresholds.warn.to_string().into()),
        ..BLANK
    },
    Opt {
        name: "critical",
        value: Some("PERCENT"),
        help: "a limit this full is critical",
        default: Some("90"),
        apply: |settings, text| percent(text).map(|value| settings.thresholds.critical = value),
        forward: forward(FETCH, |settings| settings.thresholds.critical.to_string().into()),
        ..BLANK
    },
    Opt {
        name: "severity",
        value: Some("BY"),
        choices: &words(&MEASURES),
        help: "what makes a limit bad: how full it is (used), or that it will not last until its \
               reset (pace)",
        default: Some("used"),
        apply: |settings, text| one_of(&MEASURES, text).map(|value| settings.severity = value),
        ..BLANK
    },
    Opt {
        name: "color",
        value: Some("WHEN"),
        choices: &words(&COLORS),
        help: "auto, always or never; auto honours NO_COLOR",
        default: Some("auto"),
        apply: |settings, text| one_of(&COLORS, text).map(|value| settings.color = value),
        ..BLANK
    },
    Opt {
        name: "colors",
        value: Some("LIST"),
        help: "colours by severity (ok, warning, critical, exhausted, unknown), as in \
               ok=green,critical=#ff8700: names such as bright-red, 0 to 255, #rrggbb or none",
        default: Some("(the host's)"),
        apply: |settings, text| colour::parse(text).map(|changes| settings.colors.extend(changes)),
        ..BLANK
    },
    Opt {
        name: "urgent-exit",
        help: "i3blocks: exit status 33, which it shows as urgent, when a limit is exhausted",
        apply: |settings, text| switch(text).map(|value| settings.urgent_exit = value),
        ..BLANK
    },
    Opt {
        name: "source",
        value: Some("SOURCE"),
        choices: &words(&SOURCES),
        help: "where numbers come from: the usage endpoint (api), codex app-server (codex), the \
               local session files (sessions), or the first of them that has some (auto)",
        default: Some(AUTO),
        apply: |settings, text| one_of(&SOURCES, text).map(|value| settings.source = value),
        forward: forward(BOTH, |settings| source_name(settings.source).into()),
    },
    Opt {
        name: "recover",
        value: Some("HOW"),
        choices: &words(&RECOVERIES),
        help: "if the login is refused: reload auth.json, then refresh it (full), only reload, \
               or off",
        default: Some(Recover::DEFAULT.name()),
        apply: |settings, text| match one_of(&RECOVERIES, text)? {
            Recover::Full if !MAY_REPLACE_LOGIN => Err("on Windows only codex refreshes".into()),
            value => {
                settings.recover = value;
                Ok(())
            }
        },
        forward: forward(FETCH, |settings| settings.recover.name().into()),
    },
    Opt {
        name: "codex-bin",
        value: Some("PATH"),
        help: "the codex to ask where the endpoint cannot be asked, or by --source codex",
        default: Some("(the one on PATH)"),
        apply: |settings, text| {
            settings.codex_bin = Some(PathBuf::from(text)).filter(|path| path != Path::new(""));
            Ok(())
        },
        forward: forward(FETCH, absolute_codex),
        ..BLANK
    },
    Opt {
        name: "on-fetch",
        value: Some("COMMAND"),
        help: "run this by sh once new numbers are stored, such as pkill -RTMIN+8 waybar; '' for \
               nothing",
        apply: |settings, text| {
            settings.on_fetch = Some(text.trim().to_string()).filter(|text| !text.is_empty());
            Ok(())
        },
        // None, whatever a config file says: a worker is told by its lock.
        forward: forward(BOTH, |_| OsString::new()),
        ..BLANK
    },
    Opt {
        name: "on-change",
        value: Some("COMMAND"),
        help: "run this by sh when a fetch finds that a limit has crossed warn, critical or 100 %, \
               or has been reset",
        apply: |settings, text| {
            settings.on_change = Some(text.trim().to_string()).filter(|text| !text.is_empty());
            Ok(())
        },
        // As on-fetch.
        forward: forward(FETCH, |_| OsString::new()),
        ..BLANK
    },
    Opt {
        name: "verbose",
        help: "tell on stderr what was decided and why",
        apply: |settings, text| switch(text).map(|value| settings.verbose = value),
        ..BLANK
    },
];

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
    /// What is wrong with the value, without naming the option. The settings are then as they were.
    pub(crate) fn try_on(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        (self.apply)(settings, text)
    }

    /// Whether a worker is told its value.
    pub(crate) fn is_for(&self, worker: Worker) -> bool {
        self.forward.as_ref().is_some_and(|forward| forward.to.contains(&worker))
    }

    /// The default, if it is a value that could be typed.
    pub(crate) fn default_value(&self) -> Option<&'static str> {
        let text = self.default.filter(|text| !text.starts_with('('))?;
        Some(text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text))
    }

    /// The default in words.
    pub(crate) fn default_words(&self) -> Option<&'static str> {
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

/// The arguments by which a worker is told what is in force.
pub(crate) fn forwarded(worker: Worker, settings: &Settings) -> Vec<OsString> {
    let told = OPTIONS.iter().filter(|option| option.is_for(worker));
    told.filter_map(|option| {
        let forward = option.forward.as_ref()?;
        let mut argument = OsString::from(format!("--{}=", option.name));
        argument.push((forward.value)(settings));
        Some(argument)
    })
    .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::hosts;

    pub(crate) fn option(name: &str) -> &'static Opt {
        OPTIONS.iter().find(|option| option.name == name).unwrap()
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

    #[test]
    fn a_worker_reads_back_what_was_in_force() {
        let mut settings = Settings::new(hosts::DEFAULT);
        for (name, value) in [
            ("max-age", "90s"),
            ("source", "api"),
            ("recover", "off"),
            ("on-fetch", "a 'b' --c"),
            ("on-change", "d"),
            ("warn", "12.5"),
            ("critical", "50"),
            ("codex-bin", "./bin/codex"),
        ] {
            option(name).try_on(&mut settings, value).unwrap();
        }
        for worker in [Worker::Fetch, Worker::Count] {
            let mut read = Settings::new(hosts::DEFAULT);
            for argument in forwarded(worker, &settings) {
                let argument = argument.into_string().unwrap();
                let (name, value) = argument.split_once('=').unwrap();
                option(name.strip_prefix("--").unwrap()).try_on(&mut read, value).unwrap();
            }
            assert_eq!(forwarded(worker, &read), forwarded(worker, &settings), "{worker:?}");
            // Commands can hold secrets, and arguments are shown to everybody.
            let known = (read.max_age, read.source, read.on_fetch);
            assert_eq!(known, (settings.max_age, settings.source, None));
            let is_fetch = worker == Worker::Fetch;
            assert_eq!(read.recover == settings.recover, is_fetch);
            assert_eq!(read.thresholds == settings.thresholds, is_fetch);
            assert_eq!(read.codex_bin.is_some_and(|path| path.is_absolute()), is_fetch);
        }
    }

    #[test]
    fn a_worker_that_is_told_nothing_new_has_the_defaults() {
        let settings = Settings::new(hosts::DEFAULT);
        assert!(forwarded(Worker::Fetch, &settings).contains(&"--codex-bin=".into()));
        let mut read = settings.clone();
        option("codex-bin").try_on(&mut read, "").unwrap();
        option("on-fetch").try_on(&mut read, "").unwrap();
        assert_eq!((read.codex_bin, read.on_fetch), (None, None));
    }
}
