//! What was meant: the options of the line, from every place where one can be given.
//!
//! [`OPTIONS`] is the one table: the command line, the environment, the config file and `--help` are made from it. To add
//! an option, add a field and a row. [`Settings::resolve`] is the one place that knows which of them wins.

use crate::accounts::{self, Account};
use crate::cache::Source;
use crate::change;
use crate::config::ConfigFile;
use crate::environment::Surroundings;
use crate::error::{Error, Mistake};
use crate::hosts::Host;
use crate::render::colour::{self, Ink};
use crate::render::glyphs::{self, Glyphs};
use crate::render::template::{Kind, Template};
use crate::text::nearest;
use crate::usage::{Measure, Severity, Thresholds};
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
    pub format: Template,
    pub window: Template,
    /// `None`: that of the glyphs.
    pub separator: Option<String>,
    /// Only the binding limit.
    pub short: bool,
    /// In front of the line, or where its template says; `None`: nowhere, and there that of the glyphs.
    pub icon: Option<Icon>,
    pub glyphs: &'static Glyphs,
    pub thresholds: Thresholds,
    pub severity: Measure,
    pub color: Color,
    /// In place of the host's own; the last of a severity counts.
    pub colors: Vec<(Severity, Ink)>,
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
const WARN: f64 = 70.0;
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

/// Words that a value can be, each with its meaning.
type Choices<T, const N: usize> = [(&'static str, T); N];

const GLYPHS: Choices<&Glyphs, 3> = {
    let [unicode, nerd, ascii] = glyphs::SETS;
    [(unicode.name, unicode), (nerd.name, nerd), (ascii.name, ascii)]
};
const MEASURES: Choices<Measure, 2> = [("used", Measure::Used), ("pace", Measure::Pace)];
const COLORS: Choices<Color, 3> = [("auto", Color::Auto), ("always", Color::Always), ("never", Color::Never)];
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

/// The words alone.
const fn words<T: Copy, const N: usize>(choices: &Choices<T, N>) -> [&'static str; N] {
    let mut words = [""; N];
    let mut index = 0;
    while index < N {
        words[index] = choices[index].0;
        index += 1;
    }
    words
}

/// The meaning of a word.
fn one_of<T: Copy, const N: usize>(choices: &Choices<T, N>, text: &str) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words = words(choices);
        let near = nearest(text, words);
        let (last, others) = words.split_last().unwrap_or((&"", &[]));
        format!("is not {} or {last}; did you mean {near}?", others.join(", "))
    })
}

