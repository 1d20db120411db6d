//! What was meant: the options of the line, from every place where one can be given.
//!
//! [`OPTIONS`] is the one table: the command line, the environment and `--help` are made from it. To add
//! an option, add a field and a row.

use crate::environment::Surroundings;
use crate::error::Error;
use crate::hosts::Host;
use crate::render::colour::{self, Ink};
use crate::render::glyphs::{self, Glyphs};
use crate::render::template::{Kind, Template};
use crate::text::nearest;
use crate::usage::{Severity, Thresholds};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a run that prints the line goes by.
#[derive(Clone)]
pub struct Settings {
    pub host: &'static Host,
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
    pub color: Color,
    /// In place of the host's own; the last of a severity counts.
    pub colors: Vec<(Severity, Ink)>,
    /// Exit status 33 when a limit is exhausted, for hosts that know it.
    pub urgent_exit: bool,
    /// How far the fetch goes if the login is refused.
    pub recover: Recover,
    /// The `codex` to ask where auth.json may not be used; `None`: the one on PATH.
    pub codex_bin: Option<PathBuf>,
    /// Tell on stderr what was decided and why.
    pub verbose: bool,
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
    pub help: &'static str,
    /// As one would type it; for `--help`.
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

pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "max-age",
        value: Some("DURATION"),
        help: "fetch anew what is older than this",
        default: Some("2m"),
        apply: |settings, text| duration(text, LONGEST_AGE).map(|value| settings.max_age = value),
    },
    Opt {
        name: "wait",
        value: Some("DURATION"),
        help: "wait so long for fresh numbers when there are none or only stale ones",
        default: Some("what the host bears"),
        apply: |settings, text| duration(text, LONGEST_WAIT).map(|value| settings.wait = Some(value)),
    },
    Opt {
        name: "offline",
        value: None,
        help: "never start a fetch",
        default: None,
        apply: |settings, text| switch(text).map(|value| settings.offline = value),
    },
    Opt {
        name: "format",
        value: Some("TEMPLATE"),
        help: "the line: {windows} {plan} {credits} {budget} {age} {icon} {binding.used} {5h.left} … [part that may be missing]",
        default: Some(FORMAT),
        apply: |settings, text| Template::parse(text, Kind::Line).map(|value| settings.format = value),
    },
    Opt {
        name: "window",
        value: Some("TEMPLATE"),
        help: "each of {windows}: {label} {used} {left} {bar} {bar:8} {reset} {reset_at}",
        default: Some(WINDOW),
        apply: |settings, text| Template::parse(text, Kind::Window).map(|value| settings.window = value),
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
    },
    Opt {
        name: "short",
        value: None,
        help: "only the binding limit, for narrow bars",
        default: None,
        apply: |settings, text| switch(text).map(|value| settings.short = value),
    },
    Opt {
        name: "icon",
        value: Some("TEXT"),
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
        help: "unicode, nerd or ascii: icon, bars, separator, marks",
        default: Some("unicode"),
        apply: |settings, text| {
            let found = glyphs::SETS.into_iter().find(|set| set.name == text);
            settings.glyphs = found.ok_or_else(|| {
                let near = nearest(text, glyphs::SETS.map(|set| set.name));
                format!("is not unicode, nerd or ascii; did you mean {near}?")
            })?;
            Ok(())
        },
    },
    Opt {
        name: "ascii",
        value: None,
        help: "as --glyphs ascii",
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
        help: "a limit this full is a warning",
        default: Some("70"),
        apply: |settings, text| percent(text).map(|value| settings.thresholds.warn = value),
    },
    Opt {
        name: "critical",
        value: Some("PERCENT"),
        help: "a limit this full is critical",
        default: Some("90"),
        apply: |settings, text| percent(text).map(|value| settings.thresholds.critical = value),
    },
    Opt {
        name: "color",
        value: Some("WHEN"),
        help: "auto, always or never; auto honours NO_COLOR",
        default: Some("auto"),
        apply: |settings, text| {
            settings.color = match text {
                "auto" => Color::Auto,
                "always" => Color::Always,
                "never" => Color::Never,
                _ => return Err("is not auto, always or never".into()),
            };
            Ok(())
        },
    },
    Opt {
        name: "colors",
        value: Some("LIST"),
        help: "colours by severity, as in ok=green,warning=208,critical=#ff8700,exhausted=bright-red,unknown=none",
        default: Some("the host's"),
        apply: |settings, text| colour::parse(text).map(|changes| settings.colors.extend(changes)),
    },
    Opt {
        name: "urgent-exit",
        value: None,
        help: "i3blocks: exit status 33, which it shows as urgent, when a limit is exhausted",
        default: None,
        apply: |settings, text| switch(text).map(|value| settings.urgent_exit = value),
    },
    Opt {
        name: "recover",
        value: Some("HOW"),
        help: "if the login is refused: reload auth.json, then renew it (full), only reload, or off",
        default: Some("full"),
        apply: |settings, text| {
            let known = [Recover::Full, Recover::Reload, Recover::Off];
            let found = known.into_iter().find(|recover| recover.name() == text);
            settings.recover = found.ok_or("is not full, reload or off")?;
            Ok(())
        },
    },
    Opt {
        name: "codex-bin",
        value: Some("PATH"),
        help: "the codex to ask where auth.json may not be used",
        default: Some("the one on PATH"),
        apply: |settings, text| {
            settings.codex_bin = Some(PathBuf::from(text));
            Ok(())
        },
    },
    Opt {
        name: "verbose",
        value: None,
        help: "tell on stderr what was decided and why",
        default: None,
        apply: |settings, text| switch(text).map(|value| settings.verbose = value),
    },
];

impl Settings {
    /// The defaults, for a host.
    pub fn new(host: &'static Host) -> Settings {
        let builtin =
            |text, kind| Template::parse(text, kind).unwrap_or_else(|_| unreachable!("tested below"));
        Settings {
            host,
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
            color: Color::Auto,
            colors: Vec::new(),
            urgent_exit: false,
            recover: Recover::Full,
            codex_bin: None,
            verbose: false,
        }
    }

    /// Applies the environment, then what was typed (name and value), which wins.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the option or variable.
    pub fn resolve(
        host: &'static Host,
        surroundings: &Surroundings,
        typed: &[(&'static Opt, String)],
    ) -> Result<Settings, Error> {
        let mut settings = Settings::new(host);
        for option in OPTIONS {
            let variable = option.variable();
            // What was typed wins, so a broken variable behind it does not matter.
            if typed.iter().any(|(typed, _)| typed.name == option.name) {
                continue;
            }
            if let Some(text) = surroundings.text(&variable) {
                (option.apply)(&mut settings, &text)
                    .map_err(|reason| Error::Usage(format!("{variable}={}: {reason}", shown(&text))))?;
            }
        }
        for (option, text) in typed {
            (option.apply)(&mut settings, text)
                .map_err(|reason| Error::Usage(format!("--{} {}: {reason}", option.name, shown(text))))?;
        }
        Ok(settings)
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

fn percent(text: &str) -> Result<f64, String> {
    match text.trim().trim_end_matches('%').parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err("is not a percentage from 0 to 100".into()),
    }
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
        let surroundings = Surroundings::made_up(variables, || Timestamp::from_unix_seconds(0));
        let typed: Vec<(&'static Opt, String)> =
            typed.iter().map(|(name, value)| (option(name), value.to_string())).collect();
        Settings::resolve(hosts::DEFAULT, &surroundings, &typed).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_valid_and_as_the_help_says() {
        let defaults = resolve(&[], &[]).unwrap();
        for option in OPTIONS
            .iter()
            .filter(|option| !matches!(option.name, "wait" | "separator" | "codex-bin" | "colors"))
        {
            let Some(default) = option.default else { continue };
            let typed = resolve(&[], &[(option.name, default)]).unwrap();
            assert_eq!(typed.max_age, defaults.max_age);
            assert_eq!((&typed.format, &typed.window), (&defaults.format, &defaults.window));
            assert_eq!((typed.thresholds, typed.color), (defaults.thresholds, defaults.color));
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
        assert_eq!((settings.glyphs.name, settings.icon), ("nerd", Some(Icon::Text("⚡".into()))));
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
        check(&[("CODEXLINE_COLOR", "red")], &[], "CODEXLINE_COLOR='red': is not auto, always or never");
        check(&[], &[("max-age", "5M")], "--max-age '5M': is more than 1day; M are months, m are minutes");
        check(&[], &[("wait", "soon")], "--wait 'soon': is not a duration like 90s, 2m or 1h 30m");
        check(&[], &[("warn", "170")], "--warn '170': is not a percentage from 0 to 100");
        check(&[], &[("glyphs", "nrd")], "--glyphs 'nrd': is not unicode, nerd or ascii; did you mean nerd?");
        let colors = "--colors 'ok=gren': unknown colour gren; did you mean green?";
        check(&[], &[("colors", "ok=gren")], colors);
        check(&[], &[("window", "{usd}")], "--window '{usd}': unknown name {usd}; did you mean {used}?");
    }
}