/// The option that every layer may add to.
const ACCOUNT: &str = "account";

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
        apply: |settings, text| duration(text, LONGEST_WAIT).map(|value| settings.wait = Some(value)),
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
        help: "the line: {windows} {account} {plan} {credits} {budget} {age} {icon} {tokens_today} {turns_today} {sessions_today} {binding.used} {5h.left} … [part that may be missing]",
        default: Some(FORMAT),
        apply: |settings, text| Template::parse(text, Kind::Line).map(|value| settings.format = value),
    },
    Opt {
        name: "window",
        value: Some("TEMPLATE"),
        choices: &[],
        help: "each of {windows}: {label} {used} {left} {bar} {bar:8} {reset} {reset_at} {pace} {runs_out}",
        default: Some(WINDOW),
        apply: |settings, text| Template::parse(text, Kind::Window).map(|value| settings.window = value),
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
        name: "icon",
        value: Some("TEXT"),
        choices: &[],
        help: "in front of the line, or where {icon} stands; auto is that of the glyphs",
        default: Some("none"),
        apply: |settings, text| {
            settings.icon = match text {
                "none" => None,
                "auto" => Some(Icon::Auto),
                _ => Some(Icon::Text(crate::text::one_line(text).into_owned())),
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
        self.host.tells_today || !self.short && self.format.tells_today()
    }

    /// The defaults, for a host.
    pub fn new(host: &'static Host) -> Settings {
        let builtin =
            |text, kind| Template::parse(text, kind).unwrap_or_else(|_| unreachable!("tested below"));
        Settings {
            host,
            accounts: Vec::new(),
            max_age: MAX_AGE,
            wait: None,
            offline: false,
            format: builtin(FORMAT, Kind::Line),
            window: builtin(WINDOW, Kind::Window),
            separator: None,
            short: false,
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

    /// What holds when all layers are laid over each other.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the option or variable. What is wrong in the file is a mistake, not an error.
    pub fn resolve(host: &'static Host, layers: &Layers) -> Result<Settings, Error> {
        Settings::resolve_telling(host, layers, |_, _| {})
    }

    /// The same, telling of each option which layer won.
    ///
    /// # Errors
    /// As [`Settings::resolve`].
    pub fn resolve_telling(
        host: &'static Host,
        layers: &Layers,
        mut tell: impl FnMut(&'static Opt, Force),
    ) -> Result<Settings, Error> {
        let mut settings = Settings::new(host);
        if let Some(file) = layers.file {
            settings.mistakes.clone_from(&file.mistakes);
        }
        for option in OPTIONS {
            let force = layers.apply(&mut settings, option)?;
            tell(option, force);
        }
        settings.accounts = layers.accounts(&mut settings.mistakes)?;
        settings.mistakes.sort_by_key(|mistake| mistake.line);
        Ok(settings)
    }
}

/// An option as it was typed, and its value.
pub type Typed = (&'static Opt, String);

/// Where values can come from, the later over the earlier; below all of them are the defaults.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    pub file: Option<&'a ConfigFile>,
    /// The host whose section of the file lies over its common part; `None` where no host is meant.
    pub section: Option<&'static str>,
    pub surroundings: &'a Surroundings,
    pub typed: &'a [Typed],
}

/// What is in force for an option.
pub enum Force {
    Default,
    Given { text: String, origin: Origin },
}

/// Where a value comes from.
pub enum Origin {
    File { section: Option<&'static str>, line: usize },
    Variable(String),
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { section: None, line } => write!(out, "line {line}"),
            Origin::File { section: Some(section), line } => write!(out, "line {line}, [{section}]"),
            Origin::Variable(name) => write!(out, "{name}"),
            Origin::CommandLine => write!(out, "command line"),
        }
    }
}

impl Layers<'_> {
    /// A wrong word in the file is a mistake, elsewhere an error.
    fn accounts(&self, mistakes: &mut Vec<Mistake>) -> Result<Vec<Account>, Error> {
        let is_account = |option: &Opt| option.name == ACCOUNT;
        let words = |texts: &mut dyn Iterator<Item = &str>| {
            // What cannot be read has been named when it was applied.
            texts.flat_map(|text| accounts::parse(text).unwrap_or_default()).collect::<Vec<_>>()
        };
        let typed = self.typed.iter().filter(|(option, _)| is_account(option));
        let typed = words(&mut typed.map(|(_, text)| text.as_str()));
        let variable = self.surroundings.text("CODEXLINE_ACCOUNT");
        let variable = words(&mut variable.iter().map(String::as_str));
        let entry = OPTIONS.iter().find(|option| is_account(option)).zip(self.file);
        let entry = entry.and_then(|(option, file)| file.values(option, self.section).next().zip(Some(file)));
        let in_file = words(&mut entry.iter().map(|(entry, _)| entry.text.as_str()));
        let asked = !typed.is_empty() || !variable.is_empty();
        match (accounts::choose([typed, variable, in_file]), entry) {
            (Ok(accounts), _) => Ok(accounts),
            (Err(reason), Some((entry, file))) if !asked => {
                mistakes.push(file.wrong_value(entry, &reason));
                Ok(Vec::new())
            }
            (Err(reason), _) => Err(Error::Usage(format!("--{ACCOUNT}: {reason}"))),
        }
    }

    /// Applies the topmost layer that says something about an option: a broken variable behind what is typed does not matter.
    fn apply(&self, settings: &mut Settings, option: &'static Opt) -> Result<Force, Error> {
        let given = |text: &str, origin| Ok(Force::Given { text: text.to_string(), origin });
        let mut last = None;
        for (_, text) in self.typed.iter().filter(|(typed, _)| typed.name == option.name) {
            option
                .try_on(settings, text)
                .map_err(|reason| Error::Usage(format!("--{} {}: {reason}", option.name, shown(text))))?;
            last = Some(text);
        }
        if let Some(text) = last {
            return given(text, Origin::CommandLine);
        }
        if self.surroundings.has_own_variables()
            && let Some((variable, text)) = self.variable(option)
        {
            option
                .try_on(settings, &text)
                .map_err(|reason| Error::Usage(format!("{variable}={}: {reason}", shown(&text))))?;
            return given(&text, Origin::Variable(variable));
        }
        let Some(file) = self.file else { return Ok(Force::Default) };
        for entry in file.values(option, self.section) {
            match option.try_on(settings, &entry.text) {
                Ok(()) => {
                    let origin = Origin::File { section: entry.section, line: entry.line };
                    return given(&entry.text, origin);
                }
                Err(reason) => settings.mistakes.push(file.wrong_value(entry, &reason)),
            }
        }
        Ok(Force::Default)
    }

    /// The name and the value of the variable that sets an option.
    fn variable(&self, option: &Opt) -> Option<(String, String)> {
        // In a command of --on-change this is the name of a window.
        let is_fact = option.name == "window" && self.surroundings.variable(change::MARK).is_some();
        let name = option.variable();
        let text = self.surroundings.text(&name).filter(|_| !is_fact)?;
        Some((name, text))
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
        self.default
            .map(|text| text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text))
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

fn shown(text: &str) -> String {
    format!("'{}'", crate::text::plain(text, 60))
}

fn duration(text: &str, longest: Duration) -> Result<Duration, String> {
    let value = humantime::parse_duration(text.trim())
        .map_err(|_| "is not a duration like 90s, 2m or 1h 30m".to_string())?;
    if value > longest {
        let hint = if text.contains('M') { "; M are months, m are minutes" } else { "" };
        return Err(format!("is more than {}{hint}", humantime::format_duration(longest)));
    }
    Ok(value)
}

/// A percentage, with or without its sign.
///
/// # Errors
/// What is wrong with it.
pub fn percent(text: &str) -> Result<f64, String> {
    match text.trim().trim_end_matches('%').parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err("is not a percentage from 0 to 100".into()),
    }
}

/// Whether a switch's value turns it on.
pub fn is_on(text: &str) -> bool {
    switch(text) == Ok(true)
}

fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("is not 1 or 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts;
    use crate::time::Timestamp;

    fn option(name: &str) -> &'static Opt {
        OPTIONS.iter().find(|option| option.name == name).unwrap()
    }

    fn resolve(variables: &[(&str, &str)], typed: &[(&str, &str)]) -> Result<Settings, String> {
        layered("", None, variables, typed).map(|(settings, _)| settings)
    }

    /// The settings, and of each option that is not at its default where it comes from.
    fn layered(
        file: &str,
        section: Option<&'static str>,
        variables: &[(&str, &str)],
        typed: &[(&str, &str)],
    ) -> Result<(Settings, Vec<String>), String> {
        let surroundings = Surroundings::made_up(variables, || Timestamp::from_unix_seconds(0));
        let file = ConfigFile::parse("config.toml".into(), file);
        let typed: Vec<(&'static Opt, String)> =
            typed.iter().map(|(name, value)| (option(name), value.to_string())).collect();
        let layers = Layers { file: Some(&file), section, surroundings: &surroundings, typed: &typed };
        let mut origins = Vec::new();
        let settings = Settings::resolve_telling(hosts::DEFAULT, &layers, |option, force| {
            if let Force::Given { text, origin } = force {
                origins.push(format!("{} {text} {origin}", option.name));
            }
        });
        settings.map(|settings| (settings, origins)).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_valid_and_as_the_help_says() {
        let defaults = resolve(&[], &[]).unwrap();
        for option in OPTIONS {
            let Some(default) = option.default_value() else { continue };
            let typed = resolve(&[], &[(option.name, default)]).unwrap();
            assert_eq!(typed.max_age, defaults.max_age);
            assert_eq!((&typed.format, &typed.window), (&defaults.format, &defaults.window));
            let separator = |settings: &Settings| {
                settings.separator.clone().unwrap_or(settings.glyphs.separator.to_string())
            };
            assert_eq!(separator(&typed), separator(&defaults));
            assert_eq!((typed.thresholds, typed.color), (defaults.thresholds, defaults.color));
            assert_eq!(typed.severity, defaults.severity);
            assert_eq!((typed.icon, typed.glyphs.name), (None, defaults.glyphs.name));
        }
        assert_eq!(option("separator").default, Some(format!("'{}'", defaults.glyphs.separator).as_str()));
    }

    #[test]
    fn what_is_typed_beats_the_environment() {
        let environment = [("CODEXLINE_MAX_AGE", "5m"), ("CODEXLINE_OFFLINE", "1"), ("CODEXLINE_WARN", "")];
        let settings = resolve(&environment, &[("max-age", "90s")]).unwrap();
        assert_eq!(
            (settings.max_age.as_secs(), settings.offline, settings.thresholds.warn),
            (90, true, WARN)
        );
        assert!(resolve(&[("CODEXLINE_MAX_AGE", "x")], &[("max-age", "90s")]).is_ok());
    }

    #[test]
    fn looks_add_up() {
        let variables = [("CODEXLINE_COLORS", "ok=blue"), ("CODEXLINE_ASCII", "1")];
        let settings = resolve(&variables, &[("icon", "⚡"), ("glyphs", "nerd")]).unwrap();
        assert_eq!((settings.glyphs.name, settings.icon), ("ascii", Some(Icon::Text("⚡".into()))));
        assert_eq!(settings.colors.len(), 1);
        let settings = resolve(&variables, &[("colors", "ok=red"), ("colors", "unknown=8")]).unwrap();
        assert_eq!((settings.glyphs.name, settings.colors.len()), ("ascii", 2));
        assert_eq!(resolve(&[("CODEXLINE_ASCII", "0")], &[]).unwrap().glyphs.name, "unicode");
    }

    #[test]
    fn mistakes_name_the_place() {
        let check = |variables: &[(&str, &str)], typed: &[(&str, &str)], expected: &str| {
            assert_eq!(resolve(variables, typed).err().unwrap(), expected);
        };
        check(
            &[("CODEXLINE_COLOR", "red")],
            &[],
            "CODEXLINE_COLOR='red': is not auto, always or never; did you mean never?",
        );
        check(&[], &[("max-age", "5M")], "--max-age '5M': is more than 1day; M are months, m are minutes");
        check(&[], &[("wait", "soon")], "--wait 'soon': is not a duration like 90s, 2m or 1h 30m");
        check(&[], &[("warn", "170")], "--warn '170': is not a percentage from 0 to 100");
        check(&[], &[("glyphs", "nrd")], "--glyphs 'nrd': is not unicode, nerd or ascii; did you mean nerd?");
        let colors = "--colors 'ok=gren': unknown colour gren; did you mean green?";
        check(&[], &[("colors", "ok=gren")], colors);
        check(&[], &[("window", "{usd}")], "--window '{usd}': unknown name {usd}; did you mean {used}?");
    }

    #[test]
    fn each_layer_beats_the_one_below() {
        let file = "warn = 50\nmax-age = '1m'\ncritical = 60\noffline = true\n\n[tmux]\nwarn = 51\ncritical = 61\nmax-age = '3m'\n[waybar]\nwarn = 5\n";
        let environment = [("CODEXLINE_WARN", "52"), ("CODEXLINE_CRITICAL", "62")];
        let (settings, origins) = layered(file, Some("tmux"), &environment, &[("warn", "53")]).unwrap();
        assert_eq!(
            origins,
            [
                "max-age 3m line 9, [tmux]",
                "offline true line 4",
                "warn 53 command line",
                "critical 62 CODEXLINE_CRITICAL"
            ]
        );
        assert_eq!((settings.max_age.as_secs(), settings.offline), (180, true));
        assert_eq!((settings.thresholds.warn, settings.thresholds.critical), (53.0, 62.0));
        assert!(settings.mistakes.is_empty());
        let (settings, _) = layered(file, None, &[], &[]).unwrap();
        assert_eq!((settings.max_age.as_secs(), settings.thresholds.warn), (60, 50.0));
    }

    #[test]
    fn a_wrong_value_gives_way_to_the_next_layer_and_is_named() {
        let file = "warn = 50\n[tmux]\nwarn = 170\nmax-age = 'soon'\n[waybar]\ncolor = 'red'\n";
        let (settings, origins) = layered(file, Some("tmux"), &[], &[]).unwrap();
        assert_eq!(origins, ["warn 50 line 1"]);
        let texts: Vec<String> = settings.mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "config.toml:3: warn = \"170\": is not a percentage from 0 to 100",
                "config.toml:4: max-age = \"soon\": is not a duration like 90s, 2m or 1h 30m",
            ]
        );
        // Behind something that wins it does not matter.
        let (settings, _) =
            layered(file, Some("tmux"), &[("CODEXLINE_WARN", "1")], &[("max-age", "9s")]).unwrap();
        assert!(settings.mistakes.is_empty());
    }
}
